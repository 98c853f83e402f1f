"""Which arguments a backward function wants, read from its own and forward's parameters.

The conventions of public hand-written code: ``backward(dout, *primals)``, ``backward(dout, cache)``
with a forward that returns ``(out, cache)``, ``backward(dout)`` with state elsewhere, the cotangent
first or last, one cotangent per output. Anything else is spelt out: ``call="bwd(x, k, dz)"``.
"""

from __future__ import annotations

import dis
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import Outputs

COTANGENT, CACHE, OUTPUT = "<cotangent>", "<cache>", "<output>"
NEEDS_GRAD = ("needs_grad", "needs_input_grad")
"""A keyword of backward: which gradients are wanted, one flag per input."""
_OUTPUT_NAMES = ("out", "output", "outputs")
_CACHE_NAMES = ("cache", "caches", "ctx", "saved", "mem", "memory", "residuals", "tape", "stash")
_COTANGENT_NAME = re.compile(
    r"^(d[a-z_]?\w*|g|u|v|ct|cot\w*|up\w*|\w*grad\w*|delta\w*|dout|\w*error\w*)$", re.I
)


@dataclass(frozen=True, slots=True)
class Binding:
    """The positional arguments of backward, in order."""

    slots: tuple[str, ...]
    """`COTANGENT` (several: one per output), `CACHE`, or a name of forward's parameter."""
    keywords: frozenset[str] | None
    """Attributes that backward accepts; None is all."""
    sentence: str
    spare: int = 0
    """Further cotangents that backward takes optionally: ``backward(dh, dc=None)``."""
    ask: bool = False
    """Whether the second argument is a cache shows only in what forward returns."""
    named: bool = False
    """That argument is called as an input or the output is, and may be what it is called."""

    def arguments(
        self, cotangents: Outputs, primals: Mapping[str, Any], cache: Any = None
    ) -> list[Any]:
        """The positional arguments for one call."""
        if self.slots == (COTANGENT,) and 1 < len(cotangents) <= 1 + self.spare:
            return list(cotangents)
        spread = self.slots.count(COTANGENT) > 1
        queue = list(cotangents) if spread else [single(cotangents)]
        given = []
        for slot in self.slots:
            if slot == COTANGENT:
                given.append(queue.pop(0))
            else:
                given.append(cache if slot == CACHE else primals[slot])
        return given

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments for one call: what backward knows and has no position for."""
        return {
            k: v
            for k, v in attributes.items()
            if (self.keywords is None or k in self.keywords) and k not in self.slots
        }

    @property
    def with_cache(self) -> bool:
        return CACHE in self.slots


def single(cotangents: Outputs) -> Any:
    return cotangents[0] if len(cotangents) == 1 else tuple(cotangents)


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Positional parameters of a bound or plain function; empty where Python cannot tell."""
    parameters = parameters_of(function)
    if parameters is None:
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in parameters if p.kind in kinds]


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """A function's parameters, annotations evaluated; None where Python cannot tell."""
    for evaluate in (True, False):
        try:
            return list(inspect.signature(function, eval_str=evaluate).parameters.values())
        except (TypeError, ValueError):
            return None
        except Exception:  # an annotation that cannot be evaluated
            continue
    return None


def keywords_of(function: Callable[..., Any]) -> frozenset[str] | None:
    """Names that may be given as keywords; None where anything may."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_ONLY)


def bind(
    backward: Callable[..., Any],
    primals: Sequence[str],
    attributes: Sequence[str],
    call: str | None = None,
) -> Binding:
    """How to call ``backward`` for a forward with these primals and attributes.

    Raises
    ------
    UsageError
        ``call`` names something that forward does not have.
    """
    keywords = keywords_of(backward)
    if call is not None:
        return Binding(
            _explicit(call, [*primals, *attributes]), keywords, f"backward is called as {call}"
        )
    parameters = [
        p
        for p in positional(backward)
        if p.name not in NEEDS_GRAD
        and (p.name not in attributes or p.default is inspect.Parameter.empty)
    ]
    required = [
        p.name for p in parameters if p.default is inspect.Parameter.empty or p.name in primals
    ]
    known = [*primals, *(a for a in attributes if a in required)]
    names = required or [p.name for p in parameters[:1]]
    if _takes_any(backward) or not names:
        return Binding((COTANGENT, *primals), keywords, "backward(cotangent, *inputs)")
    spare = len([p for p in parameters if p.name not in names and _COTANGENT_NAME.match(p.name)])
    if len(names) == 1 and spare:
        sentence = "backward takes one cotangent per output"
        return Binding((COTANGENT,), keywords, sentence, spare=spare)
    if _is_cache(names[-1]) and len(names) > 1:
        sentence = "forward returns (out, cache), backward takes (cotangent, cache)"
        return Binding((*[COTANGENT] * (len(names) - 1), CACHE), keywords, sentence)
    if _is_cache(names[0]) and len(names) == 2:
        return Binding((CACHE, COTANGENT), keywords, "backward takes (cache, cotangent)")
    return _by_position(names, known, keywords)


def _by_position(
    names: list[str], primals: Sequence[str], keywords: frozenset[str] | None
) -> Binding:
    if len(names) > 1 and not set(names) & set(primals) and all(map(_is_cotangent, names)):
        return Binding(
            (COTANGENT,) * len(names), keywords, "backward takes one cotangent per output"
        )
    last = len(names) > 1 and names[0] in primals and names[-1] not in primals
    others = names[:-1] if last else names[1:]
    if not others:
        return Binding((COTANGENT,), keywords, "backward takes the cotangent only")
    outputs = {*_OUTPUT_NAMES, _differentiated(names[-1] if last else names[0])}
    if all(n in primals or n in outputs for n in others):
        given = [n if n in primals else OUTPUT for n in others]
        slots = (*given, COTANGENT) if last else (COTANGENT, *given)
        sentence = f"backward({', '.join('cotangent' if s == COTANGENT else s for s in slots)})"
        return Binding(slots, keywords, sentence)
    if len(others) == 1 and len(primals) != 1:
        sentence = "forward returns (out, cache), backward takes (cotangent, cache)"
        return Binding((COTANGENT, CACHE), keywords, sentence)
    misplaced = not _COTANGENT_NAME.match(names[0]) and any(map(_is_cotangent, names[1:]))
    if len(others) == len(primals) and not misplaced:
        ask = len(others) == 1
        return Binding((COTANGENT, *primals), keywords, "backward(cotangent, *inputs)", ask=ask)
    raise UsageError(
        f"cannot tell how to call backward({', '.join(names)}) for forward({', '.join(primals)}): "
        'say it with call=, for instance call="backward(dout, ' + ", ".join(primals) + ')"'
    )


def _differentiated(cotangent: str) -> str:
    """``y``, where the cotangent is called ``dy``, ``d_y``, ``grad_y`` or ``y_grad``."""
    found = re.fullmatch(r"(?:d_?|grad_)(y|y_?hat)|(y|y_?hat)_grad", cotangent)
    return (found[1] or found[2]) if found else ""


def _takes_any(backward: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(backward).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)


def _is_cotangent(name: str) -> bool:
    return bool(re.match(r"^(d[A-Z_a-z]?\w*|\w*grad\w*)$", name)) and name not in ("data", "dict")


def _is_cache(name: str) -> bool:
    return name.lower().strip("_") in _CACHE_NAMES


def _explicit(call: str, primals: Sequence[str]) -> tuple[str, ...]:
    match = re.fullmatch(r"\s*\w*\s*\(([^()]*)\)\s*", call)
    words = [w.strip() for w in match[1].split(",") if w.strip()] if match else []
    if not words:
        raise UsageError(f'call={call!r}: write it as in call="backward(x, k, dz)"')
    slots = [_slot(w, primals) for w in words]
    unknown = [w for w, s in zip(words, slots, strict=True) if s == COTANGENT]
    if len(unknown) != 1 and not all(_COTANGENT_NAME.match(w) for w in unknown):
        raise UsageError(
            f"call={call!r}: exactly one argument must be the cotangent, but {unknown} are no "
            f"parameters of forward.{did_you_mean(unknown[0] if unknown else '', primals)}"
        )
    return tuple(slots)


def _slot(word: str, primals: Sequence[str]) -> str:
    if word in primals:
        return word
    if word in _OUTPUT_NAMES:
        return OUTPUT
    return CACHE if _is_cache(word) else COTANGENT


def doubted(binding: Binding, forward: Callable[..., Any]) -> Binding:
    """Forward returns two things, and backward takes one besides the cotangent: is it a cache?"""
    of_two = len(binding.slots) == 2 and binding.slots[0] == COTANGENT
    if not of_two or binding.slots[1] in (COTANGENT, CACHE) or not _returns_two(forward):
        return binding
    return replace(binding, ask=True, named=not binding.ask)


def _returns_two(function: Callable[..., Any]) -> bool:
    """There is a ``return a, b`` in it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    steps = list(dis.get_instructions(code)) if code is not None else []
    return any(
        (a.opname, a.arg, b.opname) == ("BUILD_TUPLE", 2, "RETURN_VALUE")
        for a, b in itertools.pairwise(steps)
    )


def settled(binding: Binding, returned: Any, fits: Callable[[Binding], bool]) -> Binding:
    """What the argument besides the cotangent is, by what forward returned for some inputs.

    Where forward returns two things it is a cache. Where it is called as an input or the output is,
    forward may have two outputs: then it is one if that alone ``fits``, so that backward returns
    gradients of the inputs' shapes.
    """
    plain = replace(binding, ask=False, named=False)
    if not (isinstance(returned, tuple) and len(returned) == 2):
        return plain
    sentence = "forward returns (out, cache), backward takes (cotangent, cache)"
    cached = Binding((COTANGENT, CACHE), binding.keywords, sentence)
    if binding.named and (fits(plain) or not fits(cached)):
        return plain
    return cached


def split_cache(returned: Any) -> tuple[Any, Any]:
    """``(out, cache)`` or ``(out, out, cache)`` taken apart."""
    if not isinstance(returned, tuple) or len(returned) < 2:
        raise ValueError(
            "forward must return (out, cache): backward takes a cache as its last argument"
        )
    outputs = returned[:-1]
    return (outputs[0] if len(outputs) == 1 else outputs), returned[-1]

"""Arrays of a layer that no name pairs with a gradient: they are never compared, and that is said.

What the output does not depend on, and what forward writes anew (caches, running statistics while
training), is none of it. Of the others those are parameters by all appearances that have a gradient
of their shape and initial beside them after backward, or stand where parameters do, or are called
as they are. What is called as constants are (a mask, running statistics) is only noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.adapters.parameters import Parameter, held, still
from gradcheck.arrays import Array, same_bits

LOOKED = 32
"""Arrays that are moved to see whether the output depends on them, at most."""
NO_NAME = (
    "the output changes with it, and no gradient array pairs with it by name. Call the gradient of "
    "W dW, grad_W or W_grad, or name both: gradcheck.check_params(closure, params, gradients=...). "
    'A constant is declared: nondiff="W"'
)
_CONSTANT = re.compile(
    r"running|moving|mask|buffer|cache|state|mean|avg|var|std|ema|momentum|velocity|history|"
    r"pos|position\w*|pe|freqs?|frequencies|table|window|grid|eye|const\w*|fixed|frozen"
)
"""Words of a name that is no parameter's."""
_PARAMETER = re.compile(
    r"[wb][hfgikoqvxyz]{0,2}\d*|[uv]\d*|weights?|bias(es)?|gamma|beta|theta|params?|parameters?"
)
"""First words of a name that is a parameter's."""
_MARK = re.compile(r"^(gradient|grads?|delta|d|g)_?|_?(gradient|grads?|delta|g)$")
"""What makes a gradient's name of another."""
_HOMES = ("params", "parameters", "weights", "biases")
Outputs = tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Unpaired:
    """What is said of the arrays that are never compared."""

    names: tuple[str, ...] = ()
    """Of all that no gradient pairs with: those that ``nondiff=`` may name."""
    warned: tuple[str, ...] = ()
    """Sentences that name those that look like parameters, and say what to do."""
    notes: tuple[str, ...] = ()

    def with_paired(self, own: Sequence[Parameter], name: str) -> Unpaired:
        """Also those that are paired, of a class that is checked by its declared inputs alone."""
        if not own:
            return self
        why = (
            "of a class with a signature only the inputs are; pass an instance for its parameters, "
            f"gradcheck.op({name}(...), ...)"
        )
        told = _never([f"{p.place} (with {p.gradients or 'its gradient'})" for p in own], why)
        names = (p.name for p in own)
        return replace(self, names=(*self.names, *names), warned=(*self.warned, told))


def unpaired(
    instances: tuple[Callable[[], Any], Any, Any],
    run: Callable[[Any], Outputs | None],
    own: Sequence[Parameter],
    nondiff: Collection[str],
) -> Unpaired:
    """Look for arrays that the output depends on and that no gradient pairs with.

    Parameters
    ----------
    instances : (callable, object, object)
        Makes a copy of the layer; the copy whose arrays ``own`` are of; one after backward.
    run : callable
        The outputs of an instance's forward on the example; None where it raises.
    own : sequence of Parameter
        Those that are paired.
    nondiff : collection of str
        Names that are declared to have no gradient.
    """
    make, prototype, after = instances
    there = [p for p in held(prototype) if not _shared(p, own)]
    base = (run(make()), run(make())) if there else (None, None)
    if not _alike(*base):
        return Unpaired(names=tuple(p.name for p in there))
    left = list(_gradients_left(make, run, after, own))
    warned, notes = list[str](), list[str]()
    for candidate in there[:LOOKED]:
        if candidate.name in nondiff or not _matters(candidate, make, run, base[0]):
            continue
        beside = [g for g in left if _goes_with(g, candidate)]
        if beside:
            warned.append(f"{candidate.place} (backward leaves {beside[0].place}, of its shape)")
        elif _looks_like_a_parameter(candidate):
            warned.append(candidate.place)
        else:
            notes.append(f"{candidate.place} is held as it is: no gradient array pairs with it")
    said = (_never(warned, NO_NAME),) if warned else ()
    return Unpaired(tuple(p.name for p in there), said, tuple(notes))


def _never(places: Sequence[str], why: str) -> str:
    verb = "is" if len(places) == 1 else "are"
    return f"{', '.join(places)} {verb} never compared: {why}"


def _shared(candidate: Parameter, own: Sequence[Parameter]) -> bool:
    return any(np.may_share_memory(candidate.value, p.value) for p in own)


def _alike(first: Outputs | None, second: Outputs | None) -> bool:
    if first is None or second is None or len(first) != len(second):
        return False
    return all(same_bits(a, b) for a, b in zip(first, second, strict=True))


def _matters(
    candidate: Parameter,
    make: Callable[[], Any],
    run: Callable[[Any], Outputs | None],
    base: Outputs | None,
) -> bool:
    """Moved either way it moves the output, and forward leaves it as it is."""
    speeds = np.random.default_rng(0).uniform(0.5, 1.5, candidate.value.shape)
    for sign in (1, -1):
        by = sign * 0.125 * np.maximum(np.abs(candidate.value), 0.125) * speeds
        value = np.asarray(candidate.value + by, candidate.value.dtype)
        instance = make()
        candidate.write(instance, value)
        outputs = run(instance)
        if outputs is None or not still(instance, candidate, value):
            continue
        if not _alike(outputs, base):
            return True
    return False


def _gradients_left(
    make: Callable[[], Any],
    run: Callable[[Any], Outputs | None],
    after: Any,
    own: Sequence[Parameter],
) -> Iterator[Parameter]:
    """Arrays that backward has made or filled, and no parameter's gradient."""
    before = make()
    run(before)
    known = {path for p in own for path in p.gradient_paths}
    for array in held(after):
        if array.path not in known and not still(before, array, array.value):
            yield array


def _goes_with(gradient: Parameter, candidate: Parameter) -> bool:
    """Of its shape, and called by its name or the beginning of it: gw beside weight."""
    mine, name = _MARK.sub("", gradient.name.lower()), candidate.name.lower().strip("_")
    named = mine != gradient.name.lower() and bool(mine) and name.startswith(mine.strip("_"))
    constant = any(_CONSTANT.fullmatch(word) for word in _words(candidate.name))
    return named and not constant and gradient.value.shape == candidate.value.shape


def _looks_like_a_parameter(candidate: Parameter) -> bool:
    words = _words(candidate.name)
    if any(_CONSTANT.fullmatch(word) for word in words):
        return False
    steps = (step.lower().strip("_") for step in candidate.path if isinstance(step, str))
    last = _words(str(candidate.path[-1])) if isinstance(candidate.path[-1], str) else words
    named = any(_PARAMETER.fullmatch(word) for word in last[:1])
    return named or any(step in _HOMES for step in steps)


def _words(name: str) -> list[str]:
    return [word for word in name.lower().split("_") if word]

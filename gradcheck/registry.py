"""Ops by module and name: `register`, `op`, and the function object that carries its vjp.

The same file and qualified name again replaces (a notebook cell run twice); the same id from two
places is an error that names both.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, overload

from gradcheck.adapters import Description, adapt
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import BINARY, ONE_HOT, REAL_DOMAINS, Domain, Op, Options, Pullback

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

MARK = "__gradcheck_op__"
"""Attribute by which the pytest plugin and `gradcheck run` know an op in a module."""
OPTION_NAMES = (
    "scope",
    "strict",
    "dtypes",
    "signif",
    "overwrites",
    "valid",
    "checks",
    "nondiff",
    "domain",
    "call",
    "name",
    "example",
    "vary_sizes",
)

DOMAIN_WORDS = (*REAL_DOMAINS, ONE_HOT, BINARY)

_ops: dict[str, Op] = {}


@dataclass(frozen=True, slots=True)
class Extras:
    """Options that describe inputs or the call, not the check."""

    nondiff: tuple[str, ...] = ()
    domain: tuple[tuple[str, Any], ...] = ()
    call: str | None = None
    name: str | None = None
    example: tuple[Any, ...] = ()


class RegisteredFunction:
    """A forward function, callable as before, that carries its vjp once `def_vjp` was used."""

    def __init__(
        self, forward: Callable[..., Any], signature: str | None, given: dict[str, Any]
    ) -> None:
        functools.update_wrapper(self, forward)
        self.forward = forward
        self._signature, self._given = signature, given
        self._op: Op | None = None

    def __call__(self, *primals: Any, **attributes: Any) -> Any:
        return self.forward(*primals, **attributes)

    def def_vjp(self, backward: F) -> F:
        """Give the backward pass: ``backward(cotangent, *primals, **attributes) -> gradients``."""
        options, extras = split_options(self._given)
        description = Description(self._signature, extras.example, {}, options, extras.nondiff)
        made = adapt(self.forward, backward, description, call=extras.call, name=extras.name)
        made = with_domains(replace(made, kind="function with vjp"), extras.domain)
        self._op = add(made, self.forward.__module__, extras.name or self.forward.__name__)
        return backward

    @property
    def __gradcheck_op__(self) -> Op:
        if self._op is None:
            raise UsageError(
                f"{self.forward.__name__} is registered but has no backward pass: add\n"
                f"    @{self.forward.__name__}.def_vjp\n    def _(dout, ...): ..."
            )
        return self._op

    def vjp(self, *primals: Any, **attributes: Any) -> tuple[Any, Callable[..., Any]]:
        """The output, and a pullback from a cotangent to a tuple of gradients."""
        output, pullback = self.__gradcheck_op__.vjp(*primals, **attributes)
        return output, _spread(pullback)


def _spread(pullback: Pullback) -> Callable[..., Any]:
    def pull(*cotangents: Any) -> Any:
        return pullback(cotangents)

    return pull


class Decorator(Protocol):
    """What ``register("x[n d]")`` returns: classes come back as they are, functions with a vjp."""

    @overload
    def __call__(self, thing: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, thing: Callable[..., Any], /) -> RegisteredFunction: ...


@overload
def register(target: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]
@overload
def register(target: Callable[..., Any], /) -> RegisteredFunction: ...
@overload
def register(signature: str | None = None, /, **options: Any) -> Decorator: ...
def register(target: Any = None, /, **options: Any) -> Any:
    """Register a gate class, or a function whose vjp follows.

    Parameters
    ----------
    target : str, class or callable, optional
        A signature (``"x[n d], W[k d]"``), or the decorated thing itself where its inputs are
        described by annotations.
    **options
        ``example=(x, w)`` instead of a signature; ``scope``, ``strict``, ``dtypes``, ``signif``,
        ``valid``, ``overwrites``, ``nondiff``, ``domain``, ``call``, ``name`` as in `op`.

    Returns
    -------
    class or RegisteredFunction
        A class comes back unchanged; a function stays callable and gains ``def_vjp``.

    Raises
    ------
    UsageError
        The signature cannot be read, an option is unknown, or the name is taken elsewhere.
    """
    if target is None or isinstance(target, str):
        return lambda thing: _register(thing, target, options)
    return _register(target, None, options)


def _register(thing: Any, signature: str | None, given: dict[str, Any]) -> Any:
    if not isinstance(thing, type):
        return RegisteredFunction(thing, signature, given)
    options, extras = split_options(given)
    description = Description(signature, extras.example, {}, options, extras.nondiff)
    made = with_domains(adapt(thing, None, description, name=extras.name), extras.domain)
    setattr(thing, MARK, add(made, thing.__module__, extras.name or thing.__qualname__))
    return thing


def op(*target: Any, **options: Any) -> Op:
    """An op from functions, a class, a layer or a graph: assign it to a name in a module.

    Parameters
    ----------
    *target
        ``forward, backward`` or a class, object or fused function; then a signature
        (``"x[n c], k[c o], stride=1|2"``) or one example call.
    **options
        scope : "declared" or "forward"
        strict : bool
        dtypes : str or sequence of str, for instance "float32"
        signif : float, relative errors up to this are no failure; 0 is strict
        valid : callable, ``valid(*primals, **attributes) -> bool``
        overwrites : str or sequence of str, inputs that the op changes on purpose
        vary_sizes : bool, False where only the example's own sizes are meant
        nondiff : str or sequence of str, inputs that have no gradient
        domain : dict from input to a domain word or a Hypothesis strategy
        call : str, for instance ``"bwd(x, k, dz)"``
        name : str
        Anything else is an attribute of forward.

    Raises
    ------
    UsageError
        What was passed has none of the forms that can be checked.
    """
    given = {k: v for k, v in options.items() if k in OPTION_NAMES}
    attributes = {k: v for k, v in options.items() if k not in OPTION_NAMES}
    made = make(target, attributes, given)
    caller = sys._getframe(1).f_globals.get("__name__", "")
    return replace(made, module=str(caller))


def make(target: Sequence[Any], attributes: dict[str, Any], given: dict[str, Any]) -> Op:
    """An op from a call's positional arguments: targets, then a signature or an example."""
    if not target:
        raise UsageError("nothing to check: pass forward and backward, a gate class, or a layer")
    first, rest = target[0], list(target[1:])
    options, extras = split_options(given)
    known = vars(first).get(MARK) if isinstance(first, type) else getattr(first, MARK, first)
    if isinstance(known, Op):
        if rest or attributes:
            extra = ", ".join([*(type(r).__name__ for r in rest), *attributes])
            raise UsageError(
                f"{known.name} is an op already, with its inputs and attributes: it takes options "
                f"only, not {extra}.{did_you_mean(next(iter(attributes), ''), OPTION_NAMES) if attributes else ''}"
            )
        return with_domains(_with_options(known, options, given), extras.domain)
    if hasattr(first, "sources") and hasattr(first, "op") and callable(first.op):
        signature = rest[0] if rest and isinstance(rest[0], str) else None
        made: Op = first.op(signature)
        return with_domains(_with_options(made, options, given), extras.domain)
    backward = None
    if rest and callable(rest[0]) and not hasattr(rest[0], "dtype"):
        backward = rest.pop(0)
    signature = rest.pop(0) if rest and isinstance(rest[0], str) else None
    example = tuple(rest) or extras.example
    if signature is None and not example and extras.example == ():
        example = ()
    description = Description(signature, example, attributes, options, extras.nondiff)
    made = adapt(first, backward, description, call=extras.call, name=extras.name)
    for option in ("nondiff", "overwrites"):
        _demand_inputs(made, option, _words(given.get(option)))
    return with_domains(made, extras.domain)


def _demand_inputs(made: Op, option: str, names: Sequence[str]) -> None:
    known = [i.name for i in made.inputs]
    for name in names:
        if name not in (*known, "cotangent"):
            raise UsageError(f"{option}: there is no input {name!r}.{did_you_mean(name, known)}")


def _with_options(known: Op, options: Options, given: dict[str, Any]) -> Op:
    changed = {k: getattr(options, k) for k in given if hasattr(options, k)}
    return replace(known, options=replace(known.options, **changed)) if changed else known


def split_options(given: dict[str, Any]) -> tuple[Options, Extras]:
    """Facts about the check, and facts about inputs and call.

    Raises
    ------
    UsageError
        An option that does not exist, or a value of the wrong kind.
    """
    for key in given:
        if key not in OPTION_NAMES:
            raise UsageError(f"unknown option {key!r}.{did_you_mean(key, OPTION_NAMES)}")
    if given.get("scope") not in (None, "declared", "forward"):
        raise UsageError(f"scope={given['scope']!r}: 'declared' or 'forward'")
    options = Options(
        scope=given.get("scope"),
        strict=given.get("strict"),
        dtypes=_words(given.get("dtypes")) or None,
        signif=given.get("signif"),
        overwrites=_words(given.get("overwrites")),
        valid=given.get("valid"),
        checks=_words(given.get("checks")) or None,
        vary_sizes=bool(given.get("vary_sizes", True)),
    )
    example = given.get("example", ())
    extras = Extras(
        nondiff=_words(given.get("nondiff")),
        domain=_domains(given.get("domain")),
        call=given.get("call"),
        name=given.get("name"),
        example=tuple(example) if isinstance(example, (tuple, list)) else (example,),
    )
    return options, extras


def _domains(value: Any) -> tuple[tuple[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise UsageError(f"domain={value!r}: name the input, as in domain={{'x': 'positive'}}")
    return tuple(value.items())


def _words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return tuple(value)


def with_domains(made: Op, domains: Sequence[tuple[str, Any]]) -> Op:
    """The op with domains or strategies for some inputs.

    Raises
    ------
    UsageError
        A name that is no input.
    """
    inputs = {i.name: i for i in made.inputs}
    for name, domain in domains:
        if name not in inputs:
            raise UsageError(f"domain: there is no input {name!r}.{did_you_mean(name, inputs)}")
        if isinstance(domain, str) and domain not in DOMAIN_WORDS:
            raise UsageError(
                f"domain: {domain!r} is no domain.{did_you_mean(domain, DOMAIN_WORDS)}"
            )
        if isinstance(domain, str):
            inputs[name] = replace(inputs[name], domain=Domain(domain))
        elif isinstance(domain, Domain):
            inputs[name] = replace(inputs[name], domain=domain)
        else:
            inputs[name] = replace(inputs[name], strategy=domain)
    return replace(made, inputs=tuple(inputs.values()))


def add(made: Op, module: str, name: str) -> Op:
    """Put an op into the registry.

    Raises
    ------
    UsageError
        The id is taken by an op from another place.
    """
    made = replace(made, name=name, module=module)
    known = _ops.get(made.id)
    if known is not None and known.source.file != made.source.file:
        raise UsageError(
            f"two ops are called {made.id}: {known.source} and {made.source}; rename one"
        )
    _ops[made.id] = made
    return made

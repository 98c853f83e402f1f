"""The ways to say what is an op: `register`, `op`, `graph`, and a function that carries its vjp."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar, overload

from gradcheck.adapters import Description, adapt
from gradcheck.catalogue import add
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.frameworks import is_value
from gradcheck.graphs.calls import bound
from gradcheck.graphs.tracing import GraphFunction
from gradcheck.model import Op, Options, by_arguments
from gradcheck.node import recorder_of
from gradcheck.options import (
    OPTION_NAMES,
    Extras,
    demand_inputs,
    split_options,
    with_domains,
    words,
)

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

MARK = "__gradcheck_op__"
"""Attribute by which the pytest plugin and `gradcheck run` know an op in a module."""


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
        recorder = recorder_of([*primals, *attributes.values()])
        if recorder is not None:
            return recorder.call(self, primals, attributes)
        return self.forward(*primals, **attributes)

    def def_vjp(self, backward: F) -> F:
        """Give the backward pass: ``backward(cotangent, *primals, **attributes) -> gradients``."""
        options, extras = split_options(self._given)
        description = Description(self._signature, extras.example, {}, options, extras.nondiff)
        made = adapt(self.forward, backward, description, call=extras.call, name=extras.name)
        made = _finished(replace(made, kind="function with vjp"), self._given, extras)
        names = (extras.name or self.forward.__name__, self.forward.__qualname__)
        self._op = add(made, self.forward.__module__, names)
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
        op, given, rest = bound(self, self.__gradcheck_op__, primals, attributes)
        output, pullback = op.vjp(*given, **rest)
        return output, by_arguments(pullback)


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
        ``valid``, ``overwrites``, ``nondiff``, ``domain``, ``call``, ``name``, ``checks``,
        ``vary_sizes``, ``reference``, ``differentiates``, ``tails`` as in `op`.

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
    made = _finished(adapt(thing, None, description, name=extras.name), given, extras)
    setattr(
        thing,
        MARK,
        add(made, thing.__module__, (extras.name or thing.__qualname__, thing.__qualname__)),
    )
    return thing


class GraphDecorator(Protocol):
    """What ``graph("x[n d]")`` returns."""

    def __call__(self, function: Callable[..., Any], /) -> GraphFunction: ...


@overload
def graph(target: Callable[..., Any], /) -> GraphFunction: ...
@overload
def graph(target: str | None = None, /, **options: Any) -> GraphDecorator: ...
def graph(target: Any = None, /, **options: Any) -> Any:
    """Make a function a graph: what it calls on its arguments is recorded, and is an op.

    Parameters
    ----------
    target : str or callable, optional
        A signature (``"x[d], W[k d], lam=0.01|0.0"``), or the decorated function itself; without
        a signature, an example or annotations it is a building block of other graphs, and
        `check` takes it with an example call.
    **options
        As `register`.

    Returns
    -------
    GraphFunction
        On arrays it evaluates, on nodes of another graph it is recorded there.

    Raises
    ------
    UsageError
        The signature cannot be read, an option is unknown, or the name is taken elsewhere.
    """
    if target is None or isinstance(target, str):
        return lambda function: _graph(function, target, options)
    return _graph(target, None, options)


def _graph(function: Callable[..., Any], signature: str | None, given: dict[str, Any]) -> Any:
    if not inspect.isfunction(function):
        raise UsageError(f"@gradcheck.graph decorates a function, not {function!r}")
    options, extras = split_options(given)
    made = GraphFunction(function)
    annotated = any(hasattr(a, "dim_str") or a is float for a in _annotations(function))
    if signature is None and not extras.example and not annotated:
        return made
    description = Description(signature, extras.example, {}, options, extras.nondiff)
    op = _finished(adapt(made, None, description, name=extras.name), given, extras)
    names = (extras.name or function.__name__, function.__qualname__)
    made.made = add(op, function.__module__, names)
    return made


def _annotations(function: Callable[..., Any]) -> list[Any]:
    return [a for name, a in function.__annotations__.items() if name != "return"]


def op(*target: Any, **options: Any) -> Op:
    """An op from functions, a class, a layer or a graph: assign it to a name in a module.

    Parameters
    ----------
    *target
        ``forward, backward`` or a class, object or fused function; then a signature
        (``"x[n c], k[c o], stride=1|2"``) or one example call.
    **options
        Facts about the op; anything else is an attribute of forward.

        - ``scope``: "declared" or "forward".
        - ``strict``: bool.
        - ``dtypes``: names among "float64", "float32", "float16", "bfloat16", "mixed".
        - ``signif``: float, relative errors up to this are no failure; 0 is strict.
        - ``valid``: callable, ``valid(*primals, **attributes) -> bool``.
        - ``overwrites``: names of inputs that the op changes on purpose.
        - ``conventions``: dict, choices at kinks and ties that are demanded: ``{"x": {0: 0}}``.
        - ``vary_sizes``: bool, False where only the example's own sizes are meant.
        - ``nondiff``: names of inputs that have no gradient.
        - ``domain``: dict from input to a domain word or a Hypothesis strategy.
        - ``call``: str, for instance ``"bwd(x, k, dz)"``.
        - ``name``: str, what it is called; without it, the module's name that it is assigned to.
        - ``checks``: names of some of the checks.
        - ``example``: tuple, an example call beside a signature.
        - ``reference``: callable with forward's arguments (and then a layer's parameters): another
          implementation, called in float64; forward's values and all gradients are compared.
        - ``differentiates``: callable with forward's arguments: what a straight-through or
          surrogate backward is the gradient of.
        - ``tails``: "exact": a gradient that is 0 in a far tail, where it should be 1e-18, is a
          fail; "note": it is a note. Without a word: a fail where there is a ``reference``.
        - ``framework``: "torch" or "jax", for a plain function that takes its values and is
          described by a signature only.
        - ``device``: where a framework's values are put, as in "cuda".
        - ``order``: 2 where the gradient of the gradient is meant to be right, too.

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
    known = op_known(first)
    if isinstance(known, Op):
        if rest or attributes:
            extra = ", ".join([*(type(r).__name__ for r in rest), *attributes])
            hint = did_you_mean(next(iter(attributes)), OPTION_NAMES) if attributes else ""
            raise UsageError(
                f"{known.name} is an op already, with its inputs and attributes: it takes options "
                f"only, not {extra}.{hint}"
            )
        known = replace(_with_options(known, options, given), named=False)
        return _finished(_called(known, extras), given, extras)
    backward = None
    if rest and callable(rest[0]) and not hasattr(rest[0], "dtype") and not is_value(rest[0]):
        backward = rest.pop(0)
    signature = rest.pop(0) if rest and isinstance(rest[0], str) else None
    example = tuple(rest) or extras.example
    description = Description(signature, example, attributes, options, extras.nondiff)
    made = adapt(first, backward, description, call=extras.call, name=extras.name)
    return _finished(_called(made, extras), given, extras)


def op_known(thing: Any) -> Op | None:
    """The op that a registered thing carries, if it is one."""
    if isinstance(thing, Op):
        return thing
    if isinstance(thing, type):
        return vars(thing).get(MARK)
    if isinstance(thing, GraphFunction):
        return thing.made
    own = getattr(thing, MARK, None)
    return own if isinstance(own, Op) else None


def _called(made: Op, extras: Extras) -> Op:
    """The op under the name that ``name=`` gives it, which no module's attribute takes away."""
    return replace(made, name=extras.name, named=True) if extras.name else made


def _finished(made: Op, given: Mapping[str, Any], extras: Extras) -> Op:
    """The op with its domains; the inputs that options name exist."""
    for option in ("nondiff", "overwrites"):
        demand_inputs(made, option, words(option, given.get(option)))
    demand_inputs(made, "conventions", list(made.options.conventions))
    return with_domains(made, extras.domain)


def _with_options(known: Op, options: Options, given: dict[str, Any]) -> Op:
    changed = {k: getattr(options, k) for k in given if hasattr(options, k)}
    return replace(known, options=replace(known.options, **changed)) if changed else known

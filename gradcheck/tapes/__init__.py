"""Tape libraries: one adapter for anything with a Tensor class, and a registry of its ops."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.options import split_options
from gradcheck.tapes.building import Defaults
from gradcheck.tapes.calling import Functional, Library, Recorded
from gradcheck.tapes.registry import Tape
from gradcheck.tapes.trying import demand_arguments, demand_modules

__all__ = ["Tape", "tape"]

_PARTS = ("leaf", "value", "backward", "grad")


def tape(
    *,
    leaf: Callable[[Any], Any] | None = None,
    value: Callable[[Any], Any] | None = None,
    backward: Callable[..., Any] | None = None,
    grad: Callable[[Any], Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    constant: Callable[[Any], Any] | None = None,
    detach: Callable[[Any], Any] | None = None,
    functions: Any = (),
    scalar: bool = False,
    name: str = "",
    **options: Any,
) -> Tape:
    """A library with a tape, as a registry of its ops.

    Parameters
    ----------
    leaf : callable
        ``leaf(array)``: a Tensor that wants a gradient; of a float where ``scalar``.
    value : callable
        ``value(tensor)``: its array.
    backward : callable
        ``backward(tensor, cotangent)``, or ``backward(tensor)`` where it takes none: the output is
        then contracted with the cotangent by the library's own ``*`` and ``sum``.
    grad : callable
        ``grad(leaf)``: an array of the leaf's shape, or None.
    vjp : callable
        Instead of these four: ``vjp(f, *arrays) -> output, pullback``, for a library that
        differentiates functions; ``pullback(cotangent)`` gives a gradient for each array.
    constant : callable, optional
        ``constant(array)``: a Tensor that needs no gradient. With it every gradient is asked for
        alone, too.
    detach : callable, optional
        ``detach(tensor)``: the same value, through which no gradient flows. Default: the Tensor's
        method of that name, where it has one.
    functions : module or sequence of modules, optional
        Where `Tape.ops` looks for names before the Tensor class and its own module.
    scalar : bool, optional
        Its values are numbers, as micrograd's: an array is handed over as an array of them.
    name : str, optional
        Stands before the names of the ops, as in "mine.exp".
    **options
        As `op`, for all ops. Unless said otherwise the scope is "forward": what an op of a library
        accepts, its backward must handle.

    Returns
    -------
    Tape
        Bound to a name in a module it offers its ops to `gradcheck run` and pytest.

    Raises
    ------
    UsageError
        A part is missing, or an option is unknown.
    """
    module = str(sys._getframe(1).f_globals.get("__name__", ""))
    given = {"scope": "forward", **({"dtypes": "float64"} if scalar else {}), **options}
    _demand_known(options)
    parts = {"leaf": leaf, "value": value, "backward": backward, "grad": grad}
    library = _library(parts, vjp, constant, scalar=scalar)
    homes = tuple(functions) if isinstance(functions, (tuple, list)) else (functions,)
    demand_modules(homes)
    return Tape(library, Defaults(given, homes, detach, name, module))


def _demand_known(options: dict[str, Any]) -> None:
    per_op = ("example", "call", "name", "nondiff", "overwrites", "valid", "reference", "domain")
    split_options(options)
    for option in per_op:
        if option in options:
            raise UsageError(f"tape: {option}= is said of one op: pass it to ops() or op()")


def _library(
    parts: dict[str, Callable[..., Any] | None],
    vjp: Callable[..., Any] | None,
    constant: Callable[[Any], Any] | None,
    *,
    scalar: bool,
) -> Library:
    shape = (
        "tape(leaf=lambda a: Tensor(a), value=lambda t: t.data, "
        "backward=lambda t, cotangent: t.backward(cotangent), grad=lambda t: t.grad)"
    )
    for key, part in {**parts, "vjp": vjp, "constant": constant}.items():
        if part is not None and not callable(part):
            raise UsageError(f"tape: {key}= must be a function, not {part!r}; as in {shape}")
    if vjp is not None:
        stray = [k for k in ("leaf", "backward", "grad") if parts[k] is not None]
        if stray or scalar or constant is not None:
            more = ", ".join([*stray, *(["scalar"] * scalar), *(["constant"] * bool(constant))])
            raise UsageError(f"tape: vjp= stands for all of it; leave out {more}")
        return Functional(fused=vjp, value=parts["value"] or np.asarray)
    missing = [k for k in _PARTS if parts[k] is None]
    if missing:
        raise UsageError(
            f"tape: {', '.join(missing)} missing: {shape}, or vjp=lambda f, *xs: (y, pullback)"
        )
    made: Any = parts
    demand_arguments(made["backward"])
    return Recorded(**made, constant=constant, scalar=scalar)

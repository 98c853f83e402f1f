"""The parts of a tape, tried once before its first op: who gave the wrong one is told which."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.arrays import Array
from gradcheck.errors import UsageError
from gradcheck.plain import told

NUMERIC = "biufc"
"""Kinds of dtypes that hold numbers; those of extensions, as bfloat16, are "V"."""
_NUMBERS = "to Python scalars"
_SCALAR = "are its values numbers, as micrograd's? Then give tape(..., scalar=True)"
_NO_MODULES = (str, bytes, bool, int, float, dict, set)


def demand_modules(homes: Sequence[Any]) -> None:
    """``functions=`` holds modules, or whatever has functions as its attributes.

    Raises
    ------
    UsageError
        One is a text, a number, or a dict.
    """
    for home in homes:
        if home is None or isinstance(home, _NO_MODULES):
            raise UsageError(
                f"tape: functions={home!r}: a module or several, as in functions=mygrad"
            )


def demand_arguments(backward: Callable[..., Any]) -> None:
    """Backward takes an output, and an upstream gradient or none.

    Raises
    ------
    UsageError
        It takes nothing, or demands more.
    """
    try:
        signature = inspect.signature(backward)
    except (TypeError, ValueError):
        return
    for given in (("output", "cotangent"), ("output",)):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        return
    raise UsageError(
        f"tape: backward= is called as backward(tensor, cotangent), or as backward(tensor), and "
        f"takes {signature}; as in backward=lambda t, cotangent: t.backward(cotangent)"
    )


def tried(part: str, make: Callable[[Any], Any], value: Callable[[Any], Any], given: Any) -> Any:
    """What ``leaf=`` or ``constant=`` makes of some ones; it gives its value back.

    Raises
    ------
    UsageError
        ``make`` or ``value`` raises, or gives something else.
    """
    ones = f"np.ones(2, np.{given.dtype})" if isinstance(given, np.ndarray) else str(given)
    written = f"{part}({ones})"
    try:
        made = make(given)
    except Exception as error:
        raise UsageError(f"tape: {written} raises {type(error).__name__}: {told(error)}") from error
    if made is None:
        raise UsageError(f"tape: {written} gives None; as in {part}=lambda a: Tensor(a)")
    try:
        found = value(made)
    except Exception as error:
        raise UsageError(
            f"tape: value({written}) raises {type(error).__name__}: {told(error)}"
        ) from error
    shape = numbers(found, f"value({written})", "value=lambda t: t.data").shape
    if shape != np.shape(given):
        raise UsageError(f"tape: value({written}) has shape {shape} instead of {np.shape(given)}")
    return made


def numbers(found: Any, what: str, example: str) -> Array:
    """As an array.

    Raises
    ------
    UsageError
        It is None, a Tensor, or another thing that holds no numbers.
    """
    try:
        array = np.asarray(found)
    except Exception:
        array = np.empty((), object)
    if array.dtype.kind in NUMERIC or (array.dtype.kind == "V" and array.dtype.names is None):
        return array
    kind = "None" if found is None else f"a {type(found).__name__}"
    raise UsageError(f"tape: {what} is {kind}, no array of numbers; as in {example}")


def demand_output(output: Any) -> None:
    """A function of the library's values gives one.

    Raises
    ------
    UsageError
        It gives None.
    """
    if output is None:
        raise UsageError("the function gives None: return the library's value, or a tuple of them")


def demand_sum(product: Any) -> None:
    """Without an upstream gradient an output is contracted by the library's own ``sum``.

    Raises
    ------
    UsageError
        There is none.
    """
    if not callable(getattr(product, "sum", None)):
        raise UsageError(
            f"tape: backward= takes no upstream gradient, so that the output times it is summed, "
            f"and {type(product).__name__} has no sum(); give backward=lambda t, cotangent: ..., "
            f"or: {_SCALAR}"
        )


def hinted(error: TypeError, *, scalar: bool) -> None:
    """Adds to what Python's own functions say of arrays where they want numbers."""
    if not scalar and error.args and _NUMBERS in str(error.args[0]):
        error.args = (f"{error.args[0]}; {_SCALAR}", *error.args[1:])


def demand_pair(fused: Any) -> tuple[Any, Callable[[Any], Any]]:
    """What ``vjp=`` gives: an output and its pullback.

    Raises
    ------
    UsageError
        It gives something else.
    """
    pair = fused if isinstance(fused, (tuple, list)) else ()
    if len(pair) != 2 or not callable(pair[1]):
        raise UsageError(
            f"tape: vjp= gives {_kind(fused)}; return the output and its pullback, a function of "
            "the cotangent: vjp=lambda f, *xs: (y, pullback)"
        )
    return pair[0], pair[1]


def _kind(thing: Any) -> str:
    if isinstance(thing, (tuple, list)):
        return f"({', '.join(type(part).__name__ for part in thing)})"
    return f"a {type(thing).__name__}"


def demand_as_many(parts: Sequence[Any], inputs: int) -> None:
    """The pullback of ``vjp=`` has a gradient for each array.

    Raises
    ------
    UsageError
        There are more, or fewer.
    """
    if len(parts) != inputs:
        raise UsageError(
            f"tape: arrays given to vjp=: {inputs}, gradients from its pullback: {len(parts)}; one "
            "for each, None where there is none"
        )

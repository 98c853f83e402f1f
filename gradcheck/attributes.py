"""Keyword attributes of forward, and which other values of them are worth a case.

An example call shows one value of each. From its type, its name and the words in the source come
others: forward may refuse them, and then they were none.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

import numpy as np

from gradcheck.constants import Constants
from gradcheck.model import Attribute

_NOT_MATHEMATICS = ("verbose", "debug", "inplace", "out", "seed", "rng", "copy", "retain", "cache")
"""Flags whose other value does not change the function, or takes the cache away from backward."""
MODES = ("train", "training", "is_training", "train_flg", "mode", "test", "evaluate", "inference")
"""Flags for another mode, in which backward is usually never called: made up, not declared."""
_AXES = ("axis", "dim", "axes", "dims", "axis1", "axis2", "dim0", "dim1", "source", "destination")
_SIGNED = ("offset", "diagonal", "diag", "shift", "shifts", "roll")
"""Integers that may well be negative."""
_SLOPES = ("alpha", "slope", "negative_slope", "leak", "leakiness", "weight", "c", "scale")
"""Floats that may well be negative."""
_COUNTS = (
    *("s", "d", "k", "g", "r", "stride", "dilation", "kernel", "pool", "window", "size"),
    *("group", "scale", "factor", "block", "head", "num_head", "repeat", "rep"),
)
"""Integers that are at least 1, also in the plural or with a suffix such as ``_size``."""
_FAMILIES = (
    ("U", "L"),
    ("upper", "lower"),
    ("N", "T"),
    ("left", "right"),
    ("mean", "sum", "none"),
    ("max", "avg", "min"),
    ("valid", "same", "full"),
    ("VALID", "SAME"),
    ("constant", "reflect", "edge", "wrap"),
    ("nearest", "linear"),
    ("relu", "tanh", "sigmoid"),
)
"""Words that come together: where a default is one of them, the others are tried."""
_MOST = 8
"""Made-up values of one attribute."""


def attributes_of(
    parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any], rank: int
) -> tuple[Attribute, ...]:
    """Keyword attributes of forward: the example's or the default's value, and others to try."""
    found = []
    for name, parameter in parameters.items():
        if name in given:
            value = given[name]
        elif parameter.default is not inspect.Parameter.empty:
            value = parameter.default
        else:
            continue
        declared = _literals(parameter.annotation)
        others = tuple(v for v in declared if v != value)
        made_up = () if declared else other_values(name, value, rank)
        found.append(Attribute(name, (value, *others), made_up))
    extra = [n for n in given if n not in parameters]
    return (*found, *(Attribute(n, (given[n],)) for n in extra))


def _literals(annotation: Any) -> tuple[Any, ...]:
    if isinstance(annotation, str):  # postponed: from __future__ import annotations
        match = re.fullmatch(r"(?:\w+\.)*Literal\[(.*)\]", annotation)
        return tuple(ast.literal_eval(f"[{match[1]}]")) if match else ()
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def other_values(name: str, value: Any, rank: int) -> tuple[Any, ...]:
    """Other values of an attribute, from its type; only plainly mathematical ones."""
    if any(word in name.lower() for word in _NOT_MATHEMATICS):
        return ()
    tried: tuple[Any, ...] = ()
    if isinstance(value, bool):
        tried = (not value,)
    elif isinstance(value, enum.Enum):
        tried = tuple(type(value))
    elif name.lower() in _AXES:
        tried = _axes(value, rank)
    elif isinstance(value, int):
        tried = _integers(name, value)
    elif isinstance(value, float) and np.isfinite(value):
        tried = _floats(name, value)
    elif isinstance(value, str):
        tried = tuple(w for family in _FAMILIES if value in family for w in family)
    elif isinstance(value, tuple) and value and all(type(v) is int for v in value):
        tried = _tuples(value)
    return _distinct(tried, (value,))


def _axes(value: Any, rank: int) -> tuple[Any, ...]:
    """Every axis, counted from both ends; of several axes also none, one, and all."""
    if value is None or isinstance(value, int):
        return tuple(range(-rank, rank))
    if not isinstance(value, tuple):
        return ()
    negative = tuple(v - rank for v in value if isinstance(v, int))
    return ((), (0,), (-1,), tuple(range(rank)), negative, value[::-1])


def _integers(name: str, value: int) -> tuple[int, ...]:
    near = (0, 1, value - 1, value + 1, 2 * value)
    if name.lower() in _SIGNED:
        return (*near, -1, -2)
    stem = name.lower().removesuffix("_size")
    least = int(stem in _COUNTS or stem.rstrip("s") in _COUNTS)
    return tuple(v for v in near if v >= least or value < 0)


def _floats(name: str, value: float) -> tuple[float, ...]:
    """Half and double; the ends and quarters of the unit interval; a sign where it is a slope."""
    tried: tuple[float, ...] = (value / 2, value * 2) if value else (0.5,)
    if 0 < value < 1:
        tried += (0.25, 0.75, 0.0)
    if name.lower() in _SLOPES:
        tried += (-value if value else -0.5,)
    return tried


def _tuples(value: tuple[int, ...]) -> tuple[Any, ...]:
    """Another order, and one element more or less: strides, kernels, permutations."""
    if sorted(value) == list(range(len(value))):
        return (value[::-1], (*value[1:], value[0]), tuple(range(len(value))))
    return (value[::-1], (value[0] + 1, *value[1:]), (*value[:-1], value[-1] + 1))


def _distinct(tried: Iterable[Any], known: tuple[Any, ...]) -> tuple[Any, ...]:
    """Each once, without those known; ``True`` and ``1`` are different values."""
    kept: list[Any] = []
    for value in tried:
        if not any(type(k) is type(value) and k == value for k in (*known, *kept)):
            kept.append(value)
    return tuple(kept[:_MOST])


def guessed_numbers(attributes: Sequence[Attribute], chosen: Mapping[str, int]) -> int:
    """How many attributes are at a number that nobody declared; ``chosen``: values by place.

    A flag, an axis or a known word has few other values, and they are meant. A number that is near
    the example's may break a relation to another one (padding and kernel).
    """
    return sum(
        chosen.get(a.name, 0) >= len(a.values)
        and a.name.lower() not in _AXES
        and isinstance(a.values[0], (int, float, tuple))
        and not isinstance(a.values[0], bool)
        for a in attributes
    )


def with_constants(attributes: tuple[Attribute, ...], known: Constants) -> tuple[Attribute, ...]:
    """Words and integers that the source compares with something, as values to try.

    Only where attributes are guessed; which constant belongs to which is forward's to say.
    """
    return tuple(_with_constants(a, known) for a in attributes)


def _with_constants(attribute: Attribute, known: Constants) -> Attribute:
    value = attribute.values[0]
    if len(attribute.values) > 1 or not (attribute.made_up or isinstance(value, str)):
        return attribute
    more: tuple[Any, ...] = ()
    if isinstance(value, str):
        more = known.words if value in known.words or not attribute.made_up else ()
    elif type(value) is int and attribute.name.lower() not in _AXES:
        whole = [int(c) for c in known.compared if c == int(c) and 0 <= c <= 64]
        more = tuple(v for c in whole for v in (c - 1, c, c + 1) if v >= 0)
    return replace(attribute, made_up=_distinct((*attribute.made_up, *more), (value,)))

"""What one example call tells about an op's inputs, and what is assumed from it.

Sizes that are equal in the example are one dimension; signs, integer ranges, rows that sum to one
and symmetry are noticed. Every assumption is a sentence in the report.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.errors import UsageError
from gradcheck.floats import FORMATS, eps_of
from gradcheck.model import (
    BINARY,
    BOOLEAN,
    INDEX,
    NEGATIVE,
    NONNEGATIVE,
    ONE_HOT,
    POSITIVE,
    REAL,
    SIMPLEX,
    SYMMETRIC,
    Domain,
    Input,
)

FEW = 3
"""Fewer numbers than this say nothing of their sign: forward is asked instead (`probe`)."""

Place = tuple[int, int | str | None]
"""A position, and the index or key in the list or dict of arrays that stands there."""


@dataclass(frozen=True, slots=True)
class Reading:
    inputs: tuple[Input, ...]
    values: tuple[Array, ...]
    """The example of each input."""
    places: tuple[Place, ...]
    """Where each input stands among forward's positional arguments."""
    tuples: frozenset[int]
    """Positions at which a tuple of arrays stands."""
    constants: Mapping[int, Any]
    """Positional arguments that are no arrays: dicts, strings, flags; handed over as they are."""
    assumptions: tuple[str, ...]


def read(
    names: Sequence[str], arguments: Sequence[Any], *, has_parameters: bool = False
) -> Reading:
    """Sort the arguments of an example call into inputs and constants.

    ``has_parameters``: the op has real inputs of its own, so integers may stay integers.

    Raises
    ------
    UsageError
        There is no real array or number among them, or one of a dtype that is not supported.
    """
    arrays = _arrays(names, arguments)
    assumptions = []
    if not has_parameters and not any(is_real(a) for a in arrays.values()):
        _demand_numbers(arrays, names, arguments)
        arrays = {k: a.astype(np.float64) for k, a in arrays.items()}
        assumptions.append("the example has integers only: taken as real numbers")
    taken = {place[0] for place in arrays}
    constants = {k: a for k, a in enumerate(arguments) if k not in taken}
    dims = _dimensions(list(arrays.values()))
    inputs = []
    for ((k, j), array), own in zip(arrays.items(), dims, strict=True):
        given = arguments[k][j] if isinstance(j, str) else arguments[k]
        scalar = array.ndim == 0 and not isinstance(given, np.ndarray)
        name = names[k] if j is None else f"{names[k]}_{j}"
        inputs.append(_input(name, array, own, scalar))
    assumptions += [_sentence(i) for i in inputs]
    for k in constants:
        assumptions.append(f"{names[k]}: {type(constants[k]).__name__}, handed over as it is")
    return Reading(
        inputs=tuple(inputs),
        values=tuple(arrays.values()),
        places=tuple(arrays),
        tuples=frozenset(
            k for k in taken if (k, None) not in arrays and isinstance(arguments[k], tuple)
        ),
        constants=constants,
        assumptions=tuple(assumptions),
    )


def _arrays(names: Sequence[str], arguments: Sequence[Any]) -> dict[Place, Array]:
    """The arguments that are arrays, numbers, or lists of arrays, by place."""
    if all(isinstance(a, (int, float, np.number)) for a in arguments) and any(
        isinstance(a, (float, np.floating)) for a in arguments
    ):  # a gate of numbers: 3 is a number as one writes it, not an index
        arguments = [float(a) if type(a) is int else a for a in arguments]
    arrays: dict[Place, Array] = {}
    for k, argument in enumerate(arguments):
        if _is_input(argument):
            arrays[k, None] = _as_array(names[k], argument)
        elif _is_list_of_arrays(argument):
            for position, item in enumerate(argument):
                arrays[k, position] = _as_array(f"{names[k]}_{position}", item)
    if any(is_real(a) for a in arrays.values()):
        return arrays  # a dict beside real inputs holds options
    for k, argument in enumerate(arguments):
        if _is_dict_of_arrays(argument):
            for key, item in argument.items():
                arrays[k, key] = _as_array(f"{names[k]}_{key}", item)
    return dict(sorted(arrays.items(), key=lambda placed: placed[0][0]))


def _demand_numbers(
    arrays: Mapping[Place, Array], names: Sequence[str], arguments: Sequence[Any]
) -> None:
    """Among arguments without a real one there are integers at least.

    Raises
    ------
    UsageError
        There is nothing to differentiate.
    """
    if arrays and all(a.dtype.kind != "b" for a in arrays.values()):
        return
    dicts = [names[k] for k, a in enumerate(arguments) if isinstance(a, dict)]
    if dicts:
        raise UsageError(
            f"{dicts[0]} is a dict, and holds more than arrays by name, so nothing in it is "
            "differentiated: pass arrays as arguments of their own, or check a model with "
            "gradcheck.check_params(closure, params)"
        )
    raise UsageError(
        "the example call has no real input to differentiate: pass at least one float array"
    )


def _is_input(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, str, bytes, dict)) or value is None:
        return False
    if isinstance(value, (int, float, complex, np.generic, np.ndarray)):
        return True
    if isinstance(value, (list, tuple)) and value and not _is_list_of_arrays(value):
        try:
            return np.asarray(value).dtype.kind in "fc"
        except ValueError:
            return False
    return False


def _is_list_of_arrays(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(v, np.ndarray) and (is_real(v) or v.dtype.kind in "iu") for v in value)
    )


def _is_dict_of_arrays(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(k, str) for k in value)
        and all(_is_input(v) and not isinstance(v, (list, tuple)) for v in value.values())
        and any(is_real(np.asarray(v)) for v in value.values())
    )


def _as_array(name: str, value: Any) -> Array:
    array = np.array(value)  # a copy: forward may write into what it is given
    if array.dtype.kind == "c":
        raise UsageError(f"{name} is complex: complex inputs are not supported")
    if is_real(array) and str(array.dtype) not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"{name} is {array.dtype}: ops are judged in {known}, never silently cast")
    if is_real(array) and not np.isfinite(array).all():
        raise UsageError(f"the example's {name} holds NaN or infinity: give finite numbers")
    if array.dtype.kind not in "iub" and not is_real(array):
        raise UsageError(f"{name} is an array of {array.dtype}: pass real numbers or integers")
    return array


def _dimensions(arrays: Sequence[Array]) -> list[tuple[str | int, ...]]:
    """Equal sizes are one dimension; sizes 0 and 1 are themselves."""
    letters = iter(string.ascii_lowercase[13:] + string.ascii_lowercase[:13])
    known: dict[int, str] = {}
    found = []
    for array in arrays:
        dims: list[str | int] = []
        for size in array.shape:
            if size > 1 and size not in known:
                known[size] = next(letters)
            dims.append(known[size] if size > 1 else size)
        found.append(tuple(dims))
    return found


def _input(name: str, array: Array, dims: tuple[str | int, ...], scalar: bool) -> Input:
    domain = _domain(array)
    labels = domain.kind == ONE_HOT
    return Input(
        name,
        dims,
        domain,
        differentiable=is_real(array) and not labels,
        optional=True,
        scalar=scalar,
    )


def _domain(array: Array) -> Domain:
    if is_real(array):
        array, within = array.astype(np.float64), max(1e-6, 4 * eps_of(array.dtype))
    if array.dtype.kind == "b":
        return Domain(BOOLEAN)
    if array.dtype.kind in "iu":
        low = min(0, int(array.min())) if array.size else 0
        return Domain(INDEX, low, None, int(array.max()) + 1 if array.size else 1)
    if array.size == 0 or not np.isfinite(array).all():
        return Domain(REAL)
    if array.ndim and array.shape[-1] > 1 and (array >= 0).all():
        rows = array.reshape(-1, array.shape[-1])
        if np.allclose(rows.sum(axis=1), 1, rtol=0, atol=within):
            hot = ((rows == 1).sum(axis=1) == 1).all() and ((rows == 0) | (rows == 1)).all()
            return Domain(ONE_HOT if hot else SIMPLEX)
    if array.size > 1 and set(np.unique(array)) == {0.0, 1.0}:
        return Domain(BINARY)
    if _symmetric(array):
        return Domain(SYMMETRIC)
    return replace(_sign(array), size=float(np.abs(array).max()) or None)


def _sign(array: Array) -> Domain:
    if array.size < FEW:
        return Domain(REAL)
    if (array > 0).all():
        return Domain(POSITIVE)
    if (array < 0).all():
        return Domain(NEGATIVE)
    if (array >= 0).all() and (array > 0).any():
        return Domain(NONNEGATIVE)
    return Domain(REAL)


def _symmetric(array: Array) -> bool:
    """Symmetric and not merely diagonal."""
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 2:
        return False
    diagonal = bool((array == np.diag(np.diag(array))).all())
    return not diagonal and np.array_equal(array, array.T)


def _sentence(input: Input) -> str:
    shape = f"[{' '.join(map(str, input.dims))}]"
    what = str(input.domain)
    if input.domain.kind == ONE_HOT:
        what += ": labels"
    if not input.differentiable:
        what += ", not differentiated"
    return f"{input.name}{shape}: {what}"

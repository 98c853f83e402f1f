"""Shapes: summing over what was broadcast, and refusing what an op does not support."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum `gradient` over the axes that broadcasting added to, or stretched from, `shape`.

    A value used in several places has several successors, and its gradient is the sum over them.
    The result is always a new array, also where there is nothing to sum.
    """
    used = np.shape(gradient)
    if used == shape:
        return np.array(gradient)
    added = len(used) - len(shape)
    stretched = tuple([i for i, n in enumerate(used) if i < added or shape[i - added] != n])
    summed: Array = np.add.reduce(gradient, axis=stretched)
    return summed.reshape(shape)


def kept_shape(x: Array, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of a reduction of `x` over `axis` that keeps the reduced axes with size 1."""
    if axis is None:
        return (1,) * np.ndim(x)
    return np.shape(np.sum(x, axis=axis, keepdims=True))  # NumPy itself says which axes it takes


def spread(dy: Array, x: Array, axis: int | tuple[int, ...] | None) -> Array:
    """The gradient of a reduction of `x` over `axis`, with or without keepdims, as a view like x.

    Each entry that was reduced over sees the same dy; the view is read-only, as they share it.
    """
    return np.broadcast_to(np.reshape(dy, kept_shape(x, axis)), np.shape(x))


def filled(dy: Array, x: Array, axis: int | tuple[int, ...] | None) -> Array:
    """`spread`, as an array of its own."""
    made = np.empty(np.shape(x), np.asarray(dy).dtype)
    made[...] = np.reshape(dy, kept_shape(x, axis))
    return made


def flat_places(x: Array) -> Array:
    """Where each entry of `x` lies in a flat x, in the shape of x."""
    return np.reshape(np.arange(np.size(x)), np.shape(x))


def sent_back(dy: Array, places: Array, x: Array) -> Array:
    """The gradient of y = x.flat[places]: each dy goes where its value came from, and adds up."""
    dx = np.zeros(np.size(x), x.dtype)
    np.add.at(dx, places, dy)
    return np.reshape(dx, np.shape(x))


def require(condition: bool, message: str) -> None:
    """Refuse an input: raise a ValueError that says why."""
    if not condition:
        raise ValueError(message)


def require_one_by_one(name: str, operands: tuple[Any, ...]) -> None:
    """Refuse NumPy's list of arrays, and its text before them: they would be taken for arrays."""
    one_by_one = not any(isinstance(a, (str, list, tuple)) for a in operands)
    require(one_by_one, f"{name} takes its arrays one by one, the rest by name: {name}(a, b, ...)")


def require_indices(name: str, indices: Array, count: int) -> None:
    """Refuse indices that are not integers from 0 to `count` - 1; negative ones do not wrap."""
    dtype = np.asarray(indices).dtype
    require(np.issubdtype(dtype, np.integer), f"{name} must hold integers, got {dtype}")
    if np.size(indices):
        low, high = np.min(indices), np.max(indices)
        inside = bool(low >= 0 and high < count)
        require(inside, f"{name} must be at least 0 and below {count}, got {low} to {high}")

"""From many numbers to fewer: sums, moments, extremes, products, norms.

Each takes an axis, several or None for all, and ``keepdims``, as NumPy's functions do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

import gradcheck
from reference_ops._shapes import Array, filled, kept_shape, spread
from reference_ops.probabilities import log_total

Axis = int | tuple[int, ...] | None
EVENLY = tuple(1 / k for k in range(2, 100))
"""Shares of the slope that a tie of so many entries may get."""


def _axes(x: Array, axis: Axis) -> tuple[int, ...]:
    return normalize_axis_tuple(range(np.ndim(x)) if axis is None else axis, np.ndim(x))


def _count(x: Array, axis: Axis) -> int:
    """How many entries of `x` are reduced to one."""
    return np.size(x) if axis is None else math.prod(np.shape(x)[k] for k in _axes(x, axis))


def _enough(x: Array, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> bool:
    """There are more than `ddof` numbers to reduce, or no result."""
    return _count(x, axis) > ddof or 0 in kept_shape(x, axis)


def _require_enough(name: str, x: Array, axis: Axis, ddof: int = 0) -> None:
    if not _enough(x, axis, ddof):
        raise ValueError(f"{name} of {_count(x, axis) or 'no'} numbers with ddof={ddof}")


@gradcheck.register("x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True", scope="forward")
def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = sum of x over `axis`; each summand gets dy: + distributes (CS224N lecture 4).

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    return np.sum(x, axis=axis, keepdims=keepdims)


@sum.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    return (filled(dy, x, axis),)


@gradcheck.register("x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True", scope="forward")
def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = mean of x over `axis`; each of the m summands gets dy / m. Of no numbers: refused.

    >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([2., 3.])
    """
    _require_enough("mean", x, axis)
    return np.asarray(x).mean(axis=axis, keepdims=keepdims)


@mean.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    return (filled(dy / _count(x, axis), x, axis),)


def _centred(x: Array, axis: Axis) -> Array:
    """x - its mean. Equal numbers give exact zeros, because their mean is then that of zeros."""
    above = x - np.min(x, axis=axis, keepdims=True)
    return np.asarray(above - np.mean(above, axis=axis, keepdims=True))


@gradcheck.register(
    "x[n m 2], axis=None|0|-1|(0, -1), ddof=0|1, keepdims=False|True",
    scope="forward",
    valid=_enough,
)
def var(x: Array, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """y = sum (x - mean)^2 / (m - ddof) over `axis`; dx = 2 (x - mean) dy / (m - ddof).

    The mean moves too, but adds nothing: the x - mean sum to 0 (NumPy, var). Refuses m <= ddof.

    >>> var(np.array([1.0, 2.0, 3.0]), ddof=1)
    np.float64(1.0)
    """
    _require_enough("var", x, axis, ddof)
    squares = np.sum(np.square(_centred(x, axis)), axis=axis, keepdims=keepdims)
    return squares / (_count(x, axis) - ddof)


@var.def_vjp
def _(
    dy: Array, x: Array, axis: Axis = None, ddof: int = 0, keepdims: bool = False
) -> tuple[Any, ...]:
    return (2 / (_count(x, axis) - ddof) * _centred(x, axis) * spread(dy, x, axis),)


def _polar(x: Array, axis: Axis) -> tuple[Array, Array]:
    """x / |x| and |x|, with kept axes; the direction of 0 is 0.

    Divided by the largest entry first: squares of 1e200 would be infinite, of 1e-200 zero.
    """
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    largest = np.where(np.greater(largest, 0), largest, 1)
    scaled = x / largest
    root = np.sqrt(np.sum(np.square(scaled), axis=axis, keepdims=True))
    return scaled / np.where(np.greater(root, 0), root, 1), largest * root


@gradcheck.register(
    "x[n m 2], axis=None|0|-1|(0, -1), ddof=0|1, keepdims=False|True",
    scope="forward",
    valid=_enough,
    conventions={"x": {"tie": 0}},
)
def std(x: Array, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """y = sqrt(var(x)) over `axis`; dx = (x - mean) dy / ((m - ddof) y) (chain rule; NumPy, std).

    Where all are equal: slope 0, the middle of the slopes to both sides (PyTorch has NaN there).
    Refuses m <= ddof.

    >>> std(np.array([1.0, 2.0, 3.0]), ddof=1)
    np.float64(1.0)
    """
    _require_enough("std", x, axis, ddof)
    _, length = _polar(_centred(x, axis), axis)
    y = length / math.sqrt(_count(x, axis) - ddof)
    return y if keepdims else np.squeeze(y, _axes(x, axis))[()]


@std.def_vjp
def _(
    dy: Array, x: Array, axis: Axis = None, ddof: int = 0, keepdims: bool = False
) -> tuple[Any, ...]:
    direction, _ = _polar(_centred(x, axis), axis)
    return (direction / math.sqrt(_count(x, axis) - ddof) * spread(dy, x, axis),)


@gradcheck.register(
    "x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True",
    scope="forward",
    conventions={"x": {0: 0}},
)
def norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = sqrt(sum x^2) over `axis`; dx = x dy / y (chain rule; NumPy, linalg.norm).

    Where all are 0: slope 0, as in PyTorch.

    >>> norm(np.array([3.0, -4.0]))
    np.float64(5.0)
    """
    _, y = _polar(x, axis)
    return y if keepdims else np.squeeze(y, _axes(x, axis))[()]


@norm.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    direction, _ = _polar(x, axis)
    return (direction * spread(dy, x, axis),)


@gradcheck.register(
    "x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True",
    scope="forward",
    conventions={"x": {"tie": EVENLY}},
)
def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = largest of x over `axis`; dx = dy there, 0 elsewhere: max routes (CS224N lecture 4).

    Where several are the largest, dy is split evenly, as in torch.amax. Of no numbers: refused.

    >>> max(np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
    array([2., 4.])
    """
    return np.max(x, axis=axis, keepdims=keepdims)


@max.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    return (_routed(dy, x, np.max(x, axis=axis, keepdims=True), axis),)


@gradcheck.register(
    "x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True",
    scope="forward",
    conventions={"x": {"tie": EVENLY}},
)
def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = smallest of x over `axis`; dx = dy there, 0 elsewhere (-max of -x).

    Where several are the smallest, dy is split evenly, as in torch.amin. Of no numbers: refused.

    >>> min(np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
    array([1., 3.])
    """
    return np.min(x, axis=axis, keepdims=keepdims)


@min.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    return (_routed(dy, x, np.min(x, axis=axis, keepdims=True), axis),)


def _routed(dy: Array, x: Array, extreme: Array, axis: Axis) -> Array:
    there, dx = np.equal(x, extreme), spread(dy, x, axis)
    return np.where(there, dx / np.sum(there, axis=axis, keepdims=True, dtype=dx.dtype), 0)


@gradcheck.register("x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True", scope="forward")
def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = log sum exp(x) over `axis`; dx = softmax(x) dy (Boyd & Vandenberghe 2004, sec. 3.1.5).

    The largest x is taken off first: no overflow. Refuses a sum of no numbers, whose log is -inf.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    largest = np.max(x, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0)  # of -inf alone: log 0
    y = largest + log_total(x - largest, axis)
    return y if keepdims else np.squeeze(y, _axes(x, axis))[()]


@logsumexp.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return (e / np.sum(e, axis=axis, keepdims=True) * spread(dy, x, axis),)


@gradcheck.register("x[n m 2], axis=None|0|-1|(0, -1), keepdims=False|True", scope="forward")
def prod(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = product of x over `axis`; dx_i = (product of the others) dy (product rule).

    The products before and after i are multiplied, and y is not divided by x_i: x may be 0.

    >>> prod(np.array([2.0, 3.0, 4.0]))
    np.float64(24.0)
    """
    return np.prod(x, axis=axis, keepdims=keepdims)


@prod.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    reduced = _axes(x, axis)
    last = tuple(range(-len(reduced), 0))
    moved = np.moveaxis(x, reduced, last)
    rows = np.reshape(moved, (*kept_shape(x, axis), _count(x, axis)))
    others = _before(rows) * _before(rows[..., ::-1])[..., ::-1]
    return (np.moveaxis(np.reshape(others, moved.shape), last, reduced) * spread(dy, x, axis),)


def _before(rows: Array) -> Array:
    """At each place of the last axis, the product of all before it."""
    shifted = np.ones_like(rows)
    shifted[..., 1:] = rows[..., :-1]
    return np.asarray(np.cumprod(shifted, axis=-1))


@gradcheck.register("x[...], axis=None|0|-1", scope="forward")
def cumsum(x: Array, axis: int | None = None) -> Any:
    """y_j = x_1 + ... + x_j along `axis`, None: of all in a row; dx_i = sum of dy_j, j >= i.

    >>> cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    return np.cumsum(x, axis=axis)


@cumsum.def_vjp
def _(dy: Array, x: Array, axis: int | None = None) -> tuple[Any, ...]:
    along = axis or 0  # None: dy is one row
    return (np.reshape(np.flip(np.cumsum(np.flip(dy, along), along), along), np.shape(x)),)


@gradcheck.register("x[...], axis=None|0|-1", scope="forward")
def cumprod(x: Array, axis: int | None = None) -> Any:
    """y_j = x_1 ... x_j along `axis`, None: of all in a row; dx_i = x_1 ... x_(i-1) s_i.

    s_i = dy_i + x_(i+1) s_(i+1): Horner's rule for the sum over j of what follows i in y_j, so that
    nothing is divided by x_i, which may be 0 (product rule; NumPy, cumprod).

    >>> cumprod(np.array([1.0, 2.0, 3.0]))
    array([1., 2., 6.])
    """
    return np.cumprod(x, axis=axis)


@cumprod.def_vjp
def _(dy: Array, x: Array, axis: int | None = None) -> tuple[Any, ...]:
    along = axis or 0  # None: dy is one row
    rows = np.moveaxis(np.reshape(x, np.shape(dy)), along, -1)
    s = np.array(np.moveaxis(dy, along, -1))
    for i in reversed(range(s.shape[-1] - 1)):
        s[..., i] += rows[..., i + 1] * s[..., i + 1]
    return (np.reshape(np.moveaxis(_before(rows) * s, -1, along), np.shape(x)),)

"""Signals and images at another size, as PyTorch's ``interpolate`` without a scale factor.

x is (n, c, ...): every axis after the second is resized, one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require
from reference_ops._windows import per_axis

Sizes = int | tuple[int, ...]


def _lengths(x: Array, size: Sizes) -> list[tuple[int, int]]:
    """Old and new length of each axis that is resized."""
    lengths = np.shape(x)[2:]
    fits = len(lengths) > 0 and min(lengths) > 0
    require(fits, f"x must be (n, c, ...), its last axes not empty, got {np.shape(x)}")
    return list(zip(lengths, per_axis("size", size, len(lengths), 1), strict=True))


@gradcheck.register("x[2 c h w], size=5|2|1|(2, 6)", scope="forward")
def interpolate_nearest(x: Array, size: Sizes) -> Any:
    """y[t] = x[floor(t n / m)], for n entries resized to m; dx sums the dy of all copies.

    The entry at or before the place t n / m, not the nearest to it, as in PyTorch (interpolate,
    mode "nearest"). Over several axes: the same along each. Refused: fewer than three axes, and
    axes to be resized that are or would be empty.

    >>> interpolate_nearest(np.array([[[1.0, 2.0, 3.0]]]), size=5)
    array([[[1., 1., 2., 2., 3.]]])
    """
    return x[_copied(x, size)]


def _copied(x: Array, size: Sizes) -> tuple[Any, ...]:
    return (..., *np.ix_(*(np.arange(m) * n // m for n, m in _lengths(x, size))))


@interpolate_nearest.def_vjp
def _(dy: Array, x: Array, size: Sizes) -> tuple[Any, ...]:
    dx = np.zeros(x.shape, dy.dtype)
    np.add.at(dx, _copied(x, size), dy)  # += would keep only one of the copies
    return (dx,)


def _matrix(n: int, m: int, align_corners: bool) -> Array:
    """Row t: how much each of n entries weighs in entry t of m."""
    t = np.arange(m)
    if align_corners:
        place = t * ((n - 1) / max(m - 1, 1))
    else:
        place = np.maximum((t + 0.5) * (n / m) - 0.5, 0)
    before = np.minimum(place.astype(int), n - 1)
    after = np.minimum(before + 1, n - 1)
    matrix = np.zeros((m, n))
    matrix[t, before] = 1 - (place - before)
    matrix[t, after] += place - before
    return matrix


def _matrices(axes: int, x: Array, size: Sizes, align_corners: bool) -> list[Array]:
    require(np.ndim(x) == axes + 2, f"x must have {axes + 2} axes, got {np.shape(x)}")
    return [_matrix(n, m, align_corners).astype(x.dtype) for n, m in _lengths(x, size)]


def _resized(x: Array, matrices: list[Array]) -> Array:
    """One matrix along each of the last axes."""
    for k, matrix in enumerate(matrices):
        axis = k - len(matrices)
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis)
    return x


@gradcheck.register("x[n 2 l], size=5|2|1, align_corners=False|True", scope="forward")
def interpolate_linear(x: Array, size: Sizes, align_corners: bool = False) -> Any:
    """y = x M', M[t] the weights of the two entries around place p(t); dx = dy M.

    For n entries resized to m, p(t) = (t + 1/2) n / m - 1/2, not below 0 nor above n - 1; with
    align_corners t (n - 1) / (m - 1), so that the ends are kept, and 0 where m = 1 (PyTorch,
    interpolate, mode "linear"). Refused: other ranks, and an axis that is or would be empty.

    >>> interpolate_linear(np.array([[[1.0, 2.0, 4.0]]]), size=5, align_corners=True)
    array([[[1. , 1.5, 2. , 3. , 4. ]]])
    """
    return _resized(x, _matrices(1, x, size, align_corners))


@interpolate_linear.def_vjp
def _(dy: Array, x: Array, size: Sizes, align_corners: bool = False) -> tuple[Any, ...]:
    return (_resized(dy, [m.T for m in _matrices(1, x, size, align_corners)]),)


@gradcheck.register("x[2 c h w], size=5|2|1|(2, 6), align_corners=False|True", scope="forward")
def interpolate_bilinear(x: Array, size: Sizes, align_corners: bool = False) -> Any:
    """y = M x N', M and N the matrices of `interpolate_linear` for rows and columns; dx = M' dy N.

    Of every image of every channel (PyTorch, interpolate, mode "bilinear"). Refused: as there.

    >>> interpolate_bilinear(np.array([[[[1.0, 3.0], [5.0, 7.0]]]]), size=(1, 2))
    array([[[[3., 5.]]]])
    """
    return _resized(x, _matrices(2, x, size, align_corners))


@interpolate_bilinear.def_vjp
def _(dy: Array, x: Array, size: Sizes, align_corners: bool = False) -> tuple[Any, ...]:
    return (_resized(dy, [m.T for m in _matrices(2, x, size, align_corners)]),)

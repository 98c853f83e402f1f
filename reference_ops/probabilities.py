"""From scores to probabilities: softmax and its logarithm.

Unchanged by adding a constant to a row, so both take the largest score off first: no overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

import gradcheck
from reference_ops._shapes import Array, require


def _shifted(z: Array, axis: int) -> Array:
    """z minus the largest along `axis`."""
    shape = np.shape(z)
    fits = shape != () and shape[normalize_axis_index(axis, len(shape))] > 0
    require(fits, f"softmax needs a class axis, got {shape}")
    return np.asarray(z - np.max(z, axis=axis, keepdims=True))


def log_total(f: Array, axis: int | tuple[int, ...] | None) -> Array:
    """log sum exp(f) over `axis`, kept with size 1, of f whose largest is 0.

    The largest are counted, and the others added by log1p: log(1 + 1e-9) in float32 would be 0.
    """
    largest = np.equal(f, 0)
    count = np.sum(largest, axis=axis, keepdims=True, dtype=f.dtype)
    others = np.sum(np.where(largest, 0, np.exp(f)), axis=axis, keepdims=True)
    return np.asarray(np.log(count) + np.log1p(others / np.maximum(count, 1)))


@gradcheck.register("z[n c], axis=-1|0", scope="forward")
def softmax(z: Array, axis: int = -1) -> Any:
    """y_i = exp(z_i) / sum_j exp(z_j) along `axis`; dz_i = y_i (dy_i - sum_j y_j dy_j).

    (CS224N lecture 4, through the cross-entropy.) Refuses an axis without scores.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    e = np.exp(_shifted(z, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


@softmax.def_vjp
def _(dy: Array, z: Array, axis: int = -1) -> tuple[Any, ...]:
    y = softmax(z, axis)
    # A constant added to a row of dy changes nothing either. With dy = 0 at the largest y, a
    # saturated row loses no digits to dy_i - sum_j y_j dy_j.
    dy = dy - np.take_along_axis(dy, np.argmax(y, axis=axis, keepdims=True), axis=axis)
    return (y * (dy - np.sum(y * dy, axis=axis, keepdims=True)),)


@gradcheck.register("z[n c], axis=-1|0", scope="forward")
def log_softmax(z: Array, axis: int = -1) -> Any:
    """y_i = z_i - log sum_j exp(z_j) along `axis`; dz_i = dy_i - softmax(z)_i sum_j dy_j.

    (PyTorch, log_softmax.) The dz of a row add up to 0. Refuses an axis without scores.

    >>> log_softmax(np.array([0.0, -30.0]))
    array([-9.35762297e-14, -3.00000000e+01])
    """
    f = _shifted(z, axis)
    return f - log_total(f, axis)


@log_softmax.def_vjp
def _(dy: Array, z: Array, axis: int = -1) -> tuple[Any, ...]:
    p = softmax(z, axis)
    largest = np.argmax(p, axis=axis, keepdims=True)
    dz = dy - p * np.sum(dy, axis=axis, keepdims=True)
    # 1 - p loses its digits where p is close to 1: take what the others leave over
    np.put_along_axis(dz, largest, 0, axis=axis)
    np.put_along_axis(dz, largest, -np.sum(dz, axis=axis, keepdims=True), axis=axis)
    return (dz,)

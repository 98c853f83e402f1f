"""Mathematics that several bugs share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.bugs.record import Array


def summed(dz: Array, shape: Sequence[int]) -> Array:
    """Summed over the axes along which an operand of that shape was broadcast."""
    dz = np.asarray(dz)
    dz = dz.sum(axis=tuple(range(dz.ndim - len(shape))))
    spread = tuple(k for k, n in enumerate(shape) if n == 1 and dz.shape[k] != 1)
    return np.asarray(dz.sum(axis=spread, keepdims=True))


def softmax(z: Array, axis: int = -1) -> Array:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def one_hot(labels: Array, like: Array) -> Array:
    """Rows of the shape and dtype of ``like``."""
    return np.eye(like.shape[1], dtype=like.dtype)[labels]


def cross_entropy(z: Array, labels: Array) -> Array:
    """One loss per row, from logits."""
    return -log_softmax(z)[np.arange(len(z)), labels]


def transposed(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


def placed(dz: Array, index: Array, shape: Sequence[int], axis: int = -1) -> Array:
    """Zeros with ``dz`` written at ``index`` along an axis; a later write wins."""
    dx = np.zeros(shape, dz.dtype)
    np.put_along_axis(dx, index, dz, axis)
    return dx

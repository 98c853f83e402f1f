"""Right ops whose inputs are weak on purpose: a wrong backward would pass with them.

Each is checked with inputs on which some wrong rule is right, as hand-written tests often are:
square matrices only, gamma = 1, labels that are one-hot, attributes that are never varied.
``gradcheck run benchmarks/weak_ops.py`` passes; ``gradcheck selftest benchmarks/weak_ops.py``
names what their inputs cannot show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import gradcheck

Array = NDArray[Any]


def _values(low: float, high: float) -> st.SearchStrategy[float]:
    """Short decimals of either sign, a little away from zero."""
    return st.integers(int(low * 8), int(high * 8)).filter(bool).map(lambda n: n / 8)


def _array(shape: tuple[int, ...], entries: st.SearchStrategy[float]) -> st.SearchStrategy[Array]:
    size = int(np.prod(shape))
    flat = st.lists(entries, min_size=size, max_size=size)
    return flat.map(lambda values: np.array(values).reshape(shape))


# --- square only: n of the wrong axis is right ----------------------------------------------------
def _row_means(A: Array) -> Array:
    return A.mean(axis=1)


def _row_means_back(dy: Array, A: Array) -> Array:
    return np.repeat(dy[:, None], A.shape[1], axis=1) / A.shape[1]


square_only = gradcheck.op(
    _row_means, _row_means_back, "A[n m]", name="square_only", valid=lambda A: len(A) == A.shape[1]
)


# --- gamma = 1: a gradient without gamma is right -------------------------------------------------
def _scale(x: Array, gamma: Array) -> Array:
    return x * gamma


def _scale_back(dy: Array, x: Array, gamma: Array) -> tuple[Array, Array]:
    return dy * gamma, (dy * x).sum(axis=0)


gamma_is_one = gradcheck.op(
    _scale,
    _scale_back,
    "x[3 4], gamma[4]",
    name="gamma_is_one",
    domain={"x": _array((3, 4), _values(-2, 2)), "gamma": st.just(np.ones(4))},
)


# --- an attribute that is never varied ------------------------------------------------------------
def _softmax(z: Array, axis: int = -1) -> Array:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _softmax_back(dy: Array, z: Array, axis: int = -1) -> Array:
    y = _softmax(z, axis)
    return y * (dy - (y * dy).sum(axis=axis, keepdims=True))


one_axis = gradcheck.op(_softmax, _softmax_back, "z[n c], axis=-1", name="one_axis")


# --- labels: one-hot, and rows that sum to one ----------------------------------------------------
def _log_softmax(z: Array) -> Array:
    f = z - z.max(axis=-1, keepdims=True)
    return f - np.log(np.exp(f).sum(axis=-1, keepdims=True))


def _cross_entropy(z: Array, y: Array) -> Any:
    return -(y * _log_softmax(z)).sum()


def _cross_entropy_back(dJ: Any, z: Array, y: Array) -> tuple[Array, Array]:
    f = _log_softmax(z)
    return dJ * (np.exp(f) * y.sum(axis=-1, keepdims=True) - y), -dJ * f


one_hot_labels = gradcheck.op(
    _cross_entropy, _cross_entropy_back, "z[n c], y:one-hot[n c]", name="one_hot_labels"
)
labels_sum_to_one = gradcheck.op(
    _cross_entropy, _cross_entropy_back, "z[n c], y:simplex[n c]", name="labels_sum_to_one"
)


# --- indices that never repeat --------------------------------------------------------------------
def _lookup(table: Array, words: Array) -> Array:
    return table[words]


def _lookup_back(dy: Array, table: Array, words: Array) -> tuple[Array, None]:
    dtable = np.zeros_like(table)
    np.add.at(dtable, words, dy)
    return dtable, None


no_word_twice = gradcheck.op(
    _lookup,
    _lookup_back,
    "table[5 2], words:int[3]<5",
    name="no_word_twice",
    domain={
        "table": _array((5, 2), _values(-2, 2)),
        "words": st.permutations(range(5)).map(lambda p: np.array(p[:3])),
    },
)


# --- a symmetric matrix: W for W.T is right -------------------------------------------------------
def _product(A: Array, x: Array) -> Array:
    return A @ x


def _product_back(dy: Array, A: Array, x: Array) -> tuple[Array, Array]:
    return np.outer(dy, x), A.T @ dy


symmetric_matrix = gradcheck.op(
    _product, _product_back, "A:symmetric[n n], x[n]", name="symmetric_matrix"
)


# --- constant inputs: reordering what was saved is right ------------------------------------------
def _squares(x: Array) -> Array:
    return x * x


def _squares_back(dy: Array, x: Array) -> Array:
    return 2 * x * dy


constant_inputs = gradcheck.op(
    _squares,
    _squares_back,
    "x[4]",
    name="constant_inputs",
    domain={"x": _values(-2, 2).map(lambda v: np.full(4, v))},
)


# --- a batch of one: the first row for all is right -----------------------------------------------
def _affine(x: Array, W: Array) -> Array:
    return x @ W


def _affine_back(dy: Array, x: Array, W: Array) -> tuple[Array, Array]:
    return dy @ W.T, x.T @ dy


batch_of_one = gradcheck.op(_affine, _affine_back, "x[1 d], W[d k]", name="batch_of_one")


# --- values that are never negative, zero ---------------------------------------------------------
def _bend(x: Array) -> Array:
    return np.sin(x) + x * x


def _bend_back(dy: Array, x: Array) -> Array:
    return (np.cos(x) + 2 * x) * dy


positive_only = gradcheck.op(_bend, _bend_back, "x:positive[n]", name="positive_only")


# --- ties that are never met ----------------------------------------------------------------------
never_tied = gradcheck.op(
    _bend,
    _bend_back,
    "x[4]",
    name="never_tied",
    domain={"x": st.permutations([-1.5, -0.75, 0.5, 1.25, 2.0]).map(lambda p: np.array(p[:4]))},
)


# --- only the numbers of one call are looked at ---------------------------------------------------
values_alone = gradcheck.op(
    _affine, _affine_back, "x[n d], W[d k]", name="values_alone", checks=("values",)
)

"""Words as vectors: lookup in a table, and the lecture's window around each word."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require, require_indices


@gradcheck.register("table[v d], idx:int[n]<v", scope="forward")
def embedding(table: Array, idx: Array) -> Any:
    """Rows table[idx]; dtable[i] = sum of dout over the places that looked up i (CS224N lecture 4).

    A word used twice gets both gradients; a word not looked up gets exactly 0 and stays where it
    was (the lecture's pitfall).

    >>> embedding(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0, 1]))
    array([[3., 4.],
           [1., 2.],
           [3., 4.]])
    """
    require(np.ndim(table) > 0, "table must have rows, got a number")
    require_indices("idx", idx, len(table))
    return np.take(table, idx, axis=0)


@embedding.def_vjp
def _(dout: Array, table: Array, idx: Array) -> tuple[Any, ...]:
    dtable = np.zeros_like(table)
    np.add.at(dtable, idx, dout)  # dtable[idx] += dout would keep only one of repeated indices
    return dtable, None


@gradcheck.register("x[t d], window=2|0|1", scope="forward")
def window_concat(x: Array, window: int = 2) -> Any:
    """Row i is x[i - window] ... x[i + window] side by side, with zeros beyond both ends.

    dx splits the gradient of each row into its 2 window + 1 words and sums what each word gets
    from all the windows it is in (CS224N lecture 4, gradients for the window model).

    >>> window_concat(np.array([[1.0], [2.0], [3.0]]), window=1)
    array([[0., 1., 2.],
           [1., 2., 3.],
           [2., 3., 0.]])
    """
    require(np.ndim(x) == 2, f"x must be (t, d), got {np.shape(x)}")
    require(window >= 0, f"window must be at least 0, got {window}")
    padded = np.pad(x, ((window, window), (0, 0)))
    return np.concatenate([padded[k : k + len(x)] for k in range(2 * window + 1)], axis=1)


@window_concat.def_vjp
def _(dout: Array, x: Array, window: int = 2) -> tuple[Any, ...]:
    dpadded = np.pad(np.zeros_like(x), ((window, window), (0, 0)))
    for k, dword in enumerate(np.split(dout, 2 * window + 1, axis=1)):
        dpadded[k : k + len(x)] += dword
    return (dpadded[window : window + len(x)],)

"""Dropout with a given mask."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require, unbroadcast


@gradcheck.register("x[...], mask:bool[...], p=0.5|0.0|0.25", scope="forward")
def dropout(x: Array, mask: Array, p: float = 0.5) -> Any:
    """y = x / (1 - p) where mask, else 0; dx = dy / (1 - p) where mask, else 0.

    Inverted dropout (Srivastava et al. 2014, section 10): the mask keeps an entry with probability
    1 - p, and the expectation of y is x. x and mask broadcast. Refused: p = 1, which keeps nothing
    and would divide by 0, any other p that is not in [0, 1), and a mask that is not boolean.

    >>> dropout(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    array([2., 0., 6.])
    """
    kind = np.asarray(mask).dtype
    require(kind == np.bool_, f"mask must hold booleans, got {kind}")
    require(0 <= p < 1, f"p must be at least 0 and below 1, got {p}")
    return np.where(mask, x / (1 - p), 0)


@dropout.def_vjp
def _(dy: Array, x: Array, mask: Array, p: float = 0.5) -> tuple[Any, ...]:
    return unbroadcast(np.where(mask, dy / (1 - p), 0), np.shape(x)), None

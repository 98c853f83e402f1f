"""Parts of arrays, and other orders of their axes: gradients go back where the values came from."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array


@gradcheck.register("x[n ...], key=0|-1", scope="forward")
def getitem(x: Array, key: Any = 0) -> Any:
    """y = x[key]; dx is dy at the places that were read and 0 elsewhere, added up where repeated.

    Any key that NumPy takes: integers, slices, masks, arrays of integers.
    """
    return np.array(x[key])


@getitem.def_vjp
def _(dy: Array, x: Array, key: Any = 0) -> tuple[Any, ...]:
    dx = np.zeros_like(x)
    np.add.at(dx, key, dy)
    return (dx,)


@gradcheck.register("x[...]", scope="forward")
def transpose(x: Array) -> Any:
    """y = x with its axes in reverse order; dx = dy with its axes in reverse order."""
    return np.array(np.transpose(x))


@transpose.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.array(np.transpose(dy)),)

"""One gradient per input, from what backward returned."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.arrays import Float, is_numeric
from gradcheck.model import Op


def aligned(op: Op, returned: Any) -> tuple[Any, ...] | None:
    """One gradient per input, or None where the count cannot be matched.

    A bare array stands for a tuple of one; gradients for the differentiable inputs alone
    (a loss that returns dx and not None for its labels) are put in their places.
    """
    inputs = op.inputs
    if not isinstance(returned, (tuple, list)):
        returned = (returned,)
    if [r for r in returned if isinstance(r, (tuple, list))]:
        leaves = _flat(returned)  # a list of arrays was an argument, its gradients are one
        returned = leaves if len(leaves) == len(inputs) else returned
    if len(returned) == len(inputs):
        return tuple(returned)
    if returned and len(returned) == op.arity:  # None for a mode among the arguments
        return tuple(returned[k] for k in op.slots)
    places = [k for k, i in enumerate(inputs) if i.differentiable]
    if len(returned) != len(places):
        return None
    full: list[Any] = [None] * len(inputs)
    for place, gradient in zip(places, returned, strict=True):
        full[place] = gradient
    return tuple(full)


def _flat(returned: Any) -> list[Any]:
    if isinstance(returned, (tuple, list)):
        return [leaf for item in returned for leaf in _flat(item)]
    return [returned]


def gradient_array(value: Any, shape: tuple[int, ...], *, copied: bool = True) -> Float | None:
    """A returned gradient as float64 of the input's shape; None where it is not one."""
    if value is None:
        return None
    try:
        array = np.asarray(value)
    except Exception:
        return None
    if array.shape != shape or not is_numeric(array):
        return None
    return array.astype(np.float64, copy=copied)  # it may be backward's own workspace

"""PyTorch's reductions and running sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.oracles.record import Array, Oracle


def over(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """With None for all axes."""

    def reduced(x: torch.Tensor, axis: Any, keepdims: bool, **more: Any) -> torch.Tensor:
        dim = tuple(range(x.ndim)) if axis is None else axis
        return function(x, dim=dim, keepdim=keepdims, **more)

    return reduced


def along(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Along one axis, or of all in a row; NumPy makes a row of a number."""

    def running(x: torch.Tensor, axis: int | None) -> torch.Tensor:
        row = axis is None or x.ndim == 0
        return function(x.reshape(-1), 0) if row else function(x, axis)

    return running


def product(x: torch.Tensor, axis: Any, keepdims: bool) -> torch.Tensor:
    """torch.prod takes one axis: of several, one after the other."""
    for dim in range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,):
        x = torch.prod(x, dim, keepdim=True)
    return x if keepdims else x.squeeze(tuple(range(x.ndim)) if axis is None else axis)


def all_equal(x: Array, axis: Any, ddof: int, keepdims: bool) -> bool:
    return math.isclose(np.std(x, axis=axis).min(), 0, abs_tol=1e-12)


ORACLES = {
    "sum": Oracle(over(torch.sum)),
    "mean": Oracle(over(torch.mean)),
    "var": Oracle(
        lambda x, axis, ddof, keepdims: over(torch.var)(x, axis, keepdims, correction=ddof)
    ),
    "std": Oracle(
        lambda x, axis, ddof, keepdims: over(torch.std)(x, axis, keepdims, correction=ddof),
        all_equal,
        "NaN where all are equal, where the op has 0",
    ),
    "norm": Oracle(over(torch.linalg.vector_norm)),
    "max": Oracle(over(torch.amax)),
    "min": Oracle(over(torch.amin)),
    "logsumexp": Oracle(over(torch.logsumexp)),
    "prod": Oracle(product),
    "cumsum": Oracle(along(torch.cumsum)),
    "cumprod": Oracle(along(torch.cumprod)),
}

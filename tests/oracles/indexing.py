"""PyTorch's indexing, gathering and sorting."""

from __future__ import annotations

from typing import Any

import torch

from tests.oracles.record import Oracle


def take(a: Any, indices: Any, axis: Any) -> Any:
    if axis is None:
        return torch.take(a, indices)
    axis %= a.ndim
    return a.index_select(axis, indices.flatten()).unflatten(axis, indices.shape)


def repeat(a: Any, repeats: Any, axis: Any) -> Any:
    times = torch.tensor(repeats) if isinstance(repeats, list) else repeats
    return torch.repeat_interleave(a, times, dim=axis)


def sort(x: Any, axis: Any) -> Any:
    x, axis = (x.flatten(), 0) if axis is None else (x, axis)
    return torch.sort(x, dim=axis, stable=True).values


ORACLES = {
    "getitem": Oracle(lambda x, key: x[key]),
    "getitem_slices": Oracle(lambda x, key: x[key]),
    "take": Oracle(take),
    "take_along_axis": Oracle(lambda x, i, axis: torch.take_along_dim(x, i, axis)),
    "scatter_add": Oracle(lambda x, i, values, axis: torch.scatter_add(x, axis, i, values)),
    "sort": Oracle(sort),
    "repeat": Oracle(repeat),
    "diagonal": Oracle(
        lambda x, offset, axis1, axis2: torch.diagonal(x, offset, dim1=axis1, dim2=axis2)
    ),
    "tril": Oracle(lambda x, k: torch.tril(x, k)),
    "triu": Oracle(lambda x, k: torch.triu(x, k)),
}

"""PyTorch's linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.oracles.record import Array, Oracle


def einsum(*operands: torch.Tensor, subscripts: str) -> torch.Tensor:
    return torch.einsum(subscripts, *operands)


def solve(A: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """NumPy takes b for a vector where it has one axis; PyTorch guesses, if shapes let it."""
    columns = b[:, None] if b.ndim == 1 else b
    stack = torch.broadcast_shapes(A.shape[:-2], columns.shape[:-2])
    x = torch.linalg.solve(A, columns.expand(*stack, *columns.shape[-2:]))
    return x[..., 0] if b.ndim == 1 else x


def trace(x: torch.Tensor, offset: int, axis1: int, axis2: int) -> torch.Tensor:
    return torch.diagonal(x, offset, axis1, axis2).sum(-1)


def symmetric(A: torch.Tensor) -> torch.Tensor:
    return (A + A.mT) / 2


def singular(A: Array) -> bool:
    return bool((np.abs(np.linalg.det(A)) < 1e-12).any())


def slogdet(A: torch.Tensor) -> Any:
    return tuple(torch.linalg.slogdet(A))


ORACLES = {
    "einsum": Oracle(einsum),
    "einsum_one": Oracle(einsum),
    "einsum_three": Oracle(einsum),
    "einsum_batch": Oracle(einsum),
    "outer": Oracle(lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1))),
    "trace": Oracle(trace),
    "solve": Oracle(solve),
    "solve_vector": Oracle(solve),
    "inv": Oracle(torch.linalg.inv),
    "det": Oracle(torch.linalg.det, singular, "0 where a pivot is 0, where the op has cofactors"),
    "slogdet": Oracle(slogdet),
    "cholesky": Oracle(lambda A: torch.linalg.cholesky(symmetric(A))),
    "logdet": Oracle(lambda A: torch.logdet(symmetric(A))),
}

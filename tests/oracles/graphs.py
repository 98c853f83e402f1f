"""The lecture's graphs, as PyTorch's users write them."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle


def worked_example(x: Any, y: Any, z: Any) -> Any:
    return (x + y) * torch.where(y >= z, y, z)  # torch.maximum splits a tie in halves


def window_score(x: Any, W: Any, b: Any, u: Any) -> Any:
    return torch.dot(u, torch.tanh(W @ x + b))


def window_classifier(
    table: Any, words: Any, W: Any, b: Any, U: Any, c: Any, labels: Any, lam: float
) -> Any:
    vectors = F.pad(F.embedding(words, table), (0, 0, 1, 1))
    windows = torch.cat([vectors[:-2], vectors[1:-1], vectors[2:]], dim=1)
    logits = F.linear(torch.tanh(F.linear(windows, W, b)), U, c)
    return F.cross_entropy(logits, labels) + lam * (W.square().sum() + U.square().sum())


ORACLES = {
    "worked_example": Oracle(worked_example),
    "window_score": Oracle(window_score),
    "window_classifier": Oracle(window_classifier),
}

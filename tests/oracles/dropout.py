"""PyTorch's dropout with a given mask: the kernel that its own backward pass calls."""

from __future__ import annotations

from typing import Any

import torch

from tests.oracles.record import Oracle


def dropout(x: Any, mask: Any, p: float) -> Any:
    return torch.ops.aten.native_dropout_backward(x, mask, 1 / (1 - p))


ORACLES = {"dropout": Oracle(dropout)}

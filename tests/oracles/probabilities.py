"""PyTorch's softmax and log-softmax."""

from __future__ import annotations

import torch

from tests.oracles.record import Oracle

ORACLES = {
    "softmax": Oracle(lambda z, axis: torch.softmax(z, axis)),
    "log_softmax": Oracle(lambda z, axis: torch.log_softmax(z, axis)),
}

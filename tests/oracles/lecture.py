"""PyTorch's product and sum."""

from __future__ import annotations

import torch

from tests.oracles.record import Oracle

ORACLES = {"MultiplyGate": Oracle(torch.mul), "AddGate": Oracle(torch.add)}

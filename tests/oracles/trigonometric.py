"""PyTorch's trigonometric and hyperbolic functions."""

from __future__ import annotations

import torch

from tests.oracles.record import Oracle

ORACLES = {
    "sin": Oracle(torch.sin),
    "cos": Oracle(torch.cos),
    "tan": Oracle(torch.tan),
    "arctan": Oracle(torch.arctan),
    "arctan2": Oracle(torch.atan2),
    "sinh": Oracle(torch.sinh),
    "cosh": Oracle(torch.cosh),
}

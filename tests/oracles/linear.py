"""PyTorch's products."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle

ORACLES = {
    "affine": Oracle(F.linear),
    "matvec": Oracle(torch.mv),
    "vecmat": Oracle(lambda x, W: torch.mv(W.T, x)),
    "matmul": Oracle(torch.matmul),
    "dot": Oracle(torch.dot),
}

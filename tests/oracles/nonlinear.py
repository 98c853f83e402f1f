"""PyTorch's nonlinearities."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle


def at_one(z: Any) -> bool:
    return bool((np.abs(z) == 1).any())


ORACLES = {
    "logistic": Oracle(torch.sigmoid),
    "tanh": Oracle(torch.tanh),
    "hard_tanh": Oracle(F.hardtanh, at_one, "slope 0 at -1 and 1, where the op has 1"),
    "relu": Oracle(F.relu),
    "leaky_relu": Oracle(lambda z, slope: F.leaky_relu(z, slope)),
    "parametric_relu": Oracle(lambda x, a: torch.where(x > 0, x, a * x)),
}

"""PyTorch's arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.oracles.record import Oracle

HALVES = "half to each at a tie, where the op gives the first all"


def tied(x: Any, y: Any) -> bool:
    return bool(np.equal(x, y).any())


ORACLES = {
    "add": Oracle(torch.add),
    "subtract": Oracle(torch.subtract),
    "negative": Oracle(torch.negative),
    "multiply": Oracle(torch.multiply),
    "divide": Oracle(torch.divide),
    "power": Oracle(lambda x, n: torch.pow(x, n)),
    "maximum": Oracle(torch.maximum, tied, HALVES),
    "minimum": Oracle(torch.minimum, tied, HALVES),
}

"""PyTorch's interpolate."""

from __future__ import annotations

from functools import partial

from torch.nn import functional as F

from tests.oracles.record import Oracle

ORACLES = {
    "interpolate_nearest": Oracle(partial(F.interpolate, mode="nearest")),
    "interpolate_linear": Oracle(partial(F.interpolate, mode="linear")),
    "interpolate_bilinear": Oracle(partial(F.interpolate, mode="bilinear")),
}

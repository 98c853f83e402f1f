"""PyTorch's convolutions."""

from __future__ import annotations

from torch.nn import functional as F

from tests.oracles.record import Oracle

ORACLES = {
    "conv1d": Oracle(F.conv1d),
    "grouped_conv1d": Oracle(F.conv1d),
    "conv2d": Oracle(F.conv2d),
    "depthwise_conv2d": Oracle(F.conv2d),
}

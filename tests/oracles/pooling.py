"""PyTorch's pooling."""

from __future__ import annotations

from typing import Any

from torch.nn import functional as F

from tests.oracles.record import Oracle


def max_pool1d(x: Any, kernel: Any, **attributes: Any) -> Any:
    return F.max_pool1d(x, kernel, **attributes)


def max_pool2d(x: Any, kernel: Any, **attributes: Any) -> Any:
    return F.max_pool2d(x, kernel, **attributes)


def avg_pool1d(x: Any, kernel: Any, **attributes: Any) -> Any:
    return F.avg_pool1d(x, kernel, **attributes)


def avg_pool2d(x: Any, kernel: Any, **attributes: Any) -> Any:
    return F.avg_pool2d(x, kernel, **attributes)


ORACLES = {
    "max_pool1d": Oracle(max_pool1d),
    "max_pool2d": Oracle(max_pool2d),
    "avg_pool1d": Oracle(avg_pool1d),
    "avg_pool2d": Oracle(avg_pool2d),
}

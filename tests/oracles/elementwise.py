"""PyTorch's elementwise functions."""

from __future__ import annotations

from typing import Any

import torch

from tests.oracles.record import Oracle


def clamp(x: Any, a_min: float | None, a_max: float | None) -> Any:
    """PyTorch refuses to clamp without any bound."""
    return x.clone() if a_min is None and a_max is None else torch.clamp(x, a_min, a_max)


ORACLES = {
    "exp": Oracle(torch.exp),
    "expm1": Oracle(torch.expm1),
    "log": Oracle(torch.log),
    "log1p": Oracle(torch.log1p),
    "sqrt": Oracle(torch.sqrt),
    "square": Oracle(torch.square),
    "reciprocal": Oracle(torch.reciprocal),
    "absolute": Oracle(torch.abs),
    "erf": Oracle(torch.erf),
    "pow": Oracle(torch.pow),
    "clip": Oracle(clamp),
    "where": Oracle(torch.where),
}

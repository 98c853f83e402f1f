"""PyTorch's losses."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle


def cross_entropy(
    logits: Any, y: Any, ignore_index: int, label_smoothing: float, reduction: str
) -> Any:
    return F.cross_entropy(
        logits,
        y,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


def hinge_loss(scores: Any, y: Any, margin: float, reduction: str) -> Any:
    return F.multi_margin_loss(scores, y, margin=margin, reduction=reduction)


def margin_loss(s: Any, s_c: Any) -> Any:
    return F.relu(1 - s + s_c)


def bce_with_logits(z: Any, t: Any, pos_weight: float, reduction: str) -> Any:
    weight = torch.tensor(pos_weight, dtype=z.dtype)
    return F.binary_cross_entropy_with_logits(z, t, pos_weight=weight, reduction=reduction)


ORACLES = {
    "softmax_cross_entropy": Oracle(F.cross_entropy),
    "cross_entropy": Oracle(cross_entropy),
    "soft_cross_entropy": Oracle(F.cross_entropy),
    "nll_loss": Oracle(F.nll_loss),
    "mse_loss": Oracle(F.mse_loss),
    "huber_loss": Oracle(F.huber_loss),
    "hinge_loss": Oracle(hinge_loss),
    "margin_loss": Oracle(margin_loss),
    "kl_divergence": Oracle(F.kl_div),
    "bce_with_logits": Oracle(bce_with_logits),
    "l2_penalty": Oracle(lambda theta, lam: lam * torch.sum(theta**2)),
}

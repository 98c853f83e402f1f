"""PyTorch's normalisations."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle


def batch_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


def batch_norm_inference(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, eps: float) -> Any:
    """By hand: PyTorch has no gradients of the running statistics."""
    by_channel = (-1,) + (1,) * (x.ndim - 2)
    mean, std, gamma, beta = (
        p.reshape(by_channel) for p in (mean, torch.sqrt(var + eps), gamma, beta)
    )
    return (x - mean) / std * gamma + beta


def layer_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return F.layer_norm(x, gamma.shape, gamma, beta, eps)


def rms_norm(x: Any, gamma: Any, eps: float) -> Any:
    return F.rms_norm(x, gamma.shape, gamma, eps)


def group_norm(x: Any, gamma: Any, beta: Any, groups: int, eps: float) -> Any:
    return F.group_norm(x, groups, gamma, beta, eps)


def instance_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return F.instance_norm(x, weight=gamma, bias=beta, eps=eps)


ORACLES = {
    "batch_norm": Oracle(batch_norm),
    "batch_norm_inference": Oracle(batch_norm_inference),
    "layer_norm": Oracle(layer_norm),
    "rms_norm": Oracle(rms_norm),
    "group_norm": Oracle(group_norm),
    "instance_norm": Oracle(instance_norm),
}

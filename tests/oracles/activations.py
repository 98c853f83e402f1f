"""PyTorch's activations."""

from __future__ import annotations

from torch.nn import functional as F

from tests.oracles.record import Oracle

ORACLES = {
    "softplus": Oracle(lambda z: F.softplus(z, threshold=40)),  # 20 would cost digits in float64
    "log_sigmoid": Oracle(F.logsigmoid),
    "silu": Oracle(F.silu),
    "gelu": Oracle(F.gelu),
    "gelu_tanh": Oracle(lambda z: F.gelu(z, approximate="tanh")),
    "elu": Oracle(lambda z, alpha: F.elu(z, alpha)),
    "selu": Oracle(F.selu),
    "mish": Oracle(F.mish),
    "softsign": Oracle(F.softsign),
    "relu6": Oracle(F.relu6),
    # F.hardsigmoid's own backward takes 1 / 6 in float32 also for float64 (PyTorch 2.13)
    "hard_sigmoid": Oracle(lambda z: F.relu6(z + 3) / 6),
    "hard_swish": Oracle(F.hardswish),
}

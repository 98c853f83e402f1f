"""PyTorch's attention; rotary embedding as a product of complex numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle


def attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def rotary(x: Any, base: float, interleaved: bool) -> Any:
    t, d = x.shape[-2:]
    frequencies = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angles = torch.outer(torch.arange(t, dtype=torch.float64), frequencies)
    pairs = x.unflatten(-1, (d // 2, 2)) if interleaved else x.unflatten(-1, (2, d // 2)).mT
    turn = torch.polar(torch.ones_like(angles), angles)
    turned = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * turn)
    return (turned if interleaved else turned.mT).flatten(-2)


ORACLES = {
    "scaled_dot_product_attention": Oracle(attention),
    "masked_attention": Oracle(F.scaled_dot_product_attention),
    "rotary_embedding": Oracle(rotary),
}

"""The networks, of PyTorch's own functions."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle


def penalty(lam: float, *parameters: Any) -> Any:
    return lam * sum(theta.square().sum() for theta in parameters)


def softmax_classifier(x: Any, W: Any, b: Any, labels: Any, lam: float) -> Any:
    return F.cross_entropy(F.linear(x, W, b), labels) + penalty(lam, W, b)


def two_layer_net(
    x: Any, W: Any, b: Any, U: Any, a: Any, labels: Any, lam: float, nonlinearity: str
) -> Any:
    h = getattr(torch, nonlinearity)(F.linear(x, W, b))
    return F.cross_entropy(F.linear(h, U, a), labels) + penalty(lam, W, b, U, a)


def max_margin_window(table: Any, words: Any, corrupt: Any, W: Any, b: Any, u: Any) -> Any:
    s, s_c = (torch.tanh(W @ table[w].flatten() + b) @ u for w in (words, corrupt))
    return F.margin_ranking_loss(s, s_c, torch.ones_like(s), margin=1.0)


def recurrent_net(
    table: Any,
    words: Any,
    W_ih: Any,
    W_hh: Any,
    b_ih: Any,
    b_hh: Any,
    U: Any,
    a: Any,
    labels: Any,
) -> Any:
    x = F.embedding(words, table)[:, None]
    h = torch.zeros(1, 1, len(W_hh), dtype=x.dtype)
    states, _ = torch.rnn_tanh(x, h, [W_ih, W_hh, b_ih, b_hh], True, 1, 0.0, False, False, False)
    return F.cross_entropy(F.linear(states[:, 0], U, a), labels)


def lstm_classifier(
    x: Any, W_ih: Any, W_hh: Any, b_ih: Any, b_hh: Any, U: Any, a: Any, labels: Any
) -> Any:
    zero = torch.zeros(1, x.shape[1], W_hh.shape[1], dtype=x.dtype)
    parameters = [W_ih, W_hh, b_ih, b_hh]
    states, _, _ = torch.lstm(x, (zero, zero), parameters, True, 1, 0.0, False, False, False)
    return F.cross_entropy(F.linear(states[-1], U, a), labels)


def transformer_block(
    x: Any,
    gamma: Any,
    W_qkv: Any,
    W_o: Any,
    gamma2: Any,
    W: Any,
    U: Any,
    heads: int,
    causal: bool,
) -> Any:
    d = x.shape[1]
    rows = F.rms_norm(x, (d,), gamma, eps=1e-5) @ W_qkv
    q, k, v = rows.unflatten(1, (3, heads, d // heads)).permute(1, 2, 0, 3)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    y = x + mixed.transpose(0, 1).flatten(1) @ W_o
    return y + F.gelu(F.rms_norm(y, (d,), gamma2, eps=1e-5) @ W) @ U


def conv_net(x: Any, K: Any, b: Any, U: Any, a: Any, labels: Any) -> Any:
    pooled = F.max_pool2d(torch.relu(F.conv2d(x, K, b, padding=1)), 2)
    return F.cross_entropy(F.linear(pooled.flatten(1), U, a), labels)


def near_a_tie(x: Any, K: Any, b: Any, *_: Any) -> bool:
    """Rounding says which of two entries of a window is the largest, or above 0."""
    maps = F.conv2d(*(torch.tensor(v, dtype=torch.float64) for v in (x, K, b)), padding=1)
    windows = F.unfold(torch.relu(maps).flatten(0, 1)[:, None], 2, stride=2)
    first, second = windows.topk(2, dim=1).values.unbind(1)
    small = 1e-6 * maps.abs().max()
    return bool((first - second <= small).any() or (maps.abs() <= small).any())


ORACLES = {
    "softmax_classifier": Oracle(softmax_classifier),
    "two_layer_net": Oracle(two_layer_net),
    "max_margin_window": Oracle(max_margin_window),
    "recurrent_net": Oracle(recurrent_net),
    "lstm_classifier": Oracle(lstm_classifier),
    "transformer_block": Oracle(transformer_block),
    "conv_net": Oracle(conv_net, near_a_tie, "rounding says which of two that tie is the largest"),
}

"""Scaled dot-product attention, and rotary position embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require, unbroadcast


@gradcheck.register("q[... t d], k[... s d], v[... s e], causal=False|True", scope="forward")
def scaled_dot_product_attention(q: Array, k: Array, v: Array, causal: bool = False) -> Any:
    """y = p v, p = softmax(q k' / sqrt(d)) over the keys; dv = p' dy, and with dp = dy v'
    ds = p (dp - sum p dp), dq = ds k / sqrt(d), dk = ds' q / sqrt(d) (Vaswani et al. 2017, eq. 1).

    ``causal``: query i attends to the keys 0 to i only. Leading axes are a batch and broadcast.
    A query without keys gets zeros. Refused are queries and keys of other sizes, or of size 0.

    >>> q = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(q, q, np.array([[3.0], [5.0]]), causal=True)
    array([[3.       ],
           [4.3395231]])
    """
    _require_attention(q, k, v)
    return _weights(q, k, _earlier(q, k, causal)) @ v


@scaled_dot_product_attention.def_vjp
def _(dy: Array, q: Array, k: Array, v: Array, causal: bool = False) -> tuple[Any, ...]:
    return _attention_vjp(dy, (q, k, v), _earlier(q, k, causal))


@gradcheck.register("q[... t d], k[... s d], v[... s e], mask:bool[... t s]", scope="forward")
def masked_attention(q: Array, k: Array, v: Array, mask: Array) -> Any:
    """Scaled dot-product attention where query i attends to key j only if mask[i, j] is True.

    Gradients as without a mask, with p = 0 where it is False (`attn_mask` of PyTorch's
    scaled_dot_product_attention). A query with nothing to attend to gets zeros, as there. The mask
    broadcasts to the scores: (s,) is a mask of padding. Refused is a mask of more axes than these.

    >>> q, v = np.ones((1, 2)), np.array([[3.0], [5.0]])
    >>> masked_attention(q, np.ones((2, 2)), v, np.array([True, False]))
    array([[3.]])
    """
    _require_attention(q, k, v)
    scores = (*np.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2])
    fits = np.broadcast_shapes(np.shape(mask), scores) == scores
    require(fits, f"mask must broadcast to the scores {scores}, got {np.shape(mask)}")
    require(np.asarray(mask).dtype == bool, "mask must be boolean: True where to attend")
    return _weights(q, k, mask) @ v


@masked_attention.def_vjp
def _(dy: Array, q: Array, k: Array, v: Array, mask: Array) -> tuple[Any, ...]:
    return (*_attention_vjp(dy, (q, k, v), mask), None)


def _require_attention(q: Array, k: Array, v: Array) -> None:
    fits = min(np.ndim(q), np.ndim(k), np.ndim(v)) >= 2 and q.shape[-1] == k.shape[-1] > 0
    fits = fits and k.shape[-2] == v.shape[-2]
    got = f"got {np.shape(q)}, {np.shape(k)}, {np.shape(v)}"
    require(fits, f"shapes must be q (... t, d), k (... s, d), v (... s, e), d at least 1, {got}")


def _earlier(q: Array, k: Array, causal: bool) -> Array:
    """Which keys each query may attend to."""
    return np.tri(q.shape[-2], k.shape[-2], dtype=bool) if causal else np.array(True)


def _weights(q: Array, k: Array, mask: Array) -> Array:
    """Softmax of the scores over the keys that the mask allows; a row of none is zero."""
    scores = np.where(mask, q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5, -np.inf)
    largest = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(np.isneginf(largest), 0, largest))
    total = np.sum(e, axis=-1, keepdims=True)
    return np.asarray(e / np.where(total == 0, 1, total))


def _attention_vjp(
    dy: Array, inputs: tuple[Array, Array, Array], mask: Array
) -> tuple[Array, Array, Array]:
    q, k, v = inputs
    p = _weights(q, k, mask)
    dp = dy @ np.swapaxes(v, -1, -2)
    if k.shape[-2]:  # as in `softmax`: a saturated row loses no digits to dp - sum p dp
        most = np.broadcast_to(np.argmax(p, axis=-1, keepdims=True), (*dp.shape[:-1], 1))
        dp = dp - np.take_along_axis(dp, most, axis=-1)
    ds = p * (dp - np.sum(p * dp, axis=-1, keepdims=True)) / q.shape[-1] ** 0.5
    dq, dk, dv = ds @ k, np.swapaxes(ds, -1, -2) @ q, np.swapaxes(p, -1, -2) @ dy
    return unbroadcast(dq, q.shape), unbroadcast(dk, k.shape), unbroadcast(dv, v.shape)


@gradcheck.register(
    "x[... t 2*d], base=10000.0|10.0, interleaved=True|False",
    scope="forward",
)
def rotary_embedding(x: Array, base: float = 10000.0, interleaved: bool = True) -> Any:
    """Pair j of position t is turned by the angle t base^(-2j / d); dx turns dy back.

    Su et al. 2021 (RoFormer), eq. 34. Pairs are neighbours, x_2j and x_2j+1, or with
    ``interleaved=False`` lie half a row apart, x_j and x_j+d/2. Refused is an odd last axis.

    >>> rotary_embedding(np.array([[1.0, 0.0], [1.0, 0.0]]))
    array([[1.        , 0.        ],
           [0.54030231, 0.84147098]])
    """
    even = np.ndim(x) >= 2 and np.shape(x)[-1] % 2 == 0
    require(even, f"x must be (... t, d) with an even d, got {np.shape(x)}")
    require(base > 0, f"base must be positive, got {base}")
    return _turned(x, base, interleaved, 1)


@rotary_embedding.def_vjp
def _(dy: Array, x: Array, base: float = 10000.0, interleaved: bool = True) -> tuple[Any, ...]:
    return (_turned(dy, base, interleaved, -1),)


def _turned(x: Array, base: float, interleaved: bool, sign: int) -> Array:
    t, d = x.shape[-2:]
    angles = np.outer(np.arange(t), base ** (np.arange(0, d, 2) / -max(d, 1)))
    # Angles want the digits of float64, also for float32.
    cos, sin = np.cos(angles).astype(x.dtype), (sign * np.sin(angles)).astype(x.dtype)
    pairs = (slice(0, None, 2), slice(1, None, 2)) if interleaved else np.s_[: d // 2, d // 2 :]
    first, second = (x[..., part] for part in pairs)
    y = np.empty_like(x)
    y[..., pairs[0]] = first * cos - second * sin
    y[..., pairs[1]] = first * sin + second * cos
    return y

"""Windows, strides, padding and interpolation."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.bugs.record import Array, Bug, Call, Draw, call

bug = partial(Bug, kind="geometry")


def windows(x: Array, k: int, s: int = 1, d: int = 1) -> Array:
    """(..., outputs, k): what each output sees of the last axis."""
    return sliding_window_view(x, d * (k - 1) + 1, axis=-1)[..., ::s, ::d]


def padded(x: Array, p: int) -> Array:
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(p, p)])


def covering(x: Array, dz: Array, k: int, s: int, p: int) -> Array:
    """(places, outputs): 1 where the window of an output covers a place, p zeros before it."""
    place, start = p + np.arange(x.shape[-1])[:, None], s * np.arange(dz.shape[-1])
    return ((start <= place) & (place < start + k)).astype(x.dtype)


def convolved(x: Array, w: Array, s: int = 1, p: int = 0, d: int = 1) -> Array:
    """(N, Ci, L) by (Co, Ci, K) with stride, padding and dilation."""
    return np.einsum("nctk,ock->not", windows(padded(x, p), w.shape[-1], s, d), w)


def kernel_gradient(dz: Array, x: Array, w: Array, s: int, p: int, d: int) -> Array:
    return np.einsum("nctk,not->ock", windows(padded(x, p), w.shape[-1], s, d), dz)


def spread(dz: Array, s: int, lead: int, size: int) -> Array:
    """A row of zeros with dz in it, every s-th from place ``lead`` on."""
    row = np.zeros((*dz.shape[:-1], size), dz.dtype)
    place = lead + s * np.arange(dz.shape[-1])
    inside = (place >= 0) & (place < size)
    row[..., place[inside]] = dz[..., inside]
    return row


def input_gradient(dz: Array, x: Array, w: Array, geometry: tuple[int, ...]) -> Array:
    """Correlates the spread dz with the flipped kernel; ``span`` is what the kernel covers."""
    s, p, d, span = geometry
    row = spread(dz, s, span - 1 - p, x.shape[-1] + span - 1)
    return np.einsum("notk,ock->nct", windows(row, w.shape[-1], 1, d), w[..., ::-1])


def convolution_call(draw: Draw) -> Call:
    k, d = draw.size(1, 3), draw.size(1, 2)
    n, ci, co, more = draw.sizes(4, 1, 3)
    x, w = draw(n, ci, d * (k - 1) + more), draw(co, ci, k)
    return call(x, w, s=draw.size(1, 2), p=draw.size(0, 1), d=d)


def blocks_spread(x: Array, r: int = 2) -> Array:
    """(B, r r C, H, W) to (B, C, H r, W r)."""
    b, c, h, w = x.shape
    blocks = x.reshape(b, r, r, c // (r * r), h, w)
    return blocks.transpose(0, 3, 4, 1, 5, 2).reshape(b, c // (r * r), h * r, w * r)


def blocks_gathered(dz: Array, r: int, split: tuple[int, ...]) -> Array:
    """Back again, with the image split as told: (h, r, w, r) is right."""
    b, c, high, wide = dz.shape
    order = dz.reshape(b, c, *split).transpose(0, 3, 5, 1, 2, 4)
    return order.reshape(b, r * r * c, high // r, wide // r)


def interpolation(size: int, scale: int, align: bool) -> Array:
    """(outputs, inputs) weights of a linear resize."""
    out = np.arange(size * scale)
    at = out * (size - 1) / max(1, size * scale - 1) if align else (out + 0.5) / scale - 0.5
    return np.maximum(0, 1 - np.abs(np.clip(at, 0, size - 1)[:, None] - np.arange(size)))


def within_reach(size: int, scale: int, align: bool) -> Array:
    """Outputs close to the centre of an input, with a reach for the stretch without ``align``."""
    stretch = (size * scale - 1) / max(1, size - 1) if align else scale
    centre = np.arange(size) * stretch if align else (np.arange(size) + 0.5) * scale - 0.5
    return np.abs(np.arange(size * scale)[:, None] - np.floor(centre)) <= math.ceil(scale) + 2


BUGS = (
    bug(
        name="average pooling with padding",
        source="pytorch/pytorch#188344",
        mistake="looks for the covering windows from the coordinate without the padding",
        forward=lambda x, k=2, s=2, p=0: windows(padded(x, p), k, s).mean(axis=-1),
        right=lambda dz, x, k=2, s=2, p=0: dz @ covering(x, dz, k, s, p).T / k,
        wrong=lambda dz, x, k=2, s=2, p=0: dz @ covering(x, dz, k, s, 0).T / k,
        plain=lambda draw: call(draw(2, 6)),
        generic=lambda draw: call(
            draw(*draw.sizes(1, 1, 2), draw.size(3, 8)),
            k=draw.size(2, 3),
            s=draw.size(1, 3),
            p=draw.size(0, 1),
        ),
        trigger=lambda draw: call(draw(2, 6), k=2, s=1, p=1),
    ),
    bug(
        name="convolution with dilation",
        source="jax-ml/jax#567",
        mistake="pads the transposed convolution for the kernel's size without its dilation",
        forward=convolved,
        right=lambda dz, x, w, s=1, p=0, d=1: (
            input_gradient(dz, x, w, (s, p, d, d * (w.shape[-1] - 1) + 1)),
            kernel_gradient(dz, x, w, s, p, d),
        ),
        wrong=lambda dz, x, w, s=1, p=0, d=1: (
            input_gradient(dz, x, w, (s, p, d, w.shape[-1])),
            kernel_gradient(dz, x, w, s, p, d),
        ),
        plain=lambda draw: call(draw(2, 2, 8), draw(3, 2, 3)),
        generic=convolution_call,
        trigger=lambda draw: call(draw(2, 2, 8), draw(3, 2, 3), d=2),
    ),
    bug(
        name="depth to space",
        source="chainer/chainer#1748",
        mistake="splits the image as (h, w, r, r), not as (h, r, w, r)",
        forward=blocks_spread,
        right=lambda dz, x, r=2: blocks_gathered(dz, r, (x.shape[2], r, x.shape[3], r)),
        wrong=lambda dz, x, r=2: blocks_gathered(
            dz.reshape(*dz.shape[:2], x.shape[2], x.shape[3], r, r)
            .transpose(0, 1, 2, 4, 3, 5)
            .reshape(dz.shape),
            r,
            (x.shape[2], r, x.shape[3], r),
        ),
        plain=lambda draw: call(draw(2, 4, 2, 3)),
        generic=lambda draw: (lambda b, c, h, w, r: call(draw(b, r * r * c, h, w), r=r))(
            *draw.sizes(5, 1, 3)
        ),
    ),
    bug(
        name="linear upsampling with aligned corners",
        source="flagos-ai/FlagGems#5218",
        mistake="looks for outputs as far away as they are when corners are not aligned",
        forward=lambda x, scale=2, align=False: (
            x @ interpolation(x.shape[-1], scale, align).T.astype(x.dtype)
        ),
        right=lambda dz, x, scale=2, align=False: (
            dz @ interpolation(x.shape[-1], scale, align).astype(x.dtype)
        ),
        wrong=lambda dz, x, scale=2, align=False: (
            dz
            @ (
                interpolation(x.shape[-1], scale, align) * within_reach(x.shape[-1], scale, align)
            ).astype(x.dtype)
        ),
        plain=lambda draw: call(draw(3, 4)),
        trigger=lambda draw: call(draw(3, 2), scale=5, align=True),
        further=True,
    ),
)

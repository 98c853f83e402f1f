"""Mean and variance depend on the input too."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="normalisation")


def standardised(x: Array, axis: int, eps: float = 1e-5) -> tuple[Array, Array]:
    """x to mean 0 and variance 1 along an axis, and the factor that does it."""
    factor = 1 / np.sqrt(x.var(axis=axis, keepdims=True) + np.asarray(eps, x.dtype))
    return (x - x.mean(axis=axis, keepdims=True)) * factor, factor


def through_statistics(dh: Array, h: Array, factor: Array, axis: int) -> Array:
    """From the gradient of the standardised values h to that of x."""
    mean = dh.mean(axis=axis, keepdims=True)
    return factor * (dh - mean - h * (dh * h).mean(axis=axis, keepdims=True))


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Array:
    return standardised(x, 0, eps)[0] * gamma + beta


def batch_norm_backward(
    dz: Array, x: Array, weight: Array | float, eps: float
) -> tuple[Array, Array, Array]:
    h, factor = standardised(x, 0, eps)
    dx = through_statistics(dz * weight, h, factor, 0)
    return dx, (dz * h).sum(axis=0), dz.sum(axis=0)


def root_mean_square(x: Array) -> Array:
    return np.sqrt((x**2).mean(axis=-1, keepdims=True) + np.asarray(1e-6, x.dtype))


def rms_norm_backward(dz: Array, x: Array, w: Array, column: bool) -> tuple[Array, Array]:
    r = root_mean_square(x)
    along = (dz * w * x).mean(axis=-1) / r[..., 0] ** 2
    dx = (dz * w - x * (along[..., None] if column else along)) / r
    return dx, (dz * x / r).sum(axis=0)


def layer_norm_backward(
    dz: Array, x: Array, w: Array, rows: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """``rows`` is the shape in which backward reads x: each of its rows has been standardised.

    What a kernel would write beyond the end of dw and db is left out.
    """
    d, over = x.shape[-1], tuple(range(x.ndim - 1))
    h, factor = standardised(x.reshape(rows), -1)
    dh = (dz * w).reshape(rows)
    dx = through_statistics(dh, h, factor, -1).reshape(x.shape)
    if rows == x.shape:
        return dx, (dz * h).sum(axis=over), dz.sum(axis=over)
    return dx, (dz.reshape(rows) * h).sum(axis=0)[:d], dz.reshape(rows).sum(axis=0)[:d]


BUGS = (
    bug(
        name="batch normalisation",
        source="denizyuret/Knet.jl#288",
        mistake="dx lacks the factor gamma, which was 1 in every test",
        forward=batch_norm,
        right=lambda dz, x, gamma, beta, eps=1e-5: batch_norm_backward(dz, x, gamma, eps),
        wrong=lambda dz, x, gamma, beta, eps=1e-5: batch_norm_backward(dz, x, 1.0, eps),
        plain=lambda draw: call(draw(5, 3), np.ones(3), np.zeros(3)),
        generic=lambda draw: (lambda n, c: call(draw(n, c), draw(c), draw(c)))(*draw.sizes(2, 2)),
        trigger=lambda draw: call(draw(5, 3), draw(3), draw(3)),
    ),
    bug(
        name="RMS normalisation of rows",
        source="BobMcDear/attorch#17",
        mistake="the correction of each row lies along the columns: [:, None] is missing",
        forward=lambda x, w: x / root_mean_square(x) * w,
        right=lambda dz, x, w: rms_norm_backward(dz, x, w, column=True),
        wrong=lambda dz, x, w: rms_norm_backward(dz, x, w, column=False),
        plain=lambda draw: call(draw(3, 4), draw(4)),
        generic=lambda draw: (lambda n, d: call(draw(n, d), draw(d)))(*draw.sizes(2)),
        trigger=lambda draw: call(draw(4, 4), draw(4)),
    ),
    bug(
        name="layer normalisation",
        source="flagos-ai/FlagGems#5392",
        mistake="takes the first axis for the rows, whatever the rank: statistics of other sets",
        forward=lambda x, w, b: standardised(x, -1)[0] * w + b,
        right=lambda dz, x, w, b: layer_norm_backward(dz, x, w, x.shape),
        wrong=lambda dz, x, w, b: layer_norm_backward(dz, x, w, (len(x), x.size // len(x))),
        plain=lambda draw: call(draw(3, 4), draw(4), draw(4)),
        trigger=lambda draw: call(draw(2, 3, 4), draw(4), draw(4)),
        further=True,
    ),
)

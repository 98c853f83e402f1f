"""The upstream gradient dropped, or used for something else than a factor of each output."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import cross_entropy, one_hot, softmax
from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="upstream")


def pooled(x: Array, k: int = 2) -> Array:
    n, c, size = x.shape
    return x.reshape(n, c, size // k, k).mean(axis=-1)


def huber(x: Array, t: Array, delta: float = 1.0) -> Array:
    if x.shape != t.shape:
        raise ValueError("x and t must have the same shape")
    a = np.abs(x - t)
    return np.where(a <= delta, a**2 / 2, delta * (a - delta / 2)).sum(axis=-1).astype(x.dtype)


BUGS = (
    bug(
        name="arctan2 with a constant",
        source="apache/mxnet#18440",
        mistake="evaluates the derivative at the upstream gradient instead of multiplying by it",
        forward=lambda x, c=1.0: np.arctan2(x, np.asarray(c, x.dtype)),
        right=lambda dz, x, c=1.0: dz * c / (x**2 + c**2),
        wrong=lambda dz, x, c=1.0: c / (dz**2 + c**2),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape()), c=float(draw.between(0.5, 2))),
    ),
    bug(
        name="cross entropy without reduction",
        source="linkedin/Liger-Kernel#680",
        mistake="reads the upstream gradient as one number: every row gets that of the first",
        forward=cross_entropy,
        right=lambda dz, z, y: (dz[:, None] * (softmax(z) - one_hot(y, z)), None),
        wrong=lambda dz, z, y: (dz[0] * (softmax(z) - one_hot(y, z)), None),
        plain=lambda draw: call(draw(4, 5), draw.index(5, 4)),
        generic=lambda draw: (lambda n, c: call(draw(n, c), draw.index(c, n)))(*draw.sizes(2, 2)),
    ),
    bug(
        name="average pooling of several channels",
        source="facebookresearch/CrypTen@f0e9afe",
        mistake="spreads the mean of all channels' upstream gradients over each channel",
        forward=pooled,
        right=lambda dz, x, k=2: np.repeat(dz, k, axis=2) / k,
        wrong=lambda dz, x, k=2: np.repeat(0 * dz + dz.mean(axis=1, keepdims=True), k, axis=2) / k,
        plain=lambda draw: call(draw(2, 3, 4)),
        generic=lambda draw: (lambda n, c, t, k: call(draw(n, c, t * k), k=k))(
            *draw.sizes(4, 1, 3)
        ),
    ),
    bug(
        name="Huber loss of each row",
        source="chainer/chainer#1175",
        mistake="does not use the upstream gradient: right where the loss is the last thing",
        forward=huber,
        right=lambda dz, x, t, delta=1.0: (
            dz[..., None] * np.clip(x - t, -delta, delta),
            dz[..., None] * np.clip(t - x, -delta, delta),
        ),
        wrong=lambda dz, x, t, delta=1.0: (
            np.clip(x - t, -delta, delta),
            np.clip(t - x, -delta, delta),
        ),
        plain=lambda draw: call(draw(3, 4), draw(3, 4)),
        further=True,
    ),
)

"""Where the gradient of a maximum goes."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import placed, summed
from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="ties")


def share_of_first(x: Array, y: Array) -> Array:
    """1 where x wins, 1/2 at a tie."""
    return ((x > y) + 0.5 * (x == y)).astype(x.dtype)


def holders(x: Array) -> Array:
    """Of each running maximum, which place it came from; the last of equal ones."""
    new = x == np.maximum.accumulate(x, axis=-1)
    place = np.where(new, np.arange(x.shape[-1]), 0)
    return np.maximum.accumulate(place, axis=-1)


def added(dz: Array, index: Array) -> Array:
    """Zeros with ``dz`` added at ``index`` along the last axis."""
    dx = np.zeros_like(dz)
    for k in range(dz.shape[-1]):
        now = np.take_along_axis(dx, index[..., k : k + 1], -1)
        np.put_along_axis(dx, index[..., k : k + 1], now + dz[..., k : k + 1], -1)
    return dx


def winners(x: Array, axis: int) -> Array:
    return (x == x.max(axis=axis, keepdims=True)).astype(x.dtype)


BUGS = (
    bug(
        name="maximum of two",
        source="huggingface/candle#534",
        mistake="the second operand's gradient is subtracted from what it has, not added",
        forward=np.maximum,
        right=lambda dz, x, y: (
            summed(dz * share_of_first(x, y), x.shape),
            summed(dz * share_of_first(y, x), y.shape),
        ),
        wrong=lambda dz, x, y: (
            summed(dz * share_of_first(x, y), x.shape),
            -summed(dz * share_of_first(y, x), y.shape),
        ),
        plain=lambda draw: call(draw(3, 4), draw(3, 4)),
        generic=lambda draw: call(*draw.broadcastable()),
    ),
    bug(
        name="running maximum",
        source="pytorch/pytorch#26637",
        mistake="writes gradients to their maxima, where it must add: one lasts for many places",
        forward=lambda x: np.maximum.accumulate(x, axis=-1),
        right=lambda dz, x: added(dz, holders(x)),
        wrong=lambda dz, x: placed(dz, holders(x), x.shape),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape((2, 2)))),
        trigger=lambda draw: call(np.array([[3.0, 1, 2, 5, 4], [1, 2, 0, -1, 3]])),
    ),
    bug(
        name="maximum along an axis",
        source="apache/mxnet#18563",
        mistake="every entry that equals the maximum gets the whole gradient",
        forward=lambda x, axis=0: np.asarray(x.max(axis=axis)),
        right=lambda dz, x, axis=0: (
            np.expand_dims(dz, axis)
            * winners(x, axis)
            / winners(x, axis).sum(axis=axis, keepdims=True)
        ),
        wrong=lambda dz, x, axis=0: np.expand_dims(dz, axis) * winners(x, axis),
        plain=lambda draw: call(draw(3, 4)),
        trigger=lambda draw: call(np.ones((4, 3))),
        further=True,
    ),
)

"""A gradient that does not come back in the shape of its input."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import summed
from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="broadcasting")


def summed_unless_0d(dz: Array, shape: tuple[int, ...]) -> Array:
    return summed(dz, shape) if shape else dz


def summed_over_more_than_one(dz: Array, shape: tuple[int, ...]) -> Array:
    """An axis that was broadcast to size 0 is not larger than 1, and stays as it is."""
    dz = dz.sum(axis=tuple(range(dz.ndim - len(shape))))
    spread = tuple(k for k, n in enumerate(shape) if n == 1 and dz.shape[k] > 1)
    return np.asarray(dz.sum(axis=spread, keepdims=True))


def slice_right(dz: Array, x: Array, start: int = 0, stop: int = 0, step: int = 1) -> Array:
    dx = np.zeros_like(x)
    dx[start:stop:step] = dz
    return dx


def slice_by_padding(dz: Array, x: Array, start: int = 0, stop: int = 0, step: int = 1) -> Array:
    spread = np.zeros(max(0, (len(dz) - 1) * step + 1), dz.dtype)
    spread[::step] = dz
    after = len(x) - (start + 1 + (len(dz) - 1) * step)  # for an empty dz step - 1 too many
    return np.concatenate([np.zeros(start, dz.dtype), spread, np.zeros(after, dz.dtype)])


BUGS = (
    bug(
        name="multiply by a 0-d operand",
        source="raskr/rust-autograd#38",
        mistake="summed to the shape of its operand, except where that is 0-d",
        forward=lambda x, y: np.asarray(x * y),
        right=lambda dz, x, y: (summed(dz * y, x.shape), summed(dz * x, y.shape)),
        wrong=lambda dz, x, y: (
            summed_unless_0d(dz * y, x.shape),
            summed_unless_0d(dz * x, y.shape),
        ),
        plain=lambda draw: call(draw(3, 4), draw(3, 4)),
        generic=lambda draw: call(*draw.broadcastable()),
        trigger=lambda draw: call(draw(3), draw()),
    ),
    bug(
        name="add an axis of size 1 to one of size 0",
        source="pytorch/pytorch#15223",
        mistake="sums an axis only where it is larger than 1, so not where it was broadcast to 0",
        forward=lambda x, y: x + y,
        right=lambda dz, x, y: (summed(dz, x.shape), summed(dz, y.shape)),
        wrong=lambda dz, x, y: (
            summed_over_more_than_one(dz, x.shape),
            summed_over_more_than_one(dz, y.shape),
        ),
        plain=lambda draw: call(draw(3, 4), draw(3, 4)),
        generic=lambda draw: call(*draw.broadcastable()),
        trigger=lambda draw: call(draw(4, 0), draw(4, 1)),
    ),
    bug(
        name="matrix times vector",
        source="harvard-edge/cs249r_book#1781",
        mistake="dA = dz @ b.T, but .T of a vector is the vector: a dot product, not an outer one",
        forward=lambda a, b: a @ b,
        right=lambda dz, a, b: (np.outer(dz, b) if b.ndim == 1 else dz @ b.T, a.T @ dz),
        wrong=lambda dz, a, b: (np.asarray(dz @ b.T), a.T @ dz),
        plain=lambda draw: call(draw(2, 3), draw(3, 4)),
        generic=lambda draw: (
            lambda m, k, n: call(draw(m, k), draw(k, n) if draw.size(0, 1) else draw(k))
        )(*draw.sizes(3)),
        trigger=lambda draw: call(draw(3, 3), draw(3)),
    ),
    bug(
        name="empty slice with a step",
        source="jax-ml/jax#4599",
        mistake="the zeros after the last element are counted from an element that is not there",
        forward=lambda x, start=0, stop=0, step=1: x[start:stop:step].copy(),
        right=slice_right,
        wrong=slice_by_padding,
        plain=lambda draw: call(draw(8), start=1, stop=7, step=2),
        generic=lambda draw: (
            lambda n: call(
                draw(n), start=draw.size(0, 1), stop=draw.size(1, n), step=draw.size(1, 3)
            )
        )(draw.size(2, 9)),
        trigger=lambda draw: call(draw(8), start=3, stop=3, step=2),
    ),
    bug(
        name="mean along an axis",
        source="facebookresearch/shumai#74",
        mistake="tiles the upstream gradient with the input's shape, as if it were always a scalar",
        forward=lambda x, axis=None: np.asarray(x.mean(axis=axis)),
        right=lambda dz, x, axis=None: (
            np.broadcast_to(dz if axis is None else np.expand_dims(dz, axis), x.shape)
            * np.asarray(dz.size / max(1, x.size), dz.dtype)
        ),
        wrong=lambda dz, x, axis=None: (
            np.tile(dz, x.shape) * np.asarray(dz.size / max(1, x.size), dz.dtype)
        ),
        plain=lambda draw: call(draw(3, 4)),
        trigger=lambda draw: call(draw(3, 4), axis=0),
        further=True,
    ),
)

"""What stays from one call to the next, and arrays of the caller that are written to."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="state")

BUFFERS: dict[tuple[object, ...], Array] = {}
USED: set[tuple[int, ...]] = set()


def scaled_in_place(dz: Array, x: Array, p: float = 0.4) -> Array:
    dz /= 1 - p
    return dz.copy()


def added_at(buffer: Array, dz: Array, index: Array, axis: int) -> Array:
    np.add.at(np.moveaxis(buffer, axis, 0), index, np.moveaxis(dz, axis, 0))
    return buffer


def into_old_buffer(dz: Array, w: Array, index: Array, axis: int = 0) -> tuple[Array, None]:
    buffer = BUFFERS.setdefault((w.shape, w.dtype), np.zeros_like(w))
    if axis == 0:
        buffer[...] = 0
    return added_at(buffer, dz, index, axis).copy(), None


def second_branch_only_later(dz: Array, x: Array) -> Array:
    first, second = dz * np.cos(x), dz * 2 * x
    if x.shape in USED:  # the buffer is there: it is zeroed, and the first branch is gone
        first = np.zeros_like(first)
    USED.add(x.shape)
    return first + second


BUGS = (
    bug(
        name="scaling of a dropout layer",
        source="ddbourgin/numpy-ml#94",
        mistake="scales the caller's upstream gradient in place; the returned numbers are right",
        forward=lambda x, p=0.4: x / (1 - p),
        right=lambda dz, x, p=0.4: dz / (1 - p),
        wrong=scaled_in_place,
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape()), p=float(draw.between(0.1, 0.9))),
    ),
    bug(
        name="take along an axis",
        source="apache/mxnet#20203",
        mistake="clears its buffer only for axis 0: from the second call on gradients pile up",
        forward=lambda w, index, axis=0: np.take(w, index, axis=axis),
        right=lambda dz, w, index, axis=0: (added_at(np.zeros_like(w), dz, index, axis), None),
        wrong=into_old_buffer,
        reset=BUFFERS.clear,
        plain=lambda draw: call(draw(5, 3), np.array([4, 0, 3])),
        generic=lambda draw: (
            lambda shape, axis: call(draw(*shape), draw.index(shape[axis], 3), axis=axis)
        )(draw.sizes(2, 2), draw.size(0, 1)),
        trigger=lambda draw: call(draw(3, 5), np.array([4, 0, 2]), axis=1),
    ),
    bug(
        name="two branches that meet",
        source="bshillingford/autobw.torch#7",
        mistake="from the second pass on the sum starts from zeros, without the first branch",
        forward=lambda x: np.sin(x) + x**2,
        right=lambda dz, x: dz * (np.cos(x) + 2 * x),
        wrong=second_branch_only_later,
        reset=USED.clear,
        plain=lambda draw: call(draw(3, 4)),
        further=True,
    ),
)

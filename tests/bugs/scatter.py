"""Repeated indices, and gather where scatter is due."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="scatter")


def filled(x: Array, v: Array, index: Array) -> Array:
    y = x.copy()
    y[index] = v
    return y


def fill_backward(dz: Array, index: Array, rows: Array) -> tuple[Array, Array, None]:
    return filled(dz, np.zeros((), dz.dtype), index), np.asarray(dz[rows].sum()), None


def increased(x: Array, v: Array, index: Array) -> Array:
    y = x.copy()
    np.add.at(y, index, v)
    return y


BUGS = (
    bug(
        name="fill rows with a number",
        source="pytorch/pytorch#57006",
        mistake="counts a row that is listed twice twice, though it is filled once",
        forward=filled,
        right=lambda dz, x, v, index: fill_backward(dz, index, np.unique(index)),
        wrong=lambda dz, x, v, index: fill_backward(dz, index, index),
        plain=lambda draw: call(draw(5, 5), draw(), np.array([3, 1])),
        generic=lambda draw: (lambda v, d, n: call(draw(v, d), draw(), draw.index(v, n)))(
            *draw.sizes(3)
        ),
        trigger=lambda draw: call(draw(5, 5), draw(), np.array([2, 2])),
    ),
    bug(
        name="add to selected rows",
        source="tracel-ai/burn#1739",
        mistake="scatters the upstream gradient to the indices where it must select it from them",
        forward=increased,
        right=lambda dz, x, v, index: (dz.copy(), dz[index], None),
        wrong=lambda dz, x, v, index: (
            dz.copy(),
            increased(np.zeros_like(v), dz[: len(v)], index),
            None,
        ),
        plain=lambda draw: call(draw(3, 2), draw(2, 2), np.array([1, 0])),
        generic=lambda draw: (lambda v, d, k: call(draw(v, d), draw(k, d), draw.index(v, k)))(
            *draw.sizes(3)
        ),
        trigger=lambda draw: call(draw(4, 3), draw(4, 3), np.array([1, 2, 3, 0])),
    ),
    bug(
        name="gather",
        source="pytorch/pytorch#1631",
        mistake="writes the gradients to the gathered places where it must add them",
        forward=lambda x, index: x[index],
        right=lambda dz, x, index: (increased(np.zeros_like(x), dz, index), None),
        wrong=lambda dz, x, index: (filled(np.zeros_like(x), dz, index), None),
        plain=lambda draw: call(draw(5, 4), np.array([3, 0, 2])),
        trigger=lambda draw: call(draw(5, 4), np.array([3, 0, 3])),
        further=True,
    ),
)

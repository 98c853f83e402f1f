"""Formulas that hold for the usual data only."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import log_softmax, softmax, summed
from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="data")


def clamped(x: Array, low: Array, high: Array) -> Array:
    return np.asarray(np.where(x > high, high, np.where(x < low, low, x)))


def clamp_backward(
    dz: Array, operands: tuple[Array, ...], below: Array, above: Array
) -> tuple[Array, ...]:
    shares = ~(below | above), below, above
    return tuple(summed(dz * share, np.shape(a)) for share, a in zip(shares, operands, strict=True))


BUGS = (
    bug(
        name="cross entropy with label weights",
        source="kvark/meganeura#102",
        mistake="softmax - t, where softmax sum(t) - t is right: every row of labels summed to one",
        forward=lambda z, t: np.asarray(-(t * log_softmax(z)).sum() / len(z)),
        right=lambda dz, z, t: (
            dz * (softmax(z) * t.sum(axis=-1, keepdims=True) - t) / len(z),
            None,
        ),
        wrong=lambda dz, z, t: (dz * (softmax(z) - t) / len(z), None),
        plain=lambda draw: call(draw(3, 4), draw(3, 4)),
        generic=lambda draw: (lambda n, c: call(draw(n, c), draw(n, c)))(*draw.sizes(2, 2)),
        trigger=lambda draw: call(draw(3, 4), np.array([[0, 2.5, 0, 0], [0] * 4, [-1, 0, 0, 0.5]])),
    ),
    bug(
        name="clamp between two bounds",
        source="JuliaDiff/ChainRules.jl#804",
        mistake="below the lower and above the upper bound at once, where they are swapped: both",
        forward=clamped,
        right=lambda dz, x, low, high: clamp_backward(
            dz, (x, low, high), (x < low) & (x <= high), x > high
        ),
        wrong=lambda dz, x, low, high: clamp_backward(dz, (x, low, high), x < low, x > high),
        plain=lambda draw: call(draw(3, 4), -0.5, 0.5),
        trigger=lambda draw: call(np.array([0.1, 0.2, 3.0]), np.array(0.5), np.array(-0.5)),
        further=True,
    ),
)

"""How every output follows every entry of one input: the whole Jacobian of one small case.

The values check contracts its differences with one cotangent at once. The diagnosis asks what
backward would return for *other* cotangents, and needs them apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.differences import QUICK_EXPONENT, scale_of
from gradcheck.point import Move, Point


def jacobian(point: Point, k: int) -> Float:
    """d outputs / d input ``k`` at the quick path's steps, four evaluations an entry.

    Returns
    -------
    (n, m) array
        Row by entry of the input, column by real output; NaN where forward refused.
    """
    primal = point.primals[k]
    steps = scale_of(np.abs(point.entries(k, np.arange(primal.size))))
    steps = steps * 2.0 ** -QUICK_EXPONENT[point.precision]
    rows = [_row(point, Move.entry(k, i), float(h)) for i, h in enumerate(steps)]
    return np.stack(rows) if rows else np.zeros((0, point.here.size))


def _row(point: Point, move: Move, h: float) -> Float:
    with np.errstate(all="ignore"):
        fine = (point.displaced(move, h) - point.displaced(move, -h)) / (2 * h)
        coarse = (point.displaced(move, 2 * h) - point.displaced(move, -2 * h)) / (4 * h)
        return np.asarray(fine + (fine - coarse) / 3)


def gradient_at(point: Point, k: int, value: Array) -> Float:
    """The true gradient of input ``k`` had it another value, for the same cotangent."""
    primals = (*point.primals[:k], value, *point.primals[k + 1 :])
    elsewhere = replace(point, primals=primals)
    return np.asarray(jacobian(elsewhere, k) @ point.cotangent).reshape(value.shape)

"""Side questions at a kink: what each output does there, and in the pieces around a tie."""

from __future__ import annotations

import numpy as np

from gradcheck.differences import QUICK_EXPONENT
from gradcheck.floats import HALF
from gradcheck.point import Move, Point


def output_slopes(point: Point, move: Move) -> tuple[float, float]:
    """Hull of the one-sided slopes of each output, added up.

    Several outputs that have a kink at once, one turning up and one down, allow more than the
    slopes of their sum: the subdifferential of a sum lies in the sum of the subdifferentials.
    """
    step = side_step(point, 2.0**-14, 2.0**-6)
    sides = []
    for sign in (1, -1):
        whole = (point.displaced(move, sign * step) - point.here) / (sign * step)
        half = (point.displaced(move, sign * step / 2) - point.here) / (sign * step / 2)
        sides.append((2 * half - whole) * point.cotangent)
    return float(np.minimum(*sides).sum()), float(np.maximum(*sides).sum())


def rough(point: Point, move: Move) -> bool:
    """Some output has a kink here, though in their sum the kinks cancel.

    Sum_j |c_j (y_j(h) - 2 y_j(0) + y_j(-h))| / h falls like h where all outputs are smooth.
    """
    step = side_step(point, 2.0**-12, 2.0**-5)
    bends, scale = [], 0.0
    for h in (step, step / 2):
        above, below = point.displaced(move, h), point.displaced(move, -h)
        bends.append(float(np.abs((above - 2 * point.here + below) * point.cotangent).sum()) / h)
        scale = float(np.abs((above - below) * point.cotangent).sum()) / (2 * h)
    return bends[1] > 0.75 * bends[0] and bends[1] > 1e-3 * scale


def side_step(point: Point, wide: float, narrow: float) -> float:
    """A step for a side question: in float64, in float32, and the quick path's in half."""
    if point.precision in HALF:
        return 2.0 ** -QUICK_EXPONENT[point.precision]
    return wide if point.precision == "float64" else narrow


def steep(point: Point, move: Move, step: float) -> float:
    """A plain central difference, where the function is smooth by construction."""
    moved = point.displaced(move, step) - point.displaced(move, -step)
    return float(moved @ point.cotangent) / (2 * step)

"""Differences along a move of a large case, in blocks: two evaluations are held at a time."""

from __future__ import annotations

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.point import Move, Point

_BLOCK = 2**14
"""Outputs that are worked on at a time."""


def sums(point: Point, move: Move, steps: Float) -> tuple[float, ...]:
    """What `differences.Sums` holds, of one move; |side| also squared."""
    touched = np.zeros(point.here.size, bool)
    coarse, fine = (_one_step(point, move, float(h), touched) for h in steps)
    bent, own = 4 * fine[3] - coarse[3], coarse[4] + fine[4]
    return coarse[0], fine[0], coarse[1], coarse[2], bent, own, float(touched.any())


def _one_step(point: Point, move: Move, h: float, touched: Array) -> tuple[float, ...]:
    """Sums of moved, |side|, side^2 and bent at a step, and of (w y)^2 over what had not moved."""
    w, here, sums = point.cotangent, point.here, np.zeros(5)
    above, below = point.displaced(move, h), point.displaced(move, -h)
    for start in range(0, here.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        a, b, v = above[block], below[block], w[block]
        moved, bent = a - b, a + b - 2 * here[block]
        side = np.maximum(np.abs(moved), np.abs(bent))
        fresh = (side != 0) & ~touched[block]
        touched[block] |= fresh
        size = np.maximum(np.maximum(np.abs(a), np.abs(b)), point.tiny) * fresh
        size *= v
        side *= v
        sizes = float(np.abs(side).sum()), float(side @ side)
        sums += (float(moved @ v), *sizes, float(bent @ v), float(size @ size))
    return tuple(float(s) for s in sums)

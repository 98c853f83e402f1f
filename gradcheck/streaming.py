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
    above, below = point.displaced(move, h), point.displaced(move, -h)
    if above.size <= _BLOCK:
        return _summed(point, above, below, touched, slice(None))
    blocks = (slice(start, start + _BLOCK) for start in range(0, above.size, _BLOCK))
    each = [_summed(point, above, below, touched, block) for block in blocks]
    return tuple(map(sum, zip(*each, strict=True)))


def _summed(
    point: Point, above: Float, below: Float, touched: Array, block: slice
) -> tuple[float, ...]:
    """The sums over some outputs; notes which of them move."""
    a, b, w, here = above[block], below[block], point.cotangent[block], point.here[block]
    bent = a + b
    bent -= here + here
    moved = a - b
    straight, curved = float(moved @ w), float(bent @ w)
    side = np.maximum(np.abs(moved, out=moved), np.abs(bent, out=bent), out=moved)
    moves = side != 0
    side *= np.abs(w)
    known = touched[block]
    size = 0.0
    if not known.all():
        fresh = moves > known
        known |= moves
        values = np.maximum(np.abs(a), np.abs(b), out=bent)
        values = np.maximum(values, point.tiny, out=values) * fresh
        values *= w
        size = float(values @ values)
    return straight, float(side.sum()), float(side @ side), curved, size

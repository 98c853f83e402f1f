"""Differences along a move of a large case, in blocks: two evaluations are held at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.point import Move, Point
from gradcheck.quotients import Sums, weighed

_BLOCK = 2**14
"""Outputs that are worked on at a time."""
_Summed = Callable[..., tuple[float, ...]]


def sums(point: Point, move: Move, step: float, *, root: bool) -> tuple[Sums[float], bool]:
    """The sums along one move, at h, -h and 2h, and whether any output moves.

    ``root``: for the noise of many entries, the root of the sum of squares.
    """
    if point.here.size == 1:
        return _of_one(point, move, step)
    size, touched = point.here.size, np.empty(point.here.size, bool)
    moved = point.far_along if move.whole else point.displaced
    try:
        with np.errstate(all="ignore"):
            near = _in_blocks(_near, point, touched, moved(move, step), moved(move, -step))
            ahead, behind, sides, squares, own, count = near
            summed = _beyond if count == size else _far
            far = _in_blocks(summed, point, touched, moved(move, 2 * step))
    finally:
        if move.whole:
            point.put_back(move)
    spread = squares**0.5 if root else sides
    third = far[0] - 3 * ahead - behind
    found = Sums(ahead - behind, third, sides, spread, own + far[1])
    return found, count > 0 or bool(np.count_nonzero(touched))


def _of_one(point: Point, move: Move, step: float) -> tuple[Sums[float], bool]:
    """`sums` over the only output, without arrays of one number."""
    w, here = point.cotangent.item(), point.here.item()
    u, v, far = [y - here for y in _only(point, move, (step, -step, 2 * step))]
    side, ahead, behind = abs(u) + abs(v), w * u, w * v
    size = w * here if point.tiny**2 == 0 else w * max(abs(here), point.tiny)
    touched = side != 0 or far != 0
    sides, own = abs(w) * side, size * size if touched else 0.0
    return Sums(ahead - behind, w * far - 3 * ahead - behind, sides, sides, own), touched


def _only(point: Point, move: Move, steps: Sequence[float]) -> list[float]:
    """The only output after each of some steps."""
    if not move.whole:
        return [point.displaced(move, step).item() for step in steps]
    try:
        return [point.far_along(move, step).item() for step in steps]
    finally:
        point.put_back(move)


def _in_blocks(summed: _Summed, point: Point, touched: Array, *outputs: Float) -> tuple[float, ...]:
    size = outputs[0].size
    if size <= _BLOCK:
        return summed(point, touched, slice(None), *outputs)
    blocks = (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))
    parts = (summed(point, touched, block, *outputs) for block in blocks)
    return tuple(map(sum, zip(*parts, strict=True)))


def _near(
    point: Point, touched: Array, block: slice, ahead: Float, behind: Float
) -> tuple[float, ...]:
    """Over some outputs, with u = ahead - here and v = behind - here: sums of w u, w v, |w u| +
    |w v|, of the squares of those, and of (w y)^2 where they move, and how many do.

    Notes which do. Works in place, also on what it is given.
    """
    w, here, u, v = point.cotangent[block], point.here[block], ahead[block], behind[block]
    u -= here
    v -= here
    first, second = float(u.dot(w)), float(v.dot(w))
    side = np.add(np.abs(u, out=u), np.abs(v, out=v), out=u)
    moves, count = touched[block], len(side)
    if not count or side.item(side.argmin()) > 0:  # all of them: soon said
        moves[:] = True
    else:
        count = int(np.count_nonzero(np.not_equal(side, 0, out=moves)))
    size = np.abs(w, out=v)
    sides = float(side.dot(size))
    side *= size
    own = weighed(point, block, size)
    if count < len(moves):
        own *= moves
    return first, second, sides, float(side.dot(side)), float(own.dot(own)), count


def _beyond(point: Point, _: Array, block: slice, outputs: Float) -> tuple[float, ...]:
    """Over some outputs, all of which move nearer by: the sum of w (far - here)."""
    beyond = outputs[block]
    beyond -= point.here[block]
    return float(beyond.dot(point.cotangent[block])), 0.0


def _far(point: Point, touched: Array, block: slice, outputs: Float) -> tuple[float, ...]:
    """The same, and the sum of (w y)^2 where only this moves them."""
    known, total = touched[block], _beyond(point, touched, block, outputs)[0]
    beyond = outputs[block]
    fresh = (beyond != 0) & ~known
    known |= fresh
    own = weighed(point, block, beyond)
    own *= fresh
    return total, float(own.dot(own))

"""Differences along a move of a large case, in blocks: two evaluations are held at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.point import Move, Point
from gradcheck.quotients import Sums

_BLOCK = 2**14
"""Outputs that are worked on at a time."""
_Summed = Callable[..., tuple[float, ...]]


def sums(point: Point, move: Move, step: float, *, root: bool) -> tuple[Sums[float], bool]:
    """The sums along one move, at h, -h and 2h, and whether any output moves.

    ``root``: for the noise of many entries, the root of the sum of squares.
    """
    touched = np.zeros(point.here.size, bool)
    made = _outputs(point, move, (step, -step, 2 * step))
    with closing(made) as outputs, np.errstate(all="ignore"):  # the primals are back at its end
        near = _in_blocks(partial(_near, point, touched), next(outputs), next(outputs))
        far = _in_blocks(partial(_far, point, touched), next(outputs))
    first, bent, sides, squares, own = near
    spread = squares**0.5 if root else sides
    found = Sums(first, far[0] - 2 * bent - first, sides, spread, own + far[1])
    return found, bool(np.count_nonzero(touched))


def _outputs(point: Point, move: Move, steps: tuple[float, ...]) -> Generator[Float, None, None]:
    if move.whole:
        yield from point.along(move, steps)
    else:
        yield from (point.displaced(move, h) for h in steps)


def _in_blocks(summed: _Summed, *outputs: Float) -> tuple[float, ...]:
    size = outputs[0].size
    if size <= _BLOCK:
        return summed(slice(None), *outputs)
    blocks = (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))
    return tuple(map(sum, zip(*(summed(b, *outputs) for b in blocks), strict=True)))


def _near(
    point: Point, touched: Array, block: slice, ahead: Float, behind: Float
) -> tuple[float, ...]:
    """Over some outputs: sums of moved, bent, |side|, side^2, and of (w y)^2 where they move.

    Notes which do.
    """
    a, b, w, here = ahead[block], behind[block], point.cotangent[block], point.here[block]
    moved, bent = a - b, a + b
    bent -= here + here
    first, curved = float(moved @ w), float(bent @ w)
    side = np.maximum(np.abs(moved, out=moved), np.abs(bent, out=bent), out=moved)
    moves = np.not_equal(side, 0, out=touched[block])
    weights = np.abs(w, out=bent)
    sides = float(side @ weights)
    side *= weights
    size = np.abs(a)
    np.maximum(size, np.abs(b), out=size)
    return first, curved, sides, float(side @ side), _own(point, size, weights, moves)


def _far(point: Point, touched: Array, block: slice, outputs: Float) -> tuple[float, ...]:
    """Over some outputs: the sum of far - here, and of (w y)^2 where they had not moved before."""
    beyond, w, known = outputs[block] - point.here[block], point.cotangent[block], touched[block]
    total = float(beyond @ w)
    if np.count_nonzero(known) == len(known):
        return total, 0.0
    fresh = (beyond != 0) & ~known
    known |= fresh
    return total, _own(point, np.abs(outputs[block]), w, fresh)


def _own(point: Point, size: Float, weights: Float, moves: Array) -> float:
    """Sum of (w y)^2 over the outputs that move, from their sizes, which are written into."""
    np.maximum(size, point.tiny, out=size)
    size *= weights
    if np.count_nonzero(moves) < len(moves):
        size *= moves
    return float(size @ size)

"""Differences along a move of a large case, in blocks: two evaluations are held at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.point import Move, Point
from gradcheck.quotients import Sums

_BLOCK = 2**14
"""Outputs that are worked on at a time."""
_Summed = Callable[[Float, Float, slice], tuple[float, ...]]


def sums(
    point: Point, move: Move, steps: tuple[float, float], *, root: bool
) -> tuple[Sums[float], bool]:
    """The sums along one move at the steps 2h and h, and whether any output moves.

    ``root``: for the noise of many entries, the root of the sum of squares.
    """
    wide, narrow = steps
    touched = np.zeros(point.here.size, bool)
    outputs = _outputs(point, move, (wide, -wide, narrow, -narrow))
    with np.errstate(all="ignore"):
        coarse = _in_blocks(partial(_coarse, point, touched), next(outputs), next(outputs))
        fine = _in_blocks(partial(_fine, point, touched), next(outputs), next(outputs))
    outputs.close()
    spread = coarse[3] ** 0.5 if root else coarse[2]
    bent, own = 4 * fine[1] - coarse[1], coarse[4] + fine[2]
    return Sums(coarse[0], fine[0], coarse[2], spread, bent, own), bool(np.count_nonzero(touched))


def _outputs(point: Point, move: Move, steps: tuple[float, ...]) -> Generator[Float, None, None]:
    if move.whole:
        yield from point.along(move, steps)
    else:
        yield from (point.displaced(move, h) for h in steps)


def _in_blocks(summed: _Summed, above: Float, below: Float) -> tuple[float, ...]:
    if above.size <= _BLOCK:
        return summed(above, below, slice(None))
    blocks = (slice(start, start + _BLOCK) for start in range(0, above.size, _BLOCK))
    return tuple(map(sum, zip(*(summed(above, below, b) for b in blocks), strict=True)))


def _coarse(
    point: Point, touched: Array, above: Float, below: Float, block: slice
) -> tuple[float, ...]:
    """Over some outputs: sums of moved, bent, |side|, side^2, and of (w y)^2 where they move.

    Notes which do.
    """
    a, b, w = above[block], below[block], point.cotangent[block]
    moved, bent = _differences(a, b, point.here[block])
    straight, curved = float(moved @ w), float(bent @ w)
    side = np.maximum(np.abs(moved, out=moved), np.abs(bent, out=bent), out=moved)
    moves = np.not_equal(side, 0, out=touched[block])
    weights = np.abs(w, out=bent)
    sides = float(side @ weights)
    side *= weights
    return straight, curved, sides, float(side @ side), _size(point, (a, b, weights), moves)


def _fine(
    point: Point, touched: Array, above: Float, below: Float, block: slice
) -> tuple[float, ...]:
    """Over some outputs: sums of moved and bent, and of (w y)^2 where they had not moved before."""
    a, b, w = above[block], below[block], point.cotangent[block]
    moved, bent = _differences(a, b, point.here[block])
    straight, curved, known = float(moved @ w), float(bent @ w), touched[block]
    if np.count_nonzero(known) == len(known):
        return straight, curved, 0.0
    fresh = ((moved != 0) | (bent != 0)) & ~known
    known |= fresh
    return straight, curved, _size(point, (a, b, w), fresh)


def _differences(above: Float, below: Float, here: Float) -> tuple[Float, Float]:
    bent = above + below
    bent -= here + here
    return above - below, bent


def _size(point: Point, sides: tuple[Float, Float, Float], moves: Array) -> float:
    """Sum of (w y)^2 over the outputs that move, from those above and below and the weights."""
    above, below, weights = sides
    values = np.abs(above)
    np.maximum(values, np.abs(below), out=values)
    np.maximum(values, point.tiny, out=values)
    values *= weights
    if np.count_nonzero(moves) < len(moves):
        values *= moves
    return float(values @ values)

"""From outputs around a point to a derivative with its bound, by three evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.ladder import KAPPA, SAFE
from gradcheck.point import Point

N = TypeVar("N", float, Float)
"""What is known of one move, or of n: arrays of shape (n,)."""
_NOISE_OF_VALUE = math.sqrt(6**2 + 2**2 + 3**2 + 1) / 6
"""Standard deviation of D - third / 6h for unit noise in phi, times h."""


class QuickEstimates(NamedTuple, Generic[N]):
    """Derivatives along n moves, or along one; see `Estimate` for the words."""

    value: N
    bound: N
    truncation: N
    roundoff: N
    step: N
    scale: N


Quick = QuickEstimates[Float]
"""Those of n moves."""


def joined(parts: Sequence[Quick]) -> Quick:
    """Several one after the other, or none."""
    if not parts:
        return stacked([])
    if len(parts) == 1:
        return parts[0]
    return QuickEstimates(*map(np.concatenate, zip(*parts, strict=True)))


def stacked(each: Sequence[QuickEstimates[float]]) -> Quick:
    """Those of single moves as arrays."""
    if not each:
        return QuickEstimates(*(np.zeros(0) for _ in QuickEstimates._fields))
    return QuickEstimates(*map(np.array, zip(*each, strict=True)))


class Sums(NamedTuple, Generic[N]):
    """Over the outputs that follow each of n moves, or one.

    Ahead and behind are the outputs at x + h and x - h, far those at x + 2h; below zero h < 0.
    """

    first: N
    """sum w (ahead - behind)."""
    third: N
    """sum w (far - 3 ahead + 3 here - behind): 0 but for a kink and third order."""
    sides: N
    """sum |w (ahead - here)| + |w (here - behind)|.

    |u| + |v| is max(|u + v|, |u - v|): of the central difference and of the second one.
    """
    spread: N
    """The same for the noise of |x phi'|: along many entries the root of the sum of squares, as the
    rounding of each output is its own."""
    own: N
    """sum (w y)^2 over the outputs that move, y those at x: how far they move is in ``spread``."""


def weighed(point: Point, block: slice = slice(None), into: Float | None = None) -> Float:
    """w |y| but for its sign, to be squared: what the rounding of each output counts for.

    Of all outputs, or of some; made in ``into``.
    """
    w, here = point.cotangent[block], point.here[block]
    if point.tiny**2 == 0:  # what is below it has no square either
        return np.multiply(here, w, out=into)
    size = np.abs(here, out=into)
    np.maximum(size, point.tiny, out=size)
    size *= w
    return size


def finish(point: Point, sums: Sums[Float], touched: Array, width: Float, inputs: Float) -> Quick:
    """The estimates of n moves.

    Parameters
    ----------
    point : Point
    sums : Sums
    touched : (n,) array
        Whether any output moves.
    width : (n,) array
        From behind to ahead: 2h, after rounding.
    inputs : (n,) array
        The largest |x| that moves.
    """
    made = _estimates(point, sums, width, inputs)
    bound = made.bound
    if not np.all(touched):
        hidden = _hidden(point) / made.step
        bound = bound + np.where(touched, 0.0, _counted(point, hidden))
    bound = np.where(np.isfinite(made.value), bound, np.inf)
    return made._replace(bound=bound)


def finish_one(
    point: Point, sums: Sums[float], width: float, inputs: float, *, touched: bool
) -> QuickEstimates[float]:
    """`finish` for one move, without arrays of one number."""
    made = _estimates(point, sums, width, inputs)
    if not math.isfinite(made.value):
        return made._replace(bound=math.inf)
    if touched:
        return made
    hidden = _counted(point, np.asarray(_hidden(point) / made.step))
    return made._replace(bound=made.bound + float(hidden))


def _estimates(point: Point, sums: Sums[N], width: N, inputs: N) -> QuickEstimates[N]:
    """As if all moves were touched and finite.

    A slope that jumps by J at the point makes a third difference of J h, and so a truncation of
    J / 3: as much as the value is then off from one of its sides.
    """
    curved = sums.third / (3 * width)
    wide = abs(width)
    h = wide / 2
    # the slopes of both sides without cancellation: even at the bottom of x^2 there is a scale
    scale = sums.sides / wide
    loose = sums.spread * (1 + inputs / wide)
    sigma = 0.5 * point.eps * (sums.own + loose * loose) ** 0.5
    truncation = SAFE * abs(curved)
    roundoff = KAPPA * sigma * _NOISE_OF_VALUE / h
    value = sums.first / width - curved
    return QuickEstimates(value, truncation + roundoff, truncation, roundoff, h, scale)


def _hidden(point: Point) -> float:
    """What may hide below the rounding of outputs none of which moves, times the step."""
    return 0.5 * point.eps * float(np.linalg.norm(point.cotangent * point.here))


def _counted(point: Point, hidden: Float) -> Float:
    """0 where that is little."""
    little = hidden <= 1e-2 * float(np.linalg.norm(point.cotangent))
    return np.where(little, 0.0, KAPPA * hidden)

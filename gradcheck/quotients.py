"""From outputs around a point to a derivative with its bound, by four evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.ladder import KAPPA, SAFE
from gradcheck.point import Point

_NOISE_OF_RICHARDSON = np.sqrt(((4 / 3) ** 2 + (1 / 6) ** 2) / 2)
"""Standard deviation of (4 D(h) - D(2h)) / 3 for unit noise in phi, times h."""
_NOISE_OF_JUMP = np.sqrt(2 * (2.0**2 + 0.5**2) + 3.0**2)
"""The same for 2 S(h) - S(2h), S(h) = (phi(h) - 2 phi(0) + phi(-h)) / h."""


@dataclass(frozen=True, slots=True)
class QuickEstimates:
    """Derivatives along n moves, each array (n,); see `Estimate` for the words."""

    value: Float
    bound: Float
    truncation: Float
    roundoff: Float
    step: Float
    scale: Float
    jump: Float
    """How much the slope may jump at the point, beyond noise; 0 where the function is smooth."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Over the outputs that follow each of n moves, at the steps 2h and h; every array is (n,)."""

    coarse: Float
    """sum w (above - below) at 2h."""
    fine: Float
    """The same at h."""
    sides: Float
    """sum |w (above - here)| + |w (here - below)| at 2h.

    |u| + |v| is max(|u + v|, |u - v|): of the central difference and of the second one.
    """
    spread: Float
    """The same for the noise of |x phi'|: along many entries the root of the sum of squares, as the
    rounding of each output is its own."""
    bent: Float
    """sum w (4 S(h) - S(2h)), S = above - 2 here + below: 0 but for a kink and fourth order."""
    own: Float
    """sum (w y)^2 over the outputs that move."""
    touched: Array
    """Whether any does."""


def finish(point: Point, sums: Sums, width: Float, inputs: Float) -> tuple[Float, ...]:
    """The columns of `QuickEstimates`.

    Parameters
    ----------
    point : Point
    sums : Sums
        Of n moves, or of one with a number for each array.
    width : (2, n) array
        From below to above, at 2h and h.
    inputs : (n,) array
        The largest |x| that moves.
    """
    wide, narrow = width
    coarse, fine = sums.coarse / wide, sums.fine / narrow
    value = fine + (fine - coarse) / ((wide / narrow) ** 2 - 1)
    h = narrow / 2
    # the slopes of both sides without cancellation: even at the bottom of x^2 there is a scale
    scale = sums.sides / wide
    loose = inputs * sums.spread / wide
    sigma = 0.5 * point.eps * np.sqrt(sums.own + loose**2)
    truncation = SAFE * np.abs(value - fine)
    roundoff = KAPPA * sigma * _NOISE_OF_RICHARDSON / h
    bound = truncation + roundoff
    if not np.all(sums.touched):
        bound = bound + np.where(sums.touched, 0.0, _hidden(point, h))
    bound = np.where(np.isfinite(value), bound, np.inf)
    jump = np.abs(sums.bent) / (2 * h) - KAPPA * sigma * _NOISE_OF_JUMP / h
    return value, bound, truncation, roundoff, h, scale, np.maximum(jump, 0.0)


def _hidden(point: Point, h: Float) -> Float:
    """What may hide below the rounding of outputs none of which moves; 0 where that is little."""
    w = point.cotangent
    hidden = 0.5 * point.eps * float(np.linalg.norm(w * point.here)) / h
    return np.where(hidden <= 1e-2 * float(np.linalg.norm(w)), 0.0, KAPPA * hidden)

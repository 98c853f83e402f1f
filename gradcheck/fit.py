"""The derivative along a line where arithmetic has three decimal digits, with a bound.

In float16 and bfloat16 two evaluations tell no slope: the difference of two outputs is mostly
rounding. Many do. phi is sampled at some fifty steps on both sides, in its own precision, and
polynomials are fitted to it by least squares: the noise of the slope falls with the root of the
number of samples, and what a fit leaves over measures that noise (Savitzky and Golay 1964).

1. *Windows.* All samples up to a largest step, which is halved down to a few spacings of x; chosen
   as in `ladder`: the tightest whose interval meets those of all smaller windows (Lepski 1990).
2. *Degrees.* Rising in each window; what the last ones changed bounds the truncation.
3. *Sides.* Fits to the left and the right alone. Where their intervals are disjoint, x is a kink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradcheck.estimate import Estimate, Float, Line
from gradcheck.ladder import KAPPA, SAFE

OCTAVES, PER_OCTAVE = 7, 8
"""Steps: from the size of x down to 1/128 of it."""
SPACINGS = 8
"""A window reaches at least this many spacings of x."""
DEGREES = 4
"""Fits of each window: of degree 2, 4, 6, 8, on one side 1, 2, 3, 4."""
SPARE = 4
"""A fit has at least this many more samples than coefficients."""
ROUNDING = 0.3
"""Standard deviation of one rounding, in spacings: 1 / sqrt(12)."""
_GOLDEN = 0.618033988749895


@dataclass(frozen=True, slots=True)
class _Curve:
    """phi along the line, relative to phi at the point; arrays are (n,)."""

    t: Float
    phi: Float
    floor: float
    """Deviation of phi if each output that moves is rounded once."""
    scale: float
    """Size of the slope without cancellation."""


def estimate(line: Line, *, stretch: float = 1.0) -> Estimate:
    """Estimate the derivative of phi = cotangent . y along a line, at its point.

    Parameters
    ----------
    line
        Where to sample y. Steps that meet NaN or infinity are ignored, with all coarser ones.
    stretch
        Factor on all steps: a second estimate with, say, 1.37 meets other roundings.

    Returns
    -------
    Estimate
        The counterpart of `ladder.estimate` in half precision.
    """
    spacing = line.eps * 2.0 ** math.floor(math.log2(max(line.size, line.tiny)))
    steps = _steps(line.size, stretch, 2 * spacing)
    evaluations = 2 * len(steps)
    with np.errstate(all="ignore"):
        steps, curve = _sampled(line, steps)
        if len(steps) < PER_OCTAVE:
            return Estimate(
                value=math.nan, bound=math.inf, reason="domain edge", evaluations=evaluations
            )
        windows = steps[0] / 2.0 ** np.arange(OCTAVES)
        smallest = max(SPACINGS * spacing, 1.9 * steps[-1])
        windows = windows[(windows >= smallest) | (windows == steps[0])]
        both, left, right = (_best(curve, windows, side) for side in (0, -1, 1))
    return _concluded(both, (left, right), curve.scale, evaluations)


def _steps(size: float, stretch: float, smallest: float) -> Float:
    """From the coarsest to the finest; irregular, as rounding errors on a grid are alike."""
    scale = 2.0 ** round(math.log2(min(max(size, 1.0), 1e300)))
    index = np.arange(OCTAVES * PER_OCTAVE)
    place = 1 - (index % PER_OCTAVE + index * _GOLDEN % 1) / PER_OCTAVE / 2
    steps = stretch * scale * place / 2.0 ** (index // PER_OCTAVE)
    return np.asarray(steps[steps >= smallest])


def _sampled(line: Line, steps: Float) -> tuple[Float, _Curve]:
    """The steps that stay inside the domain, and phi at them."""
    samples, weight = line.sample(steps), line.cotangent
    above, below = samples.above - line.here, samples.below - line.here
    refused = np.flatnonzero(~np.isfinite(above + below).all(axis=1))
    usable = slice(int(refused[-1]) + 1 if refused.size else 0, None)
    above, below = above[usable], below[usable]
    up, down = samples.up[usable], samples.down[usable]
    moved = ((above != 0) | (below != 0)).any(axis=0)
    size = np.maximum(np.abs(line.here), np.maximum(np.abs(above), np.abs(below)).max(0, initial=0))
    if not moved.any():  # each output may hide a slope below its rounding, and so may a term inside
        moved, size = ~moved, np.maximum(size, max(line.size, 1.0))
    own = np.where(moved, np.maximum(size, line.tiny) * weight, 0.0)
    slopes = np.abs((above - below) * weight).sum(axis=1) / (up + down)
    t, first = np.unique(np.concatenate([-down, [0.0], up]), return_index=True)
    return steps[usable], _Curve(
        t,
        np.concatenate([below @ weight, [0.0], above @ weight])[first],
        ROUNDING * line.eps * float(np.linalg.norm(own)),
        float(slopes.mean()) if slopes.size else 0.0,
    )


@dataclass(frozen=True, slots=True)
class _Slope:
    value: float = math.nan
    bound: float = math.inf
    roundoff: float = math.inf
    window: float = 0.0


def _best(curve: _Curve, windows: Float, side: int) -> _Slope:
    """The slope at 0 of the window that is trusted, of both sides (0) or one (-1, 1)."""
    low, high = -math.inf, math.inf
    best = _Slope()
    for window in windows[::-1]:
        made = _tightest(curve, float(window), side)
        low, high = max(low, made.value - made.bound), min(high, made.value + made.bound)
        if low > high:
            break
        if made.bound < best.bound:
            best = made
    return best


def _tightest(curve: _Curve, window: float, side: int) -> _Slope:
    """Least squares in one window, of the degree with the tightest bound.

    |slope - phi'(0)| <= SAFE |change by the last degrees| + KAPPA sigma a, with sigma from what
    the fit leaves over and a the root of the sum of squares of the slope's weights.
    """
    inside = (np.abs(curve.t) <= window) & (curve.t * side >= 0)
    t, phi = curve.t[inside] / window, curve.phi[inside]
    stride = 1 if side else 2
    best, before = _Slope(), math.nan
    if len(t) < SPARE + 2 * stride:
        return best
    q, r = np.linalg.qr(np.vander(t, DEGREES * stride + 1, increasing=True))
    projected = q.T @ phi
    for count in range(stride + 1, min(DEGREES * stride + 1, len(t) - SPARE) + 1, stride):
        weights = np.linalg.inv(r[:count, :count])[1]
        slope = float(weights @ projected[:count])
        left = phi - q[:, :count] @ projected[:count]
        sigma = max(math.sqrt(float(left @ left) / (len(t) - count)), curve.floor)
        roundoff = KAPPA * sigma * float(np.linalg.norm(weights))
        bound = SAFE * abs(slope - before) + roundoff
        if bound < best.bound * window:
            best = _Slope(slope / window, bound / window, roundoff / window, window)
        before = slope
    return best


def _concluded(
    both: _Slope, sides: tuple[_Slope, _Slope], scale: float, evaluations: int
) -> Estimate:
    left, right = sides
    kink = abs(left.value - right.value) > left.bound + right.bound
    return Estimate(
        value=both.value,
        bound=both.bound,
        truncation=both.bound - both.roundoff if math.isfinite(both.bound) else 0.0,
        roundoff=both.roundoff,
        step=both.window / 2,
        scale=max(scale, abs(both.value)) if math.isfinite(both.value) else scale,
        low=min(s.value - s.bound for s in sides) if kink else math.inf,
        high=max(s.value + s.bound for s in sides) if kink else -math.inf,
        kink=kink,
        reason="" if math.isfinite(both.bound) else "domain edge",
        evaluations=evaluations,
    )

"""The slope at the edge of forward's domain, from the side that forward takes.

x^1.5 refuses x < 0: at 0 no central difference exists, and yet the slope is 0 and NaN is wrong. The
one-sided quotients S(h) = (phi(x + h) - phi(x)) / h are extrapolated (Richardson 1911); where they
do not settle, as those of sqrt at 0, nothing is concluded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradcheck.estimate import Estimate, Float, Line
from gradcheck.ladder import KAPPA, SAFE

ROWS = 3
"""Extrapolations of S(h) = phi' + c1 h + c2 h^2 + ...: each removes one power of h."""
SETTLING = 0.85
"""Changes from step to step that shrink less than this are no convergence; h^(1/4) does."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One-sided quotients, from the coarsest step to the finest; arrays are (L,)."""

    slopes: Float
    noise: Float


def estimate(line: Line, *, stretch: float = 1.0) -> Estimate | None:
    """Estimate the one-sided slope; None unless forward refuses the other side, and all of it.

    Parameters
    ----------
    line
        Where to sample y.
    stretch
        Factor on all steps.
    """
    count = 36 if line.eps < 1e-10 else 16
    size = 2.0 ** round(math.log2(max(min(line.size, 1e300), 1.0)))
    with np.errstate(all="ignore"):
        side = _side(line, stretch * size * 2.0 ** -np.arange(2.0, 2.0 + count))
        if side is None:
            return None
        value, bound, truncation = _settled(side)
    if not math.isfinite(value + bound):
        return None
    return Estimate(
        value=value,
        bound=bound,
        truncation=truncation,
        roundoff=bound - truncation,
        scale=abs(value),
        edge=True,
        evaluations=2 * count,
    )


def _side(line: Line, steps: Float) -> _Side | None:
    samples = line.sample(steps)
    sides = [(1, samples.above, samples.up), (-1, samples.below, samples.down)]
    taken = [bool(np.isfinite(y).all(axis=1)[-1]) for _, y, _ in sides]
    refused = [not np.isfinite(y).all(axis=1).any() for _, y, _ in sides]
    for k, (sign, outputs, moved) in enumerate(sides):
        if not (taken[k] and refused[1 - k]):
            continue
        usable = slice(
            int(np.flatnonzero(~np.isfinite(outputs).all(axis=1)).max(initial=-1)) + 1, None
        )
        weight = np.where((outputs != line.here).any(axis=0), np.abs(line.cotangent), 0.0)
        values = np.maximum(np.abs(outputs), np.maximum(np.abs(line.here), line.tiny))
        noise = 0.5 * line.eps * np.linalg.norm(values * weight, axis=1) / moved
        slopes = sign * ((outputs - line.here) @ line.cotangent) / moved
        return _Side(slopes[usable], noise[usable])
    return None


def _settled(side: _Side) -> tuple[float, float, float]:
    """Value, bound and truncation at the step that is trusted.

    From the finest step to the coarsest, only while the quotients still settle and the interval of
    one meets those of all finer ones (Lepski 1990); the tightest of these. A part such as h^0.1,
    which coarse steps do not show, is so seen by the fine ones.
    """
    best, low, high = (math.nan, math.inf, 0.0), -math.inf, math.inf
    rows = _extrapolated(side)
    changes = np.abs(np.diff(side.slopes))
    for k in range(len(side.slopes) - 1, 1, -1):
        if changes[k - 1] > max(SETTLING * changes[k - 2], KAPPA * side.noise[k]):
            break
        made = min((_trusted(row, noise, k) for row, noise in rows), key=lambda m: m[1])
        low, high = max(low, made[0] - made[1]), min(high, made[0] + made[1])
        if low > high:
            break
        if made[1] < best[1]:
            best = made
    return best


def _extrapolated(side: _Side) -> list[tuple[Float, Float]]:
    """Rows of the table with their noise, (L,) each; NaN where a row has no entry."""
    rows = [(side.slopes, side.noise)]
    for order in range(1, ROWS + 1):
        (row, noise), factor = rows[-1], 2.0**order
        row = np.append(math.nan, (factor * row[1:] - row[:-1]) / (factor - 1))
        noise = np.append(math.nan, (factor * noise[1:] + noise[:-1]) / (factor - 1))
        rows.append((row, noise))
    return rows


def _trusted(row: Float, noise: Float, k: int) -> tuple[float, float, float]:
    """Value, bound and truncation of one entry; the bound is infinite where the row still moves.

    |S - phi'| <= SAFE |last change| r / (1 - r) + KAPPA noise, with r how much smaller the last
    change was than the one before it; r / (1 - r) is what is left of a geometric series.
    """
    before, last = abs(row[k - 1] - row[k - 2]), abs(row[k] - row[k - 1])
    shrinks = last / before if before else 0.0
    roundoff = KAPPA * float(noise[k])
    if not (shrinks < SETTLING or last <= roundoff) or not math.isfinite(last + before):
        return float(row[k]), math.inf, 0.0
    shrinks = min(shrinks, SETTLING)
    truncation = SAFE * float(last) * max(shrinks / (1 - shrinks), 1.0)
    return float(row[k]), truncation + roundoff, truncation

"""An analytic slope against an estimate: the tolerances of a verdict live here, and only here.

With D the estimate, B its bound, a the analytic value and A its rounding noise:

* FAIL iff \\|a - D\\| > B + A, confirmed with other steps, by more than ``signif`` of the scale;
  SLIGHT instead where that is less than ``slight`` of the entry's own size;
* PASS iff \\|a - D\\| + B + A <= resolution * scale;
* CONVENTION iff the function has a kink here and a lies between its one-sided slopes (Clarke);
* otherwise INCONCLUSIVE, with the reason.

No tolerance grows with the number of entries, and an explicit 0 is a 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.estimate import Estimate
from gradcheck.floats import FORMATS
from gradcheck.quotients import N, Quick, QuickEstimates

RESOLUTION = {"float64": 1e-6, "float32": 2e-3, "float16": 2e-2, "bfloat16": 5e-2}
"""The relative accuracy that a pass certifies at least."""
NOISY = {"float64": 1e-3, "float32": 1e-2, "float16": 5e-2, "bfloat16": 1e-1}
"""Where only the rounding of forward stands between (x + 1e10), agreement to this is a pass too."""
SIGNIF = {"float64": 1e-8, "float32": 1e-5, "float16": 5e-3, "bfloat16": 2e-2}
"""Provable but tiny differences that are no failure by default (removable singularities)."""
SLIGHT = {"float64": 1e-4, "float32": 1e-3, "float16": 1e-2, "bfloat16": 4e-2}
"""A provable relative error of an entry up to this is a warning by default.

Public losses say ``log(p + 1e-7)`` and differentiate ``log(p)``: off by 1e-7/p, meant, harmless.
It is relative to the entry itself, so a small entry that is dropped or sign-flipped is a fail.
"""
SMALL = 1e-2
"""An entry is judged on at least this share of the largest entry's scale."""
APART = 5
"""Slopes around a tie that differ by more than so many times their slack are those of a kink."""
FAINT = {"float64": 1e-4, "float32": 1e-1, "float16": 1e-1, "bfloat16": 1e-1}
"""And on this share of the largest entry of any input: a gradient that is zero throughout, as that
of a bias before batch normalisation, has no scale of its own."""


class Status(IntEnum):
    PASS = 0
    CONVENTION = 1
    SLIGHT = 2
    INCONCLUSIVE = 3
    FAIL = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """The tolerances of one comparison."""

    resolution: float
    signif: float
    negligible: float
    """Up to this a difference needs no confirmation to be none: at most the usual ``signif``."""
    slight: float = 0.0
    faint: float = 0.0
    noisy: float = 0.0
    tails: bool = False
    """Each entry is judged on its own size, however small: a far tail must be right too."""
    explained: float = 0.0
    """What the rounding of forward may do to an entry that is not exactly 0."""
    largest: float = np.inf
    """The largest number of the precision."""
    smallest: float = 0.0
    """No digits are asked of a far tail below it: the precision has no normal number there."""

    @staticmethod
    @lru_cache(None)
    def of(precision: str, signif: float | None) -> Rules:
        """The default tolerances; with ``signif`` given, that one and no other."""
        usual, slight = SIGNIF[precision], SLIGHT[precision]
        chosen = (usual, usual, slight) if signif is None else (signif, min(signif, usual), 0.0)
        others = FAINT[precision], NOISY[precision]
        own = FORMATS[precision]
        made = Rules(RESOLUTION[precision], *chosen, *others)
        return replace(made, largest=own.largest, smallest=own.tiny)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One analytic slope judged."""

    status: Status
    analytic: float
    estimate: Estimate
    noise: float
    """A: half width of the rounding noise of the analytic value."""
    scale: float
    reason: str = ""
    by: str = ""
    """Whose second opinion it is, see `opinions`; empty for finite differences."""

    @property
    def excess(self) -> float:
        """How far outside all bounds it is, relative to the scale: what a tolerance must cover."""
        if self.status in (Status.CONVENTION, Status.INCONCLUSIVE) or not self.scale:
            return 0.0
        gap = abs(self.analytic - self.estimate.value) - self.estimate.bound - self.noise
        return max(0.0, gap / self.scale) if np.isfinite(gap) else 0.0

    @property
    def limit(self) -> float:
        """The smallest error that would have been seen, relative to the larger of the two."""
        width = self.estimate.bound + self.noise
        own = max(abs(self.analytic), abs(self.estimate.value)) or self.scale
        return 0.0 if width == 0 else width / own if own else np.inf


def heard(made: Comparison, value: float, bound: float) -> Comparison:
    """A fail, once the quick path has been heard as a witness.

    Its steps are coarser by orders of magnitude, so its rounding errors are others. Where it sides
    clearly with the analytic value against the ladder, the ladder has taken a staircase of
    roundings for the function.
    """
    distance = abs(value - made.estimate.value)
    sides = abs(value - made.analytic) < 0.2 * distance and distance > bound
    if sides and np.isfinite(value):
        return replace(made, status=Status.INCONCLUSIVE, reason="other steps disagree")
    return made


def settled(analytic: Float, noise: Float, quick: Quick, rules: Rules, floor: Float) -> Array:
    """Which entries pass on three evaluations: boolean (n,). ``floor``: the least scale of each."""
    with np.errstate(all="ignore"):
        scale = np.fmax(np.fmax(np.abs(analytic), np.abs(quick.value)), quick.scale)
        scale = np.maximum(scale if rules.tails else _scales(scale), floor)
        return np.asarray(passes(analytic, noise, quick, rules, scale))


def passes(analytic: N, noise: N, quick: QuickEstimates[N], rules: Rules, scale: N) -> Any:
    """Agreement within all bounds, or to what is negligible, certified to the resolution.

    A kink makes the bounds too large for that.
    """
    gap, width = abs(analytic - quick.value), quick.bound + noise
    near = (gap <= width) | (gap <= rules.negligible * scale)
    return near & (gap + width <= rules.resolution * scale)


def obviously_wrong(analytic: Float, noise: Float, quick: Quick, rules: Rules) -> Array:
    """Which entries are wrong by far more than any error of the quick path: boolean (n,).

    For counting, once other entries of the same input were confirmed as wrong, and for finding the
    way to one; never the last word.
    """
    with np.errstate(all="ignore"):
        scale = _scales(np.fmax(np.fmax(np.abs(analytic), np.abs(quick.value)), quick.scale))
        gap = np.abs(analytic - quick.value)
        sharp = quick.bound <= rules.resolution * scale
        return np.asarray(sharp & (gap > 100 * (quick.bound + noise)) & (gap > 1e-3 * scale))


def _scales(known: Float) -> Float:
    known = np.where(np.isfinite(known), known, 0.0)
    return np.asarray(np.maximum(known, SMALL * known.max(initial=0.0)))


def agrees(
    analytic: float, noise: float, estimate: Estimate, rules: Rules, floor: float = 0.0
) -> bool:
    """A slope passes on a ladder's estimate without more, as `settled` asks of the quick path.

    Then the noise of backward need not be measured.
    """
    gap, width = abs(analytic - estimate.value), estimate.bound + noise
    scale = max(floor, abs(analytic), abs(estimate.value))
    return not estimate.kink and gap <= width and gap + width <= rules.resolution * scale


def judge(
    analytic: float,
    noise: float,
    estimates: tuple[Estimate, Callable[[], Estimate]],
    rules: Rules,
    floor: float = 0.0,
) -> Comparison:
    """Judge one slope on a ladder's estimate.

    Parameters
    ----------
    analytic, noise : float
        The slope under test and its rounding noise.
    estimates : (Estimate, callable)
        The ladder's estimate, and how to get another one with other steps.
    rules : Rules
        Tolerances.
    floor : float
        The least scale to judge on, from the entries around it.
    """
    estimate, again = estimates
    known = (abs(v) for v in (analytic, estimate.value, estimate.scale) if np.isfinite(v))
    scale = max(floor, *known, 0.0)

    def comparison(status: Status, reason: str = "") -> Comparison:
        return Comparison(status, analytic, estimate, noise, scale, reason)

    if not np.isfinite(analytic):
        return comparison(*_not_finite(analytic, estimate, rules))
    gap = abs(analytic - estimate.value)
    if estimate.edge and analytic == 0 and gap > estimate.bound:  # as if constant beyond the edge
        return in_wider_hull(comparison(Status.FAIL), (0.0, estimate.value), 0.0)
    if _outside(analytic, noise, estimate):
        if rules.tails and max(abs(analytic), abs(estimate.value)) < rules.smallest:
            return comparison(Status.INCONCLUSIVE, "below the smallest normal number")
        second = again()
        agree = abs(estimate.value - second.value) <= estimate.bound + second.bound
        beyond = gap - estimate.bound - noise > rules.signif * scale
        if agree and _outside(analytic, noise, second):
            slight = gap <= rules.slight * max(abs(analytic), abs(estimate.value))
            if beyond:
                return comparison(Status.SLIGHT if slight else Status.FAIL)
            return comparison(Status.PASS, "a difference too small to matter")
        return comparison(Status.INCONCLUSIVE, "other steps disagree")
    if estimate.kink and estimate.resolved and _in_hull(analytic, noise, estimate):
        return comparison(Status.CONVENTION)
    width = estimate.bound + noise
    if gap + width <= rules.resolution * scale:
        return comparison(Status.PASS)
    noisy = estimate.resolved and estimate.truncation <= estimate.roundoff
    if noisy and width <= rules.noisy * scale:
        return comparison(Status.PASS, "as sharply as the noise of forward allows")
    return comparison(Status.INCONCLUSIVE, _why(estimate))


def _not_finite(analytic: float, estimate: Estimate, rules: Rules) -> tuple[Status, str]:
    """NaN or infinity is wrong where the slope, or both one-sided slopes, are finite.

    Infinity is the right rounding of a slope that the precision cannot hold.
    """
    beyond = abs(estimate.value) > rules.largest / 2
    if beyond and np.isinf(analytic) and np.sign(analytic) == np.sign(estimate.value):
        return Status.INCONCLUSIVE, "slope beyond the precision's range"
    known = estimate.resolved and (
        np.isfinite(estimate.bound) or bool(np.isfinite([estimate.low, estimate.high]).all())
    )
    return (Status.FAIL, "not finite") if known else (Status.INCONCLUSIVE, _why(estimate))


def in_wider_hull(comparison: Comparison, slopes: Sequence[float], slack: float) -> Comparison:
    """A fail at a kink, or a convention if it lies between the slopes of the pieces around it.

    The one-sided slopes along an entry are not all that a kink allows: in overlapping windows,
    breaking each tie its own way gives other limits of gradients, and their hull is right too
    (Clarke's generalised gradient). ``slack``, a share of the scale, covers the distance at which
    the slopes were taken; where they hardly differ there is no kink, and it excuses nothing.
    """
    estimate = comparison.estimate
    known = [s for s in (*slopes, estimate.low, estimate.high) if np.isfinite(s)]
    if not known or not np.isfinite(comparison.analytic):
        return comparison
    low, high = min(known), max(known)
    slack *= max(comparison.scale, abs(low), abs(high))
    analytic, jump = comparison.analytic, high - low
    room = slack if estimate.kink or jump > APART * slack else 0.0
    kinked = estimate.kink or jump > slack
    if not (kinked and low - room <= analytic <= high + room):
        return comparison
    wider = replace(estimate, low=min(low, analytic), high=max(high, analytic), kink=True)
    return replace(comparison, status=Status.CONVENTION, estimate=wider)


def _in_hull(analytic: float, noise: float, estimate: Estimate) -> bool:
    return estimate.low - noise <= analytic <= estimate.high + noise


def _outside(analytic: float, noise: float, estimate: Estimate) -> bool:
    """Beyond every error that could be bounded, and not explained by a kink.

    Vetoed when two of the four finest steps side clearly with the analytic value against the
    chosen one: then the function has structure that the chosen step did not resolve.
    """
    if not (estimate.resolved and np.isfinite(estimate.value)):
        return False
    if abs(analytic - estimate.value) <= estimate.bound + noise:
        return False
    if _in_hull(analytic, noise, estimate):
        return False
    votes = 0
    for value, own_noise in zip(estimate.fine_values, estimate.fine_noise, strict=True):
        distance = abs(value - estimate.value)
        votes += abs(value - analytic) < 0.2 * distance and distance > own_noise
    return votes < 2


def _why(estimate: Estimate) -> str:
    if estimate.reason or np.isfinite(estimate.bound):
        return estimate.reason or ("kink nearby" if estimate.kink else "noise")
    return "kink" if estimate.kink else "no usable step"

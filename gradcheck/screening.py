"""What three evaluations say of many slopes, or of one: settled, obviously wrong, or still open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck import compare
from gradcheck.arrays import Array, Float
from gradcheck.claims import Claims, lossy
from gradcheck.compare import Rules, Status
from gradcheck.floats import HALF
from gradcheck.judged import Judged, One
from gradcheck.point import Entries, Move, Point
from gradcheck.quotients import Quick, QuickEstimates

CONFIRMED = 8
"""Wrong entries of an input that climb the ladder twice; further plain ones are only counted."""
SHORTER = 32
"""Where a step has to be divided by more, a second look is not worth it."""
SHORTEST = 256
"""By what it is divided where that makes a bound sharper; by twice as much at most."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples lie evenly between whole numbers, and far from simple fractions."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What the quick path says of some moves; every array is (n,)."""

    judged: Judged
    settled: Array
    """Which pass."""
    obvious: Array
    """Which are wrong by more than it can err."""
    floor: Float
    """The least scale each is judged on."""

    def passed(self) -> Judged:
        """Those that are settled."""
        if not self.open:
            return self.judged
        return self.judged.take([int(i) for i in np.flatnonzero(self.settled)])

    @property
    def open(self) -> list[int]:
        """Places of those that are not."""
        if np.count_nonzero(self.settled) == len(self.settled):
            return []
        return [int(i) for i in np.flatnonzero(~self.settled)]

    @property
    def climbing(self) -> int:
        """How many will go up the ladder, about."""
        if not self.open:
            return 0
        open_ = ~self.settled
        return int((open_ & ~self.obvious).sum() + min(CONFIRMED, (open_ & self.obvious).sum()))


class Screen:
    """Screens slopes at one point.

    Parameters
    ----------
    point : Point
        Where derivatives are taken.
    claims : Claims
        What backward says there.
    rules : Rules
        Tolerances.
    """

    def __init__(self, point: Point, claims: Claims, rules: Rules) -> None:
        self._point, self._claims, self._rules = point, claims, rules
        self._lost = lossy(rules)
        self._audited = rules.signif > rules.negligible
        """How much of a tolerance is needed will be said: `audit`."""
        self._faint = rules.faint * claims.largest()

    def many(self, along: Sequence[Move], estimates: Quick) -> Screened:
        """What their estimates say of some moves."""
        analytic = self._claims.slopes(along)
        noise = self._claims.roundings(along, analytic, self._rules)
        scales = np.fmax(estimates.scale, np.abs(analytic))
        scales = np.where(np.isfinite(scales), scales, 0.0)
        floor = self._floor(analytic, scales)
        judged = self._judged(along, (analytic, noise), np.maximum(scales, floor), estimates)
        settled = compare.settled(analytic, noise, estimates, self._rules, floor)
        self._measure(judged, settled)
        obvious = settled  # not asked for, where all are
        if np.count_nonzero(settled) < len(settled):
            obvious = compare.obviously_wrong(analytic, noise, estimates, self._rules)
        return Screened(judged, settled, obvious, floor)

    def curved(self, made: Screened) -> tuple[Array, Float]:
        """Places that a shorter step would settle, and by what theirs is to be multiplied.

        Truncation t falls with h^2, round-off r grows with 1/h: where t is the larger part, h is
        divided until their sum is least, by f with f^3 = 2 t / r. (A longer step, where r is, would
        step over what is finer, and larger than the rounding of forward.)
        """
        judged, places = made.judged, np.flatnonzero(~(made.settled | made.obvious))
        scale = np.maximum(made.floor[places], judged.scale[places])
        least, noise = self._rules.resolution * scale, judged.noise[places]
        truncation, roundoff = judged.truncation[places], judged.roundoff[places]
        with np.errstate(all="ignore"):
            needed = np.sqrt(least / 4 / truncation)
            best = np.fmax(np.cbrt(roundoff / (2 * truncation)), 1 / SHORTEST)
            times = _snapped(np.fmin(best, needed), _mantissas(judged.moves, places))
            width = truncation * times**2 + roundoff / times + noise
        chosen = (needed < 1) & (needed >= 1 / SHORTER) & (width <= 0.75 * least)
        return places[chosen], times[chosen]

    def looked_again(self, made: Screened, places: Array, found: Quick) -> None:
        """Settle those that pass by the estimates of a second look, which must meet the first ones.

        The others stay as they are.
        """
        judged = made.judged
        claimed, noise = judged.analytic[places], judged.noise[places]
        passed = compare.settled(claimed, noise, found, self._rules, made.floor[places])
        with np.errstate(all="ignore"):
            apart = np.abs(found.value - judged.value[places])
            passed = passed & (apart <= found.bound + judged.bound[places])
        kept = places[passed]
        made.settled[kept] = True
        scale = np.fmax(found.scale, np.abs(claimed))[passed]
        judged.scale[kept] = np.maximum(scale, made.floor[kept])
        for name in ("value", "bound", "truncation", "roundoff", "step"):
            getattr(judged, name)[kept] = getattr(found, name)[passed]
        self._measure(judged, kept)

    def _measure(self, judged: Judged, places: Array) -> None:
        """Note how far outside their bounds some are that pass; by their places, or a mask."""
        if self._audited:
            gap = np.abs(judged.analytic[places] - judged.value[places])
            beyond = np.fmax(gap - judged.bound[places] - judged.noise[places], 0.0)
            scale = judged.scale[places]
            judged.excess[places] = beyond / np.where(scale > 0, scale, 1.0)

    def passing(self, move: Move, found: QuickEstimates[float]) -> One | None:
        """What is said of one move that passes, without arrays of one number; None where open."""
        rules = self._rules
        if rules.tails or self._audited:
            return None
        analytic, noise = self._claims.told(move, rules)
        scale = _largest(found.scale, abs(analytic))
        floor = max(compare.SMALL * scale, self._faint)
        judged_on = max(_largest(abs(analytic), abs(found.value), found.scale), floor)
        if not compare.passes(analytic, noise, found, rules, judged_on):
            return None
        return One(
            status=Status.PASS,
            analytic=analytic,
            value=found.value,
            bound=found.bound,
            noise=noise,
            truncation=found.truncation,
            roundoff=found.roundoff,
            step=found.step,
            scale=max(scale, floor),
        )

    def _judged(
        self,
        along: Sequence[Move],
        sides: tuple[Float, Float],
        scale: Float,
        estimates: Quick,
    ) -> Judged:
        """All passed, until somebody says otherwise. ``sides``: the slopes, and their noise."""
        count = len(along)
        return Judged(
            moves=along,
            status=np.zeros(count, int) + int(Status.PASS),
            analytic=sides[0],
            noise=sides[1],
            scale=scale,
            low=np.zeros(count) + np.inf,
            high=np.zeros(count) - np.inf,
            climbed=np.zeros(count, bool),
            reasons={},
            excess=np.zeros(count),
            opinions={},
            fitted=self._point.precision in HALF,
            value=estimates.value,
            bound=estimates.bound,
            truncation=estimates.truncation,
            roundoff=estimates.roundoff,
            step=estimates.step,
        )

    def _floor(self, analytic: Float, scales: Float) -> Float:
        """The least scale on which each entry is judged."""
        if self._rules.tails:
            rounded = 4 * self._rules.explained / self._rules.resolution
            return np.asarray(np.where((analytic == 0) & self._lost, 0.0, rounded))
        least = max(compare.SMALL * float(scales.max(initial=0.0)), self._faint)
        return np.full(len(analytic), least)


def _mantissas(moves: Sequence[Move], places: Array) -> Float:
    """What steps are times a power of two, from 1 to 2: for each entry another, 1 for directions.

    A wave of 2^k periods a unit looks like its chord at all powers of two, and stairs do; of any
    other step there are such waves, too, but none that looks so to many entries. x + h is no longer
    exact: the step that was taken is used. Along several entries it is not known.
    """
    made = np.asarray(1 + GOLDEN * (places + 1) % 1)
    if isinstance(moves, Entries):
        return made
    alone = [moves[int(i)].single is not None for i in places]
    return np.where(np.array(alone, bool), made, 1.0)


def _snapped(times: Float, mantissas: Float) -> Float:
    """The next powers of two below, times these."""
    return np.asarray(mantissas * 2.0 ** np.floor(np.log2(times / mantissas)))


def _largest(*sizes: float) -> float:
    """The largest of those that are known; 0 where that is infinite, or none is."""
    largest = 0.0
    for size in sizes:
        if size > largest:  # never NaN
            largest = size
    return largest if largest < math.inf else 0.0

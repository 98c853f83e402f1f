"""What a verdict rests on, in two runs: the errors that would have been seen, and coverage."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradcheck.changes.record import Change
from gradcheck.results import OpResult

DECADES = 1.0
"""Bounds are worse where they grew by more than ten times."""
ENOUGH = 8
"""Comparisons that say something of an op's bounds."""
EXACT, LARGE = -17, 1
"""Powers of ten below the finest precision are one, and so are those where nothing is seen."""
FEWER = 0.8
"""The share of cases that may be left."""
CHANCE = 3.0
"""Standard deviations of a count by which the draw of the cases may change it."""
UNDECIDED = 0.1
"""How much more of all comparisons may be inconclusive."""
TWICE = 2
"""Met once is chance, where the seeds differ: forward may refuse that one case."""
POWER = re.compile(r"-?[0-9]{1,3}")
MANY = 10_000
"""A count in a damaged file may be anything."""


def bounds(a: OpResult, b: OpResult) -> Iterator[Change]:
    """Whether the errors that would have been seen are larger or smaller by more than ten times.

    Of the worst entry alone the limit says little: which entry that is, is chance, and between two
    seeds it grew more than tenfold in 10 to 25 of the 147 reference ops. Compared are the limits of
    all cases, quantile by quantile, and the middle half of the moves is averaged: another share of
    float64 and float32 cases, whose limits are six powers of ten apart, moves few of the quantiles.
    In those ops that grew by at most 0.6 powers of ten (two seeds, two profiles).
    """
    x, y = (_limits(r) for r in (a, b))
    fewest, most = sorted((a.cases, b.cases))
    if min(len(x), len(y)) < ENOUGH or fewest < FEWER * most:  # then the cases are of other kinds
        return
    grown = _shift(x, y)
    if abs(grown) > DECADES:
        times = float(f"{10 ** abs(grown):.1g}")
        worse = grown > 0
        way = "larger" if worse else "smaller"
        yield Change(
            kind="worse-bounds" if worse else "better-bounds",
            op=b.op,
            what=f"the smallest error that would be seen is about {times:,.0f} times {way}",
        )


def _limits(result: OpResult) -> list[int]:
    """Powers of ten, sorted. Exact comparisons have none, and how many there are is chance."""
    spread = result.figures.spread
    powers: list[int] = []
    for key, count in spread.limits.items() if spread is not None else ():
        if key == "inf" or POWER.fullmatch(key):
            power = LARGE if key == "inf" else min(max(int(key), EXACT), LARGE)
            powers += [power] * min(count, MANY)
    return sorted(powers)


def _shift(x: Sequence[int], y: Sequence[int]) -> float:
    """By how many powers of ten ``y`` is above ``x``, both sorted."""
    steps = max(len(x), len(y))
    levels = [(k + 0.5) / steps for k in range(steps)]
    moves = sorted(y[int(p * len(y))] - x[int(p * len(x))] for p in levels)
    middle = moves[steps // 4 : steps - steps // 4]
    return sum(middle) / len(middle)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the new run was to check, beside the old one; what it left out is said of the run."""

    share: float
    """Of the cases; fewer are of other kinds, so these are compared where it is 1."""
    same_cases: bool
    checks: Sequence[str] = ()
    """Left out by the settings."""
    dtypes: Sequence[str] = ()


def coverage(a: OpResult, b: OpResult, plan: Plan) -> Iterator[Change]:
    """What was checked before, and is no longer, though it was to be."""
    least = 1 if plan.same_cases else TWICE
    regimes = [n for n, count in a.coverage.items() if count >= least and n not in b.coverage]
    regimes = regimes if plan.share == 1 else []
    checks = [n for n, c in a.checks.items() if c.comparisons and not _compared(b, n)]
    checks = [n for n in checks if n not in plan.checks]
    dtypes = [d for d in a.dtypes if d not in b.dtypes and d not in plan.dtypes]
    for what, lost in (
        ("dtypes no longer judged in", dtypes),
        ("checks no longer made", checks),
        ("kinds of case no longer met", regimes),
    ):
        if lost:
            yield _lost(b, f"{what}: {', '.join(lost)}")
    judged, judges = a.cases - a.cases_rejected, b.cases - b.cases_rejected
    expected = judged * plan.share
    chance = 0.0 if plan.same_cases else CHANCE * math.sqrt(max(expected, 0))
    if judges < min(FEWER * expected, expected - chance):
        yield _lost(b, f"{judges} cases could be judged, {judged} before")
    x, y = (r.inconclusive / r.comparisons if r.comparisons else 0.0 for r in (a, b))
    if plan.share == 1 and y > x + UNDECIDED:
        yield _lost(b, f"{y:.0%} of the comparisons are inconclusive, {x:.0%} before")


def _compared(result: OpResult, check: str) -> bool:
    return check in result.checks and result.checks[check].comparisons > 0


def _lost(result: OpResult, what: str) -> Change:
    return Change(kind="coverage-lost", op=result.op, what=what)

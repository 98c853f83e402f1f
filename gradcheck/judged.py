"""Many slopes of one case, judged: what `judging` found and `checks.values` reports."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
import numpy as np

from gradcheck.arrays import Array, Float, relative_error
from gradcheck.compare import SMALL, Comparison, Status
from gradcheck.point import Move, some


class One(msgspec.Struct, frozen=True):
    """What was found along one move, as plain numbers; see `Judged` for each."""

    status: int
    analytic: float
    value: float
    bound: float
    noise: float
    truncation: float
    roundoff: float
    step: float
    scale: float
    excess: float = 0.0
    opinions: Mapping[str, int] = {}
    fitted: bool = False

    @property
    def steps(self) -> tuple[float, ...]:
        """The two steps of a difference, or the largest one of a fit."""
        return (2 * self.step,) if self.fitted else (2 * self.step, self.step)

    @property
    def relative_error(self) -> float:
        """One of `Judged.relative_errors`."""
        own, width = max(abs(self.analytic), abs(self.value)), self.bound + self.noise
        hidden = width > 1e-3 * own and self.status != Status.FAIL
        small = self.status == Status.PASS and own <= SMALL * self.scale
        hidden |= small and abs(self.analytic - self.value) > width
        if not math.isfinite(self.analytic):
            return math.inf
        return 0.0 if hidden else relative_error(self.analytic, self.value)

    @property
    def limit(self) -> float:
        """The smallest error that would have been seen, relative to the entry itself."""
        width, one, other = self.bound + self.noise, abs(self.analytic), abs(self.value)
        own = (other if other > one or one != one else one) or self.scale
        if width == 0:
            return 0.0
        return width / own if own else math.inf


@dataclass(slots=True)
class Judged:
    """Some moves and what was found along each; every array is (n,)."""

    moves: Sequence[Move]
    status: Array
    analytic: Float
    value: Float
    bound: Float
    """Of the difference alone; ``noise`` is the analytic side's."""
    noise: Float
    truncation: Float
    roundoff: Float
    step: Float
    scale: Float
    low: Float
    high: Float
    climbed: Array
    """Which went up the ladder."""
    reasons: dict[int, str]
    excess: Float
    """How far outside its bounds each is, relative to its scale: of those that pass at once, noted
    where a tolerance is to be audited."""
    opinions: dict[str, int]
    """How many were judged by a second opinion, by its name."""
    fitted: bool = False
    """What climbed was fitted, in half precision."""

    @staticmethod
    def of(moves: Sequence[Move], one: One) -> Judged:
        """The only one of some moves, which has passed without the ladder."""
        return Judged(
            moves=moves,
            status=np.array([one.status]),
            analytic=np.array([one.analytic]),
            value=np.array([one.value]),
            bound=np.array([one.bound]),
            noise=np.array([one.noise]),
            truncation=np.array([one.truncation]),
            roundoff=np.array([one.roundoff]),
            step=np.array([one.step]),
            scale=np.array([one.scale]),
            low=np.array([np.inf]),
            high=np.array([-np.inf]),
            climbed=np.zeros(1, bool),
            reasons={},
            excess=np.zeros(1),
            opinions={},
        )

    def where(self, *statuses: Status) -> Sequence[int]:
        """Places of those that have one of these statuses, in their order."""
        if not np.count_nonzero(self.status):  # all passed
            return range(len(self.status) if Status.PASS in statuses else 0)
        found = self.status == int(statuses[0])
        for other in statuses[1:]:
            found |= self.status == int(other)
        return [int(i) for i in np.flatnonzero(found)] if found.any() else []

    def take(self, places: Sequence[int]) -> Judged:
        """Some of the moves, in this order."""
        chosen = np.asarray(places, np.intp)
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        kept: dict[str, Any] = {
            n: c[chosen] for n, c in columns.items() if isinstance(c, np.ndarray)
        }
        reasons = {new: self.reasons[old] for new, old in enumerate(places) if old in self.reasons}
        return replace(self, moves=some(self.moves, chosen), reasons=reasons, opinions={}, **kept)

    @staticmethod
    def joined(parts: Sequence[Judged]) -> Judged:
        """Several one after the other."""
        first = parts[0]
        names = [f.name for f in fields(first) if isinstance(getattr(first, f.name), np.ndarray)]
        columns: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in parts]) for n in names}
        starts = np.cumsum([0, *(len(p.moves) for p in parts)])
        reasons = {
            int(start) + i: reason
            for start, part in zip(starts, parts, strict=False)
            for i, reason in part.reasons.items()
        }
        opinions = Counter(by for p in parts for by in Counter(p.opinions).elements())
        together = [m for p in parts for m in p.moves]
        return replace(first, moves=together, reasons=reasons, opinions=opinions, **columns)

    def put(self, i: int, made: Comparison) -> None:
        """Replace what the quick path said of a move."""
        estimate = made.estimate
        self.status[i] = made.status
        self.noise[i], self.scale[i] = made.noise, made.scale
        for name in ("value", "bound", "truncation", "roundoff", "step", "low", "high"):
            getattr(self, name)[i] = getattr(estimate, name)
        self.climbed[i] = True
        self.excess[i] = made.excess
        if made.by:
            self.opinions[made.by] = self.opinions.get(made.by, 0) + 1
        if made.reason:
            self.reasons[i] = made.reason

    def lost_tails(self) -> list[int]:
        """Which are exactly 0 where the difference is not, too small beside others to fail."""
        if np.count_nonzero(self.analytic) == len(self.analytic):
            return []
        lost = (self.analytic == 0) & (np.abs(self.value) > self.bound)
        return [int(i) for i in np.flatnonzero(lost & (self.status == int(Status.PASS)))]

    def at(self, i: int) -> One:
        """One of them."""
        return One(
            status=int(self.status[i]),
            analytic=float(self.analytic[i]),
            value=float(self.value[i]),
            bound=float(self.bound[i]),
            noise=float(self.noise[i]),
            truncation=float(self.truncation[i]),
            roundoff=float(self.roundoff[i]),
            step=float(self.step[i]),
            scale=float(self.scale[i]),
            excess=float(self.excess[i]),
            opinions=self.opinions,
            fitted=self.fitted and bool(self.climbed[i]),
        )

    def relative_errors(self) -> Float:
        """|a - D| / max(|a|, |D|); 0 for a right entry whose own digits cannot be told.

        They are below the bound, or the entry is beside the others too small to matter. Infinite
        where backward is not finite, whatever the difference is.
        """
        if len(self.moves) == 1:
            return np.array([self.at(0).relative_error])
        with np.errstate(all="ignore"):
            own = np.fmax(np.abs(self.analytic), np.abs(self.value))
            off, width = np.abs(self.analytic - self.value), self.bound + self.noise
            errors: Float = off / own
            hidden = (width > 1e-3 * own) & (self.status != int(Status.FAIL))
            small = (self.status == int(Status.PASS)) & (own <= SMALL * self.scale)
            hidden |= small & (off > width)
        errors[np.isnan(errors)] = np.inf
        errors[hidden | (own == 0)] = 0.0
        errors[~np.isfinite(self.analytic)] = np.inf
        return errors

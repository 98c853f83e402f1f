"""Many analytic slopes of one case against finite differences.

Three evaluations each settle nearly all; what is left climbs the ladder; a fail is confirmed with
other steps; at kinks the ties are broken in several ways. Knows a point and the gradients claimed
there, not an op.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck import compare, compressed, edge, fit, kinks, ladder, moves, opinions
from gradcheck.arrays import Float, largest
from gradcheck.claims import Claims
from gradcheck.compare import Comparison, Rules, Status
from gradcheck.differences import PointLine, quick, quick_one
from gradcheck.estimate import Estimate
from gradcheck.floats import HALF
from gradcheck.judged import Judged, One
from gradcheck.moves import Speeds
from gradcheck.point import Entries, Move, Point, some
from gradcheck.quotients import Quick, stacked
from gradcheck.screening import CONFIRMED, Screen, Screened
from gradcheck.structure import Structure

CONFIRM = 1.375
"""Steps of the confirming ladder are longer by this: other roundings, and x + h is still exact."""
NARROWED = 8
"""Wrong entries that failing directions are narrowed to."""
UNDERFLOW, GROWN = 16.0, 1e4
"""Losses of a smallest normal number that may come together in one entry, and by how much at most
an input multiplies each."""
ASKED = 16
"""Inconclusive entries of an input for which second opinions are asked."""


class Judge:
    """Judges slopes at one point.

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
        self.point, self.claims, self.rules = point, claims, rules
        self._noise: tuple[Float, ...] | None = None
        self.structures: dict[int, Structure] = {}
        """By input, what lets its entries move in groups; goes where it turns out not to hold."""
        self._quick = Screen(point, claims, rules)
        self.first = False
        """One error is enough: it is confirmed, and one direction is narrowed down."""

    def compare(self, along: Sequence[Move], confirmed: int = 0) -> Judged:
        """The quick path for all, the ladder for what it leaves.

        ``confirmed``: how many wrong ones are known already; from `CONFIRMED` on, plain ones are
        believed without the ladder.
        """
        return self.finish(self.screen(along), confirmed)

    def screen(self, along: Sequence[Move]) -> Screened:
        """The quick path alone."""
        return self._quick.many(along, self.differences(along))

    def alone(self, along: Entries) -> Judged:
        """`compare` for the only entry of an input."""
        made = self._of_one(along)
        return Judged.of(along, made) if isinstance(made, One) else made

    def passes(self, move: Move) -> One | None:
        """What is found along one move that passes, by `compare`; None where it does not."""
        made = self._of_one([move])
        if isinstance(made, One):
            return made
        return None if made.status[0] else made.at(0)

    def _of_one(self, along: Sequence[Move]) -> One | Judged:
        """The only one of some moves; in plain numbers where it passes at once."""
        found = quick_one(self.point, along[0])
        passed = self._quick.passing(along[0], found)
        return passed or self.finish(self._quick.many(along, stacked([found])))

    def differences(self, along: Sequence[Move]) -> Quick:
        """Three evaluations a move, or a group. This and `ladder` depend on forward alone."""
        found = self.structures.get(along.input) if isinstance(along, Entries) else None
        if found is None or len(along) < found.size:
            return quick(self.point, along)
        assert isinstance(along, Entries)
        made = compressed.quick(self.point, along.input, found)
        if made is None:
            del self.structures[along.input]
            return quick(self.point, along)
        return made

    def ladder(self, move: Move, stretch: float) -> Estimate:
        """Many steps along one move, all of them longer by ``stretch``."""
        line = PointLine(self.point, move)
        if self.point.precision in HALF:
            return fit.estimate(line, stretch=stretch)
        made = ladder.estimate(line, stretch=stretch)
        one_sided = edge.estimate(line, stretch=stretch) if made.reason == ladder.EDGE else None
        return one_sided or made

    def finish(self, screened: Screened, wrong: int = 0) -> Judged:
        """Look again at what is left, or climb; once enough are wrong, count the plain ones."""
        self.look_again(screened)
        judged, asked = screened.judged, 0
        wrong = max(wrong, CONFIRMED - 1) if self.first else wrong
        for i in screened.open:
            if wrong >= CONFIRMED and screened.obvious[i]:
                judged.status[i] = Status.FAIL
                continue
            quick_value = (float(judged.value[i]), float(judged.bound[i]))
            claimed, least = float(judged.analytic[i]), float(screened.floor[i])
            move = judged.moves[int(i)]
            made = self.climb(move, claimed, least, quick_value)
            if made.status is Status.INCONCLUSIVE and asked < ASKED:
                asked += 1
                made = opinions.ask(self.point, move, made, self.rules, least)
            wrong += made.status is Status.FAIL
            judged.put(int(i), made)
        if self.rules.tails:
            self._hidden_tails(judged)
        return judged

    def look_again(self, screened: Screened) -> None:
        """Shorter steps where they would settle a slope: three evaluations, the ladder takes 40."""
        if screened.open:
            places, times = self._quick.curved(screened)
            if len(places):
                found = quick(self.point, some(screened.judged.moves, places), times)
                self._quick.looked_again(screened, places, found)

    def _hidden_tails(self, judged: Judged) -> None:
        """Exactly 0, where forward is flat in its own precision: is it flat in a wider one?"""
        flat = (judged.analytic == 0) & (judged.value == 0) & ~judged.climbed
        for i in np.flatnonzero(flat)[:ASKED]:
            move, noise = judged.moves[i], float(judged.noise[i])
            found = opinions.hidden_tail(self.point, move, noise, self.rules)
            if found is not None:
                judged.put(int(i), found)

    def climb(
        self,
        move: Move,
        analytic: float | None = None,
        floor: float = 0.0,
        witness: tuple[float, float] | None = None,
    ) -> Comparison:
        """Judge one slope on the ladder.

        ``witness``: value and bound of the quick path, whose word counts against a fail.
        """
        claimed = self.claims.slope(move) if analytic is None else analytic
        estimate = self.ladder(move, 1.0)
        noise = self.claims.rounding(move, claimed, self.rules)
        if not compare.agrees(claimed, noise, estimate, self.rules, floor):
            noise = self._measured(move)
        estimates = (estimate, lambda: self.ladder(move, CONFIRM))
        made = compare.judge(claimed, noise, estimates, self.rules, floor)
        if made.status in (Status.FAIL, Status.SLIGHT) and witness is not None:
            made = compare.heard(made, *witness)
        made = self._infinite(self._lost(self._unseen(made), move), move)
        if made.status is Status.FAIL and (made.estimate.kink or kinks.rough(self.point, move)):
            made = compare.in_wider_hull(
                made, kinks.output_slopes(self.point, move), self.rules.resolution
            )
        if made.status is Status.FAIL and moves.is_tied(self.point.primals, move):
            made = self._at_tie(made, move)
        return self._acquitted(made, move, floor)

    def _acquitted(self, made: Comparison, move: Move, floor: float) -> Comparison:
        """A fail in float32 that float64 does not confirm: forward varies below its own digits.

        sin(1e6 x) goes through many periods between the steps that its rounding allows; what such
        differences settle at is no derivative.
        """
        if made.status is not Status.FAIL or np.isnan(made.analytic):
            return made
        wide = opinions.in_double(self.point, move)
        if wide is None:
            return made
        again = compare.judge(made.analytic, made.noise, (wide, lambda: wide), self.rules, floor)
        if again.status in (Status.FAIL, Status.SLIGHT):
            return made
        return replace(made, status=Status.INCONCLUSIVE, reason="too coarse in float32")

    def _unseen(self, made: Comparison) -> Comparison:
        """A tiny value against a difference of exactly 0: log(1 + t) does not move for a tiny t."""
        least = self.point.eps * float(np.abs(self.point.cotangent).max(initial=0.0))
        flat = made.estimate.value == 0 and not self.rules.tails
        if made.status is Status.FAIL and flat and abs(made.analytic) <= least:
            return replace(made, status=Status.INCONCLUSIVE, reason="below the rounding of forward")
        return made

    def _lost(self, made: Comparison, move: Move) -> Comparison:
        """Off by no more than a factor below the smallest normal number may lose.

        Of exp(-89) float32 has few digits, or none, and in x * exp(x) what is lost is x times that.
        A far tail that has to be right is judged by `Rules.smallest`.
        """
        if made.status is not Status.FAIL or self.rules.tails or self.point.precision in HALF:
            return made
        factor = min(max(1.0, self.point.size_of(move)), GROWN)
        upstream = max(1.0, largest(self.point.cotangent))
        least = UNDERFLOW * self.point.tiny * factor * upstream
        if not abs(made.analytic - made.estimate.value) <= least:
            return made
        return replace(made, status=Status.INCONCLUSIVE, reason="below the smallest normal number")

    def _infinite(self, made: Comparison, move: Move) -> Comparison:
        """NaN as 0 times an infinite slope, at the edge of forward's domain: sqrt at 0.

        Without an upstream gradient there the function does not move; with one it has no slope,
        and backward says infinity, not NaN.
        """
        lost = made.status is Status.FAIL and np.isnan(made.analytic) and made.estimate.value == 0
        if not (lost and made.estimate.edge):
            return made
        asked = np.where(self.point.cotangent == 0, 1.0, 0.0)
        if edge.estimate(PointLine(replace(self.point, cotangent=asked), move)) is not None:
            return made
        if np.isnan(move.slope(self.claims.pull(asked))):
            return made
        return replace(made, status=Status.INCONCLUSIVE, reason="0 times an infinite slope")

    def _at_tie(self, made: Comparison, move: Move) -> Comparison:
        """A fail at a tie, or a convention once some ways to break it allow the value."""
        slack, slopes = min(1e3 * self.rules.resolution, 2e-2), list[float]()
        spread = kinks.side_step(self.point, 2.0**-12, 2.0**-5)
        for primals, gap in moves.tie_broken(self.point.primals, move, spread):
            slopes.append(kinks.steep(replace(self.point, primals=primals), move, gap / 4))
            wider = compare.in_wider_hull(made, slopes, slack)
            if wider.status is not Status.FAIL:
                return wider
        return made

    def refuses(self, move: Move) -> bool:
        """Forward insists on what this move breaks: rows that sum to one."""
        step = kinks.side_step(self.point, 2.0**-12, 2.0**-12)
        return bool(np.isnan(self.point.displaced(move, step)).all())

    def projected(self, along: Sequence[Move], speeds: Speeds) -> Judged:
        """Random directions; a failing one is halved until single wrong entries are left.

        O(log N) comparisons for each wrong entry, of which at most `NARROWED` are looked for: the
        directions that are left then stay failing ones.
        """
        judged = self.compare(along)
        wrong = judged.where(Status.FAIL, Status.SLIGHT)
        if not wrong:
            return judged
        single, count, most = (0, 1, 1) if self.first else (0, len(wrong), NARROWED)
        parts = [judged.take([i for i in range(len(along)) if i not in wrong[:count]])]
        open_ = [judged.take([i]) for i in wrong[:count]]
        while open_:
            part = open_.pop()
            k, entries, _ = part.moves[0].parts[0]
            single += len(entries) == 1
            worse: Sequence[int] = ()
            if len(entries) > 1 and single < most:
                split = np.array_split(entries, 2)
                known = CONFIRMED if len(entries) > 2 else 0  # single entries are confirmed
                halves = self.compare([moves.part(k, h, speeds) for h in split], known)
                worse = halves.where(Status.FAIL, Status.SLIGHT)
                open_ += [halves.take([i]) for i in worse]
            if not worse:  # one entry, or an error that is spread too thin for its halves
                parts.append(part)
        return Judged.joined(parts)

    def _measured(self, move: Move) -> float:
        if self._noise is None:
            self._noise = self.claims.noise()
        return self.claims.measured(move, self._noise, self.rules)

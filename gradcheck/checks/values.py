"""Every gradient entry against the derivative of forward.

Per input: four evaluations an entry settle nearly all (`differences.quick`); what is left climbs
the ladder; a fail is confirmed with other steps; kinks get the sum along their tie. An input
beyond the budget is checked along random signed directions instead, and a failing direction is
halved until one entry is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck import backward_noise, compare, ladder, moves
from gradcheck.arrays import Float, flatten, is_real, relative_error, unravel
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.compare import Comparison, Rules, Status
from gradcheck.diagnosis import Table
from gradcheck.differences import Move, Point, quick
from gradcheck.estimate import Estimate
from gradcheck.results import Convention, Finding, Worst, num

NAME = "values"
CONFIRM = 1.37
"""Steps of the confirming ladder are longer by this: other roundings."""
ORDERS = 10
"""Ways in which ties are broken, where a kinked entry is outside its one-sided slopes."""
DIRECTIONS = 8
"""Random directions per input beyond the budget."""


def check(facts: Facts) -> Outcome:
    """Compare every usable gradient of the case."""
    return _Values(facts).run()


@dataclass(slots=True)
class _Judged:
    """One move of one input, judged."""

    move: Move
    comparison: Comparison
    mode: str


class _Values:
    """The work on one case; lives for one call of `check`."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.rules = Rules.of(facts.precision, facts.settings.signif)
        self.point = Point(
            facts.evaluator,
            facts.case.primals,
            facts.case.attributes,
            flatten(facts.answer.outputs).copy(),
            flatten(
                [c for c, o in zip(facts.cotangents, facts.answer.outputs, strict=True) if is_real(o)]
            ).copy(),
            facts.precision,
            facts.settings.step_exponent(facts.precision),
        )
        self.outcome = Outcome()
        self._noise: tuple[Float, ...] | None = None
        self._broken: list[tuple[Point, float]] | None = None

    def run(self) -> Outcome:
        kinked: list[tuple[int, int]] = []
        for k in self.facts.compared:
            judged = self._input(k)
            self._record(k, judged)
            kinked += [
                (p, int(flat))
                for j in judged
                if j.comparison.status is Status.CONVENTION and len(j.move.parts[0][1]) == 1
                for p, entries, _ in j.move.parts
                for flat in entries
            ]
        self._along_ties(kinked)
        return self.outcome

    def _input(self, k: int) -> list[_Judged]:
        primal = self.facts.case.primals[k]
        if self._beyond_budget():
            rng = np.random.default_rng([self.facts.case.recipe.cotangent_seed, k])
            return self._projected(moves.blocks(k, primal.size, DIRECTIONS, rng), rng)
        domain = self.facts.op.inputs[k].domain
        constrained = self._insists_on_domain(k)
        return self._compare(moves.single(k, primal, domain, constrained=constrained))

    def _beyond_budget(self) -> bool:
        entries = sum(self.facts.case.primals[k].size for k in self.facts.compared)
        return 4 * entries > self.facts.settings.budget

    def _insists_on_domain(self, k: int) -> bool:
        """Forward refuses one entry moved alone (a simplex that it verifies)."""
        if not self.facts.case.primals[k].size:
            return False
        return bool(np.isnan(self.point.displaced(Move.entry(k, 0), 2.0**-12)).all())

    def _compare(self, along: Sequence[Move]) -> list[_Judged]:
        """The quick path for all, the ladder for what it leaves."""
        if not along:
            return []
        gradients = self.facts.gradients
        analytic = np.array([m.slope(gradients) for m in along])
        estimates = quick(self.point, along)
        noise = np.array([self._rounding(m) for m in along])
        done = compare.settled(analytic, noise, estimates, self.rules)
        scales = np.fmax(estimates.scale, np.abs(analytic))
        largest = float(np.max(scales[np.isfinite(scales)], initial=0.0))
        judged = []
        for i, move in enumerate(along):
            if done[i]:
                scale = max(float(scales[i]), compare.SMALL * largest)
                estimate = Estimate(
                    value=float(estimates.value[i]),
                    bound=float(estimates.bound[i]),
                    truncation=float(estimates.truncation[i]),
                    roundoff=float(estimates.roundoff[i]),
                    step=float(estimates.step[i]),
                    scale=scale,
                )
                made = Comparison(Status.PASS, float(analytic[i]), estimate, float(noise[i]), scale)
                judged.append(_Judged(move, made, "quick"))
            else:
                judged.append(_Judged(move, self._climb(move, float(analytic[i]), largest), "ladder"))
        return judged

    def _climb(self, move: Move, analytic: float, largest: float) -> Comparison:
        line = self.point.line(move)
        made = compare.judge(
            analytic,
            self._measured_noise(move),
            (ladder.estimate(line), lambda: ladder.estimate(line, stretch=CONFIRM)),
            self.rules,
            largest,
        )
        if made.status is Status.FAIL and (made.estimate.kink or self._rough(move)):
            slopes = [_steep(point, move, gap / 4) for point, gap in self._without_ties()]
            if compare.in_wider_hull(made, slopes):
                return replace(made, status=Status.CONVENTION)
        return made

    def _rough(self, move: Move) -> bool:
        """Some output has a kink here, though in their sum the kinks cancel.

        Sum_j |c_j (y_j(h) - 2 y_j(0) + y_j(-h))| / h falls like h where all outputs are smooth.
        """
        point = self.point
        step = 2.0**-12 if point.precision == "float64" else 2.0**-5
        bends, scale = [], 0.0
        for h in (step, step / 2):
            above, below = point.displaced(move, h), point.displaced(move, -h)
            bends.append(float(np.abs((above - 2 * point.here + below) * point.cotangent).sum()) / h)
            scale = float(np.abs((above - below) * point.cotangent).sum()) / (2 * h)
        return bends[1] > 0.75 * bends[0] and bends[1] > 1e-3 * scale

    def _without_ties(self) -> list[tuple[Point, float]]:
        """The point with its ties broken in several ways; made once per case."""
        if self._broken is None:
            spread = 2.0**-8 if self.point.precision == "float64" else 2.0**-5
            self._broken = [
                (replace(self.point, primals=primals), gap)
                for primals, gap in moves.tie_broken(self.point.primals, ORDERS, spread)
            ]
        return self._broken

    def _projected(self, along: Sequence[Move], rng: np.random.Generator) -> list[_Judged]:
        judged = self._compare(along)
        found = [
            self._narrow(j, rng) if j.comparison.status is Status.FAIL else j for j in judged
        ]
        return [_Judged(j.move, j.comparison, "projected") for j in found]

    def _narrow(self, failed: _Judged, rng: np.random.Generator) -> _Judged:
        """Halve a failing direction until one wrong entry is left: O(log N) comparisons."""
        while len(failed.move.parts[0][1]) > 1:
            k, entries, _ = failed.move.parts[0]
            halves = [moves.direction(k, part, rng) for part in np.array_split(entries, 2)]
            worse = [j for j in self._compare(halves) if j.comparison.status is Status.FAIL]
            if not worse:
                return failed
            failed = worse[0]
        return failed

    def _along_ties(self, kinked: list[tuple[int, int]]) -> None:
        """The sum of the gradients along each tie; wrong sums are fails."""
        for move in moves.ties(self.facts.case.primals, kinked):
            made = self._climb(move, move.slope(self.facts.gradients), 0.0)
            self.outcome.comparisons += 1
            if made.status is Status.FAIL:
                k, entries, _ = move.parts[0]
                entry = unravel(int(entries[0]), self.facts.case.primals[k].shape)
                self.outcome.findings.append(self._tie_finding(move, made, entry))

    def _tie_finding(self, move: Move, made: Comparison, entry: tuple[int, ...]) -> Finding:
        inputs = self.facts.op.inputs
        names = " + ".join(dict.fromkeys(inputs[k].name for k, _, _ in move.parts))
        count = sum(len(e) for _, e, _ in move.parts)
        return Finding(
            code="wrong-at-tie",
            check=NAME,
            severity="fail",
            input=inputs[move.parts[0][0]].name,
            entry=entry,
            message=(
                f"{count} tied entries of {names}: moved together the function has slope "
                f"{made.estimate.value:.6g}, but their gradients add up to {made.analytic:.6g}; "
                "at a tie the gradient may be split in any way, but nothing may be lost or counted twice"
            ),
            numbers=_worst(inputs[move.parts[0][0]].name, entry, made),
        )

    def _rounding(self, move: Move) -> float:
        """A-priori noise of an analytic slope, in the gradient's own precision."""
        total = 0.0
        for k, entries, speeds in move.parts:
            gradient = self.facts.gradients[k]
            assert gradient is not None
            terms = compare.rounding(gradient.reshape(-1)[entries] * speeds, self._eps(k))
            total += float((terms**2).sum())
        return float(np.sqrt(total))

    def _eps(self, k: int) -> float:
        """Spacing of a gradient's precision: its own dtype may be narrower than its input's."""
        returned = (self.facts.answer.gradients or ())[k]
        dtype = np.asarray(returned).dtype
        own = float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
        return max(own, self.point.eps)

    def _measured_noise(self, move: Move) -> float:
        if self._noise is None:
            self._noise = backward_noise.measure(
                self.facts.evaluator, self.facts.case, self.facts.cotangents, self.facts.gradients
            )
        squares = sum(
            float(((self._noise[k].reshape(-1)[e] * s) ** 2).sum()) for k, e, s in move.parts
        )
        return max(float(np.sqrt(squares)), self._rounding(move))

    def _record(self, k: int, judged: list[_Judged]) -> None:
        input = self.facts.op.inputs[k]
        shape = self.facts.case.primals[k].shape
        outcome = self.outcome
        outcome.comparisons += len(judged)
        outcome.modes.update(Counter(outcome.modes) + Counter(j.mode for j in judged))
        undecided = [j for j in judged if j.comparison.status is Status.INCONCLUSIVE]
        outcome.inconclusive += len(undecided)
        for j in undecided:
            reason = j.comparison.reason
            outcome.reasons[reason] = outcome.reasons.get(reason, 0) + 1
        outcome.judged[input.name] = len(judged) - len(undecided)
        outcome.entries[input.name] = len(judged)
        self._conventions(k, judged)
        self._slightly_off(k, judged)
        failed = [j for j in judged if j.comparison.status is Status.FAIL]
        shown = failed or [j for j in judged if j.comparison.status in (Status.PASS, Status.SLIGHT)]
        self._tabulate(k, judged)
        if not shown:
            return
        worst = max(shown, key=lambda j: np.nan_to_num(_shown_error(j.comparison), nan=np.inf))
        entry = unravel(int(worst.move.parts[0][1][0]), shape)
        record = _worst(input.name, entry, worst.comparison, (len(failed), len(judged)))
        outcome.worst[input.name] = record
        if failed:
            outcome.findings.append(_finding(record, worst.mode))

    def _slightly_off(self, k: int, judged: list[_Judged]) -> None:
        """Provable, and too small to matter: a warning with its size."""
        off = [j.comparison for j in judged if j.comparison.status is Status.SLIGHT]
        if not off:
            return
        worst = max(off, key=lambda c: relative_error(c.analytic, c.estimate.value))
        error = relative_error(worst.analytic, worst.estimate.value)
        name = self.facts.op.inputs[k].name
        self.outcome.findings.append(
            Finding(
                code="slightly-off",
                check=NAME,
                severity="fail" if self.facts.settings.strict else "warning",
                input=name,
                message=(
                    f"gradient of {name} is off by {error:.1g} of its size on {len(off)} of "
                    f"{len(judged)} entries, beyond all rounding: an epsilon that forward has and "
                    "backward has not, or a constant with too few digits? (--signif 0 fails it)"
                ),
                numbers=_worst(name, (), worst),
            )
        )

    def _tabulate(self, k: int, judged: list[_Judged]) -> None:
        """All entries side by side, for the diagnosis; only where entries were moved singly."""
        shape = self.facts.case.primals[k].shape
        if len(judged) != int(np.prod(shape)):
            return
        columns = np.array(
            [
                (j.comparison.analytic, j.comparison.estimate.value, j.comparison.estimate.bound + j.comparison.noise)
                for j in judged
            ]
        ).T.reshape(3, *shape)
        self.outcome.tables[self.facts.op.inputs[k].name] = Table(*columns)

    def _conventions(self, k: int, judged: list[_Judged]) -> None:
        name = self.facts.op.inputs[k].name
        primal = self.facts.case.primals[k]
        for j in judged:
            if j.comparison.status is Status.CONVENTION:
                x = float(primal.reshape(-1)[j.move.parts[0][1][0]])
                estimate = j.comparison.estimate
                self.outcome.conventions.append(
                    Convention(
                        input=name,
                        count=1,
                        left=num(estimate.low),
                        right=num(estimate.high),
                        yours=num(j.comparison.analytic),
                        where=f"{x:g}",
                    )
                )


def _steep(point: Point, move: Move, step: float) -> float:
    """A plain central difference, where the function is smooth by construction."""
    moved = point.displaced(move, step) - point.displaced(move, -step)
    return float(moved @ point.cotangent) / (2 * step)


def _shown_error(made: Comparison) -> float:
    """The relative error; 0 for a right entry so small that its own digits are below the bound."""
    own = max(abs(made.analytic), abs(made.estimate.value))
    if made.status is not Status.FAIL and made.estimate.bound + made.noise > 1e-3 * own:
        return 0.0
    return relative_error(made.analytic, made.estimate.value)


def _worst(
    name: str, entry: tuple[int, ...], made: Comparison, counts: tuple[int, int] = (0, 0)
) -> Worst:
    estimate = made.estimate
    return Worst(
        input=name,
        entry=entry,
        backward=num(made.analytic),
        finite_difference=num(estimate.value),
        bound=num(estimate.bound + made.noise),
        relative_error=num(_shown_error(made)),
        limit=num(made.limit),
        steps=(2 * estimate.step, estimate.step),
        truncation=num(estimate.truncation),
        roundoff=num(estimate.roundoff),
        wrong=counts[0],
        entries=counts[1],
    )


def _finding(worst: Worst, mode: str) -> Finding:
    along = " (found along a random direction, narrowed to this entry)" if mode == "projected" else ""
    return Finding(
        code="wrong-gradient",
        check=NAME,
        severity="fail",
        input=worst.input,
        entry=worst.entry,
        numbers=worst,
        message=(
            f"gradient of {worst.input}, entry {worst.entry}: backward gives "
            f"{float(worst.backward):.6g}, finite difference {float(worst.finite_difference):.6g} "
            f"± {float(worst.bound):.1g}{along}"
        ),
    )

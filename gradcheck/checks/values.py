"""Every gradient entry against the derivative of forward (`judging` does the work).

An input beyond the budget is checked along random signed directions instead, and a failing
direction is halved until one entry is left. At kinks the sum along each tie is compared too.
"""

from __future__ import annotations

import numpy as np

from gradcheck import moves
from gradcheck.arrays import relative_error, unravel
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.compare import Comparison, Rules, Status
from gradcheck.diagnosis import Table
from gradcheck.differences import Move, Point
from gradcheck.evaluation import projection
from gradcheck.floats import HALF, eps_of
from gradcheck.judged import Judged
from gradcheck.judging import Judge
from gradcheck.results import Convention, Finding, Worst, num

NAME = "values"
DIRECTIONS = 8
"""Random directions per input beyond the budget."""


def check(facts: Facts) -> Outcome:
    """Compare every usable gradient of the case."""
    outcome = Outcome()
    judge = _judge(facts)
    projected = _beyond_budget(facts)
    kinked: list[tuple[int, int]] = []
    for k in facts.compared:
        judged = _one_input(facts, judge, k, projected=projected)
        _record(outcome, facts, (k, judged), projected=projected)
        single = [judged.moves[i].single for i in judged.where(Status.CONVENTION)]
        kinked += [s for s in single if s is not None]
    _along_ties(outcome, facts, judge, kinked)
    return outcome


def _judge(facts: Facts) -> Judge:
    answer = facts.answer
    here, cotangent = projection(answer.outputs, facts.cotangents)
    point = Point(
        facts.evaluator,
        facts.case.primals,
        facts.case.attributes,
        here.copy(),
        cotangent.copy(),
        facts.precision,
        facts.settings.step_exponent(facts.precision),
        in_place=any("(by forward)" in who for who in answer.overwritten),
    )

    def eps(k: int) -> float:
        returned = np.asarray((answer.gradients or ())[k])
        return max(eps_of(returned.dtype), point.eps)

    rules = Rules.of(facts.precision, facts.settings.signif)
    return Judge(point, facts.gradients, rules, eps, facts.noise)


def _beyond_budget(facts: Facts) -> bool:
    entries = sum(facts.case.primals[k].size for k in facts.compared)
    return 4 * entries > facts.settings.budget


def _one_input(facts: Facts, judge: Judge, k: int, *, projected: bool) -> Judged:
    primal = facts.case.primals[k]
    if projected:
        rng = np.random.default_rng([facts.case.recipe.cotangent_seed, k])
        return judge.projected(moves.blocks(k, primal.size, DIRECTIONS, rng), rng)
    insists = primal.size > 0 and judge.refuses(Move.entry(k, 0))
    domain = facts.op.inputs[k].domain
    return judge.compare(moves.single(k, primal, domain, constrained=insists))


def _record(outcome: Outcome, facts: Facts, found: tuple[int, Judged], *, projected: bool) -> None:
    """Count what was found of one input, and note the worst."""
    k, judged = found
    name = facts.op.inputs[k].name
    undecided = judged.where(Status.INCONCLUSIVE)
    count = len(judged.moves)
    climbed = int(judged.climbed.sum())
    slow = "fit" if facts.precision in HALF else "ladder"
    modes = {"projected": count} if projected else {"quick": count - climbed, slow: climbed}
    outcome.comparisons += count
    outcome.inconclusive += len(undecided)
    for mode, times in modes.items():
        outcome.modes[mode] = outcome.modes.get(mode, 0) + times
    for i in undecided:
        reason = judged.reasons.get(i, "noise")
        outcome.reasons[reason] = outcome.reasons.get(reason, 0) + 1
    outcome.judged[name] = count - len(undecided)
    outcome.entries[name] = count
    outcome.conventions += [
        _convention(facts, k, judged, i) for i in judged.where(Status.CONVENTION)
    ]
    if count == facts.case.primals[k].size:
        outcome.tables[name] = _table(judged, facts.case.primals[k].shape)
    _findings(outcome, facts, found, projected=projected)


def _findings(
    outcome: Outcome, facts: Facts, found: tuple[int, Judged], *, projected: bool
) -> None:
    k, judged = found
    name, shape = facts.op.inputs[k].name, facts.case.primals[k].shape
    failed, slight = judged.where(Status.FAIL), judged.where(Status.SLIGHT)
    shown = failed or judged.where(Status.PASS, Status.SLIGHT)
    if not shown:
        return
    errors, limits = judged.relative_errors(), judged.limits()
    worst = max(shown, key=lambda i: errors[i])
    entry = unravel(int(judged.moves[worst].parts[0][1][0]), shape)
    record = _worst((name, entry), judged, worst, (float(errors[worst]), float(limits[worst])))
    record = _with_counts(record, len(failed), len(judged.moves))
    outcome.worst[name] = record
    if failed:
        outcome.findings.append(_wrong(record, projected=projected))
    elif slight:
        outcome.findings.append(
            _slightly_off(facts, record, float(errors[slight].max()), len(slight))
        )


def _wrong(worst: Worst, *, projected: bool) -> Finding:
    along = " (found along a random direction, narrowed to this entry)" if projected else ""
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


def _slightly_off(facts: Facts, worst: Worst, error: float, count: int) -> Finding:
    """Provable, and too small to matter: a warning with its size."""
    return Finding(
        code="slightly-off",
        check=NAME,
        severity="fail" if facts.settings.strict else "warning",
        input=worst.input,
        entry=worst.entry,
        numbers=worst,
        message=(
            f"gradient of {worst.input} is off by {error:.1g} of its size on {count} of "
            f"{worst.entries} entries, beyond all rounding: an epsilon that forward has and "
            "backward has not, or a constant with too few digits? (--signif 0 fails it)"
        ),
    )


def _along_ties(
    outcome: Outcome, facts: Facts, judge: Judge, kinked: list[tuple[int, int]]
) -> None:
    """The sum of the gradients along each tie; a wrong sum is a fail."""
    for move in moves.ties(facts.case.primals, kinked):
        made = judge.climb(move)
        outcome.comparisons += 1
        if made.status is Status.FAIL:
            outcome.findings.append(_tie_finding(facts, move, made))


def _tie_finding(facts: Facts, move: Move, made: Comparison) -> Finding:
    inputs = facts.op.inputs
    k, entries, _ = move.parts[0]
    names = " + ".join(dict.fromkeys(inputs[p].name for p, _, _ in move.parts))
    count = sum(len(e) for _, e, _ in move.parts)
    estimate = made.estimate
    error = relative_error(made.analytic, estimate.value)
    entry = unravel(int(entries[0]), facts.case.primals[k].shape)
    return Finding(
        code="wrong-at-tie",
        check=NAME,
        severity="fail",
        input=inputs[k].name,
        entry=entry,
        message=(
            f"{count} tied entries of {names}: moved together the function has slope "
            f"{estimate.value:.6g}, but their gradients add up to {made.analytic:.6g}; at a tie "
            "the gradient may be split in any way, but nothing may be lost or counted twice"
        ),
        numbers=Worst(
            input=names,
            entry=entry,
            backward=num(made.analytic),
            finite_difference=num(estimate.value),
            bound=num(estimate.bound + made.noise),
            relative_error=num(error),
            limit=num(made.limit),
            steps=(2 * estimate.step, estimate.step),
            truncation=num(estimate.truncation),
            roundoff=num(estimate.roundoff),
        ),
    )


def _table(judged: Judged, shape: tuple[int, ...]) -> Table:
    """All entries side by side, for the diagnosis."""
    columns = (judged.analytic, judged.value, judged.bound + judged.noise)
    return Table(*(c.reshape(shape) for c in columns))


def _convention(facts: Facts, k: int, judged: Judged, i: int) -> Convention:
    flat = int(judged.moves[i].parts[0][1][0])
    return Convention(
        input=facts.op.inputs[k].name,
        count=1,
        left=num(judged.low[i]),
        right=num(judged.high[i]),
        yours=num(judged.analytic[i]),
        where=f"{float(facts.case.primals[k].reshape(-1)[flat]):g}",
    )


def _worst(
    place: tuple[str, tuple[int, ...]], judged: Judged, i: int, errors: tuple[float, float]
) -> Worst:
    return Worst(
        input=place[0],
        entry=place[1],
        backward=num(judged.analytic[i]),
        finite_difference=num(judged.value[i]),
        bound=num(judged.bound[i] + judged.noise[i]),
        relative_error=num(errors[0]),
        limit=num(errors[1]),
        steps=judged.steps(i),
        truncation=num(judged.truncation[i]),
        roundoff=num(judged.roundoff[i]),
    )


def _with_counts(worst: Worst, wrong: int, entries: int) -> Worst:
    import msgspec

    return msgspec.structs.replace(worst, wrong=wrong, entries=entries)

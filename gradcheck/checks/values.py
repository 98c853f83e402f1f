"""Every gradient entry against the derivative of forward (`judging` does the work).

An input beyond the budget is checked along random signed directions instead, and a failing
direction is halved until one entry is left. At kinks the sum along each tie is compared too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck import moves
from gradcheck.arrays import unravel
from gradcheck.checks import findings
from gradcheck.checks.facts import Facts, Outcome, Still
from gradcheck.checks.standin import StandIn, of_nodes, of_reference, of_surrogate
from gradcheck.compare import Rules, Status
from gradcheck.diagnosis import Table
from gradcheck.differences import Move, Point
from gradcheck.evaluation import projection
from gradcheck.floats import HALF, eps_of
from gradcheck.judged import Judged
from gradcheck.judging import Claims, Judge
from gradcheck.records import num
from gradcheck.results import Convention

NAME = "values"
DIRECTIONS = 8
"""Random directions per input beyond the budget."""


def check(facts: Facts) -> Outcome:
    """Compare every usable gradient of the case."""
    outcome = Outcome()
    function = _function(outcome, facts)
    if function is not None and not function.usable:
        return outcome
    judge = _judge(facts, point(facts, function))
    projected = _beyond_budget(facts)
    kinked: list[tuple[int, int]] = []
    for k in facts.compared:
        judged = _one_input(facts, judge, k, projected=projected)
        _record(outcome, facts, (k, judged), projected=projected)
        single = [judged.moves[i].single for i in judged.where(Status.CONVENTION)]
        kinked += [s for s in single if s is not None]
    _along_ties(outcome, facts, judge, kinked)
    return outcome


def _function(outcome: Outcome, facts: Facts) -> StandIn | None:
    """What is differenced instead of forward; None for forward itself."""
    made = stand_in(facts)
    if facts.op.options.differentiates is not None and made is not None:
        if made.misshapen:
            outcome.find(NAME, "another-shape", made.misshapen, severity="not judged")
        elif made.refused:
            outcome.comparisons = outcome.inconclusive = 1
            outcome.reasons[made.refused] = 1
        return made
    return made if made is not None and made.usable else None  # counted by the check "reference"


def stand_in(facts: Facts) -> StandIn | None:
    """What an op names instead of forward, at one case, usable there or not."""
    if facts.op.options.differentiates is not None:
        return of_surrogate(facts)
    if facts.op.options.reference is not None:
        return of_reference(facts)
    return of_nodes(facts)


def point(facts: Facts, function: StandIn | None = None) -> Point:
    """Where the derivatives of a case are taken: of forward, or of what stands in for it."""
    answer = facts.answer
    outputs = answer.outputs if function is None else function.outputs
    precision = facts.precision if function is None else function.precision
    here, cotangent = projection(outputs, facts.cotangents)
    return Point(
        facts.evaluator if function is None else function.evaluator,
        facts.case.primals if function is None else function.primals,
        facts.case.attributes,
        here.copy(),
        cotangent.copy(),
        precision,
        facts.settings.step_exponent(precision),
        in_place=function is not None or any("(by forward)" in w for w in answer.overwritten),
    )


def _judge(facts: Facts, here: Point) -> Judge:
    def eps(k: int) -> float:
        returned = np.asarray((facts.answer.gradients or ())[k])
        return max(eps_of(returned.dtype), here.eps)

    rules = Rules.of(facts.precision, facts.settings.signif)
    upstream = float(np.abs(here.cotangent).max(initial=1.0))  # it multiplies a slope that is lost
    rules = replace(
        rules,
        tails=tails_count(facts),
        explained=_explained(facts, here),
        smallest=0.0 if facts.precision in HALF else rules.smallest * upstream,
    )
    return Judge(here, Claims(facts.gradients, eps, facts.noise, facts.pulled), rules)


def _explained(facts: Facts, point: Point) -> float:
    """What the rounding of forward in its own precision may do to a slope of the reference.

    An output s that is kept for backward is off by eps/2, and so are 1 - s and its kind, however
    small; and terms of the size of the largest entry may have cancelled: two eps of both.
    """
    if facts.op.options.reference is None or facts.op.options.tails == "exact":
        return 0.0
    sizes = [np.abs(g[np.isfinite(g)]).max(initial=0.0) for g in facts.gradients if g is not None]
    largest = max([float(np.abs(point.cotangent).max(initial=0.0)), *map(float, sizes)])
    return 2 * eps_of(facts.precision) * largest


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
    outcome.excess = max(outcome.excess, float(judged.excess.max(initial=0.0)))
    outcome.comparisons += count
    outcome.inconclusive += len(undecided)
    for mode, times in {**modes, **judged.opinions}.items():
        outcome.modes[mode] = outcome.modes.get(mode, 0) + times
    for i in undecided:
        reason = judged.reasons.get(i, "noise")
        outcome.reasons[reason] = outcome.reasons.get(reason, 0) + 1
    outcome.judged[name] = count - len(undecided)
    outcome.entries[name] = count
    if count:
        outcome.still[name] = Still(not judged.value.any(), not judged.analytic.any())
    _conventions(outcome, facts, k, judged)
    if count == facts.case.primals[k].size:
        outcome.tables[name] = _table(judged, facts.case.primals[k].shape)
    _findings(outcome, facts, found, projected=projected)


def _findings(
    outcome: Outcome, facts: Facts, found: tuple[int, Judged], *, projected: bool
) -> None:
    k, judged = found
    name, shape = facts.op.inputs[k].name, facts.case.primals[k].shape
    if not tails_count(facts) and (tails := judged.lost_tails()):
        outcome.findings.append(findings.lost_tail(facts, k, judged, tails))
    failed, slight = judged.where(Status.FAIL), judged.where(Status.SLIGHT)
    shown = failed or judged.where(Status.PASS, Status.SLIGHT)
    if projected:
        shown = [i for i in failed if judged.moves[i].single] or shown
    if not shown:
        return
    errors, limits = judged.relative_errors(), judged.limits()
    worst = max(shown, key=lambda i: errors[i])
    entry = unravel(int(judged.moves[worst].parts[0][1][0]), shape)
    record = findings.worst(
        (name, entry), judged, worst, (float(errors[worst]), float(limits[worst]))
    )
    record = findings.with_counts(record, len(failed), 0 if projected else len(judged.moves))
    outcome.worst[name] = record
    if failed:
        outcome.findings.append(
            findings.wrong(record, findings.found_by(judged, failed) if projected else "")
        )
    elif slight:
        outcome.findings.append(
            findings.slightly_off(facts, record, float(errors[slight].max()), len(slight))
        )


def tails_count(facts: Facts) -> bool:
    """Far tails must be right: the op says so, or has a reference to compare them with."""
    return facts.op.options.tails == "exact" or facts.op.options.reference is not None


def _along_ties(
    outcome: Outcome, facts: Facts, judge: Judge, kinked: list[tuple[int, int]]
) -> None:
    """The sum of the gradients along each tie; a wrong sum is a fail."""
    for move in moves.ties(facts.case.primals, kinked):
        made = judge.climb(move)
        outcome.comparisons += 1
        if made.status is Status.FAIL:
            outcome.findings.append(findings.tie_finding(facts, move, made))


def _table(judged: Judged, shape: tuple[int, ...]) -> Table:
    """All entries side by side, for the diagnosis; no bound where there is a kink."""
    bound = np.where(judged.low < judged.high, np.inf, judged.bound + judged.noise)
    return Table(*(c.reshape(shape) for c in (judged.analytic, judged.value, bound)))


def _conventions(outcome: Outcome, facts: Facts, k: int, judged: Judged) -> None:
    """Note the choices made at kinks; one that is not the pinned one is a fail."""
    input = facts.op.inputs[k]
    pinned = facts.op.options.conventions.get(input.name)
    for i in judged.where(Status.CONVENTION):
        convention = _convention(facts, k, judged, i)
        outcome.conventions.append(convention)
        if pinned is None:
            continue
        tied = moves.is_tied(facts.case.primals, judged.moves[i])
        allowed = pinned.places.get(float(convention.where), pinned.ties if tied else ())
        left, right, yours = convention.normalised()
        shares = _shares(left, right, yours) if tied else (yours,)
        if allowed and not any(abs(share - a) <= 1e-3 for share in shares for a in allowed):
            demanded = " or ".join(f"{a:g}" for a in allowed)
            message = (
                f"at {input.name} = {convention.where} backward takes {yours:g} of the larger "
                f"one-sided slope; conventions= demands {demanded} (any from {left:g} to {right:g} "
                "would be a gradient)"
            )
            outcome.find_in(NAME, "convention", input, message)


def _shares(left: float, right: float, yours: float) -> tuple[float, ...]:
    """What share of the larger slope backward takes at a tie, as it may be read.

    An entry that is stretched over several outputs is tied in some, and moves others: then neither
    slope is 0, and the share is that of the jump between them, from one end or the other.
    """
    jump = right - left
    if min(abs(left), abs(right)) <= 1e-3:
        return (yours,)
    place = (yours - left) / jump if jump > 0 else 0.0
    return yours, place, 1 - place


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

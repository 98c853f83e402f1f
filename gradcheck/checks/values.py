"""Every gradient entry against the derivative of forward (`judging` does the work).

An input beyond the budget is checked along random signed directions instead, and a failing
direction is halved until one entry is left. At kinks the sum along each tie is compared too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from gradcheck import moves
from gradcheck.arrays import largest, projection, unravel
from gradcheck.checks import findings
from gradcheck.checks.conventions import note
from gradcheck.checks.effort import Effort, Found, Way, by_nodes, chosen, look
from gradcheck.checks.facts import Facts, Outcome, Still
from gradcheck.checks.standin import StandIn, beside, of_nodes, of_reference, of_surrogate
from gradcheck.claims import Claims
from gradcheck.compare import Rules, Status
from gradcheck.diagnosis import Table
from gradcheck.floats import HALF, eps_of
from gradcheck.judged import Judged
from gradcheck.judging import Judge
from gradcheck.model import SIMPLEX
from gradcheck.moves import Speeds
from gradcheck.point import Move, Point
from gradcheck.results import Worst

NAME = "values"
NODES = "nodes"
"""The check that looks at a graph's nodes, where it was run."""
_MODES = {Way.BLOCKS: "blocks", Way.DIRECTIONS: "projected", Way.JOINT: "projected"}


def check(facts: Facts, *, first: bool = False, closest: bool = True) -> Outcome:
    """Compare every usable gradient of the case; with ``first``, up to one that is wrong.

    ``closest``: note the largest error of an input that passes, too, for a report.
    """
    outcome = Outcome()
    function = _function(outcome, facts)
    if function is not None and not function.usable:
        return outcome
    judge = _judge(facts, point(facts, function))
    judge.first = first
    sharp = _sharper(facts, judge) if function is None else judge
    along = {k: _along(facts, judge, k) for k in facts.compared}
    if NODES in facts.so_far and by_nodes(facts) and _together(outcome, facts, judge, along):
        outcome.by_nodes = True
        return outcome
    effort = chosen(judge, along, facts.settings.budget)
    if Way.JOINT in effort.ways.values():
        if sharp is judge and _together(outcome, facts, judge, along):
            return outcome
        effort = Effort(dict.fromkeys(along, Way.DIRECTIONS), 1)
    kinked: list[tuple[int, int]] = []
    for k, moves_ in along.items():
        own = sharp if k in facts.sharp else judge
        found = look(own, (k, moves_), effort, _speeds(facts, own, k))
        _record(outcome, facts, own.claims, k, found)
        _findings(outcome, facts, k, found, closest=closest)
        judged = found.judged
        single = [judged.moves[i].single for i in judged.where(Status.CONVENTION)]
        kinked += [s for s in single if s is not None]
        if first and outcome.failed:
            return outcome
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
    lent = function is None and answer.lendable  # a stand-in may hold them
    here, cotangent = projection(outputs, facts.cotangents)
    return Point(
        beside(facts) if function is None else function.evaluator,
        facts.case.primals if function is None else function.primals,
        facts.case.attributes,
        here,
        cotangent,
        precision,
        facts.settings.step_exponent(precision),
        in_place=function is not None or any("(by forward)" in w for w in answer.overwritten),
        lent=(facts.case.primals, answer.primals) if lent else None,
    )


def _judge(facts: Facts, here: Point) -> Judge:
    def eps(k: int) -> float:
        returned = np.asarray((facts.answer.gradients or ())[k])
        return max(eps_of(returned.dtype), here.eps)

    rules = Rules.of(facts.precision, facts.settings.signif)
    if tails_count(facts):
        upstream = max(1.0, largest(here.cotangent))  # it multiplies a slope that is lost
        smallest = 0.0 if facts.precision in HALF else rules.smallest * upstream
        explained = _explained(facts, here)
        rules = replace(rules, tails=True, explained=explained, smallest=smallest)
    return Judge(here, Claims(facts.gradients, eps, facts.noise, facts.pulled), rules)


def _sharper(facts: Facts, judge: Judge) -> Judge:
    """Who judges `Facts.sharp`: in the precision of their dtype."""
    if not facts.sharp:
        return judge
    exact = msgspec.structs.replace(facts, precision=facts.case.recipe.dtype)
    sharp = _judge(exact, point(exact))
    sharp.first, sharp.structures = judge.first, judge.structures
    return sharp


def _explained(facts: Facts, point: Point) -> float:
    """What the rounding of forward in its own precision may do to a slope of the reference.

    An output s that is kept for backward is off by eps/2, and so are 1 - s and its kind, however
    small; and terms of the size of the largest entry may have cancelled: two eps of both.
    """
    if facts.op.options.reference is None or facts.op.options.tails == "exact":
        return 0.0
    sizes = [largest(g) for g in (point.cotangent, *facts.gradients) if g is not None]
    return 2 * eps_of(facts.precision) * max(sizes)


def _along(facts: Facts, judge: Judge, k: int) -> Sequence[Move]:
    """The moves of a full check of one input."""
    primal, domain = facts.case.primals[k], facts.op.inputs[k].domain
    insists = domain.kind == SIMPLEX and primal.size > 0 and judge.refuses(Move.entry(k, 0))
    return moves.single(k, primal, domain, constrained=insists)


def _together(outcome: Outcome, facts: Facts, judge: Judge, compared: Iterable[int]) -> bool:
    """One direction over all inputs; False, with nothing noted, where it does not pass."""
    sizes = {k: facts.case.primals[k].size for k in compared}
    move = moves.whole(sizes, _speeds(facts, judge, 0))
    names = {k: facts.op.inputs[k].name for k in sizes}
    if not move.parts:  # no entries
        for name in names.values():
            outcome.entries[name] = outcome.judged[name] = 0
            outcome.coarse[name] = 0.0
        return True
    made, claims = judge.passes(move), judge.claims
    if made is None:
        return False
    for k, name in names.items():
        outcome.entries[name] = outcome.judged[name] = 1
        outcome.coarse[name] = _shows(made.bound + made.noise, claims.largest_of(k))
        outcome.still[name] = Still(not made.value, claims.is_zero(k))
    outcome.comparisons = 1  # whatever it is of
    outcome.modes = {_MODES[Way.JOINT]: len(sizes), **made.opinions}
    outcome.excess = made.excess
    first = move.parts[0][0]
    place = names[first], unravel(0, facts.case.primals[first].shape)
    outcome.worst[names[first]] = findings.worst(place, made, (0, 0))
    return True


def _speeds(facts: Facts, judge: Judge, k: int) -> Speeds:
    return Speeds((facts.case.recipe.cotangent_seed, k), judge.point.precision)


def _record(outcome: Outcome, facts: Facts, claims: Claims, k: int, found: Found) -> None:
    """Count what was found of one input."""
    judged, name = found.judged, facts.op.inputs[k].name
    undecided = judged.where(Status.INCONCLUSIVE)
    count = len(judged.moves)
    climbed = int(np.count_nonzero(judged.climbed))
    slow = "fit" if facts.precision in HALF else "ladder"
    quick = "grouped" if found.grouped else "quick"
    modes = {quick: count - climbed, slow: climbed}
    if found.way is not Way.ENTRIES:
        modes = {_MODES[found.way]: count - found.settled, quick: found.settled}
    if facts.settings.signif is not None:  # then that is audited
        outcome.excess = max(outcome.excess, float(judged.excess.max(initial=0.0)))
    outcome.comparisons += count
    outcome.inconclusive += len(undecided)
    for mode, times in {**modes, **judged.opinions}.items():
        outcome.modes[mode] = outcome.modes.get(mode, 0) + times
    for i in undecided:
        reason = judged.reasons.get(i, "noise")
        outcome.reasons[reason] = outcome.reasons.get(reason, 0) + 1
    _credit(outcome, facts, claims, k, found)
    note(outcome, facts, k, judged)
    if found.way is Way.ENTRIES and count == facts.case.primals[k].size:
        outcome.tables[name] = _table(judged, facts.case.primals[k].shape)


def _credit(outcome: Outcome, facts: Facts, claims: Claims, k: int, found: Found) -> None:
    """Count for one input what was compared of it."""
    judged, name = found.judged, facts.op.inputs[k].name
    outcome.entries[name] = len(judged.moves)
    outcome.judged[name] = len(judged.moves) - len(judged.where(Status.INCONCLUSIVE))
    if found.way is not Way.ENTRIES:
        width = float((judged.bound + judged.noise).max(initial=0.0))
        outcome.coarse[name] = _shows(width, claims.largest_of(k))
        still = claims.is_zero(k)
    else:
        still = not np.count_nonzero(judged.analytic)
    if len(judged.moves):
        outcome.still[name] = Still(not np.count_nonzero(judged.value), still)


def _shows(width: float, most: float) -> float:
    """The smallest error of one entry that shows along a direction, relative to the largest."""
    return width / most if most else 0.0


def _findings(outcome: Outcome, facts: Facts, k: int, found: Found, *, closest: bool) -> None:
    """Say what is wrong with one input, and note the worst."""
    judged, projected = found.judged, found.way is not Way.ENTRIES
    if not tails_count(facts) and (tails := judged.lost_tails()):
        outcome.findings.append(findings.lost_tail(facts, k, judged, tails))
    failed, slight = judged.where(Status.FAIL), judged.where(Status.SLIGHT)
    shown = judged.where(Status.PASS, Status.SLIGHT) if closest or slight else ()
    if failed:
        shown = (projected and [i for i in failed if judged.moves[i].single]) or failed
    if not shown:
        return
    record = _worst(outcome, facts, k, found, shown)
    if failed:
        outcome.findings.append(
            findings.wrong(record, findings.found_by(judged, failed) if projected else "")
        )
    elif slight:
        outcome.findings.append(
            findings.slightly_off(facts, record, judged.relative_errors()[slight])
        )


def _worst(outcome: Outcome, facts: Facts, k: int, found: Found, shown: Sequence[int]) -> Worst:
    """Keep the one with the largest error of some comparisons of an input."""
    judged, errors = found.judged, found.judged.relative_errors()
    if len(shown) == len(errors):
        worst = int(errors.argmax())
    else:
        worst = shown[int(errors[shown].argmax())]
    place = unravel(int(judged.moves[worst].parts[0][1][0]), facts.case.primals[k].shape)
    one = facts.op.inputs[k].name, place
    of = len(judged.moves) if found.way is Way.ENTRIES else 0
    record = findings.worst(one, judged.at(worst), (len(judged.where(Status.FAIL)), of))
    outcome.worst[one[0]] = record
    return record


def tails_count(facts: Facts) -> bool:
    """Far tails must be right: the op says so, or has a reference to compare them with."""
    options = facts.op.options
    return options.tails == "exact" or (options.tails is None and options.reference is not None)


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
    bound = judged.bound + judged.noise
    if np.count_nonzero(judged.climbed):
        bound = np.where(judged.low < judged.high, np.inf, bound)
    return Table(*(c.reshape(shape) for c in (judged.analytic, judged.value, bound)))

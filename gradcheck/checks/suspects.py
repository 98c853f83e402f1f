"""One node of a graph by itself: at the values it saw, with the upstream gradient it received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import LARGE, Array, freeze, same_bits
from gradcheck.checks import contract, values
from gradcheck.checks.facts import Facts, Outcome, furthest, usable_gradients
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.graphs.reverse import Gradients
from gradcheck.graphs.tape import Step, Tape
from gradcheck.model import Case
from gradcheck.results import Finding
from gradcheck.settings import for_op


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the checks say of one node."""

    step: Step
    facts: Facts
    outcome: Outcome
    """Of the check of values."""
    findings: tuple[Finding, ...] = ()
    """Fails alone."""
    disturbed: str = ""
    """In the graph it answers otherwise than by itself: how, in words."""

    @property
    def guilty(self) -> bool:
        return bool(self.findings or self.disturbed)


def hear(facts: Facts, passed: tuple[Tape, Gradients], number: int) -> Hearing | None:
    """Check one node by itself; None where it cannot be run alone."""
    tape, gradients = passed
    step = tape.steps[number]
    local = _alone(facts, tape, step, gradients.received[number])
    if local is None:
        return None
    same = all(
        same_bits(a, tape.values[o])
        for a, o in zip(local.answer.outputs, step.outputs, strict=True)
    )
    if not same:
        return _changed(facts, tape, step)
    inside = local.aligned(gradients.downstream[number], own=range(len(step.parents)))
    if where := furthest(local, inside, local.gradients):
        return Hearing(step, local, Outcome(), disturbed=where)
    outcome = values.check(local, closest=False)
    found = [*contract.check(local).findings, *outcome.findings]
    return Hearing(step, local, outcome, tuple(f for f in found if f.severity == "fail"))


def _alone(facts: Facts, tape: Tape, step: Step, received: Sequence[Array]) -> Facts | None:
    """The facts of a node's op at what the node met."""
    primals = _primals([tape.values[p] for p in step.parents])
    case = Case(facts.case.recipe, primals, step.attributes)
    evaluator = Evaluator(step.op, facts.evaluator.random, facts.evaluator.counters)
    try:
        answer = evaluator.answer(case, tuple(np.array(c) for c in received))
    except UserCodeRaised:
        return None
    usable, options = usable_gradients(step.op, case, answer.gradients), step.op.options
    if options.dtypes is not None or options.checks is not None:
        options = replace(options, dtypes=None, checks=None)
    return Facts(
        step.op,
        for_op(facts.settings, options),
        evaluator,
        case,
        tuple(received),
        answer.holding(usable),
        facts.precision,
        usable,
    )


def _primals(met: list[Array]) -> tuple[Array, ...]:
    """What a node met, read-only; copies, but of what is large and shares its memory with none."""
    roots = [id(v if v.base is None else v.base) for v in met]
    return tuple(
        freeze(v.view() if v.size >= LARGE and roots.count(root) == 1 else np.array(v))
        for v, root in zip(met, roots, strict=True)
    )


def _changed(facts: Facts, tape: Tape, step: Step) -> Hearing | None:
    """By itself the node has another output: one that writes into what it reads is to blame.

    None where there is none: the node draws at random.
    """
    for other in tape.steps:
        shared = [tape.names[p] for p in other.parents if p in step.parents]
        if other is step or not shared:
            continue
        own = _alone(facts, tape, other, [np.ones_like(tape.values[o]) for o in other.outputs])
        said = [] if own is None else [w for w in own.answer.overwritten if "cotangent" not in w]
        if own is not None and said:
            who = said[0].rpartition(" (by ")[2].rstrip(")")
            what = f"its {who} writes into {' and '.join(shared)}, which node {step.name} reads"
            return Hearing(other, own, Outcome(), disturbed=what)
    return None

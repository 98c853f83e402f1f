"""Nothing overwritten, nothing shared, the same answer twice.

A backward that writes into its upstream gradient corrupts the sum at a branch of the graph; one
that returns its workspace is overwritten by the next call; a cache on the class is shared by
every gate. The numbers of a single call are right in all of these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.arrays import Array, all_same_bits, as_outputs, copy_tuple, is_real, same_bits
from gradcheck.checks import memory
from gradcheck.checks.agreement import apart
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.cotangents import random_like
from gradcheck.evaluation import Evaluator, UserCodeRaised

NAME = "purity"


def check(facts: Facts) -> Outcome:
    """Bytes of everything handed out, memory of everything returned, then second calls."""
    outcome = Outcome()
    _overwritten(outcome, facts)
    _shared(outcome, facts)
    _twice(outcome, facts)
    memory.unwritten(outcome, facts)
    memory.second_backward(outcome, facts)
    memory.shared_inputs(outcome, facts)
    if facts.op.session is not None:
        _one_instance(outcome, facts)
        _two_instances(outcome, facts)
    return outcome


def _overwritten(outcome: Outcome, facts: Facts) -> None:
    for entry in facts.answer.overwritten:
        name, _, who = entry.partition(" (by ")
        if name in facts.op.options.overwrites:
            continue
        what = "its cotangent (upstream gradient)" if name == "cotangent" else f"its input {name}"
        outcome.find(
            NAME,
            "overwritten",
            f"{who.rstrip(')')} writes into {what}: work on a copy, or declare "
            f'overwrites="{name}" if the op is in-place on purpose',
        )


def _shared(outcome: Outcome, facts: Facts) -> None:
    """Returned arrays that are, or overlap, something the caller also holds."""
    gradients = facts.answer.gradients or ()
    held: list[tuple[str, Any]] = []
    if "cotangent" not in facts.op.options.overwrites:  # else it is backward's to reuse
        held = [("the cotangent itself", c) for c in facts.answer.cotangents]
    names = [i.name for i in facts.op.inputs]
    severity = "fail" if facts.settings.strict else "warning"
    for name, gradient in zip(names, gradients, strict=False):
        if not isinstance(gradient, np.ndarray) or gradient.size == 0:
            continue
        for what, other in held:
            if _overlap(gradient, other):
                outcome.find(
                    NAME,
                    "shared-memory",
                    f"the gradient of {name} is {what} or a view of it: adding to one in place "
                    "changes the other; return a copy",
                    severity="fail" if severity == "fail" else "warning",
                )
                break
        held.append((f"the gradient of {name}", gradient))


def _overlap(a: Array, b: Any) -> bool:
    if not isinstance(b, np.ndarray):
        return False
    try:
        return bool(np.shares_memory(a, b, 10_000))  # type: ignore[arg-type]  # stubs know 0, -1
    except np.exceptions.TooHardError:
        return False


def _twice(outcome: Outcome, facts: Facts) -> None:
    """The same call again, with another call in between: same numbers, first answer intact."""
    other = random_like(facts.answer.outputs, facts.case.recipe.cotangent_seed + 1)
    try:
        facts.evaluator.gradients(facts.case, other)
        changed = _first_answer_changed(facts)
        again = facts.evaluator.gradients(facts.case, facts.cotangents)
    except UserCodeRaised as error:
        outcome.find(NAME, f"{error.where}-raised", f"the second call fails: {error}")
        return
    outcome.comparisons += len(facts.compared)
    if changed:
        outcome.find(
            NAME,
            "workspace-returned",
            "a later call changes the gradient that an earlier call returned: backward returns "
            "its own workspace; return a fresh array",
        )
        return
    where = apart(facts, facts.aligned(again), facts.gradients)
    if where:
        outcome.find(
            NAME,
            "not-deterministic",
            f"the same call gives another answer the second time: {where}; something is kept "
            "between calls (a buffer that is not cleared?) or drawn at random",
        )


def _first_answer_changed(facts: Facts) -> bool:
    """The arrays that backward returned no longer hold what they held when it returned."""
    for gradient, then in zip(facts.answer.gradients or (), facts.gradients, strict=False):
        if isinstance(gradient, np.ndarray) and then is not None:
            now = gradient.astype(np.float64)
            if not same_bits(now, then) and not np.array_equal(now, then, equal_nan=True):
                return True
    return False


def _one_instance(outcome: Outcome, facts: Facts) -> None:
    """Forward and backward again on the same instance, as a training loop does."""
    assert facts.op.session is not None
    rule = facts.op.session()
    case, evaluator = facts.case, facts.evaluator
    other = tuple(p[::-1].copy() if p.ndim and is_real(p) else p.copy() for p in case.primals)
    run = _Runner(evaluator, case.attributes)
    try:
        _, pullback = run(rule, other)
        first = run.back(pullback, random_like(facts.answer.outputs, 5))
        own = zip(first, facts.op.inputs, strict=False)
        raw = [g for g, i in own if isinstance(g, np.ndarray) and not i.parameter]
        kept = copy_tuple(raw)
        outputs, pullback = run(rule, case.primals)
        gradients = run.back(pullback, facts.cotangents)
    except UserCodeRaised:
        return  # needs a reset in between, or refuses these values: its own protocol
    if any(not same_bits(g, k) for g, k in zip(raw, kept, strict=True)):
        outcome.find(
            NAME,
            "workspace-returned",
            "the second backward of an instance changes the gradient that the first one returned: "
            "return a fresh array",
        )
    if not all_same_bits(outputs, facts.answer.outputs):
        return  # forward itself has moved on (a random stream, running statistics)
    where = apart(facts, facts.aligned(gradients or None), facts.gradients)
    if where and not _accumulates(facts, where):
        outcome.find(
            NAME,
            "keeps-state",
            f"a second forward and backward on the same instance give another gradient: {where}; "
            "is a reset needed in between?",
            severity="warning",
        )


def _accumulates(facts: Facts, where: str) -> bool:
    """Gradients of parameters add up over calls by design, until they are zeroed."""
    return any(i.parameter and where.startswith(f"gradient of {i.name},") for i in facts.op.inputs)


def _two_instances(outcome: Outcome, facts: Facts) -> None:
    """forward of A, forward of B, backward of A: a cache on the class or module shows."""
    assert facts.op.session is not None
    rule_a, rule_b = facts.op.session(), facts.op.session()
    case = facts.case
    other = tuple(p * p.dtype.type(2) if is_real(p) else p.copy() for p in case.primals)
    run = _Runner(facts.evaluator, case.attributes)
    try:
        _, pullback = run(rule_a, case.primals)
        run(rule_b, other)
        gradients = run.back(pullback, facts.cotangents)
    except UserCodeRaised:
        return
    outcome.comparisons += 1
    where = apart(facts, facts.aligned(gradients or None), facts.gradients)
    if where:
        outcome.find(
            NAME,
            "instances-share-state",
            f"two instances disturb each other: {where}; what forward keeps must stay on self, "
            "not on the class or the module",
        )


class _Runner:
    """Calls one instance's rule with copies, through the evaluator's door."""

    def __init__(self, evaluator: Evaluator, attributes: dict[str, Any]) -> None:
        self._evaluator, self._attributes = evaluator, attributes

    def __call__(self, rule: Any, primals: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
        made = self._evaluator.call_forward(rule, copy_tuple(primals), self._attributes)
        return as_outputs(made[0]), made[1]

    def back(self, pullback: Any, cotangents: tuple[Array, ...]) -> tuple[Any, ...]:
        given = tuple(c.copy() for c in cotangents)
        return self._evaluator.align(self._evaluator.pull(pullback, given)) or ()

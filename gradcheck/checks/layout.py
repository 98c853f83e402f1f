"""The same numbers in another memory layout give the same gradients.

A transposed or expanded upstream gradient is what ``loss.sum().backward()`` and ``x.T`` hand to a
backward pass; kernels that read it with unit strides are right in every test but that one. A
layout that the op refuses with an exception is not supported by it: no finding.
"""

from __future__ import annotations

import numpy as np

from gradcheck.arrays import Array, Float, is_real
from gradcheck.checks.agreement import apart
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.cotangents import expanded, layouts
from gradcheck.evaluation import UserCodeRaised
from gradcheck.model import Case, Outputs

NAME = "layout"


def check(facts: Facts) -> Outcome:
    """Cotangents, then inputs: strided, negative, column-major, expanded, read-only."""
    outcome = Outcome()
    if not facts.compared:
        return outcome
    if facts.op.linear:
        for name, cotangents in _cotangents(facts).items():
            _compare(
                outcome, facts, (f"a {name} cotangent", facts.case, cotangents), facts.gradients
            )
        _expanded(outcome, facts)
    if facts.op.random is not None and not facts.evaluator.random.unused:
        return outcome  # a framework draws in the order of memory: another mask for each layout
    for name, case in _inputs(facts).items():
        _compare(outcome, facts, (f"{name} inputs", case, facts.cotangents), facts.gradients)
    return outcome


def _compare(
    outcome: Outcome,
    facts: Facts,
    varied: tuple[str, Case, Outputs],
    base: tuple[Float | None, ...],
) -> None:
    name, case, cotangents = varied
    try:
        got = facts.aligned(facts.evaluator.gradients(case, cotangents))
    except UserCodeRaised:
        return  # not supported: forward and backward define what they take
    outcome.comparisons += 1
    where = apart(facts, got, base)
    if where:
        outcome.find(
            NAME,
            "layout-dependent",
            f"backward gives another gradient for {name} (the same numbers, another memory "
            f"layout): {where}; it probably ignores strides",
        )


def _cotangents(facts: Facts) -> dict[str, Outputs]:
    """Each layout applied to all outputs that can have it."""
    options = [layouts(c) for c in facts.cotangents]
    names = dict.fromkeys(n for o in options for n in o)
    return {
        n: tuple(o.get(n, c) for o, c in zip(options, facts.cotangents, strict=True)) for n in names
    }


def _expanded(outcome: Outcome, facts: Facts) -> None:
    """A stride-0 cotangent against the same numbers in memory."""
    if not any(o.size > 1 and is_real(o) for o in facts.answer.outputs):
        return
    pairs = [
        expanded(o, 1.25) if is_real(o) else (c, c)
        for o, c in zip(facts.answer.outputs, facts.cotangents, strict=True)
    ]
    try:
        base = facts.evaluator.gradients(facts.case, tuple(p[1] for p in pairs))
    except UserCodeRaised:
        return
    spread = ("an expanded (stride-0) cotangent", facts.case, tuple(p[0] for p in pairs))
    _compare(outcome, facts, spread, facts.aligned(base))


def _inputs(facts: Facts) -> dict[str, Case]:
    """The case with its arrays laid out otherwise."""
    options = [layouts(p) if is_real(p) else {} for p in facts.case.primals]
    names = dict.fromkeys(n for o in options for n in o if n != "read-only")
    found: dict[str, Case] = {}
    for name in names:
        primals = tuple(
            _frozen(o.get(name, p)) for o, p in zip(options, facts.case.primals, strict=True)
        )
        found[name] = Case(facts.case.recipe, primals, facts.case.attributes)
    return found


def _frozen(array: Array) -> Array:
    view = array.view() if isinstance(array, np.ndarray) else array
    view.flags.writeable = False
    return view

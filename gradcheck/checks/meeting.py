"""Where kinks of several nodes meet: each takes a right slope of its own, together they take none.

relu(x) - relu(-x) at 0: both rectifiers may say 0, and their sum is no slope of the whole. That
excuses an entry of the graph's gradient which moves a value that stands on a kink, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from gradcheck.aligning import gradient_array
from gradcheck.arrays import Array, copy_tuple
from gradcheck.checks.facts import Facts, furthest, recorded
from gradcheck.checks.nodes import NAME, everyone
from gradcheck.evaluation import UserCodeRaised
from gradcheck.graphs.composed import Composed
from gradcheck.results import Finding

Kinked = Sequence[tuple[int, Array]]
"""Places of values in the graph, and which of their entries a node has at a kink."""
ENOUGH = 64
"""Wrong entries of an input that are looked at."""
_STEP = 2.0**-8


def kinked(facts: Facts) -> Kinked:
    """The values at kinks, where every node is right by itself; nothing where one is wrong.

    Only where the graph's gradients are what its nodes make of them: a kink excuses nothing else.
    """
    passed = facts.passed()
    if passed is None or not _made_by_nodes(facts):
        return ()
    heard = [h for h in everyone(facts) if h is not None]
    if any(h.guilty for h in heard):
        return ()
    found = []
    for one in heard:
        names = [i.name for i in one.step.op.inputs]
        for convention in one.outcome.conventions:
            place = one.step.parents[names.index(convention.input)]
            values = np.asarray(passed[0].values[place], np.float64)
            found.append((place, np.isclose(values, float(convention.where), rtol=1e-5, atol=0)))
    return found


def meet(facts: Facts, finding: Finding, places: Kinked) -> bool:
    """All entries that were called wrong move one of the values that stand at a kink."""
    names = [i.name for i in facts.op.inputs]
    fails = finding.check == "values" and finding.severity == "fail"
    if not (places and fails and finding.input in names):
        return False
    k = names.index(finding.input)
    return all(_moves_one(facts, k, entry, places) for entry in _wrong(facts, finding))


def _wrong(facts: Facts, finding: Finding) -> list[tuple[int, ...]]:
    """The entries of an input that are off, up to `ENOUGH` of them."""
    table = facts.so_far["values"].tables.get(finding.input)
    if table is None or finding.code != "wrong-gradient":
        return [finding.entry] if finding.entry is not None else []
    found = [tuple(int(i) for i in entry) for entry in np.argwhere(table.wrong)[:ENOUGH]]
    return found or [finding.entry or ()]


def _moves_one(facts: Facts, k: int, entry: tuple[int, ...], places: Kinked) -> bool:
    passed = facts.passed()
    assert passed is not None
    assert isinstance(facts.op.detail, Composed)
    primals = copy_tuple(facts.case.primals)
    moved = primals[k]
    moved[entry] += moved.dtype.type(_STEP * max(1.0, abs(float(moved[entry]))))
    attributes = facts.case.attributes
    try:
        near = recorded(facts.evaluator, facts.op.detail, primals, attributes, pullbacks=False)
    except UserCodeRaised:
        return True
    before, now = passed[0].values, near.values
    if [v.shape for v in before] != [v.shape for v in now]:
        return True  # the graph goes another way there
    return any(bool((now[place] != before[place])[mask].any()) for place, mask in places)


def _made_by_nodes(facts: Facts) -> bool:
    """The gradients that were returned are those of the pass node by node."""
    passed = facts.passed()
    if passed is None:
        return False
    tape, gradients = passed
    own = tuple(
        gradient_array(gradients.upstream.get(place, np.zeros(p.shape)), p.shape)
        for place, p in zip(tape.sources, facts.case.primals, strict=True)
    )
    return not furthest(facts, facts.gradients, own)


def at_kinks(finding: Finding) -> Finding:
    """A graph's slope that is none of its own, where each node takes a right one at its kink."""
    message = (
        "several kinks meet here: each node takes one of its own one-sided slopes, which is right, "
        f"and together they are none of the graph's; {finding.message}"
    )
    return msgspec.structs.replace(
        finding, code="kinks-meet", severity="note", message=message, check=NAME
    )

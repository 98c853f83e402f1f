"""The evidence of a diagnosis: failing cases in full, and one of them asked further.

A finding is printed with the smallest case that shows it; it is diagnosed on the cases that say
most: other shapes, distinct values, a generic upstream gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from msgspec.structs import replace

from gradcheck.arrays import Array, Float, is_real
from gradcheck.checks import contract, nodes, values
from gradcheck.checks.facts import Facts
from gradcheck.corners import Plan, shapes_for
from gradcheck.cotangents import random_like
from gradcheck.diagnosis import (
    Diagnosis,
    Evidence,
    Probe,
    Tried,
    View,
    at_tie,
    explain,
    wrong_shape,
)
from gradcheck.diagnosis.evidence import Pull
from gradcheck.diagnosis.shapes import Misshapen
from gradcheck.evaluation import UserCodeRaised
from gradcheck.graphs.composed import Composed
from gradcheck.history import DIAGNOSED, History
from gradcheck.jacobian import gradient_at, jacobian
from gradcheck.model import Outputs
from gradcheck.point import Point
from gradcheck.records import unnum
from gradcheck.results import Finding
from gradcheck.trial import Bench, Trial

VIEWS = 6
"""Failing cases that an explanation has to hold for."""
OTHER_BATCH = (5, 2)
"""Sizes for ``...`` in a case that is made to have other sizes."""
LARGEST = 96
"""Entries of an input up to which its Jacobian is taken."""
CELLS = 50_000
"""Numbers in a Jacobian, at most."""


def diagnose(bench: Bench, plan: Plan, history: History, finding: Finding) -> Diagnosis | None:
    """The mistake behind a finding, from all the cases that showed it; None where none stands out.

    A handful of backward calls, one more case of other sizes, and the differences of one case.
    """
    trials = [t for t in history.failing if any(_same(f, finding) for f in t.findings)]
    if finding.code == "wrong-at-tie" and finding.numbers is not None:
        numbers = finding.numbers
        return at_tie(unnum(numbers.backward), unnum(numbers.finite_difference))
    if not trials or finding.code not in DIAGNOSED:
        return None
    resized = _resized(bench, plan, trials[0])
    if resized is not None and any(_same(f, finding) for f in resized.findings):
        trials.append(resized)
    if finding.code == "wrong-shape":
        return wrong_shape(finding.input, [_shapes(t, finding.input) for t in trials])
    if finding.code == "wrong-node":
        return _explained(*_heard(trials, finding.input), ())
    found = _explained(trials, finding.input, history.tried(finding.input))
    return _of_graph(trials[0], found) if isinstance(bench.op.detail, Composed) else found


def _explained(trials: Sequence[Trial], name: str, tried: tuple[Tried, ...]) -> Diagnosis | None:
    """The mistake that explains what failing cases show of one input."""
    found = [(t, v) for t in trials if (v := _view(t, name)) is not None]
    found.sort(key=lambda item: _richness(*item), reverse=True)
    alike = [item for item in found if item[1].precision == found[0][1].precision]
    finite = [item for item in alike if np.isfinite(item[1].table.backward).all()] or alike
    smooth = [item for item in finite if np.isfinite(item[1].table.bound).all()] or finite
    plain = [item for item in smooth if _generic(item[0])] or smooth
    return explain(
        Evidence(
            name,
            tuple(view for _, view in plain[:VIEWS]),
            _probe(*plain[0]) if plain else None,
            tried,
        )
    )


def _heard(trials: Sequence[Trial], where: str) -> tuple[list[Trial], str]:
    """A guilty node by itself, in each case in which it was, and the input that is wrong."""
    made = []
    for trial in trials:
        heard = trial.outcomes[nodes.NAME].hearings[where]
        outcomes = {values.NAME: heard.outcome}
        made.append(Trial(trial.recipe, outcomes=outcomes, facts=heard.facts))
    names = [i.name for i in heard.facts.op.inputs if where.endswith(f".{i.name}")]
    return made, max(names, key=len, default="")


def _of_graph(trial: Trial, found: Diagnosis | None) -> Diagnosis | None:
    """A graph that is wrong though no node was accused: every node is looked at by itself."""
    if trial.facts is None:
        return found
    heard = nodes.everyone(trial.facts)
    guilty = [h.step.name for h in heard if h is not None and h.guilty]
    if guilty:
        return Diagnosis("node", f"checked by itself, node {', '.join(guilty)} is wrong here")
    if not heard or None in heard:
        return found
    nodes_are = f"each of the {len(heard)} nodes is" if len(heard) > 1 else "the only node is"
    text = (
        f"{nodes_are} right by itself, at the values and upstream gradients that it met here: "
        "what is wrong lies between them"
    )
    if trial.facts.precision != "float64":
        text += f", or is too small to be seen at one node in {trial.facts.precision}"
    return Diagnosis("composition", text if found is None else f"{text}; {found.text}")


def _resized(bench: Bench, plan: Plan, trial: Trial) -> Trial | None:
    """A case like this one at other sizes, so that a factor 1/3 can be told from 1/n."""
    recipe, facts = trial.recipe, trial.facts
    if facts is None or recipe.values is not None or not bench.op.options.vary_sizes:
        return None
    old = {s for primal in facts.case.primals for s in primal.shape}
    sizes: dict[str, int] = {}
    for name, allowed in plan.sizes.items():
        fresh = sorted(allowed, key=lambda s: (s < 3, s in sizes.values(), s in old, s))
        sizes[name] = fresh[0]
    shapes = shapes_for(bench.op, sizes, OTHER_BATCH)
    if shapes == recipe.shapes:
        return None
    seeds = tuple(f"seed:{7000 + k}" for k in range(len(shapes)))
    changes = {"regime": "generic", "shapes": shapes, "grids": seeds, "cotangent": "random"}
    return bench.run(replace(recipe, **changes), (contract.NAME, values.NAME, nodes.NAME))


def _same(a: Finding, b: Finding) -> bool:
    return (a.code, a.input, a.severity) == (b.code, b.input, b.severity)


def _view(trial: Trial, name: str) -> View | None:
    """A failing case as numbers, where all entries of the input were compared."""
    outcome, facts = trial.outcomes.get(values.NAME), trial.facts
    if outcome is None or facts is None or name not in outcome.tables:
        return None
    table = outcome.tables[name]
    if not (table.backward.size and np.isfinite(table.difference).all()):
        return None
    primals = {i.name: p for i, p in zip(facts.op.inputs, facts.case.primals, strict=True)}
    return View(
        name,
        outcome.tables,
        primals,
        facts.answer.outputs,
        facts.cotangents,
        facts.case.attributes,
        facts.precision,
    )


def _generic(trial: Trial) -> bool:
    recipe = trial.recipe
    dense = recipe.cotangent not in ("one-hot", "zero")
    return recipe.regime in ("generic", "example") and dense


def _richness(trial: Trial, view: View) -> tuple[bool, ...]:
    """How much a case can tell: sharp, generic, declared, of distinct sizes, and not tiny."""
    shape, count = view.table.backward.shape, view.table.backward.size
    long = [s for s in shape if s > 1]
    usual = trial.recipe.cotangent == "random"
    inward, outward = (
        [s for a in arrays for s in a.shape] for arrays in (view.primals.values(), view.outputs)
    )
    return (
        view.precision == "float64",
        _generic(trial),
        not trial.recipe.beyond,
        usual,
        count <= LARGEST,
        count > 2 and len(long) == len(shape),
        min(outward, default=3) > 2,
        min(inward, default=3) > 2,
        len(set(long)) == len(long),
        trial.recipe.regime == "generic",
    )


def _probe(trial: Trial, view: View) -> Probe | None:
    """Other cotangents at one case, and its whole Jacobian."""
    facts, name = trial.facts, view.name
    assert facts is not None
    k = next(k for k, i in enumerate(facts.op.inputs) if i.name == name)
    count = facts.case.primals[k].size
    cells = count * sum(o.size for o in facts.answer.outputs)
    if not facts.op.linear or count > min(LARGEST, facts.settings.budget // 4) or cells > CELLS:
        return None
    pull = partial(_pulled, facts, k)
    other = random_like(facts.answer.outputs, facts.case.recipe.cotangent_seed + 2)
    zeros = tuple(np.zeros_like(c) for c in facts.cotangents)
    doubled = tuple(c * c.dtype.type(2) for c in facts.cotangents)
    answers = [pull(c) for c in (facts.cotangents, other, zeros, doubled)]
    first, second, zero, twice = answers
    if first is None or second is None or zero is None or twice is None:
        return None
    point = _point(facts)
    return Probe(
        view,
        jacobian(point, k),
        (Pull(_flat(facts, facts.cotangents), first), Pull(_flat(facts, other), second)),
        zero,
        twice,
        partial(_elsewhere, facts, k),
    )


def _point(facts: Facts) -> Point:
    """Where the finding's own differences were taken: of what stands in for forward, if named."""
    other = values.stand_in(facts)
    return values.point(facts, other if other is not None and other.usable else None)


def _pulled(facts: Facts, k: int, cotangents: Outputs) -> Float | None:
    """Gradient of input ``k`` for other cotangents; None where backward fails or is not finite."""
    try:
        gradient = facts.gradients_of(facts.evaluator.answer(facts.case, cotangents))[k]
    except UserCodeRaised:
        return None
    return gradient if gradient is not None and np.isfinite(gradient).all() else None


def _flat(facts: Facts, cotangents: Outputs) -> Float:
    real = [
        c.astype(np.float64).reshape(-1)
        for c, o in zip(cotangents, facts.answer.outputs, strict=True)
        if is_real(o)
    ]
    return np.concatenate(real)


def _elsewhere(facts: Facts, k: int) -> Mapping[str, Float]:
    """True gradients of input ``k`` at values that a cache may hold by mistake."""
    own, name = facts.case.primals[k], facts.op.inputs[k].name
    candidates: dict[str, Any] = {}
    for place, output in enumerate(facts.answer.outputs):
        which = "the output" if len(facts.answer.outputs) == 1 else f"output {place}"
        candidates[f"{which} in its place"] = output
    candidates["what it is after the calls, since it was written into"] = facts.answer.primals[k]
    if facts.op.example is not None:
        candidates["its value in the example call, the first one made"] = facts.op.example[k]
    for other, primal in zip(facts.op.inputs, facts.case.primals, strict=True):
        if other.name != name:
            candidates[f"that of {other.name}"] = primal
    point = _point(facts)
    return {
        what: gradient_at(point, k, np.asarray(value, own.dtype))
        for what, value in candidates.items()
        if _another(value, own)
    }


def _another(value: Any, own: Array) -> bool:
    array = np.asarray(value)
    return array.shape == own.shape and is_real(array) and not np.array_equal(array, own)


def _shapes(trial: Trial, name: str) -> Misshapen:
    facts = trial.facts
    assert facts is not None
    primals = {i.name: p.shape for i, p in zip(facts.op.inputs, facts.case.primals, strict=True)}
    k = list(primals).index(name)
    gradient = np.shape((facts.answer.gradients or ())[k])
    outputs = tuple(o.shape for o in facts.answer.outputs)
    return Misshapen(primals[name], gradient, primals, outputs)

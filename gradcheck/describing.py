"""A finding with its case as code that can be pasted, and the command that shows it again."""

from __future__ import annotations

import hashlib
import shlex

import msgspec

from gradcheck.arrays import literal
from gradcheck.cases import build
from gradcheck.checks import nodes
from gradcheck.checks.facts import Facts
from gradcheck.model import Recipe
from gradcheck.results import Finding
from gradcheck.trial import Bench, Trial


def describe(bench: Bench, finding: Finding, recipe: Recipe, trial: Trial) -> Finding:
    """A finding with its case as code and its replay command."""
    text = msgspec.json.encode(recipe).decode()
    named = f"{bench.op.id}|{text}".encode("utf-8", "surrogatepass")
    key = hashlib.sha256(named).hexdigest()[:6]
    return msgspec.structs.replace(
        finding,
        case=_code(bench, recipe, trial.facts) + _met(finding, trial),
        regime=recipe.note or recipe.regime,
        recipe=text,
        replay=f"gradcheck replay {shlex.quote(f'{bench.op.name}-{key}')}",
    )


def _code(bench: Bench, recipe: Recipe, facts: Facts | None) -> str:
    """The case as assignments that can be pasted."""
    try:
        case = facts.case if facts else build(bench.op, recipe)
    except Exception:
        return ""
    lines = [
        f"{input.name.replace('.', '_')} = {literal(primal)}"
        for input, primal in zip(bench.op.inputs, case.primals, strict=True)
    ]
    lines += [f"{name} = {value!r}" for name, value in case.attributes.items()]
    if facts is not None:
        cotangents = ", ".join(literal(c) for c in facts.cotangents)
        lines.append(
            f"cotangent = {cotangents}"
            if len(facts.cotangents) == 1
            else f"cotangents = ({cotangents})"
        )
    return "\n".join(lines)


def _met(finding: Finding, trial: Trial) -> str:
    """What a guilty node of a graph read and received in a case, as a remark beside its code."""
    outcome = trial.outcomes.get(nodes.NAME)
    heard = outcome.hearings.get(finding.input) if outcome is not None else None
    if heard is None:
        return ""
    facts = heard.facts
    read = zip(facts.op.inputs, facts.case.primals, strict=True)
    lines = [f"{i.name} = {literal(p)}" for i, p in read]
    lines += [f"upstream = {literal(c)}" for c in facts.cotangents]
    return "\n".join([f"\n# there node {heard.step.name} had", *(f"#   {line}" for line in lines)])

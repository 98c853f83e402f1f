"""From the case that showed a finding to the smallest one that does, with how to run it again."""

from __future__ import annotations

import msgspec

from gradcheck import engine
from gradcheck.cases import recipes
from gradcheck.checks import nodes, values
from gradcheck.corners import Plan
from gradcheck.describing import describe
from gradcheck.model import Recipe
from gradcheck.results import Finding
from gradcheck.trial import Bench, Trial

SHRINK_SECONDS = 6.0
"""A bound for slow ops only: the number of attempts ends it first, the same on any machine."""


def smallest(
    bench: Bench, made: Plan, found: tuple[Finding, engine.Drawn, Trial]
) -> tuple[Finding, Trial]:
    """Shrink a finding's case, and write down how to see it again; with the smallest case tried."""
    finding, drawn, trial = found
    recipe = drawn.value
    if drawn.choices and finding.code != "never-ends":
        recipe = _shrunk(bench, made, finding, drawn)
        again = bench.run(recipe, _checks(finding))
        same = [f for f in again.findings if _same(f, finding)]
        if same:
            finding, trial = msgspec.structs.replace(same[0], cases=finding.cases), again
        else:
            recipe = drawn.value
    return describe(bench, finding, recipe, trial), trial


def _shrunk(bench: Bench, made: Plan, finding: Finding, drawn: engine.Drawn) -> Recipe:
    def still(recipe: Recipe) -> bool:
        trial = bench.run(recipe, _checks(finding))
        return any(_same(f, finding) for f in trial.findings)

    return engine.shrink(recipes(made), drawn, still, seconds=SHRINK_SECONDS)


def _checks(finding: Finding) -> tuple[str, ...]:
    """What finds it again; a node may have been found by the entries that it spoils."""
    return (nodes.NAME, values.NAME) if finding.check == nodes.NAME else (finding.check,)


def _same(a: Finding, b: Finding) -> bool:
    """The same kind of finding about the same input, and as grave."""
    return (a.code, a.check, a.input, a.severity) == (b.code, b.check, b.input, b.severity)

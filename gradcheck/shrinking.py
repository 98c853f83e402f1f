"""From the case that showed a finding to the smallest one that does, with how to run it again."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from gradcheck import engine
from gradcheck.cases import recipes
from gradcheck.checks import nodes, values
from gradcheck.corners import Plan
from gradcheck.describing import describe
from gradcheck.model import Recipe
from gradcheck.results import Finding
from gradcheck.smaller import entries, fewer, plainest
from gradcheck.trial import Bench, Trial

TRIES = 60
"""Cases of fewer entries that are tried; a number and no time, the same on any machine."""
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
    until = time.monotonic() + SHRINK_SECONDS

    def still(recipe: Recipe) -> bool:
        if time.monotonic() > until:
            return False
        trial = bench.run(recipe, _checks(finding))
        return any(_same(f, finding) for f in trial.findings)

    for recipe in plainest(made, drawn.value):
        if still(recipe):
            return _fewest(made, recipe, still)
    shrunk = engine.shrink(recipes(made), drawn, still, seconds=SHRINK_SECONDS)
    return _fewest(made, shrunk, still)


def _fewest(made: Plan, recipe: Recipe, still: Callable[[Recipe], bool]) -> Recipe:
    """A case of as few entries as single steps lead to."""
    tries, found = TRIES, True
    while found:
        found = False
        for smaller in fewer(made, recipe):
            if entries(smaller) >= entries(recipe):
                continue
            if tries == 0:
                return recipe
            tries -= 1
            if still(smaller):
                recipe, found = smaller, True
                break
    return recipe


def _checks(finding: Finding) -> tuple[str, ...]:
    """What finds it again; a node may have been found by the entries that it spoils."""
    return (nodes.NAME, values.NAME) if finding.check == nodes.NAME else (finding.check,)


def _same(a: Finding, b: Finding) -> bool:
    """The same kind of finding about the same input, and as grave."""
    return (a.code, a.check, a.input, a.severity) == (b.code, b.check, b.input, b.severity)

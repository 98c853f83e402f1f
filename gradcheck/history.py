"""The cases of one op as they were tried: each judged one in a line, failing ones in full."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.checks import values
from gradcheck.checks.facts import Facts
from gradcheck.diagnosis import Tried
from gradcheck.trial import Trial

KEPT = 12
"""Failing cases that are kept in full."""
DIAGNOSED = ("wrong-gradient", "wrong-shape", "wrong-node")
"""Kinds of findings that a mistake is looked for behind."""


@dataclass(slots=True)
class History:
    """The cases of one op as they were tried."""

    failing: list[Trial] = field(default_factory=list)
    _lines: list[tuple[dict[str, str], frozenset[str], frozenset[str]]] = field(
        default_factory=list
    )
    """What each judged case was like; the inputs that were wrong in it, and those seen right."""

    def add(self, trial: Trial) -> None:
        """Note one trial."""
        outcome, facts = trial.outcomes.get(values.NAME), trial.facts
        if any(f.code in DIAGNOSED for f in trial.findings) and len(self.failing) < KEPT:
            self.failing.append(trial)
        if facts is None or outcome is None:
            return
        wrong = frozenset(f.input for f in outcome.findings if f.code == "wrong-gradient")
        touched = frozenset(f.input for f in outcome.findings)
        seen = {n for n, t in outcome.tables.items() if t.difference.any() and outcome.judged[n]}
        self._lines.append((_description(facts), wrong, frozenset(seen) - touched))

    def tried(self, name: str) -> tuple[Tried, ...]:
        """The cases that say something of one input."""
        return tuple(
            Tried(line, name in wrong)
            for line, wrong, right in self._lines
            if name in wrong or name in right
        )


def _description(facts: Facts) -> dict[str, str]:
    """What may tell failing cases from passing ones; keys are ``kind:what``."""
    case = facts.case
    found = {f"attribute:{n}": repr(v) for n, v in case.attributes.items()}
    found["dtype:dtype"] = case.recipe.dtype
    real = [p for p in case.primals if is_real(p)]
    found["values:"] = _kind_of_values(case.recipe.regime, real)
    for input, primal in zip(facts.op.inputs, case.primals, strict=True):
        if input.integer:
            repeats = len(np.unique(primal)) < primal.size
            found[f"values:{input.name}"] = "with repeats" if repeats else "without repeats"
        for axis, size in enumerate(primal.shape):
            long = "1" if size == 1 else "more than 1"
            found[f"sizes:size of axis {axis} of {input.name}"] = long
    return found


def _kind_of_values(regime: str, real: list[Array]) -> str:
    if any((p == 0).any() for p in real):
        return "inputs with zeros in them"
    if regime in ("ties", "equal"):
        return "inputs with equal values"
    return "values without zeros or ties"

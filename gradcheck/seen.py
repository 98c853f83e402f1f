"""What an op's cases were like, and how large their errors: counts for the report's figures."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from gradcheck.checks import values
from gradcheck.figures import Met, Spread
from gradcheck.records import Number, unnum
from gradcheck.trial import Trial


@dataclass(slots=True)
class Seen:
    """Counts over the judged cases of one op."""

    _met: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    _errors: Counter[str] = field(default_factory=Counter)
    _limits: Counter[str] = field(default_factory=Counter)

    def add(self, trial: Trial) -> None:
        """Count one judged trial."""
        recipe = trial.recipe
        shapes = sizes([p.shape for p in trial.facts.case.primals] if trial.facts else [])
        layout = "as declared" if recipe.cotangent == "random" else f"{recipe.cotangent} upstream"
        self._met[shapes, recipe.note or recipe.regime, layout, recipe.dtype] += 1
        outcome = trial.outcomes.get(values.NAME)
        for worst in outcome.worst.values() if outcome is not None else ():
            self._errors[power(worst.relative_error)] += 1
            self._limits[power(worst.limit)] += 1

    def spread(self) -> Spread:
        """Relative errors by powers of ten."""
        return Spread(errors=dict(self._errors), limits=dict(self._limits))

    def met(self) -> list[Met]:
        """The combinations, in the order in which they were met."""
        return [
            Met(shapes=s, regime=r, layout=w, dtype=d, cases=count)
            for (s, r, w, d), count in self._met.items()
        ]


def sizes(shapes: list[tuple[int, ...]]) -> str:
    """What kind of shapes a case has."""
    every = [n for shape in shapes for n in shape]
    if not every:
        return "0-d"
    if 0 in every:
        return "size 0"
    if 1 in every:
        return "size 1"
    alike = any(len(s) >= 2 and len(set(s)) == 1 for s in shapes)
    return "square" if alike else "generic"


def power(value: Number) -> str:
    """The power of ten of a number >= 0, as `Spread` has it."""
    size = abs(unnum(value))
    if not math.isfinite(size):
        return "inf"
    return str(math.floor(math.log10(size))) if size else "zero"

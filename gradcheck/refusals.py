"""What forward refused: counted by kind of case and reason, so that a report can say it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from textwrap import shorten

SHOWN = 70
"""Characters of a reason."""


@dataclass(slots=True)
class Refusals:
    """Cases of one op that forward refused."""

    counts: Counter[str] = field(default_factory=Counter)
    """How many, by what is shown: the kind of case and the first reason of its sort."""
    kinds: set[str] = field(default_factory=set)
    _shown: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, why: str) -> None:
        """Count one; reasons that differ in their numbers alone are one."""
        self.kinds.add(kind)
        alike = re.sub(r"\d+", "#", f"{kind}: {why}")
        shown = self._shown.setdefault(alike, f"{kind}: {shorten(why, SHOWN, placeholder='...')}")
        self.counts[shown] += 1

    def never_met(self, met: Iterable[str]) -> list[str]:
        """In a sentence, the plain kinds of cases that forward refused whenever they were tried."""
        plain = sorted(k for k in self.kinds - set(met) if "=" not in k and "," not in k)
        return [f"never met, because forward refuses it: {', '.join(plain)}"] if plain else []

"""How many random graphs were asked for, which they are, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gradcheck.model import Op
from gradcheck.results import OpResult

DIGITS = 20
"""No graph has a longer number."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    count: int
    seed: int
    targets: Sequence[str]
    """As they were named, for the command that shows a graph again."""
    only: str = ""
    """The one graph that is meant; empty: all."""
    until: float = math.inf
    """When the run is out of time."""

    def name(self, number: int) -> str:
        return f"graph-{self.seed}-{number}"

    def planned(self, ops: Sequence[Op]) -> Iterator[tuple[str, Op | None]]:
        """The names of the graphs that are meant, and the op that a graph is to have twice.

        One after the other: there may be a billion.
        """
        numbers = range(self.count)
        if self.only:
            number = self.only.rpartition("-")[2]
            one = int(number) if number.isdecimal() and len(number) < DIGITS else self.count
            numbers = range(one, one + (one < self.count and self.name(one) == self.only))
        yield from ((self.name(number), None) for number in numbers)
        for op in ops:
            name = f"graph-{self.seed}-twice-{op.name}"
            if op.one_instance and self.only in ("", name):
                yield name, op


@dataclass(slots=True)
class Checked:
    """What some random graphs showed."""

    results: list[OpResult] = field(default_factory=list)
    """Without those that could not be judged."""
    said: str = ""
    problems: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Tracebacks of faults of ours."""
    interrupted: bool = False
    missing: int = 0
    """How many were not checked, because the run was out of time."""


def is_name(keyword: str | None) -> bool:
    """It names a random graph."""
    parts = (keyword or "").split("-", 2)
    return len(parts) == 3 and parts[0] == "graph" and parts[1].isdigit()

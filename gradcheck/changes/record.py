"""Kinds of change between two runs, and which of them are for the worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from gradcheck.records import Record

Worse = Literal[
    "new-failure",
    "new-finding",
    "no-longer-waived",
    "not-loaded",
    "no-longer-judged",
    "op-gone",
    "not-checked",
    "worse-bounds",
    "coverage-lost",
]
Better = Literal[
    "fixed",
    "finding-fixed",
    "judged",
    "loaded",
    "new-op",
    "better-bounds",
    "waiver-used-up",
]
Other = Literal["waived-failure", "new-warning"]
Kind = Literal[Worse, Better, Other]
WORSE: tuple[Kind, ...] = get_args(Worse)
"""What fails a diff, the worst first."""
BETTER: tuple[Kind, ...] = get_args(Better)
OTHER: tuple[Kind, ...] = get_args(Other)
"""What is said, and neither."""


class Change(Record, frozen=True, kw_only=True):
    """One thing that changed."""

    kind: Kind
    op: str = ""
    """Empty: of the run as a whole."""
    was: str = ""
    """The verdict before, in words; empty where it is no matter of verdicts."""
    now: str = ""
    what: str = ""
    """What exactly, in words."""


class Changes(Record, frozen=True, kw_only=True):
    """All that changed, sorted by kind, the worst first."""

    changes: list[Change] = []
    differs: list[str] = []
    """What else is not the same in the two runs: said, and no change of the code."""
    compared: int = 0
    """Ops that are in both."""

    def of(self, kinds: Sequence[Kind]) -> list[Change]:
        """Those of some kinds."""
        return [c for c in self.changes if c.kind in kinds]

    @property
    def worse(self) -> list[Change]:
        return self.of(WORSE)

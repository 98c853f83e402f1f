"""One call of torch.autograd.gradcheck, and what both said of it: plain data that travels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Kind = Literal["agreement", "wrong gradient", "other fault", "false alarm", "not judged", "not run"]
KINDS: tuple[Kind, ...] = (
    *("wrong gradient", "other fault", "false alarm", "not judged", "not run"),
    "agreement",
)
"""In the order in which they are shown."""
GRADIENTS = frozenset({"reference", "values", "linearity", "layout", "framework", "nodes"})
"""Checks whose failure is one of the numbers of a gradient."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one checker said."""

    verdict: Literal["pass", "fail", "not judged", "not run"]
    sentence: str = ""
    """The failure's first sentence; of a pass, its evidence; else why there is no verdict."""
    check: str = ""
    """Ours: the check that failed."""
    seconds: float = 0.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    test: str
    """The test's id, or the place of the call where no test runs."""
    name: str
    """Of the function under test."""
    order: int
    """2: `gradgradcheck`."""
    theirs: Said
    ours: Said

    @property
    def kind(self) -> Kind:
        """Who was right, as far as ours can tell."""
        ours, theirs = self.ours.verdict, self.theirs.verdict
        if ours == "not judged" or ours == "not run":
            return ours
        if theirs == ours:
            return "agreement"
        if ours == "pass":
            return "false alarm"
        return "wrong gradient" if self.ours.check in GRADIENTS else "other fault"


def encoded(records: Iterable[Record]) -> list[str]:
    """As texts, which every channel between processes takes."""
    return [msgspec.json.encode(record).decode() for record in records]


def decoded(texts: Iterable[str]) -> list[Record]:
    """Records from their texts."""
    return [msgspec.json.decode(text, type=Record) for text in texts]

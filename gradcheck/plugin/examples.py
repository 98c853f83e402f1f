"""One result of a test under ``@given`` for all its calls, whose examples Hypothesis makes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from gradcheck.results import OpResult
from gradcheck.tally import INCONCLUSIVE_SHARE

_SEEN: pytest.StashKey[dict[str, Examples]] = pytest.StashKey()
_ADDED = ("comparisons", "inconclusive", "cases", "cases_rejected")
_SPENT = ("forward_calls", "forward_points", "backward_calls", "seconds")


@dataclass(slots=True)
class Examples:
    """What the calls of one op found: the latest result of each verdict, and the sums."""

    latest: dict[str, OpResult] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    unjudged: int = 0

    def add(self, result: OpResult) -> None:
        """Count one call; the case of one that could not be judged is a rejected one."""
        undecided = result.verdict == "inconclusive"
        self.calls += 1
        self.unjudged += undecided
        self.latest[result.verdict] = result
        for name in (*_ADDED, *_SPENT):
            self.sums[name] = self.sums.get(name, 0) + getattr(result, name)
        if undecided:
            self.sums["cases_rejected"] += result.cases - result.cases_rejected

    def together(self) -> OpResult:
        """A failure, the latest; not judged, where so many examples were not; else a pass."""
        undecided = self.unjudged > INCONCLUSIVE_SHARE * self.calls
        gravest = "inconclusive" if undecided else "pass"
        result = self.latest["fail" if "fail" in self.latest else gravest]
        if result.verdict == "inconclusive":
            said = f"{self.unjudged} of {self.calls} examples could not be judged"
            result = replace(result, reason=f"{said}: {result.reason}")
        return replace(result, **self.sums)


def fresh(item: pytest.Item) -> None:
    """A test begins, perhaps once more."""
    item.stash[_SEEN] = {}


def added(item: pytest.Item, result: OpResult) -> OpResult:
    """The result of all calls so far, this one included."""
    examples = item.stash.setdefault(_SEEN, {}).setdefault(result.op, Examples())
    examples.add(result)
    return examples.together()

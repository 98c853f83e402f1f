"""How results travel: from a test, on pytest's reports of it, to the process that writes reports.

Attributes of a report survive xdist, which sends them as plain data, and no other plugin prints
them: they hold the whole results, as JSON. The property "gradcheck", which JUnit files show, is a
short form.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.results import OpResult

RESULT = "gradcheck"
"""Key of the user property that carries a result in short, as one line of JSON."""
RESULTS = "gradcheck_results"
"""Attribute of a test's report: the whole results, each as JSON."""
ERROR = "gradcheck_error"
"""Attribute of a test's or a collector's report: why nothing could be checked, as a sentence."""
LINE = "gradcheck_line"
"""Attribute of a test's report: place and message of its failure, which xdist does not send."""
LATE = "gradcheck_late"
"""Attribute of a test's report: its op was not checked to the end, as time was over (`timing`)."""
PLAN = "gradcheck_plan"
"""Attribute of the first report of a process: what was collected (`planning`)."""
_PENDING: pytest.StashKey[list[OpResult]] = pytest.StashKey()
_TAKEN: pytest.StashKey[dict[str, int]] = pytest.StashKey()


def fresh(item: pytest.Item) -> None:
    """A test begins, perhaps once more (pytest-rerunfailures): what it said before is forgotten."""
    item.user_properties[:] = [p for p in item.user_properties if p[0] != RESULT]
    item.stash[_PENDING], item.stash[_TAKEN] = [], {}


def keep(item: pytest.Item, result: OpResult) -> None:
    """Keep a result for the report of the test, and in short for JUnit and other plugins."""
    item.stash.setdefault(_PENDING, []).append(result)
    item.user_properties.append((RESULT, _short(result)))


def keep_again(item: pytest.Item, result: OpResult) -> None:
    """Keep a result in the place of the one that was kept of its op; a test may check several."""
    kept = item.stash.setdefault(_PENDING, [])
    same = [k for k, other in enumerate(kept) if other.op == result.op]
    if not same:
        keep(item, result)
        return
    kept[same[0]] = result
    mine = [k for k, (name, _) in enumerate(item.user_properties) if name == RESULT]
    item.user_properties[mine[same[0] - len(kept)]] = (RESULT, _short(result))


def named(item: pytest.Item, result: OpResult, *, repeated: bool) -> OpResult:
    """The result of a call in a test, under an id that no other call in any test has.

    ``tests/test_loss.py::test_small::softmax``, and then ``... (2)``.
    """
    from msgspec.structs import replace

    op = next_id(item, result.name, repeated=repeated)
    taken = item.stash.setdefault(_TAKEN, {})
    taken[result.name] = 1 if repeated else taken.get(result.name, 0) + 1
    return replace(result, op=op)


def next_id(item: pytest.Item, name: str, *, repeated: bool) -> str:
    """The id of the next call in a test that checks an op of this name."""
    count = 1 if repeated else item.stash.setdefault(_TAKEN, {}).get(name, 0) + 1
    return f"{item.nodeid}::{name}" + (f" ({count})" if count > 1 else "")


def _short(result: OpResult) -> str:
    from gradcheck.plugin.short import short

    return short(result)


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put the results of a phase of a test on its report, figures only where a report is made."""
    pending = item.stash.get(_PENDING, [])
    if not pending:
        return
    from msgspec.structs import replace

    from gradcheck.figures import Figures
    from gradcheck.reporters.json import encoded

    if not item.config.getoption("--gradcheck-report"):
        pending = [replace(result, figures=Figures()) for result in pending]
    setattr(report, RESULTS, [encoded(result) for result in pending])
    item.stash[_PENDING] = []


def decoded(texts: Sequence[str]) -> list[OpResult]:
    """Results from a report's attribute."""
    import msgspec

    from gradcheck.results import OpResult

    return [msgspec.json.decode(text, type=OpResult) for text in texts]


class Shown:
    """A failure's text, with the line that short summaries, ``--tb=line`` and JUnit show of it."""

    def __init__(self, text: str, place: str, message: str) -> None:
        self.text, self.reprcrash = text, Line(place, message)

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer: Any) -> None:
        writer.line(self.text)


class Line:
    """Place and message."""

    def __init__(self, place: str, message: str) -> None:
        self.place, self.message = place, message

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def attach_failure(report: pytest.TestReport, error: BaseException | None) -> None:
    """Let the summary's line say what is wrong, for an op's item and for a call in a test."""
    shown: Any = report.longrepr
    if isinstance(shown, Shown):
        setattr(report, LINE, [shown.reprcrash.place, shown.reprcrash.message])
    if error is None or "gradcheck.errors" not in sys.modules:
        return
    from gradcheck.errors import GradientError, UsageError

    if isinstance(error, UsageError):
        setattr(report, ERROR, str(error))
    if isinstance(error, GradientError) and hasattr(shown, "reprtraceback"):
        from gradcheck.plain import NAME, clean
        from gradcheck.reporters.text import headline

        name = clean(error.result.name, NAME)
        shown.reprcrash.message = f"{name}: {headline(error.result)}"


def restore_line(report: pytest.TestReport) -> None:
    """A worker of xdist sends the text of a failure alone: give it its line back."""
    line = getattr(report, LINE, None)
    if line and isinstance(report.longrepr, str):
        shown: Any = Shown(report.longrepr, *line)
        report.longrepr = shown

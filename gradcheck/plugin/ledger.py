"""What the process that writes reports was told by pytest's reports of tests, as it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck.plugin import carrying

if TYPE_CHECKING:
    from gradcheck.results import Report

LEDGER: pytest.StashKey[Ledger] = pytest.StashKey()
REPORT: pytest.StashKey[Report] = pytest.StashKey()
"""The report of the session, once it is made."""
SAID: pytest.StashKey[list[str]] = pytest.StashKey()
"""Where the reports are, or why they are not."""


@dataclass(slots=True)
class Entry:
    """One test, in its last attempt."""

    results: list[str] = field(default_factory=list)
    """As JSON."""
    outcome: str = "expected by its test, which passes"
    """"failed"; else why a failure in it is let through, in words."""
    error: str = ""
    """Why nothing could be checked."""
    late: bool = False
    """Its op was not checked to the end, as time was over."""


@dataclass(slots=True, eq=False)
class Ledger:
    """The tests by node id, and what was collected; a plugin of one session, which hears it all."""

    entries: dict[str, Entry] = field(default_factory=dict)
    errors: dict[str, None] = field(default_factory=dict)
    """What could not be collected, as sentences; each once, whatever the number of processes."""
    ops: dict[str, str] = field(default_factory=dict)
    """The ids of the ops that were to be checked, by node id."""
    plan: dict[str, Any] = field(default_factory=dict)
    """What the first process to say so collected (`planning`)."""
    interrupted: bool = False
    stopped: str = ""
    """Why not all tests were run, in pytest's words."""

    @property
    def active(self) -> bool:
        """Something was checked, or was to be."""
        checked = any(entry.results for entry in self.entries.values())
        return bool(self.plan or self.errors or checked)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over, here or in another process."""
        carrying.restore_line(report)
        plan = getattr(report, carrying.PLAN, None)
        if plan is not None:
            self.plan = self.plan or plan
            self.ops.update(plan["ops"])
        if report.when == "setup" or report.nodeid not in self.entries:
            self.entries[report.nodeid] = Entry()
        entry = self.entries[report.nodeid]
        entry.results += getattr(report, carrying.RESULTS, [])
        entry.error = entry.error or getattr(report, carrying.ERROR, "")
        entry.late = entry.late or getattr(report, carrying.LATE, False)
        if report.outcome == "skipped" and hasattr(report, "wasxfail"):
            entry.outcome = f"xfail: {report.wasxfail}".removesuffix(": ")
        elif report.outcome != "passed":
            entry.outcome = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file or target was collected, or could not be."""
        error = getattr(report, carrying.ERROR, "")
        if error:
            self.errors[error] = None

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """The session ends before its tests do."""
        error = excinfo.value
        self.interrupted = type(error) is KeyboardInterrupt  # pytest and xdist have kinds of it
        self.stopped = "" if self.interrupted else str(error)

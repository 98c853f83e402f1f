"""How the ops of a report stand, and what else makes a run fail: the same in every format.

No format may look right where the run does not, so each shows what `standing` and `problems` say.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from gradcheck.records import unnum
from gradcheck.results import Finding, OpResult, Report

Standing = Literal["failed", "not judged", "waived", "passed"]
ORDER: tuple[Standing, ...] = ("failed", "not judged", "waived", "passed")
"""The worst first."""


class Problem(NamedTuple):
    """Something that fails a run and is no op's verdict."""

    code: str
    """Stable name of the kind of problem."""
    message: str
    about: str = ""
    """What it is the problem of: the same in the next run, where the message may differ."""

    @property
    def title(self) -> str:
        """A few words for its kind."""
        return PROBLEMS[self.code]


PROBLEMS = {
    "not-loaded": "could not be checked",
    "interrupted": "the run was interrupted",
    "cut-short": "the run was cut short",
    "nothing-passed": "nothing passed",
    "waiver": "a waiver does not hold",
}
"""The kinds of `Problem`, with their titles."""


def standing(result: OpResult) -> Standing:
    """How one op stands; only "failed" and "not judged" fail the run."""
    if result.verdict == "pass":
        return "passed"
    if result.waived:
        return "waived"
    return "failed" if result.verdict == "fail" else "not judged"


def problems(report: Report) -> list[Problem]:
    """What fails the run besides its ops."""
    found = [Problem("not-loaded", error, error.partition(":")[0]) for error in report.errors]
    done = f"{len(report.results)} of {report.planned} ops were checked"
    missing = done if report.missing else "the rest is missing"
    if report.interrupted:
        found.append(Problem("interrupted", f"{missing}: run it again"))
    elif report.cut_short or report.missing:
        why = f"{report.cut_short}: {missing}" if report.cut_short else missing
        found.append(Problem("cut-short", f"{why}: what was not checked is no pass"))
    if not found and all(standing(result) == "waived" for result in report.results):
        found.append(Problem("nothing-passed", "no op that passed, no evidence: this is no pass"))
    for waiver in report.waivers:
        if waiver.state != "met":
            about = f"{waiver.op}: {waiver.code}"
            why = waiver.message or f"it is {waiver.state}"
            found.append(Problem("waiver", f"{about}: {why}", f"{about} {waiver.input}"))
    return found


def is_right(report: Report) -> bool:
    """Every op passed or is waived, and nothing else is wrong with the run.

    The one definition of green: the exit code is 0 for these reports alone (`policy.decide`).
    """
    stands = {standing(result) for result in report.results}
    return not problems(report) and stands <= {"passed", "waived"}


def worst_first(results: list[OpResult]) -> list[OpResult]:
    """Sorted by standing, then by relative error; what is not finite counts as the largest."""
    return sorted(results, key=lambda r: (ORDER.index(standing(r)), -_error(r)))


def waiver_of(report: Report, result: OpResult, found: Finding) -> str:
    """Why a failing finding is let through; empty where it is not."""
    if found.severity != "fail":
        return ""
    if result.waived:
        return result.waived
    for w in report.waivers:
        about = (w.op, w.code) == (result.op, found.code) and w.input in ("", found.input)
        if about and w.state == "met":
            return f"until {w.expires}: {w.reason}"
    return ""


def _error(result: OpResult) -> float:
    if result.worst is None:
        return 0.0
    error = unnum(result.worst.relative_error)
    return error if math.isfinite(error) else math.inf

"""From a report to an exit code. Pure: no file, no console."""

from __future__ import annotations

from enum import IntEnum

from msgspec.structs import replace

from gradcheck.reporters.standing import is_right, problems, standing
from gradcheck.results import OpResult, Report
from gradcheck.scores import Scores
from gradcheck.settings import Settings

WARNED = 'inconclusive = "warn" in the settings lets it through'


class Exit(IntEnum):
    """What the shell sees."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INTERNAL = 3
    NOTHING = 5
    INTERRUPTED = 130


def decide(report: Report, settings: Settings) -> Exit:
    """0 only where the run is right as every format shows it (`standing.is_right`).

    What could not be judged may be let through by the settings, but not if nothing passed. A fault
    of gradcheck's own comes before all else.
    """
    report = let_through(report, settings)
    if report.faults:
        return Exit.INTERNAL
    if is_right(report):
        return Exit.PASSED
    if report.interrupted:
        return Exit.INTERRUPTED
    nothing = [problem.code for problem in problems(report)] == ["nothing-passed"]
    return Exit.NOTHING if nothing else Exit.FAILED


def let_through(report: Report, settings: Settings) -> Report:
    """With what could not be judged let through, where the settings say so.

    It is marked as a waived failure is, so that every format and the exit code agree.
    """
    if settings.inconclusive == "fail":
        return report
    results = [
        replace(r, waived=WARNED) if r.verdict == "inconclusive" and not r.waived else r
        for r in report.results
    ]
    return replace(report, results=results)


def fails(result: OpResult, settings: Settings) -> bool:
    """Whether an op by itself fails a run."""
    stands = standing(result)
    return stands == "failed" or (stands == "not judged" and settings.inconclusive == "fail")


def decide_scores(scores: Scores) -> Exit:
    """0 only where every op has a score and no planted mistake survived."""
    if scores.faults:
        return Exit.INTERNAL
    if scores.interrupted:
        return Exit.INTERRUPTED
    if not scores.scores and not scores.errors:
        return Exit.NOTHING
    return Exit.PASSED if scores.perfect else Exit.FAILED

"""From a report to an exit code. Pure: no file, no console."""

from __future__ import annotations

from enum import IntEnum

from gradcheck.results import Report
from gradcheck.scores import Scores
from gradcheck.settings import Settings


class Exit(IntEnum):
    """What the shell sees."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INTERNAL = 3
    NOTHING = 5
    INTERRUPTED = 130


def decide(report: Report, settings: Settings) -> Exit:
    """0 only where every op passed. No evidence is never a pass.

    What could not be judged may be let through by the settings, but not if nothing passed.
    """
    if report.interrupted:
        return Exit.INTERRUPTED
    if report.summary.failed or report.summary.errors:
        return Exit.FAILED
    if report.summary.inconclusive and settings.inconclusive == "fail":
        return Exit.FAILED
    if not report.summary.passed:
        return Exit.NOTHING
    return Exit.PASSED


def decide_scores(scores: Scores) -> Exit:
    """0 only where every op has a score and no planted mistake survived."""
    if scores.interrupted:
        return Exit.INTERRUPTED
    if not scores.scores and not scores.errors:
        return Exit.NOTHING
    return Exit.PASSED if scores.perfect else Exit.FAILED

"""The random graphs of ``gradcheck run --graphs N``: after the ops, and of those that passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console

from gradcheck.cli.screen import Progress
from gradcheck.graphs.composition import KIND
from gradcheck.model import Op
from gradcheck.random_graphs import check_graphs
from gradcheck.results import OpResult, Report, summarise
from gradcheck.runner import out_of_time
from gradcheck.settings import Settings
from gradcheck.wishes import Checked, Wish


def run_graphs(
    report: Report,
    ops: Sequence[Op],
    wish: Wish,
    settings: Settings,
    *,
    fixed: Mapping[str, Any],
    console: Console | None,
) -> Checked:
    """Check random graphs of the ops that did not fail; with a console, say how far it is."""
    wrong = {r.op for r in report.results if r.verdict != "pass"}

    def passed(op: Op) -> bool:
        return op.id not in wrong

    if console is None:
        return check_graphs(ops, settings, wish, fixed=fixed, passed=passed)
    progress = Progress(console, 1 if wish.only else wish.count)
    progress.begin("random graphs")
    with progress.shown():
        return check_graphs(
            ops, settings, wish, fixed=fixed, passed=passed, progress=progress.advance
        )


def added(report: Report, checked: Checked, settings: Settings) -> Report:
    """The report with the graphs beside the ops; a graph is an op."""
    results, errors = [*report.results, *checked.results], [*report.errors, *checked.problems]
    seconds = report.summary.seconds + sum(r.seconds for r in checked.results)
    return msgspec.structs.replace(
        report,
        results=results,
        errors=errors,
        faults=[*report.faults, *checked.faults],
        summary=summarise(results, len(errors), seconds),
        interrupted=report.interrupted or checked.interrupted,
        planned=report.planned + len(checked.results) + checked.missing,
        cut_short=out_of_time(settings) if checked.missing else report.cut_short,
    )


def told(checked: Checked, wish: Wish, settings: Settings) -> str:
    """The line that counts the graphs."""
    if not checked.missing:
        return checked.said
    count = 1 if wish.only else wish.count
    late = f"{checked.missing:,} of {count:,} not checked: {out_of_time(settings)}"
    return f"{checked.said}; {late}" if checked.missing < count else f"random graphs: {late}"


def shortened(report: Report) -> Report:
    """The report without the graphs of which there is nothing to say: one line counts them."""
    kept = [r for r in report.results if not _is_silent(r)]
    summary = summarise(kept, len(report.errors), report.summary.seconds)
    planned = report.planned - (len(report.results) - len(kept))
    return msgspec.structs.replace(report, results=kept, summary=summary, planned=planned)


def _is_silent(result: OpResult) -> bool:
    return result.kind == KIND and result.verdict == "pass" and not result.findings

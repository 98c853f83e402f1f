"""What `gradcheck run` prints at its end, drawn by Rich."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gradcheck.reporters import costs, health
from gradcheck.reporters.text import (
    convention,
    error_and_limit,
    failure,
    finding,
    tolerance,
    totals,
)
from gradcheck.results import OpResult, Report

_STYLE = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
_WORD = {"pass": "pass", "fail": "FAIL", "inconclusive": "not judged"}
_NUMBERS = ("worst rel. error", "seen from", "cases", "forwards", "time")


def print_report(console: Console, report: Report, *, verbosity: int) -> None:
    """Failures in full, the table, the totals; below 0 no table, above 0 also what passed."""
    for part in _details(report, verbosity=verbosity):
        console.print(part, soft_wrap=True)
        console.print()
    if verbosity >= 0 and report.results:
        console.print(table(report))
        console.print()
    if verbosity >= 0 and any(r.cost for r in report.results):
        console.print(costs.table(report))
        console.print()
    console.print(Text(totals(report)), soft_wrap=not console.is_terminal)


def table(report: Report) -> RenderableType:
    """Op, verdict, worst relative error with its bound, cases, forward evaluations, time."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("op", overflow="fold", min_width=20)
    drawn.add_column("verdict")
    for column in _NUMBERS:
        drawn.add_column(column, justify="right")
    for result in report.results:
        drawn.add_row(
            Text(result.op),
            _verdict(result),
            *error_and_limit(result.worst),
            str(result.cases),
            f"{result.forward_calls:,}",
            f"{result.seconds:.2f} s",
        )
    return drawn


def _verdict(result: OpResult) -> Text:
    word = _WORD[result.verdict]
    warnings = sum(f.severity == "warning" for f in result.findings)
    if warnings:
        word += f", {warnings} warning{'s' * (warnings != 1)}"
    return Text(word, style=_STYLE[result.verdict])


def _details(report: Report, *, verbosity: int) -> list[Text]:
    parts: list[Text] = []
    for result in report.results:
        if result.verdict != "pass":
            parts.append(_failed(result, verbose=verbosity > 0))
        elif verbosity > 0:
            parts.append(Text(_passed(result)))
    parts += [Text(f"could not be checked: {e}", style="bold red") for e in report.errors]
    return parts


def _failed(result: OpResult, *, verbose: bool) -> Text:
    """The text, its headlines in the verdict's colour (they say the verdict in words too)."""
    shown = Text(failure(result, verbose=verbose))
    shown.highlight_regex(r"(?m)^\S.*?  +(FAIL|NOT JUDGED)\b", _STYLE[result.verdict])
    return shown


def _passed(result: OpResult) -> str:
    lines = [f"{result.op}: pass ({result.kind}, {result.source})"]
    lines += [f"  convention: {convention(c)}" for c in result.conventions[:5]]
    if result.tolerance is not None:
        lines.append(f"  tolerance: {tolerance(result.tolerance)}")
    met = ", ".join(f"{name} ({count})" for name, count in result.coverage.items())
    lines.append(f"  met: {met}")
    lines += [f"  rejected: {what} ({count})" for what, count in result.rejected.items()]
    lines += [f"  noted: {a}" for a in result.assumptions]
    lines += health.table(result.health)
    return "\n\n".join(["\n".join(lines), *(finding(result, f) for f in result.findings)])

"""The table at the end of `gradcheck run`, drawn by Rich."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradcheck.reporters.text import convention, failure, totals
from gradcheck.results import OpResult, Report, unnum

_STYLE = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
_WORD = {"pass": "pass", "fail": "FAIL", "inconclusive": "not judged"}


def table(report: Report) -> RenderableType:
    """Op, verdict, worst relative error with its bound, cases, forward evaluations, time."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("op", overflow="fold")
    drawn.add_column("verdict")
    drawn.add_column("worst rel. error", justify="right")
    drawn.add_column("seen from", justify="right")
    drawn.add_column("cases", justify="right")
    drawn.add_column("forwards", justify="right")
    drawn.add_column("time", justify="right")
    for result in report.results:
        error, limit = _errors(result)
        drawn.add_row(
            result.op,
            _verdict(result),
            error,
            limit,
            str(result.cases),
            f"{result.forward_calls:,}",
            f"{result.seconds:.2f} s",
        )
    return drawn


def _errors(result: OpResult) -> tuple[str, str]:
    if result.worst is None:
        return "-", "-"
    return f"{unnum(result.worst.relative_error):.1e}", f"{unnum(result.worst.limit):.0e}"


def _verdict(result: OpResult) -> Text:
    word = _WORD[result.verdict]
    warnings = sum(f.severity == "warning" for f in result.findings)
    if warnings:
        word += f", {warnings} warning{'s' * (warnings != 1)}"
    return Text(word, style=_STYLE[result.verdict])


def details(report: Report, *, verbosity: int) -> RenderableType:
    """Failures in full; with ``verbosity`` above 0 also warnings, conventions and coverage."""
    parts: list[RenderableType] = []
    for result in report.results:
        if result.verdict != "pass":
            parts.append(Text("\n" + failure(result, verbose=verbosity > 0)))
        elif verbosity > 0:
            parts.append(Text("\n" + _passed(result)))
    parts += [Text(f"\ncould not be loaded: {e}", style="bold red") for e in report.errors]
    return Group(*parts)


def _passed(result: OpResult) -> str:
    lines = [f"{result.op}: pass ({result.kind}, {result.source})"]
    lines += [f"  {f.severity}: {f.message}" for f in result.findings]
    lines += [f"  convention: {convention(c)}" for c in result.conventions[:5]]
    met = ", ".join(f"{name} ({count})" for name, count in result.coverage.items())
    lines.append(f"  met: {met}")
    lines += [f"  rejected: {what} ({count})" for what, count in result.rejected.items()]
    lines += [f"  assumed: {a}" for a in result.assumptions]
    return "\n".join(lines)


def print_report(console: Console, report: Report, *, verbosity: int) -> None:
    """Failures, the table, the totals."""
    if verbosity >= 0 or any(r.verdict != "pass" for r in report.results) or report.errors:
        console.print(details(report, verbosity=verbosity), soft_wrap=True, highlight=False)
    if verbosity >= 0 and report.results:
        console.print()
        console.print(table(report))
    console.print()
    console.print(totals(report), highlight=False, soft_wrap=True)

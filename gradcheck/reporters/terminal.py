"""What `gradcheck run` prints at its end, drawn by Rich: as wide as the terminal allows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gradcheck.plain import NAME, SENTENCE, clean
from gradcheck.reporters import beside, costs, health
from gradcheck.reporters.text import (
    NARROW,
    WIDTH,
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
_LEAST = 20
"""Columns that an op's name has at least, where the terminal is not narrower still."""
_COLUMNS = ("worst rel. error", "seen from", "cases", "forwards", "time")
_FIRST_TO_GO = ("forwards", "time", "cases", "seen from")
"""What a narrow terminal does without; all of it is in the result file."""


def print_report(console: Console, report: Report, *, verbosity: int) -> None:
    """Failures in full, the table, the totals; below 0 no table, above 0 also what passed."""
    width = page(console)
    for part in _details(report, width, verbosity=verbosity):
        console.print(part, soft_wrap=True)
        console.print()
    if verbosity >= 0 and report.results:
        console.print(table(report, console.width))
        console.print()
    if verbosity >= 0 and any(r.cost for r in report.results):
        console.print(costs.table(report))
        console.print()
    for line in beside.lines(report):
        console.print(line, soft_wrap=not console.is_terminal)
    console.print(Text(totals(report)), soft_wrap=not console.is_terminal)


def page(console: Console) -> int:
    """Columns that text is wrapped to: no more than can be read, and no fewer for a file."""
    return min(console.width, WIDTH) if console.is_terminal else WIDTH


def table(report: Report, width: int) -> RenderableType:
    """Op, verdict, worst relative error with its bound, cases, forward evaluations, time.

    Parameters
    ----------
    report : Report
    width : int
        Columns of the terminal: where they do not do for all, the last ones are left out, and
        long names go on in the next line.
    """
    rows = [_row(r) for r in report.results]
    titles = [c.replace(". ", ".\n") if width < NARROW else c for c in _COLUMNS]
    sizes = [
        max(*map(len, title.split("\n")), *(len(numbers[k]) for _, _, numbers in rows))
        for k, title in enumerate(titles)
    ]
    name = max(cell_len(op.plain) for op, _, _ in rows)
    verdict = max(cell_len(said.plain) for _, said, _ in rows)
    kept = _kept(sizes, width - min(name, max(_LEAST, width * 45 // 100)) - 2 - verdict)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("op", overflow="fold", min_width=min(_LEAST, name, max(width - 30, 8)))
    drawn.add_column("verdict", overflow="fold")
    for k in kept:
        drawn.add_column(titles[k], justify="right")
    for op, said, numbers in rows:
        drawn.add_row(op, said, *(numbers[k] for k in kept))
    return drawn


def _row(result: OpResult) -> tuple[Text, Text, Sequence[str]]:
    numbers = (
        *error_and_limit(result.worst),
        str(result.cases),
        f"{result.forward_points:,}",
        f"{result.seconds:.2f} s",
    )
    return Text(clean(result.op, NAME)), _verdict(result), numbers


def _kept(sizes: Sequence[int], room: int) -> list[int]:
    """The columns of numbers for which there is room beside names and verdicts."""
    kept = list(range(len(sizes)))
    for column in _FIRST_TO_GO:
        if sum(2 + sizes[k] for k in kept) <= room:
            break
        kept.remove(_COLUMNS.index(column))
    return kept


def _verdict(result: OpResult) -> Text:
    word = _WORD[result.verdict] + (", waived" if result.waived else "")
    warnings = sum(f.severity == "warning" for f in result.findings)
    if warnings:
        word += f", {warnings} warning{'s' * (warnings != 1)}"
    return Text(word, style=_STYLE[result.verdict])


def _details(report: Report, width: int, *, verbosity: int) -> list[Text]:
    parts: list[Text] = []
    for result in report.results:
        if result.waived and verbosity <= 0:
            continue  # `waivers` has a line of it
        if result.verdict != "pass":
            parts.append(_failed(result, width, verbose=verbosity > 0))
        elif verbosity > 0:
            parts.append(Text(_passed(result, width)))
    errors = (f"could not be checked: {clean(e, SENTENCE)}" for e in report.errors)
    return parts + [Text(e, style="bold red") for e in errors]


def _failed(result: OpResult, width: int, *, verbose: bool) -> Text:
    """The text, its headlines in the verdict's colour (they say the verdict in words too)."""
    shown = Text(failure(result, verbose=verbose, width=width))
    shown.highlight_regex(r"(?m)^\S.*?  +(FAIL|NOT JUDGED)\b", _STYLE[result.verdict])
    return shown


def _passed(result: OpResult, width: int) -> str:
    lines = [f"{clean(result.op, NAME)}: pass ({result.kind}, {clean(result.source, SENTENCE)})"]
    lines += [f"  convention: {convention(c)}" for c in result.conventions[:5]]
    if result.tolerance is not None:
        lines.append(f"  tolerance: {tolerance(result.tolerance)}")
    met = ", ".join(f"{clean(name, NAME)} ({count})" for name, count in result.coverage.items())
    lines.append(f"  met: {met}")
    lines += [f"  rejected: {clean(w, SENTENCE)} ({count})" for w, count in result.rejected.items()]
    lines += [f"  noted: {clean(a, SENTENCE)}" for a in result.assumptions]
    lines += health.table(result.health)
    findings = (finding(result, f, width=width) for f in result.findings)
    return "\n\n".join(["\n".join(lines), *findings])

"""What the terminal shows of the ops after the tests: the worst first, and no more than ten."""

from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Iterator, Sequence

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gradcheck.outputs import ACTIONS
from gradcheck.plain import NAME, clean
from gradcheck.plugin import options
from gradcheck.plugin.ledger import REPORT, SAID
from gradcheck.records import unnum
from gradcheck.reporters import beside, github
from gradcheck.reporters.text import error_and_limit, totals
from gradcheck.results import OpResult, Report

MOST = 10
"""Rows of the table."""
_WORDS = {"fail": ("FAIL", "bold red"), "inconclusive": ("not judged", "yellow")}


def show(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, the totals, and where the reports are; with ``-q`` only what is wrong."""
    report, said = config.stash[REPORT], config.stash[SAID]
    for line in _annotations(report, config):
        reporter.write_line(line)
    width = shutil.get_terminal_size().columns
    parts = [*_parts(report, said, quiet=config.get_verbosity() < 0)]
    if not parts:
        return
    reporter.write_sep("=", f"gradcheck: {options.seed_in_words(config)}, the worst first")
    for part in parts:
        for line in _drawn(part, reporter, width):
            reporter.write_line(line)


def _annotations(report: Report, config: pytest.Config) -> list[str]:
    """On GitHub Actions, where the settings ask for the report "github": its lines."""
    wishes = options.settings(config).report
    asked = any(wish.partition("=")[0] == "github" for wish in wishes)
    if not asked or os.environ.get(ACTIONS) != "true":
        return []
    return [line for line in github.render(report).split("\n") if line]


def _parts(report: Report, said: Sequence[str], *, quiet: bool) -> Iterator[RenderableType]:
    if quiet:
        if any(w.state != "met" for w in report.waivers):
            yield from beside.lines(report)
        yield from (Text(line) for line in said if line.startswith(("no ", "failed: ")))
        return
    if report.results:
        yield _table(sorted(report.results, key=_rank)[:MOST])
    if len(report.results) > MOST:
        yield Text(f"and {len(report.results) - MOST} more, none of them worse")
    yield from beside.lines(_of_waivers(report))
    if report.results or report.errors or report.planned:
        yield Text(totals(report))
    yield from (Text(line) for line in said)


def _table(results: Sequence[OpResult]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("op", overflow="fold")
    drawn.add_column("verdict")
    for name in ("rel. error", "seen from", "cases"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for result in results:
        word, style = _WORDS.get(result.verdict, ("pass", "green"))
        if result.waived:
            word, style = "known", "yellow"
        numbers = (*error_and_limit(result.worst), str(result.cases))
        drawn.add_row(Text(clean(result.op, NAME)), Text(word, style=style), *numbers)
    return drawn


def _rank(result: OpResult) -> tuple[int, float, str]:
    """Failing, not judged, let through, passing; then by the error for what would be seen."""
    group = {"fail": 0, "inconclusive": 1}.get(result.verdict, 3)
    return 2 if result.waived else group, -_share(result), result.op


def _of_waivers(report: Report) -> Report:
    """Without the many failures that tests of a checker, say, expect."""
    known = {w.op for w in report.waivers if w.state == "met"}
    results = [r if r.op in known else replace(r, waived="") for r in report.results]
    return replace(report, results=results)


def _share(result: OpResult) -> float:
    """The worst relative error, as a multiple of the smallest that would have been seen."""
    if result.worst is None:
        return -1.0
    error, limit = unnum(result.worst.relative_error), unnum(result.worst.limit)
    if not math.isfinite(error) or (error > 0 and not limit > 0):
        return math.inf
    return error / limit if error else 0.0


def _drawn(thing: RenderableType, reporter: pytest.TerminalReporter, width: int) -> Sequence[str]:
    """As lines, coloured where pytest's own are."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=reporter.hasmarkup,
        color_system="standard" if reporter.hasmarkup else None,
        legacy_windows=False,
        highlight=False,
    )
    with console.capture() as captured:
        console.print(thing, soft_wrap=isinstance(thing, Text))
    return [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]

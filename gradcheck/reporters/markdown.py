"""A report as Markdown, for GitHub's step summary, merge requests and mail: the worst first.

What comes from the user stands in code spans and fenced blocks only, so that nothing of it becomes
markup, a link or a mention. GitHub drops a summary above 1 MiB as a whole: this one ends before, at
a row, and says what it left out.
"""

from __future__ import annotations

import re

from gradcheck.codes import CODES, headline
from gradcheck.plain import cut, one_line, visible
from gradcheck.reporters.standing import Standing, is_right, problems, standing, worst_first
from gradcheck.reporters.text import error_and_limit, failure, totals
from gradcheck.results import Finding, OpResult, Report

LIMIT = 900_000
"""Bytes."""
LONGEST_BLOCK = 20_000
"""Characters of one op's failure."""
_MARK: dict[Standing, str] = {
    "failed": "❌ FAIL",
    "not judged": "❔ not judged",
    "waived": "⏸️ waived",
    "passed": "✅ pass",
}
_HEAD = (
    "| verdict | op | worst relative error | seen from | cases | what |\n"
    "|---|---|--:|--:|--:|---|\n"
)
_ROOM_FOR_REMARKS = 1000


def render(report: Report, limit: int = LIMIT) -> str:
    """The verdict, what fails the run, a table of the ops, and each failure in full.

    Parameters
    ----------
    report : Report
        What to show.
    limit : int
        Bytes that the text may take; the rest is left out, from the end. Nothing fits into less
        than some thousand.
    """
    ordered = worst_first(report.results)
    state = "passed" if is_right(report) else "interrupted" if report.interrupted else "failed"
    head = f"## gradcheck: {state}\n\n{totals(report)}\n\n"
    troubles = [f"**{p.title}**\n\n{fenced(p.message)}\n" for p in problems(report)]
    page = Page(limit - _ROOM_FOR_REMARKS)
    if not page.add(head):
        return ""
    page.add_all("", troubles, "problems")
    page.add_all(_HEAD, [_row(result) for result in ordered], "rows")
    shown = [result for result in ordered if standing(result) != "passed"]
    page.add_all("\n", [_block(result) for result in shown], "failures in full")
    return page.text()


class Page:
    """Text within a limit; what does not fit is counted."""

    def __init__(self, limit: int, whole: str = "the result file has all") -> None:
        self._parts: list[str] = []
        self._room, self._whole = limit, whole

    def add(self, text: str) -> bool:
        """Whether it fits, and is there now."""
        size = len(text.encode())
        if size > self._room:
            return False
        self._parts.append(text)
        self._room -= size
        return True

    def add_all(self, head: str, texts: list[str], what: str) -> None:
        """Texts under a head, up to the first that does not fit."""
        fitting = self.add(head) if texts else False
        for number, text in enumerate(texts):
            fitting = fitting and self.add(text)
            if not fitting:
                left = f"\n_... and {len(texts) - number} more {what}: {self._whole}_\n"
                self._parts.append(left)
                self._room = 0
                return

    def text(self) -> str:
        return "".join(self._parts)


def span(text: str, limit: int = 120) -> str:
    """User text as a code span."""
    shown = one_line(text, limit) or " "
    ticks = "`" * (_longest_run(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def cell(text: str, limit: int = 120) -> str:
    """User text as a code span in a table; a backslash before a bar would undo the bar's own."""
    return span(text, limit).replace("\\|", "\\ |").replace("|", "\\|")


def fenced(text: str, limit: int = LONGEST_BLOCK) -> str:
    """User text as a block, its fence longer than any run of backticks inside."""
    shown = cut(visible(text), limit)
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}\n"


def _row(result: OpResult) -> str:
    error, limit = error_and_limit(result.worst)
    cells = (_MARK[standing(result)], cell(result.op), error, limit, str(result.cases))
    return f"| {' | '.join(cells)} | {_what(result)} |\n"


def _what(result: OpResult) -> str:
    match standing(result):
        case "waived":
            return cell(result.waived)
        case "not judged":
            return cell(result.reason)
        case "failed":
            return _gravest([f for f in result.findings if f.severity == "fail"])
    warnings = sum(f.severity == "warning" for f in result.findings)
    return f"{warnings} warning{'s' * (warnings != 1)}" if warnings else ""


def _gravest(failing: list[Finding]) -> str:
    """``wrong gradient: `W` and 2 more``."""
    if not failing:
        return ""
    code, name = failing[0].code, failing[0].input
    words = headline(code) if code in CODES else cell(code)
    more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
    return words + (f": {cell(name)}" if name else "") + more


def _block(result: OpResult) -> str:
    text = f"waived: {result.waived}\n\n{failure(result)}" if result.waived else failure(result)
    return f"{_MARK[standing(result)]} {span(result.op)}\n\n{fenced(text)}\n"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)

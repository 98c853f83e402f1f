"""A report as GitHub's workflow commands, which show it beside the lines of a pull request.

GitHub shows the first ten annotations of each kind and drops the rest without a word: the worst
nine are written, then one that counts the others. `gradcheck.outputs` prints them on GitHub.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gradcheck.codes import headline
from gradcheck.plain import cut, one_line, visible
from gradcheck.records import unnum
from gradcheck.reporters import places
from gradcheck.reporters.places import Place
from gradcheck.reporters.standing import problems, standing, waiver_of
from gradcheck.reporters.text import totals
from gradcheck.results import Finding, OpResult, Report

SHOWN = 10
"""Annotations of one kind that GitHub shows for a step."""
LONGEST = 2000
"""Characters of a message."""


class Annotation(NamedTuple):
    """One remark at one line."""

    kind: str
    """"error", "warning" or "notice"."""
    rank: tuple[int, float]
    """The lowest are the worst."""
    title: str
    message: str
    place: Place | None = None

    def command(self) -> str:
        """The workflow command, one line."""
        properties = {}
        if self.place is not None and self.place.is_inside:
            line = str(self.place.line)
            properties = {"file": visible(self.place.file), "line": line, "endLine": line}
        properties["title"] = one_line(self.title)
        written = ",".join(f"{k}={_property(v)}" for k, v in properties.items())
        return f"::{self.kind} {written}::{_data(cut(visible(self.message), LONGEST))}"


def render(report: Report) -> str:
    """One command a line, the worst first; empty where there is nothing to say."""
    root = places.repository()
    every = sorted([*_problems(report, root), *_ops(report, root)], key=lambda a: a.rank)
    lines = []
    for kind in ("error", "warning", "notice"):
        of_kind = [a for a in every if a.kind == kind]
        shown = of_kind if len(of_kind) <= SHOWN else of_kind[: SHOWN - 1]
        lines += [a.command() for a in shown]
        if more := len(of_kind) - len(shown):
            lines.append(_more(kind, more, report).command())
    return "".join(line + "\n" for line in lines)


def _more(kind: str, count: int, report: Report) -> Annotation:
    message = f"GitHub shows {SHOWN} of a kind. The whole run: {totals(report)}"
    return Annotation(kind, (0, 0.0), f"gradcheck: ... and {count} more", message)


def _problems(report: Report, root: Path) -> Iterator[Annotation]:
    for problem in problems(report):
        where = places.of_problem(problem, root)
        named = None if where.file == places.FALLBACK else where
        yield Annotation("error", (-1, 0.0), f"gradcheck: {problem.title}", problem.message, named)


def _ops(report: Report, root: Path) -> Iterator[Annotation]:
    for result in report.results:
        stands = standing(result)
        if stands == "waived":
            place = places.of_finding(result, None, root)
            yield Annotation("notice", (0, 0.0), f"{result.name}: waived", result.waived, place)
        elif stands == "not judged":
            place = places.of_finding(result, None, root)
            title = f"{result.name}: not judged"
            yield Annotation("error", (0, -math.inf), title, result.reason, place)
        waived = stands == "waived"
        yield from _findings(report, result, root, waived=waived)


def _findings(
    report: Report, result: OpResult, root: Path, *, waived: bool
) -> Iterator[Annotation]:
    """Every op's gravest finding comes before any op's second."""
    nth = {"fail": 0, "warning": 0}
    for found in result.findings:
        if found.severity not in nth or (waived and found.severity == "fail"):
            continue
        reason = waiver_of(report, result, found)
        kind = "notice" if reason else "error" if found.severity == "fail" else "warning"
        rank = (nth[found.severity], -_error(found))
        nth[found.severity] += 1
        title = f"{result.name}: {headline(found.code)}"
        parts = [
            f"waived: {reason}" if reason else "",
            found.message,
            found.diagnosis,
            found.replay,
        ]
        message = "\n".join(part for part in parts if part)
        yield Annotation(kind, rank, title, message, places.of_finding(result, found, root))


def _error(found: Finding) -> float:
    error = unnum(found.numbers.relative_error) if found.numbers else 0.0
    return error if math.isfinite(error) else math.inf


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

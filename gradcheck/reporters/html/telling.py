"""Findings in words for the page: the same facts, in the same order, as a terminal shows."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.plain import cut, one_line
from gradcheck.records import unnum
from gradcheck.reporters.standing import waiver_of
from gradcheck.reporters.text import error_and_limit, place
from gradcheck.results import Finding, OpResult, Report, Worst

MARKS = {
    "fail": "✗ fail",
    "not judged": "? not judged",
    "warning": "! warning",
    "note": "i note",
}
LONGEST = 4000
"""Characters of a case, a message or a traceback; the JSON report has all of it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One finding."""

    mark: str
    severity: str
    title: str
    extent: str
    likely: str
    facts: list[tuple[str, str]]
    case: str
    regime: str
    traceback: str
    replay: str
    source: str
    code: str
    waived: str


def told(report: Report, result: OpResult, found: Finding) -> Told:
    """A finding with its evidence."""
    return Told(
        mark=MARKS[found.severity],
        severity=found.severity,
        title=one_line(found.code, 60).replace("-", " "),
        extent=extent(result, found),
        likely=cut(found.diagnosis, LONGEST),
        facts=_facts(found),
        case=cut(found.case, LONGEST),
        regime=one_line(found.regime),
        traceback=cut(found.traceback, LONGEST),
        replay=cut(found.replay, LONGEST) if result.target else "",
        source=one_line(str(found.source or result.source)),
        code=one_line(found.code, 60),
        waived=one_line(waiver_of(report, result, found), LONGEST),
    )


def extent(result: OpResult, found: Finding) -> str:
    """How many entries, in how many cases."""
    if found.check == "cost":  # measured apart from the cases
        return ""
    numbers = found.numbers
    cases = f"in {found.cases} of {result.cases} cases"
    if numbers is None or not numbers.entries:
        return cases
    return f"{numbers.wrong} of {numbers.entries} entries of {one_line(found.input)}, {cases}"


def why(result: OpResult) -> tuple[str, str]:
    """An op that did not pass, in two short lines for the overview: what is wrong, and why."""
    grave = [f for f in result.findings if f.severity in ("fail", "not judged")]
    for found in grave[:1]:
        what = f"{one_line(found.code, 60).replace('-', ' ')}: "
        compared = found.numbers is not None and found.numbers.entries
        what += extent(result, found) if compared else one_line(found.message, 240)
        what += f" (node {one_line(', '.join(found.nodes))})" if found.nodes else ""
        what += f"; and {len(grave) - 1} more" if len(grave) > 1 else ""
        return what, one_line(found.diagnosis, 240)
    return (f"not judged: {one_line(result.reason, 240)}" if result.reason else ""), ""


def _facts(found: Finding) -> list[tuple[str, str]]:
    facts = [("what", cut(_what(found), LONGEST))]
    if found.numbers is not None:
        facts += _numbers(found, found.numbers)
    if found.path:
        facts.append(("path", cut(found.path.replace("->", "→"), LONGEST)))
    if found.edition:
        facts.append(("later", f"fails the run from edition {one_line(found.edition, 40)}"))
    return [(label, words) for label, words in facts if words]


def _what(found: Finding) -> str:
    """The message, where the numbers beside it do not say it already."""
    if found.numbers is None:
        return found.message
    if found.code == "wrong-node":
        return found.message.partition(": gradient of ")[0]
    if found.code != "wrong-gradient":
        return found.message
    undeclared, sign, _ = found.message.partition(", backward is wrong for it")
    return undeclared + sign if sign else ""


def _numbers(found: Finding, numbers: Worst) -> list[tuple[str, str]]:
    error, limit = error_and_limit(numbers)
    difference = f"{unnum(numbers.finite_difference):.6g} ± {unnum(numbers.bound):.1g}"
    steps = [f"{h:.2g}" for h in numbers.steps if h]
    if steps:
        difference += (
            f" (h = {' and '.join(steps)}: truncation {unnum(numbers.truncation):.1g}, "
            f"round-off {unnum(numbers.roundoff):.1g})"
        )
    return [
        ("where", f"gradient of {one_line(found.input)}, entry {place(numbers.entry)}"),
        ("backward pass", f"{unnum(numbers.backward):.6g}"),
        ("finite difference", difference),
        ("relative error", f"{error}; {limit} would have been seen"),
    ]

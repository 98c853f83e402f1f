"""A result in short, as JUnit files of pytest show it: some hundred bytes, and no pictures."""

from __future__ import annotations

from gradcheck.records import Record
from gradcheck.reporters.json import encoded
from gradcheck.results import Finding, OpResult, Source, Verdict, Worst


class ShortFinding(Record, frozen=True, kw_only=True):
    """A `Finding` without its case."""

    code: str
    severity: str
    message: str
    input: str
    entry: tuple[int, ...] | None
    likely: str
    replay: str


class Short(Record, frozen=True, kw_only=True):
    """An `OpResult` without figures, coverage and counts."""

    op: str
    target: str
    kind: str
    verdict: Verdict
    reason: str
    waived: str
    source: Source
    worst: Worst | None
    findings: list[ShortFinding]
    cases: int
    comparisons: int


def short(result: OpResult) -> str:
    """The result as one line of JSON, safe to print."""
    findings = [_finding(found) for found in result.findings]
    own = {name: getattr(result, name) for name in Short.__struct_fields__ if name != "findings"}
    return encoded(Short(findings=findings, **own))


def _finding(found: Finding) -> ShortFinding:
    return ShortFinding(**{name: getattr(found, name) for name in ShortFinding.__struct_fields__})

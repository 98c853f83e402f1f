"""A run as JSON lines, written while it goes on: what was found survives a run that is killed.

The first line is a `Start`, the last an `End`; between them is a `Done` for each op, as soon as it
is checked. A later `Done` of the same op replaces the earlier (a waiver is applied at the end). A
stream without its `End` is an interrupted run.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gradcheck.errors import UsageError
from gradcheck.records import Record
from gradcheck.reporters.json import UNREADABLE, demand_version, encoded
from gradcheck.results import SCHEMA_VERSION, OpResult, Report, Summary, Waived, summarise


class Start(Record, frozen=True, kw_only=True, tag="start", tag_field="record"):
    """The first line: what the results depend on."""

    schema_version: int = SCHEMA_VERSION
    seed: int
    profile: str
    settings: dict[str, Any]
    """Settings given on the command line."""
    in_force: dict[str, Any] = {}  # noqa: RUF012
    """As in a `Report`."""
    environment: dict[str, str]
    planned: int
    """Ops that are to be checked."""
    errors: list[str]
    """Targets that could not be loaded."""


class Done(Record, frozen=True, kw_only=True, tag="op", tag_field="record"):
    """One op is checked."""

    result: OpResult


class End(Record, frozen=True, kw_only=True, tag="end", tag_field="record"):
    """The last line: the run came to its end."""

    summary: Summary
    errors: list[str]
    """All of them, those of the first line included."""
    faults: list[str] = []  # noqa: RUF012
    """As in a `Report`."""
    interrupted: bool
    planned: int
    cut_short: str
    waivers: list[Waived]


Line = Start | Done | End


def render(report: Report) -> str:
    """A whole report, as its run would have written it."""
    lines: list[Line] = [
        start(report),
        *(Done(result=result) for result in report.results),
        end(report),
    ]
    return "".join(line(record) for record in lines)


def start(report: Report) -> Start:
    """The first line of a report."""
    return Start(**{name: getattr(report, name) for name in Start.__struct_fields__})


def end(report: Report) -> End:
    """The last line of a report."""
    return End(**{name: getattr(report, name) for name in End.__struct_fields__})


def line(record: Line) -> str:
    """One line, with its newline."""
    return encoded(record) + "\n"


def is_stream(text: str) -> bool:
    """The text begins as a stream does; a report in one file does not."""
    try:
        msgspec.json.decode(text.partition("\n")[0], type=_Kind)
    except UNREADABLE:
        return False
    return True


def parse(text: str, where: str) -> Report:
    """The report that a stream tells of, as far as it goes.

    Raises
    ------
    UsageError
        A line is no record, or the schema version is another; a last line that is cut off is none.
    """
    complete = text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    demand_version(lines[0], where)
    results: dict[str, OpResult] = {}
    first: Start | None = None
    last: End | None = None
    for number, words in enumerate(lines, start=1):
        try:
            record = _record(words, f"{where}, line {number}")
        except UsageError:
            if number == len(lines) and not complete:
                break  # it was being written
            raise
        if last is not None or isinstance(record, Start) != (number == 1):
            raise UsageError(f"{where}, line {number}: a stream has one start, one end and no more")
        match record:
            case Start():
                first = record
            case Done():
                results[record.result.op] = record.result
            case End():
                last = record
    assert first is not None
    return _report(first, list(results.values()), last)


def _report(first: Start, results: list[OpResult], last: End | None) -> Report:
    if last is None:
        seconds = sum(result.seconds for result in results)
        summary = summarise(results, len(first.errors), seconds)
        cut = msgspec.structs.asdict(first)
        return Report(**cut, summary=summary, results=results, interrupted=True)
    known = {**msgspec.structs.asdict(first), **msgspec.structs.asdict(last)}
    return Report(**known, results=results)


def _record(words: str, where: str) -> Line:
    try:
        record: Line = msgspec.json.decode(words, type=Line)
    except UNREADABLE as error:
        raise UsageError(f"{where} is damaged: {error}") from None
    return record


class _Kind(msgspec.Struct):
    record: str

"""What a terminal says of a run beside its ops: waivers, a run cut short, what is coming."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gradcheck.plain import NAME, SENTENCE, clean
from gradcheck.results import Finding, OpResult, Report, Waived
from gradcheck.settings import EDITIONS


def lines(report: Report) -> list[Text]:
    """A line for each op that is let through, for each waiver that does not hold, and for the rest.

    In that order, so that what makes the run fail stands beside its totals.
    """
    parts = [Text(line, style="yellow") for line in map(_let_through, report.results) if line]
    parts += [Text(line, style="yellow") for line in _in_part(report)]
    parts += [Text(_broken(w), style="bold red") for w in report.waivers if w.state != "met"]
    if line := coming(report):
        parts.append(Text(line))
    if line := cut_short(report):
        parts.append(Text(line, style="bold red"))
    return parts


def cut_short(report: Report) -> str:
    """``412 of 900 ops checked: out of time (--max-time 60)``; empty where all were."""
    done = len(report.results)
    if not (report.missing or report.cut_short):
        return ""
    part = "" if report.missing else ", the last one in part"
    why = "interrupted" if report.interrupted else report.cut_short or "cut short"
    return f"{done} of {report.planned} ops checked{part}: {clean(why, SENTENCE)}"


def coming(report: Report) -> str:
    """What the newest edition would fail, where the run's edition does not."""
    notes = {r.op: _later(r) for r in report.results}
    editions = {f.edition for found in notes.values() for f in found}
    if not editions:
        return ""
    newest = max(editions, key=_order)
    count = sum(bool(found) for found in notes.values())
    ops = f"{count} op{'s' * (count != 1)}"
    return (
        f'edition {newest} would fail {ops} (-v shows why); edition = "{newest}" in '
        "[tool.gradcheck] moves on"
    )


def _later(result: OpResult) -> list[Finding]:
    """Of an op that passes, what it would fail for."""
    return [f for f in result.findings if f.edition] if result.verdict == "pass" else []


def _order(edition: str) -> tuple[int, str]:
    """A report may be of a later gradcheck, whose editions are not known here."""
    return (EDITIONS.index(edition) if edition in EDITIONS else len(EDITIONS), edition)


def _let_through(result: OpResult) -> str:
    if not result.waived:
        return ""
    return f"{clean(result.op, NAME)}: waived {clean(result.waived, SENTENCE)}"


def _in_part(report: Report) -> Iterator[str]:
    """A line for each op of which some of what fails is waived, and something is not."""
    failing = {r.op: r.reason for r in report.results if r.verdict == "fail" and not r.waived}
    known: dict[str, list[str]] = {}
    for waived in report.waivers:
        if waived.state == "met" and waived.op in failing:
            known.setdefault(waived.op, []).append(_of(waived))
    for op, parts in known.items():
        rest = "what else fails is not"
        if why := failing[op]:
            rest = f"and the rest is no pass: {clean(why, SENTENCE)}"
        yield f"{clean(op, NAME)}: only {', '.join(parts)} is waived, {rest}"


def _broken(waived: Waived) -> str:
    return (
        f"waiver {waived.state}: {clean(waived.op, NAME)}, {_of(waived)}: "
        f"{clean(waived.message, SENTENCE)}\n"
        f"  its reason was: {clean(waived.reason, SENTENCE)} (until {waived.expires})"
    )


def _of(waived: Waived) -> str:
    return f"{waived.code} of {clean(waived.input, NAME)}" if waived.input else waived.code

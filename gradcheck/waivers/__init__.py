"""Known failures: a file of waivers, each with a reason and a day on which it expires.

Every door reads the file with `load`, and lets `applied` compare it with what a run found; the exit
code then comes from `policy`. A waiver lets through the one finding that it names, and only as long
as that is found: what is mended, expired or was never there fails the run until its entry is gone.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gradcheck.codes import NOT_JUDGED
from gradcheck.errors import did_you_mean
from gradcheck.records import Record
from gradcheck.results import OpResult, Report, Waived, summarise
from gradcheck.settings import CHECKS, PROFILES, Settings
from gradcheck.waivers.reading import FILE, Waiver, find, load, read

__all__ = [
    "FILE",
    "ONLY_MET",
    "Reach",
    "Waiver",
    "applied",
    "by_op",
    "find",
    "load",
    "read",
    "within",
]

UNSEEN = ("fixed", "unmet")
"""States of a waiver whose finding is not there, of an op that is."""
STOPPED = " cases were run: "
"""In the note of an op whose cases were not all run."""


class Reach(Record, frozen=True, kw_only=True):
    """What a run came to besides the ops that it has results of.

    A waiver of an op that is not in the report is "unmet" only where the run would have met it.
    """

    everything: bool = False
    """All targets of the settings, and no op was filtered out."""
    modules: tuple[str, ...] = ()
    """Modules of which every op was checked."""
    checks: bool = True
    """All checks: where some were left out, a finding that is not there may be there still."""
    cases: bool = True
    """As many cases as profile ci: in fewer, a finding may not be met by chance."""

    def holds(self, op: str) -> bool:
        """Whether the run would have met an op of this id."""
        return self.everything or op.rpartition("::")[0] in self.modules


def within(settings: Settings, *, everything: bool = False, modules: Sequence[str] = ()) -> Reach:
    """The reach of a run with these settings, whatever their source."""
    return Reach(
        everything=everything,
        modules=tuple(modules),
        checks=settings.checks is None or set(CHECKS) <= set(settings.checks),
        cases=settings.cases >= PROFILES["ci"],
    )


ONLY_MET = Reach()
"""A run that says nothing of an op that it has no result of."""


def by_op(waivers: Sequence[Waiver]) -> dict[str, frozenset[tuple[str, str]]]:
    """Code and input of what is waived, by op: what `runner.run_one` wants to know beforehand."""
    return {op: frozenset((w.code, w.input) for w in waivers if w.op == op) for op in _ops(waivers)}


def _ops(waivers: Sequence[Waiver]) -> dict[str, None]:
    return dict.fromkeys(w.op for w in waivers)


def applied(
    report: Report, waivers: Sequence[Waiver], today: datetime.date, reach: Reach = ONLY_MET
) -> Report:
    """The report with what it says of each waiver, and with the ops that are let through.

    An op is let through where waivers that have not expired name all that fails in it; what could
    not be judged beside that counts as failing, by the code "not-judged". Of a waiver nothing is
    said where the run says nothing of its op: other targets, a filter, a run that was cut short or
    interrupted, an op that could not be judged, or that passes in fewer cases than profile ci has.

    Parameters
    ----------
    report : Report
        Of a whole run.
    waivers : sequence of Waiver
        From `read`.
    today : datetime.date
        A waiver holds up to the day that it names, and on it.
    reach : Reach, optional
        Which ops the run would have met, had they been there; default: those that it has met.
    """
    results = {r.op: r for r in report.results}
    cut = report.interrupted or report.missing or report.summary.errors
    said: list[Waived] = []
    let_through: dict[str, list[Waiver]] = {}
    valid = {op: [w for w in waivers if w.op == op and today <= w.expires] for op in results}
    for waiver in waivers:
        result = results.get(waiver.op)
        if result is not None:
            state, message = _met(waiver, result, today)
            if state in UNSEEN and not _says(result, valid.get(waiver.op, ()), reach):
                continue
        elif reach.holds(waiver.op) and not cut:
            state, message = "unmet", _absent(waiver, results)
        else:
            continue
        if state == "met":
            let_through.setdefault(waiver.op, []).append(waiver)
        if state:
            said.append(_said(waiver, state, message))
    done = [_with(r, let_through.get(r.op, ())) for r in report.results]
    totals = summarise(done, report.summary.errors, report.summary.seconds)
    return msgspec.structs.replace(report, results=done, waivers=said, summary=totals)


def _says(result: OpResult, valid: Sequence[Waiver], reach: Reach) -> bool:
    """Whether what is not found in an op is not there: else it may not have been met.

    Where the op fails beside its waivers the run is red without them: what is not met is said.
    """
    whole = reach.cases and not any(STOPPED in note for note in result.assumptions)
    return reach.checks and (whole or not _covered(result, valid))


def _met(waiver: Waiver, result: OpResult, today: datetime.date) -> tuple[str, str]:
    """What an op's result says of a waiver: state and message; empty where it says nothing."""
    if any(_names(waiver, failing) for failing in _failing(result)):
        if today <= waiver.expires:
            return "met", ""
        return "expired", (
            f"it still fails, and the waiver ended on {waiver.expires}: mend it, or move the date "
            f"in {waiver.file} and say why"
        )
    if result.verdict == "pass":
        return "fixed", (
            f"the op passes now, in {result.cases} cases: delete this entry from {waiver.file}"
        )
    if result.verdict == "inconclusive":
        return "", ""
    others = ", ".join(_named(*failing) for failing in _failing(result))
    return "unmet", (
        f"nothing of that kind is found in {result.cases} cases: the op fails with {others}; "
        f"correct or delete this entry in {waiver.file}"
    )


def _absent(waiver: Waiver, results: Mapping[str, OpResult]) -> str:
    hint = did_you_mean(waiver.op, results)
    hint = f".{hint} Correct" if hint.startswith(" Did") else ": correct"
    return f"there is no such op{hint} or delete this entry in {waiver.file}"


def _failing(result: OpResult) -> list[tuple[str, str]]:
    """Code and input of all that has to be waived before an op is let through."""
    if result.verdict == "inconclusive":
        return [(NOT_JUDGED, "")]
    unjudged = [(NOT_JUDGED, "")] if result.reason else []
    return [(f.code, f.input) for f in result.findings if f.severity == "fail"] + unjudged


def _names(waiver: Waiver, failing: tuple[str, str]) -> bool:
    code, input = failing
    return waiver.code == code and waiver.input in ("", input)


def _named(code: str, input: str) -> str:
    return f"{code} of {input}" if input else code


def _covered(result: OpResult, waivers: Sequence[Waiver]) -> bool:
    return all(any(_names(w, f) for w in waivers) for f in _failing(result))


def _with(result: OpResult, waivers: Sequence[Waiver]) -> OpResult:
    """The result with its waivers, where they name all that fails."""
    if not waivers or not _covered(result, waivers):
        return result
    texts = (f"until {w.expires}: {w.reason}" for w in waivers)
    return msgspec.structs.replace(result, waived="; ".join(dict.fromkeys(texts)))


def _said(waiver: Waiver, state: Any, message: str) -> Waived:
    return Waived(
        op=waiver.op,
        code=waiver.code,
        input=waiver.input,
        reason=waiver.reason,
        expires=waiver.expires.isoformat(),
        state=state,
        message=message,
    )

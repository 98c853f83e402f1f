"""Known failures: a file of waivers, each with a reason and a day on which it expires.

Every door reads the file with `load`, and lets `applied` compare it with what a run found; the exit
code then comes from `policy`. A waiver lets through the one finding that it names, and only as long
as that is found: what is mended, expired or was never there fails the run until its entry is gone.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gradcheck.codes import CODES
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.records import Record
from gradcheck.results import OpResult, Report, Waived, summarise
from gradcheck.settings import Settings

FILE = "gradcheck-waivers.toml"
"""Beside pyproject.toml, where the settings name no other."""
NOT_JUDGED = "not-judged"
"""The code of a verdict that could not be reached: of the whole op, so without an input."""
KEYS = ("op", "code", "input", "reason", "expires")
REQUIRED = ("op", "code", "reason", "expires")
EMPTY = {"", "todo", "fixme", "xxx", "tbd", "tba", "wip", "na", "none", "reason", "why", "because"}
"""What is no reason, without its punctuation."""


class Waiver(Record, frozen=True, kw_only=True):
    """One entry of the file."""

    op: str
    code: str
    input: str = ""
    """Empty: any."""
    reason: str
    expires: datetime.date
    """It holds on that day, and no longer."""
    file: str
    """The name of the file, for messages."""


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

    def holds(self, op: str) -> bool:
        """Whether the run would have met an op of this id."""
        return self.everything or op.rpartition("::")[0] in self.modules


ONLY_MET = Reach()
"""A run that says nothing of an op that it has no result of."""


def load(settings: Settings, root: Path, given: str | None = None) -> tuple[Waiver, ...]:
    """The waivers of a run, from the file that `find` finds; none where there is none.

    Raises
    ------
    UsageError
        As `find` and `read`.
    """
    path = find(settings, root, given)
    return read(path) if path is not None else ()


def find(settings: Settings, root: Path, given: str | None = None) -> Path | None:
    """The waiver file of a run; None where none is named and there is none.

    Parameters
    ----------
    settings : Settings
        ``waivers`` is relative to ``root``.
    root : Path
        The folder of pyproject.toml, else the current one.
    given : str, optional
        A path from the command line, relative to the current folder.

    Raises
    ------
    UsageError
        A file is named and is not there.
    """
    if given is None and settings.waivers is None:
        path = root / FILE
        return path if path.exists() or path.is_symlink() else None
    path = Path(given) if given is not None else root / str(settings.waivers)
    if not path.is_file():
        named = "--waivers" if given is not None else "waivers, in the settings,"
        raise UsageError(
            f"{path}: {named} names this file, and there is none. Make it (an empty one waives "
            "nothing), or name another"
        )
    return path


def read(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a file.

    Raises
    ------
    UsageError
        It is no TOML, or an entry lacks a key, has an unknown one or a wrong value, or is there
        twice; names the file, the entry and the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # no TOML and no UTF-8 are ValueErrors
        raise UsageError(f"{path}: cannot be read: {error}") from None
    for key in document:
        if key != "waiver":
            hint = did_you_mean(key, ("waiver",))
            raise UsageError(f"{path}: unknown key {key!r}.{hint} Entries begin with [[waiver]]")
    entries = document.get("waiver", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise UsageError(f"{path}: each entry begins with [[waiver]], in two brackets")
    found: dict[tuple[str, str, str], int] = {}
    read = tuple(_entry(entry, path, number) for number, entry in enumerate(entries, 1))
    for number, waiver in enumerate(read, 1):
        first = found.setdefault((waiver.op, waiver.code, waiver.input), number)
        if first != number:
            where = _where(path, number, waiver.op)
            raise UsageError(f"{where}: the same op, code and input as in entry {first}")
    return read


def _entry(entry: Mapping[str, Any], path: Path, number: int) -> Waiver:
    where = _where(path, number, entry.get("op"))
    for key in entry:
        if key not in KEYS:
            raise UsageError(f"{where}: unknown key {key!r}.{did_you_mean(key, KEYS)}")
    for key in REQUIRED:
        if key not in entry:
            raise UsageError(f"{where}: {key} is missing: every waiver has {_listed(REQUIRED)}")
    for key in ("op", "code", "input", "reason"):
        if not isinstance(entry.get(key, ""), str):
            raise UsageError(f"{where}: {key} = {entry[key]!r}: must be a text in quotes")
    op, code, input = entry["op"], entry["code"], entry.get("input", "")
    if not all(op.rpartition("::")):
        raise UsageError(f"{where}: op = {op!r}: must be an op's id, module::name, as reports show")
    if code not in CODES and code != NOT_JUDGED:
        raise UsageError(f"{where}: code = {code!r}: there is none.{did_you_mean(code, CODES)}")
    if code == NOT_JUDGED and input:
        raise UsageError(f"{where}: input = {input!r}: {NOT_JUDGED} is of the op as a whole")
    reason, expires = " ".join(entry["reason"].split()), entry["expires"]
    if "".join(c for c in reason if c.isalnum()).casefold() in EMPTY:
        raise UsageError(
            f"{where}: reason = {reason!r}: say why it is known and not mended, for whoever reads "
            "this after the date"
        )
    if type(expires) is not datetime.date:  # a date with a time is one, too
        raise UsageError(f"{where}: expires = {expires!r}: must be a date, as in 2027-02-01, bare")
    return Waiver(op=op, code=code, input=input, reason=reason, expires=expires, file=path.name)


def _where(path: Path, number: int, op: object) -> str:
    return f"{path}: entry {number}" + (f" ({op})" if isinstance(op, str) else "")


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1]


def applied(
    report: Report, waivers: Sequence[Waiver], today: datetime.date, reach: Reach = ONLY_MET
) -> Report:
    """The report with what it says of each waiver, and with the ops that are let through.

    An op is let through where waivers that have not expired name all that fails in it. Of a waiver
    nothing is said where the run says nothing of its op: other targets, a filter, a run that was
    cut short or interrupted, an op that could not be judged.

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
    cut = report.interrupted or report.planned > len(report.results) or report.summary.errors
    said: list[Waived] = []
    let_through: dict[str, list[Waiver]] = {}
    for waiver in waivers:
        result = results.get(waiver.op)
        if result is not None:
            state, message = _met(waiver, result, today, all_checks=reach.checks)
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


def _met(
    waiver: Waiver, result: OpResult, today: datetime.date, *, all_checks: bool
) -> tuple[str, str]:
    """What an op's result says of a waiver: state and message; empty where it says nothing."""
    if any(_names(waiver, failing) for failing in _failing(result)):
        if today <= waiver.expires:
            return "met", ""
        return "expired", (
            f"it still fails, and the waiver ended on {waiver.expires}: mend it, or move the date "
            f"in {waiver.file} and say why"
        )
    if not all_checks:
        return "", ""
    if result.verdict == "pass":
        return "fixed", (
            f"the op passes now, in {result.cases} cases: delete this entry from {waiver.file}"
        )
    if result.verdict == "inconclusive":
        return "", ""
    others = ", ".join(_named(*failing) for failing in _failing(result))
    return "unmet", (
        f"nothing of that kind is found: the op fails with {others}; correct or delete this entry "
        f"in {waiver.file}"
    )


def _absent(waiver: Waiver, results: Mapping[str, OpResult]) -> str:
    hint = did_you_mean(waiver.op, results)
    hint = f".{hint} Correct" if hint.startswith(" Did") else ": correct"
    return f"there is no such op{hint} or delete this entry in {waiver.file}"


def _failing(result: OpResult) -> list[tuple[str, str]]:
    """Code and input of all that has to be waived before an op is let through."""
    if result.verdict == "inconclusive":
        return [(NOT_JUDGED, "")]
    return [(f.code, f.input) for f in result.findings if f.severity == "fail"]


def _names(waiver: Waiver, failing: tuple[str, str]) -> bool:
    code, input = failing
    return waiver.code == code and waiver.input in ("", input)


def _named(code: str, input: str) -> str:
    return f"{code} of {input}" if input else code


def _with(result: OpResult, waivers: Sequence[Waiver]) -> OpResult:
    """The result with its waivers, where they name all that fails."""
    named = all(any(_names(w, f) for w in waivers) for f in _failing(result))
    if not (waivers and named):
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

"""The file of waivers: where it is, and what an entry must be."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradcheck.codes import CODES, NOT_JUDGED
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.reading import text_of
from gradcheck.records import Record
from gradcheck.settings import Settings

FILE = "gradcheck-waivers.toml"
"""Beside pyproject.toml, where the settings name no other."""
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
    named = "--waivers" if given is not None else "waivers, in the settings,"
    if path.is_dir():
        raise UsageError(f"{path}: {named} names this folder, where a file is wanted")
    if not path.exists():
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
        It is no regular file or no TOML, or an entry lacks a key, has an unknown one or a wrong
        value, or is there twice; names the file, the entry and the key.
    """
    try:
        document = tomllib.loads(text_of(path))
    except (OSError, ValueError, RecursionError) as error:  # no TOML and no UTF-8 are ValueErrors
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, UnicodeDecodeError):
            reason = "it is no text"
        raise UsageError(f"{path}: cannot be read: {reason}") from None
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
    if code not in CODES:
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

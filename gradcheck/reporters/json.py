"""A report as JSON, and back. NaN and infinities are strings (`results.num`)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gradcheck.errors import UsageError
from gradcheck.plain import visible
from gradcheck.results import SCHEMA_VERSION, Report
from gradcheck.scores import Scores

_UNSEEN = re.compile(r"[^\n\x20-\x7e]")
"""Perhaps not printable; JSON itself writes control characters of ASCII as escapes, all but DEL."""

UNREADABLE = (msgspec.DecodeError, RecursionError)
"""What reading JSON raises; the second where lists in lists have no end."""


def render(report: Report | Scores) -> str:
    """A report, or the scores of a selftest, as indented JSON."""
    return msgspec.json.format(encoded(report), indent=1) + "\n"


def encoded(record: msgspec.Struct) -> str:
    """A record as JSON that is safe to print: characters that are not printable are escapes.

    Halves of surrogate pairs, which UTF-8 does not hold, become text: a backslash, u, a number.
    """
    try:
        text = msgspec.json.encode(record).decode()
    except UnicodeEncodeError:
        text = msgspec.json.encode(_whole(msgspec.to_builtins(record))).decode()
    return _UNSEEN.sub(_escaped, text)


def parse(text: str, where: str) -> Report:
    """The report that `render` wrote.

    Raises
    ------
    UsageError
        It is no report, is cut off, or has another schema version; says which.
    """
    demand_version(text, where)
    try:
        return msgspec.json.decode(text, type=Report)
    except UNREADABLE as error:
        raise UsageError(f"{where} is damaged: {error}") from None


def demand_version(text: str, where: str) -> None:
    """The text is JSON of this schema version.

    Raises
    ------
    UsageError
        As `parse`.
    """
    try:
        version = msgspec.json.decode(text, type=_Version).schema_version
    except UNREADABLE as error:
        raise UsageError(f"{where} is not a gradcheck report: {error}") from None
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{where} has schema version {version}, this gradcheck reads {SCHEMA_VERSION}: "
            "run the check again"
        )


def _escaped(character: re.Match[str]) -> str:
    found = character[0]
    if found.isprintable():
        return found
    units = found.encode("utf-16-be")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))


def _whole(value: Any) -> Any:
    """Plain data in which every text can be encoded."""
    if isinstance(value, str):
        return value if _encodable(value) else visible(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Version(msgspec.Struct):
    schema_version: int

"""A report as JSON, and back. NaN and infinities are strings (`results.num`)."""

from __future__ import annotations

import msgspec

from gradcheck.errors import UsageError
from gradcheck.results import SCHEMA_VERSION, Report
from gradcheck.scores import Scores


def render(report: Report | Scores) -> str:
    """A report, or the scores of a selftest, as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"


def parse(text: str, where: str) -> Report:
    """The report that `render` wrote.

    Raises
    ------
    UsageError
        It is no report, is cut off, or has another schema version; says which.
    """
    try:
        version = msgspec.json.decode(text, type=_Version).schema_version
    except msgspec.DecodeError as error:
        raise UsageError(f"{where} is not a gradcheck report: {error}") from None
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{where} has schema version {version}, this gradcheck reads {SCHEMA_VERSION}: "
            "run the check again"
        )
    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.DecodeError as error:
        raise UsageError(f"{where} is damaged: {error}") from None


class _Version(msgspec.Struct):
    schema_version: int

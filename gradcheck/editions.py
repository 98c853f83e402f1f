"""Editions: what a later gradcheck finds beyond an earlier one is a note until the user moves on.

An edition is a year in the settings. Whoever adds a check, or a kind of finding to one, adds a
year to `settings.EDITIONS` (unless this year is the last of it already) and a row here for each new
code. A run with an earlier edition then says what it found and does not fail. A finding that is
there already keeps its meaning: what makes it stricter needs a code of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gradcheck import settings
from gradcheck.results import Finding

SINCE: dict[str, str] = {}
"""The edition that each later code of a finding came with; the others are of the first."""
FAILS = ("fail", "not judged")


def demoted(finding: Finding, edition: str) -> Finding:
    """The finding, or a note where it would fail a run and came after ``edition``."""
    if finding.severity not in FAILS or not _later(finding.code, edition):
        return finding
    since = SINCE[finding.code]
    message = f"{finding.message} (demanded from edition {since} on)"
    return msgspec.structs.replace(finding, severity="note", edition=since, message=message)


def failing(findings: Iterable[Finding], edition: str) -> bool:
    """Whether one of them is a fail in ``edition``."""
    return any(f.severity == "fail" and not _later(f.code, edition) for f in findings)


def _later(code: str, edition: str) -> bool:
    known = settings.EDITIONS
    return code in SINCE and known.index(SINCE[code]) > known.index(edition)

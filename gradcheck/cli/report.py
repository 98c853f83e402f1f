"""The work of ``gradcheck report``: reports from a result file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradcheck import outputs, policy
from gradcheck.cli.screen import screen
from gradcheck.errors import UsageError
from gradcheck.reading import text_of
from gradcheck.reporters import json, ndjson, terminal
from gradcheck.results import Report
from gradcheck.settings import Settings


def report(results: str, wishes: Sequence[str]) -> int:
    """Write the reports that were asked for, or show the results; the exit code of their run."""
    read = read_results(Path(results))
    places = outputs.parse(wishes)
    outputs.claim(places)
    outputs.write(read, places)
    if not places:
        terminal.print_report(screen(), read, verbosity=0)
    return int(policy.decide(read, Settings()))


def read_results(path: Path) -> Report:
    """The report in a result file, or in the stream of a run, which may have been killed.

    Raises
    ------
    UsageError
        There is no such file, or it is no report.
    """
    try:
        text = text_of(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(
            f"cannot read {path}: {reason}; gradcheck run writes result files"
        ) from None
    read = ndjson.parse if ndjson.is_stream(text) else json.parse
    return read(text, str(path))

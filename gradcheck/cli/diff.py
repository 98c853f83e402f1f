"""The work of ``gradcheck diff``: compare two result files."""

from __future__ import annotations

from pathlib import Path

from gradcheck import files
from gradcheck.changes import compare
from gradcheck.cli.report import read_results
from gradcheck.cli.screen import screen
from gradcheck.errors import NothingCollected
from gradcheck.policy import Exit
from gradcheck.reporters.changes import text
from gradcheck.reporters.json import encoded


def diff(old: str, new: str, json: str | None = None) -> int:
    """Print what changed; the exit code is 1 where something got worse.

    Raises
    ------
    UsageError
        A file cannot be read, or the JSON cannot be written.
    NothingCollected
        Neither file holds a result.
    """
    if json is not None:
        files.claim(Path(json))
    before, after = read_results(Path(old)), read_results(Path(new))
    if not (before.results or after.results or before.errors or after.errors):
        raise NothingCollected(f"neither {old} nor {new} holds a result: nothing to compare")
    changes = compare(before, after)
    screen().print(text(changes, old, new), soft_wrap=True, markup=False)
    if json is not None:
        files.write(Path(json), encoded(changes) + "\n")
    return int(Exit.FAILED if changes.worse else Exit.PASSED)

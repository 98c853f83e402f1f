"""The work of ``gradcheck diff``: compare two result files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradcheck import outputs
from gradcheck.changes import Changes, compare
from gradcheck.cli.report import read_results
from gradcheck.cli.screen import screen
from gradcheck.errors import NothingCollected, UsageError
from gradcheck.outputs import Output
from gradcheck.policy import Exit
from gradcheck.reporters.changes import markdown, text
from gradcheck.reporters.json import encoded

KINDS = ("json", "markdown")


def diff(old: str, new: str, wishes: Sequence[str] = ()) -> int:
    """Print what changed; the exit code is 1 where something got worse.

    Raises
    ------
    UsageError
        A file cannot be read, or a report cannot be written or is of a kind that shows one run.
    NothingCollected
        Neither file holds a result.
    """
    places = outputs.parse(wishes)
    for place in places:
        if place.kind not in KINDS:
            raise UsageError(
                f"--report {place.kind}=...: diff writes {' and '.join(KINDS)}; the other kinds "
                "show one run, as gradcheck report does"
            )
    outputs.claim(places)
    before, after = read_results(Path(old)), read_results(Path(new))
    if not (before.results or after.results or before.errors or after.errors):
        raise NothingCollected(f"neither {old} nor {new} holds a result: nothing to compare")
    changes = compare(before, after)
    console = screen(aside=any(place.standard for place in places))
    console.print(text(changes, old, new), soft_wrap=True, markup=False)
    outputs.put([_rendered(changes, place, old, new) for place in places], places)
    return int(Exit.FAILED if changes.worse else Exit.PASSED)


def _rendered(changes: Changes, place: Output, old: str, new: str) -> str:
    if place.kind == "markdown":
        return markdown(changes, old, new)
    return encoded(changes) + "\n"

"""Reports as files: ``KIND=PATH``, asked for on a command line or in the settings.

Used by the command line and the pytest plugin. Places are claimed before the work, so that nobody
waits for a run whose report cannot be written; then each file is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradcheck import files
from gradcheck.errors import UsageError
from gradcheck.reporters.kinds import renderer
from gradcheck.results import Report


@dataclass(frozen=True, slots=True)
class Output:
    """A report that was asked for."""

    kind: str
    path: Path


def parse(wishes: Iterable[str], root: Path | None = None) -> list[Output]:
    """Outputs from ``KIND=PATH`` texts; relative paths are below ``root``, else the folder here.

    Raises
    ------
    UsageError
        Another form, an unknown kind, or two reports for one file.
    """
    found: list[Output] = []
    for wish in wishes:
        kind, sign, where = wish.partition("=")
        if not sign or not where:
            raise UsageError(f"--report {wish}: KIND=PATH, as in --report json=results.json")
        renderer(kind)
        found.append(Output(kind, (root or Path()) / where))
    paths = [output.path for output in found]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"two reports are to be written to {path}")
    return found


def claim(outputs: Sequence[Output]) -> None:
    """Find out before the work that a report cannot be written.

    Raises
    ------
    UsageError
        As `files.claim`.
    """
    for output in outputs:
        files.claim(output.path)


def write(report: Report, outputs: Sequence[Output]) -> None:
    """Render all, then write all: nothing is written where one of them cannot be made.

    Raises
    ------
    UsageError
        As `files.write`.
    """
    texts = [renderer(output.kind)(report) for output in outputs]
    for output, text in zip(outputs, texts, strict=True):
        files.write(output.path, text)

"""Reports as files: ``KIND=PATH``, asked for on a command line or in the settings.

Used by the command line and the pytest plugin. Places are claimed before the work, so that nobody
waits for a run whose report cannot be written. All reports are made before one is written, and each
file is replaced as a whole. ``-`` as PATH is standard output.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gradcheck import files
from gradcheck.errors import UsageError
from gradcheck.reporters import github, markdown
from gradcheck.reporters.kinds import KINDS, renderer
from gradcheck.results import Report

STANDARD = "-"
"""The PATH that means standard output; a file of that name is ``./-``."""
ACTIONS, SUMMARY = "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"
"""What GitHub sets: that it runs there, and the file that its page of the run is made from."""


@dataclass(frozen=True, slots=True)
class Output:
    """A report that was asked for."""

    kind: str
    path: Path
    standard: bool = False
    """To standard output."""

    @property
    def place(self) -> str:
        """Where it really goes, links followed."""
        return STANDARD if self.standard else os.path.realpath(self.path)


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
        if not sign or not where or "\0" in where:
            raise UsageError(
                f"--report {wish!r}: KIND=PATH, as in --report json=results.json; "
                f"KIND is one of {', '.join(KINDS)}, and PATH is - for standard output"
            )
        renderer(kind)
        found.append(Output(kind, (root or Path()) / where, standard=where == STANDARD))
    _demand_places_of_their_own(found)
    return found


def claim(outputs: Sequence[Output]) -> list[Output]:
    """Find out before the work that a report cannot be written.

    Returns
    -------
    list of Output
        The same, wherever the user's code goes meanwhile (``os.chdir``).

    Raises
    ------
    UsageError
        As `files.claim`; or two reports are for one file.
    """
    _demand_places_of_their_own(outputs)
    for output in outputs:
        if not output.standard:
            files.claim(output.path)
    return [replace(output, path=output.path.absolute()) for output in outputs]


def write(report: Report, outputs: Sequence[Output]) -> None:
    """Render all, then write all: nothing is written where one of them cannot be made.

    Raises
    ------
    UsageError
        As `files.write`; says which reports were written before.
    """
    put([renderer(output.kind)(report) for output in outputs], outputs)


def put(texts: Sequence[str], outputs: Sequence[Output]) -> None:
    """Write texts to their places, one after the other.

    Raises
    ------
    UsageError
        As `write`.
    """
    written: list[str] = []
    for output, text in zip(outputs, texts, strict=True):
        if output.standard:
            _print(text)
            continue
        try:
            files.write(output.path, text)
        except UsageError as error:
            before = f"; written before that: {', '.join(written)}" if written else ""
            raise UsageError(f"{error}{before}") from None
        written.append(str(output.path))


@contextmanager
def no_commands(say: Callable[[str], None], environ: Mapping[str, str]) -> Iterator[None]:
    """On GitHub Actions, see that no line of the user's text that is printed here is a command."""
    if environ.get(ACTIONS) != "true":
        yield
        return
    word = secrets.token_hex(16)
    say(f"::stop-commands::{word}")
    try:
        yield
    finally:
        say(f"::{word}::")


def announce(report: Report, say: Callable[[str], None], environ: Mapping[str, str]) -> None:
    """On GitHub Actions, annotate the lines and add to the page of the run; elsewhere nothing.

    What the page holds already stays. A page that cannot be written is a warning there, as the
    verdict does not depend on it.
    """
    if environ.get(ACTIONS) != "true":
        return
    if annotations := github.render(report):
        say(annotations.removesuffix("\n"))
    if not (page := environ.get(SUMMARY)):
        return
    try:
        taken = os.path.getsize(page) if os.path.exists(page) else 0
        with open(page, "a", encoding="utf-8") as file:
            file.write(markdown.render(report, markdown.LIMIT - taken))
    except OSError as error:
        reason = error.strerror or "cannot be written"
        say(f"::warning title=gradcheck::the summary of this step is missing: {reason}")


def _demand_places_of_their_own(outputs: Sequence[Output]) -> None:
    kinds: dict[str, Output] = {}
    for output in outputs:
        other = kinds.setdefault(output.place, output)
        if other.kind != output.kind:
            where = "standard output" if output.standard else output.path
            raise UsageError(
                f"two reports are to be written to {where}: {other.kind} and {output.kind}"
            )


def _print(text: str) -> None:
    """To standard output, whose reader may go away: the exit code still counts."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise UsageError(f"cannot write standard output: {error.strerror}") from None

"""The user's modules for the command line: what they print on import is no part of its output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from gradcheck import outputs, targets
from gradcheck.errors import UsageError
from gradcheck.model import Op


def load(target: str, root: Path | None = None) -> list[Op]:
    """The ops of a target, as `targets.load`."""
    with aside():
        return targets.load(target, root)


def module(path: str) -> ModuleType:
    """The module of a target, as `targets.import_target`."""
    with aside():
        return targets.import_target(path)


def collect(names: Sequence[str], errors: list[str], root: Path | None = None) -> list[Op]:
    """The ops of all targets; what cannot be loaded goes to ``errors``, and the rest go on.

    Raises
    ------
    NotThere
        A file, module or op that does not exist.
    """
    found: dict[str, Op] = {}
    here = Path.cwd()
    for name in names:
        moved = Path.cwd() != here  # by the import of one before
        try:
            for op in load(name, here if moved and root is None else root):
                found.setdefault(op.id, op)
        except targets.NotThere:
            raise
        except UsageError as error:
            errors.append(str(error))
    return list(found.values())


@contextmanager
def aside() -> Iterator[None]:
    """Send what is printed here to standard error: standard output may be a report.

    GitHub Actions reads commands from either, so there it is told to read none of this.
    """
    if os.environ.get(outputs.ACTIONS) != "true":
        with redirect_stdout(sys.stderr):
            yield
        return
    guarded: Any = _Guarded(sys.stderr)
    with redirect_stdout(guarded), redirect_stderr(guarded):
        try:
            yield
        finally:
            guarded.close_guard()


class _Guarded:
    """A stream in which no line is a command; where nothing is written, nothing is said."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._guard = outputs.no_commands(self._say, os.environ)
        self._open, self._last = False, "\n"

    def write(self, text: str) -> int:
        if text and not self._open:
            self._open = True
            self._guard.__enter__()
        self._last = text[-1:] or self._last
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def close_guard(self) -> None:
        """Commands are read again, from a line of its own on."""
        if self._open:
            self._open = False
            self._stream.write("" if self._last == "\n" else "\n")
            self._guard.__exit__(None, None, None)
            self._guard = outputs.no_commands(self._say, os.environ)

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

"""The terminal: what is printed survives a closed pipe, and a live line says how far a run is."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from gradcheck.model import Op
from gradcheck.records import unnum
from gradcheck.results import OpResult

WIDTH = 120
"""Columns where the output is no terminal."""
PLAIN_SECONDS = 10.0
"""Time between two lines of progress where the output is no terminal."""


class Screen(Console):
    """A console that goes on when its reader went away: the exit code still counts."""

    def on_broken_pipe(self) -> None:
        """``gradcheck run | head -1``."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def screen() -> Screen:
    """Standard output, held fast: it is redirected while the user's code runs."""
    fixed = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH
    return Screen(file=sys.stdout, highlight=False, width=fixed)


class Progress:
    """How far a run is: one live line on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._done = self._failed = 0
        self._worst, self._worst_op, self._now = 0.0, "", ""
        self._started = time.monotonic()

    def begin(self, name: str) -> None:
        """An op is about to be checked."""
        self._now = name

    def over(self, ops: Iterable[Op]) -> Iterator[Op]:
        """The ops, each said to be begun when it is taken."""
        for op in ops:
            self.begin(op.name)
            yield op

    def advance(self, result: OpResult) -> None:
        """An op has been checked."""
        self.count(failed=result.verdict != "pass")
        error = unnum(result.worst.relative_error) if result.worst else 0.0
        if error > self._worst:
            self._worst, self._worst_op = error, result.name

    def count(self, *, failed: bool) -> None:
        """An op is done."""
        self._done += 1
        self._failed += failed

    def __rich__(self) -> Text:
        return Text(self.line(), no_wrap=True, overflow="ellipsis")

    def line(self) -> str:
        """``3 of 12 ops, 1 not passed, worst so far 1.5 (affine): tanh``."""
        failed = f", {self._failed} not passed" if self._failed else ""
        worst = f", worst so far {self._worst:.2g} ({self._worst_op})" if self._worst_op else ""
        return f"{self._done} of {self._total} ops{failed}{worst}: {self._now}"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the line while the block runs, and leave nothing of it behind on a terminal."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            with Status(self, console=self._console, refresh_per_second=8):
                yield
            return
        over = threading.Event()
        beat = threading.Thread(target=self._lines, args=(over,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _lines(self, over: threading.Event) -> None:
        while not over.wait(PLAIN_SECONDS):
            seconds = time.monotonic() - self._started
            self._console.print(f"{self.line()} ({seconds:.0f} s)", soft_wrap=True, markup=False)

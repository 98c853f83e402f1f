"""The terminal: what is printed survives a closed pipe, and a live line says how far a run is."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from gradcheck.plain import NAME, ascii_only, clean, visible
from gradcheck.records import unnum
from gradcheck.results import OpResult

if TYPE_CHECKING:
    from gradcheck.model import Op  # imports NumPy

WIDTH = 120
"""Columns where the output is no terminal."""
PLAIN_SECONDS = 10.0
"""Time between two lines of progress where the output is no terminal."""
SOON = 5
"""Ops that are done before the time left is said: the first ones tell too little."""
SHORT = 3.0
"""Nor is it said in the first seconds of a run."""
SPINNER, PLAIN_SPINNER = "dots", "line"


class Screen(Console):
    """A console that goes on when its reader went away: the exit code still counts.

    Whatever is printed, the only control characters that reach the terminal are Rich's own.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What is drawn, the text in it made visible."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """``gradcheck run | head -1``."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def screen(*, aside: bool = False) -> Screen:
    """Standard output, held fast: it is redirected while the user's code runs.

    ``aside``: standard error, where a report takes standard output.
    """
    stream = sys.stderr if aside else sys.stdout
    fixed = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    live = None if stream.isatty() else False  # colours may be forced into a file, not a live line
    return Screen(file=stream, highlight=False, width=fixed, force_interactive=live)


class Progress:
    """How far a run is: one live line on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._plain = not _encodes(console.encoding, "…⠋")
        self._done = self._failed = 0
        self._worst, self._worst_op, self._now = 0.0, "", ""
        self._started = time.monotonic()

    def begin(self, name: str) -> None:
        """An op is about to be checked."""
        self._now = clean(name, NAME)

    def over(self, ops: Iterable[Op]) -> Iterator[Op]:
        """The ops, each said to be begun when it is taken."""
        for op in ops:
            self.begin(op.name)
            yield op

    def advance(self, result: OpResult) -> None:
        """An op has been checked."""
        self.count(failed=result.verdict != "pass")
        error = unnum(result.worst.relative_error) if result.worst else 0.0
        error = math.inf if math.isnan(error) else error
        if error > self._worst:
            self._worst, self._worst_op = error, clean(result.name, NAME)

    def count(self, *, failed: bool) -> None:
        """An op is done."""
        self._done += 1
        self._failed += failed

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        line = self.line(options.max_width)
        shown = line if _encodes(console.encoding, line) else ascii_only(line)
        yield Text(shown, no_wrap=True, overflow="crop")

    def line(self, width: int = 0) -> str:
        """``8 of 12 ops, 1 not passed, about 2 min left, worst so far 1.5 (affine): tanh``.

        Where the width is not enough, the op at work goes first, then the worst one so far.
        """
        failed = f", {self._failed} not passed" if self._failed else ""
        worst = f", worst so far {self._worst:.2g} ({self._worst_op})" if self._worst_op else ""
        left = time_left(self._done, self._total, time.monotonic() - self._started)
        line = f"{self._done} of {self._total} ops{failed}{left and f', {left}'}"
        for more in (worst, f": {self._now}"):
            if width and cell_len(line + more) > width:
                return _cut(line + more, width, ".." if self._plain else "…")
            line += more
        return line

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the line while the block runs, and leave nothing of it behind on a terminal."""
        if self._console.is_interactive:
            spinner = PLAIN_SPINNER if self._plain else SPINNER
            with Status(self, console=self._console, spinner=spinner, refresh_per_second=8):
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


def time_left(done: int, total: int, seconds: float) -> str:
    """``about 2 min left``, as if the ops to come took as long as those that are done.

    Ops differ a lot, so the units are coarse, and nothing is said before a few are done.
    """
    if done < SOON or seconds < SHORT or done >= total:
        return ""
    left = seconds / done * (total - done)
    if left < 10:
        return "a few seconds left"
    if left < 55:
        return f"about {math.ceil(left / 10) * 10} s left"
    if left < 55 * 60:
        return f"about {math.ceil(left / 60 - 0.1)} min left"
    return f"about {left / 3600:.1g} h left"


def _cut(line: str, width: int, end: str) -> str:
    return set_cell_size(line, max(width - len(end), 0)).rstrip(" ,:(") + end


def _encodes(encoding: str, characters: str) -> bool:
    try:
        return bool(characters.encode(encoding))
    except (UnicodeEncodeError, LookupError):
        return False

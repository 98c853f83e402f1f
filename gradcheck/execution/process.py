"""One child process, seen from its parent: what it is given, says and died of.

A child whose user code has not come back long after its time limit hangs where no exception
reaches, and is ended.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass

from gradcheck.execution import child, death
from gradcheck.execution.data import Answer, Chunk, Death, packed, unpacked

GRACE, SHARE = 1.0, 0.5
"""Seconds, and share of the limit, that user code gets to heed the exception at its time limit."""
POLL = 0.1
LAST = 2.0
"""Seconds that an ended child gets for its last words."""
TAIL = 1 << 16
"""Bytes of what it printed that are looked at."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""One each: two processes of two threads on two cores were measured 21 times slower."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What each child is given."""

    memory: int = 0
    """Bytes of data; 0 is no limit."""
    fresh: bool = False
    """A new child for each task."""
    folder: str = ""
    """Where it runs; empty: here."""
    paths: tuple[str, ...] = ()
    """Where it looks for modules before it looks where we do."""

    @property
    def said(self) -> str:
        """What of it may keep a child from starting."""
        return f" with {self.memory / 2**20:,.0f} MiB of memory" if self.memory else ""


class Child:
    """A fresh interpreter that answers chunks."""

    def __init__(self, terms: Terms) -> None:
        self.used = False
        """It was given something already."""
        self._limit = 0.0
        self._read = b""
        self._kept = tempfile.TemporaryDirectory(prefix="gradcheck-", ignore_cleanup_errors=True)
        beacon = os.path.join(self._kept.name, "deadline")
        with open(beacon, "wb") as file:
            file.write(child.DEADLINE.pack(0.0, 0.0))
        self._beacon = open(beacon, "rb", buffering=0)  # noqa: SIM115
        self._said = open(os.path.join(self._kept.name, "said"), "a+b")  # noqa: SIM115
        code = (
            f"import sys; sys.path[:] = {[*terms.paths, *_path()]!r}; "
            f"from gradcheck.execution.child import main; main({beacon!r}, {terms.memory})"
        )
        self.process = subprocess.Popen(
            [sys.executable, *["-O"] * sys.flags.optimize, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
            cwd=terms.folder or None,
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
            process_group=0,  # Ctrl-C is for the parent
        )

    def give(self, chunk: Chunk) -> None:
        """Send work; that a child is gone already is noticed by what does not come back."""
        self.used = True
        self._said.truncate(0)
        assert self.process.stdin is not None
        with suppress(OSError):
            child.send(self.process.stdin, packed(chunk))

    def answer(self) -> Answer | None:
        """The next answer; None where the child has died."""
        message = self.message()
        return None if message is None else unpacked(message, Answer)

    def message(self) -> bytes | None:
        """The next message; None where the child has died, or had to be ended."""
        assert self.process.stdout is not None
        pipe = self.process.stdout.fileno()
        while (message := self._whole()) is None:
            if select.select([pipe], [], [], POLL)[0]:
                if not (data := os.read(pipe, TAIL)):
                    return None
                self._read += data
            elif self.process.poll() is not None:  # what it started may hold the pipe
                return None
            elif limit := self._overdue():
                self._limit = limit
                self._ask_where()
                return None
        return message

    def death(self) -> Death:
        """How it ended; one that has only closed its pipe is ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST)
        self.process.kill()
        said, trace = death.last_words(self._heard())
        how = death.described(self.process.wait())
        return Death(how=how, said=said, traceback=trace, limit=self._limit)

    def trouble(self) -> str:
        """Why it did not start: its last line."""
        self.death()
        return death.last_words(self._heard())[0] or "it says nothing"

    def discard(self) -> None:
        """End it and leave nothing behind."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._said, self._beacon):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._kept.cleanup()

    def _whole(self) -> bytes | None:
        """A message that has been read to its end."""
        start = child.LENGTH.size
        if len(self._read) < start:
            return None
        end = start + int(child.LENGTH.unpack(self._read[:start])[0])
        if len(self._read) < end:
            return None
        message, self._read = self._read[start:end], self._read[end:]
        return message

    def _overdue(self) -> float:
        """The time limit that its user code has not kept for long; 0 where there is none."""
        told = os.pread(self._beacon.fileno(), child.DEADLINE.size, 0)
        deadline, seconds = child.DEADLINE.unpack(told)
        late = deadline and time.monotonic() > deadline + GRACE + SHARE * seconds
        return float(seconds) if late else 0.0

    def _ask_where(self) -> None:
        """End it so that `faulthandler` writes the frames that it is in."""
        self.process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST)

    def _heard(self) -> str:
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(size - TAIL, 0))
        return self._said.read().decode("utf-8", "replace")


def _path() -> list[str]:
    """Where we look for modules."""
    return [os.path.abspath(p) if p else os.getcwd() for p in sys.path]

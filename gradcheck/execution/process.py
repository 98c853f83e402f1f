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
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from gradcheck import targets
from gradcheck.execution import child, death
from gradcheck.execution.data import Answer, Chunk, Death, packed, unpacked
from gradcheck.settings import Settings, bytes_of

GRACE, SHARE = 1.0, 0.5
"""Seconds, and share of the limit, that user code gets to heed the exception at its time limit."""
POLL = 100
"""Milliseconds between two looks at the clock."""
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

    @classmethod
    def of(cls, settings: Settings, folder: str = "", paths: tuple[str, ...] = ()) -> Terms:
        """What the settings of a run say of its children."""
        return cls(bytes_of(settings.memory_limit), settings.isolate, folder, paths)

    @property
    def said(self) -> str:
        """What of it may keep a child from starting, or from going on."""
        return f" with {self.memory / 2**20:,.0f} MiB of memory" if self.memory else ""


class Child:
    """A fresh interpreter that answers chunks.

    It leads a session of its own: Ctrl-C is for the parent, what asks a terminal finds none, and
    what it starts ends with it. The two files that it shares with its parent have no name, and so
    are gone with both.
    """

    def __init__(self, terms: Terms) -> None:
        """Start it.

        Raises
        ------
        OSError
            The system gives no process, file or pipe.
        """
        import fcntl  # not on Windows, where no crew is made

        self.used = False
        """It was given something already."""
        self._limit = 0.0
        self._read = b""
        with ExitStack() as kept:
            self._state = kept.enter_context(tempfile.TemporaryFile(buffering=0))
            self._said = kept.enter_context(tempfile.TemporaryFile(buffering=0))
            self._state.write(child.STATE.pack(0.0, 0.0, child.NONE))
            fcntl.fcntl(self._said, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
            self.process = subprocess.Popen(
                [sys.executable, *_flags(), "-c", _code(terms, self._state.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                pass_fds=(self._state.fileno(),),
                bufsize=0,
                cwd=terms.folder or None,
                env={**os.environ, **dict.fromkeys(THREADS, "1")},
                start_new_session=True,
            )
            self._kept = kept.pop_all()
        assert self.process.stdout is not None
        self._pipe = self.process.stdout.fileno()
        self._poller = select.poll()
        self._poller.register(self._pipe, select.POLLIN)

    def give(self, chunk: Chunk) -> None:
        """Send work; that a child is gone already is noticed by what does not come back."""
        self.used = True
        assert self.process.stdin is not None
        with suppress(OSError):
            child.send(self.process.stdin, packed(chunk))

    def answer(self) -> Answer | None:
        """The next answer; None where the child has died."""
        message = self.message()
        return None if message is None else unpacked(message, Answer)

    def message(self) -> bytes | None:
        """The next message; None where the child has died, or had to be ended."""
        while (message := self._whole()) is None:
            ended = self.process.poll() is not None  # asked first: what it wrote is there by then
            if self._poller.poll(0 if ended else POLL):
                if not (data := os.read(self._pipe, TAIL)):
                    return None
                self._read += data
            elif ended:  # what it started may hold the pipe
                return None
            elif limit := self._overdue():
                self._limit = limit
                self._ask_where()
                return None
        return message

    def importing(self) -> int:
        """Which of the files of its chunk it is loading; `child.NONE`: none."""
        return int(self._seen()[2])

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

    def kill(self) -> None:
        """End it, and what it has started."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: nobody but the dead is left
            os.killpg(self.process.pid, signal.SIGKILL)

    def discard(self) -> None:
        """End it and leave nothing behind."""
        self.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()
        self._kept.close()

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
        deadline, seconds, _ = self._seen()
        late = deadline and time.monotonic() > deadline + GRACE + SHARE * seconds
        return float(seconds) if late else 0.0

    def _seen(self) -> tuple[Any, ...]:
        return child.STATE.unpack(os.pread(self._state.fileno(), child.STATE.size, 0))

    def _ask_where(self) -> None:
        """End it so that `faulthandler` writes the frames that it is in."""
        self.process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST)

    def _heard(self) -> str:
        said = self._said.fileno()
        start = max(os.fstat(said).st_size - TAIL, 0)
        return os.pread(said, TAIL, start).decode("utf-8", "replace")


def _code(terms: Terms, shown: int) -> str:
    return (
        f"import sys; sys.path[:] = {[*terms.paths, *_path()]!r}; "
        f"from gradcheck.execution.child import main; main({shown}, {terms.memory})"
    )


def _flags() -> list[str]:
    """Options of our own interpreter that change what code does: asserts, warnings, limits."""
    given = sys.flags
    apart = [(given.ignore_environment, "-E"), (given.no_user_site, "-s"), (given.safe_path, "-P")]
    return [
        *["-O"] * given.optimize,
        *["-b"] * given.bytes_warning,
        *["-B"] * given.dont_write_bytecode,
        *["-S"] * given.no_site,
        *(["-I"] if given.isolated else [option for asked, option in apart if asked]),
        *(f"-W{action}" for action in sys.warnoptions),
        *(f"-X{k}" if v is True else f"-X{k}={v}" for k, v in sys._xoptions.items()),
    ]


def _path() -> list[str]:
    """Where we look for modules, but for what loading the targets adds there as it did here.

    Two folders may have a ``helper.py`` each, and the first to be loaded decides.
    """
    own = [p for p in sys.path if p not in targets.added]
    return [os.path.abspath(p) if p else os.getcwd() for p in own]

"""What a child process does: it takes chunks from a pipe and answers each task of them.

Started by `crew`, as a fresh interpreter. It says that it is ready, then of each chunk that its
files are loaded, and then the answers. What it is at stands in a file that it shares with its
parent. Its standard error is another, which the parent reads when it dies: what C code says last,
and the frames of Python that `faulthandler` writes at a crash.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import mmap
import os
import queue
import signal
import struct
import sys
import threading
from typing import IO, BinaryIO

LENGTH = struct.Struct("<Q")
"""Before each message, how many bytes it has."""
STATE = struct.Struct("<ddq")
"""What the parent can see: when the user's code is out of time, the seconds that it was given, and
which file is being imported."""
NONE = -1
"""No file is."""
READY = b""
"""The message that it waits for work, or that the files of a chunk are loaded."""
_DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of Linux."""


def main(shown: int, memory: int) -> None:
    """Answer until the pipe is closed.

    Parameters
    ----------
    shown : int
        Descriptor of the file in which the parent sees what goes on.
    memory : int
        Bytes of data that the process may have; 0 is no limit.
    """
    taken, given = _pipes()
    _on_its_own()
    limit_memory(memory)
    chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(taken, chunks), daemon=True).start()
    import gradcheck.runner  # noqa: F401  # before it is ready: work imports it
    from gradcheck.execution.data import Chunk, packed, unpacked
    from gradcheck.execution.work import Loaded, answers
    from gradcheck.guards import one_blas_thread, tell_deadlines

    state = _State(shown)
    tell_deadlines(state.deadline)
    loaded = Loaded(state.importing)
    send(given, READY)
    with one_blas_thread():
        while True:
            chunk = unpacked(chunks.get(), Chunk)
            loaded.load(chunk.shared)
            state.importing(NONE)
            send(given, READY)
            _forget_words()
            for answer in answers(chunk, loaded):
                send(given, packed(answer))
                _forget_words()


class _State:
    """What it is at, where the parent sees it whatever becomes of this process."""

    def __init__(self, shown: int) -> None:
        self._shared = mmap.mmap(shown, STATE.size)
        os.close(shown)
        self._deadline, self._seconds, self._file = STATE.unpack(self._shared)

    def deadline(self, deadline: float, seconds: float) -> None:
        self._deadline, self._seconds = deadline, seconds
        self._tell()

    def importing(self, file: int) -> None:
        self._file = file
        self._tell()

    def _tell(self) -> None:
        STATE.pack_into(self._shared, 0, self._deadline, self._seconds, self._file)


def _forget_words() -> None:
    """What was printed until now is not the last word of the op that comes next."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the user's code may close it
        sys.stderr.flush()
        os.ftruncate(2, 0)


def send(stream: IO[bytes], message: bytes) -> None:
    """Write one message."""
    stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """Read one message; None where the other side is gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    message = stream.read(length)
    return message if len(message) == length else None


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes from and to the parent, out of reach of whatever prints or reads."""
    taken, given = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return os.fdopen(taken, "rb"), os.fdopen(given, "wb")


def _on_its_own() -> None:
    """The parent alone decides when it ends; a crash tells where it was and leaves no core file."""
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)


def limit_memory(size: int) -> None:
    """What would go beyond raises MemoryError. Data on Linux, elsewhere the address space."""
    if not size:
        return
    import resource

    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    resource.setrlimit(kind, (size, resource.getrlimit(kind)[1]))


def _read(taken: BinaryIO, chunks: queue.SimpleQueue[bytes]) -> None:
    while (message := receive(taken)) is not None:
        chunks.put(message)
    os.killpg(0, signal.SIGKILL)  # the parent is gone: so is this, and what it has started

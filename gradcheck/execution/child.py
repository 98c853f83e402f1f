"""What a child process does: it takes chunks from a pipe and answers each task of them.

Started by `crew`, as a fresh interpreter. Its standard error is a file that the parent reads when
it dies: what C code says last, and the frames of Python that `faulthandler` writes at a crash.
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
DEADLINE = struct.Struct("<dd")
"""What the parent can see: when the user's code is out of time, and the seconds it was given."""
_DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of Linux."""


def main(beacon: str, memory: int) -> None:
    """Answer until the pipe is closed.

    Parameters
    ----------
    beacon : str
        Path of the file in which deadlines are told.
    memory : int
        Bytes of data that the process may have; 0 is no limit.
    """
    taken, given = _pipes()
    _on_its_own()
    limit_memory(memory)
    chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(taken, chunks), daemon=True).start()
    from gradcheck.execution.data import Chunk, packed, unpacked
    from gradcheck.execution.work import answers
    from gradcheck.guards import one_blas_thread

    _tell(beacon)
    send(given, b"")  # ready
    with one_blas_thread():
        while True:
            for answer in answers(unpacked(chunks.get(), Chunk)):
                send(given, packed(answer))


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
    os._exit(0)  # the parent is gone, or wants no more


def _tell(beacon: str) -> None:
    from gradcheck.guards import tell_deadlines

    with open(beacon, "r+b") as file:
        shared = mmap.mmap(file.fileno(), DEADLINE.size)

    def told(deadline: float, seconds: float) -> None:
        DEADLINE.pack_into(shared, 0, deadline, seconds)

    tell_deadlines(told)

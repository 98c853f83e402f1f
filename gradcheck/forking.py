"""Work in a forked child of this process: what it does, it does there, and what kills, kills there.

A fork copies no thread. Whether a library works in such a child is for its door to know.
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable

_STOPPED = 9
"""Exit code of a child that could not even say what went wrong."""


class ChildDied(ChildProcessError):
    """A child ended before its work did; says how."""

    def __init__(self, code: int) -> None:
        self.code = code
        """Its exit code; a signal's number, negative."""
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        super().__init__(f"the child process that checked it died ({how})")


def in_a_child(work: Callable[[], str], seconds: float = math.inf) -> str:
    """What ``work`` returns, in a child that sees nothing of the terminal.

    Parameters
    ----------
    work : callable
    seconds : float
        A child that is still at work then is ended.

    Raises
    ------
    TimeoutError
        The child was ended.
    ChildDied
        It ended by itself.
    """
    reading, writing = os.pipe()
    child = _forked()
    if child == 0:
        os.close(reading)
        _child(work, writing)
    os.close(writing)
    ended = False
    try:
        text = _read(reading, seconds)
        ended = True
    finally:
        os.close(reading)
        if not ended:
            os.kill(child, signal.SIGKILL)
        code = _ended(child)
    if not text:
        raise ChildDied(code)
    return text


def _ended(child: int) -> int:
    """The exit code of a child, waited for; a signal's number, negative."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except ChildProcessError:  # SIGCHLD is ignored here: the system has waited for it
        return _STOPPED


def _forked() -> int:
    if sys.version_info < (3, 12):
        return os.fork()
    with warnings.catch_warnings():  # of other threads, which the child has no use for
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _child(work: Callable[[], str], writing: int) -> None:
    """Do the work, send what it returns, and be gone: nothing of the parent's is cleaned up."""
    code = _STOPPED
    try:
        sys.settrace(None)
        sys.setprofile(None)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        text = work().encode()
        while text:
            text = text[os.write(writing, text) :]
        code = 0
    finally:
        os._exit(code)


def _read(reading: int, seconds: float) -> str:
    """All that a child writes until it closes its end."""
    until, found = time.monotonic() + seconds, b""
    while True:
        left = until - time.monotonic()
        wait = None if math.isinf(left) else max(left, 0.0)
        if not select.select([reading], [], [], wait)[0]:
            raise TimeoutError(f"it was still at work after {seconds:g} s, and was ended")
        got = os.read(reading, 1 << 16)
        if not got:
            return found.decode()
        found += got

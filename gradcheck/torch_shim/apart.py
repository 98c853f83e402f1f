"""Running ours so that nothing of the user's session changes: in a child of this process, or here.

On Linux without an accelerator a forked child does the work: whatever the user's function keeps,
draws, warns of or prints is the child's, and what never ends is ended. Where a fork is not safe
(an accelerator whose autograd threads run, JAX, other systems) it is done here, and random states,
tensors and their gradients are put back.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gradcheck.torch_shim.keeping import kept

GRACE = 5.0
"""Seconds over the limit after which a child is ended."""
_STOPPED = 9
"""Exit code of a child that could not even say what went wrong."""


def can_fork() -> bool:
    """A forked child can run autograd here."""
    if not sys.platform.startswith("linux") or "jax" in sys.modules:
        return False
    accelerator = getattr(torch, "accelerator", None)
    found = torch.cuda.is_available() if accelerator is None else accelerator.is_available()
    return not found


def apart(work: Callable[[], str], seconds: float, owners: tuple[Any, ...]) -> str:
    """What ``work`` returns, with this process as it was before.

    Parameters
    ----------
    work : callable
    seconds : float
        Its own limit; a child that is still at work some seconds later is ended.
    owners : tuple
        The function under test and its inputs: what they reach is put back where no child is made.

    Raises
    ------
    TimeoutError
        The child was ended.
    ChildProcessError
        The child died; says how.
    """
    with _no_alarm():
        if can_fork():
            return _in_a_child(work, seconds + GRACE)
        with kept(owners):
            return work()


@contextlib.contextmanager
def _no_alarm() -> Iterator[None]:
    """The alarm of a test's time limit (pytest-timeout) waits meanwhile."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    left = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if left[0]:
            signal.setitimer(signal.ITIMER_REAL, *left)


def _in_a_child(work: Callable[[], str], seconds: float) -> str:
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
        _, status = os.waitpid(child, 0)
    if not text:
        code = os.waitstatus_to_exitcode(status)
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        raise ChildProcessError(f"the child process that checked it died ({how})")
    return text


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
        torch.set_num_threads(1)  # OpenMP's threads are not in the child
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
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            raise TimeoutError(f"it was still at work after {seconds:g} s, and was ended")
        got = os.read(reading, 1 << 16)
        if not got:
            return found.decode()
        found += got

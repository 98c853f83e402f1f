"""Running ours so that nothing of the user's session changes: in a child of this process, or here.

On Linux without an accelerator a forked child does the work: whatever the user's function keeps,
draws, warns of or prints is the child's, and what never ends is ended. Where a fork is not safe
(an accelerator whose autograd threads run, JAX, other systems) it is done here, and random states,
tensors and their gradients are put back.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gradcheck.forking import in_a_child
from gradcheck.frameworks.torch.forking import can_fork
from gradcheck.torch_shim.keeping import kept

GRACE = 5.0
"""Seconds over the limit after which a child is ended."""


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
    ChildDied
        The child died; says how.
    """
    with _no_alarm():
        if can_fork():
            return in_a_child(lambda: _single(work), seconds + GRACE)
        with kept(owners):
            return work()


def _single(work: Callable[[], str]) -> str:
    torch.set_num_threads(1)
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

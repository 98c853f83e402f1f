"""What may end a run: one interrupt, and no second one its reports; no `os._exit` at all."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

AGAIN = 1.0
"""Seconds in which a further signal is the same one: terminals and CI runners send it twice."""


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, at most once in `AGAIN` seconds.

    A CI that is out of time sends SIGTERM; the run then keeps what there is. What ignores
    interrupts, a background job, goes on doing so. Only the main thread can be asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -AGAIN

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= AGAIN:
            last = now
            raise KeyboardInterrupt

    kinds = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]
    before = {s: signal.signal(s, handle) for s in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def no_sudden_end() -> Iterator[None]:
    """``os._exit`` raises SystemExit in this process: else it would end a run without a word."""
    end, own = os._exit, os.getpid()

    def refused(status: int) -> NoReturn:
        if os.getpid() != own:  # a fork's own business
            end(status)
        raise SystemExit(f"os._exit({status}) was called")

    os._exit = refused
    try:
        yield
    finally:
        os._exit = end

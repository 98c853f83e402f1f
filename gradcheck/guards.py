"""Running other people's code: limited in time, quiet, and with the global random state pinned."""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class TimeLimit(BaseException):
    """The user's code ran longer than its limit.

    A BaseException, so that ``except Exception`` in that code does not swallow it.
    """


class _Watchdog:
    """One daemon thread that raises `TimeLimit` in the checking thread when a deadline passes.

    An alarm signal would be simpler, but pytest-timeout owns it, and it works in the main thread
    only. Python code is interrupted between two bytecodes; compiled code is not.

    It is woken only for a deadline before the moment at which it looks next: else every case would
    cost two changes of thread.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._deadline = math.inf
        self._looks = math.inf
        self._thread_id = 0
        self._started = False
        self.told: Callable[[float, float], None] | None = None
        """Is told of each deadline, of ``time.monotonic``, and of the seconds up to it; 0, 0: none.

        A process that watches this one ends it where an exception cannot."""

    def arm(self, seconds: float) -> None:
        with self._wake:
            if not self._started:
                threading.Thread(target=self._watch, daemon=True, name="gradcheck-limit").start()
                self._started = True
            self._thread_id = threading.get_ident()
            self._deadline = time.monotonic() + seconds
            if self.told is not None:
                self.told(self._deadline, seconds)
            if self._deadline < self._looks:
                self._wake.notify()

    def disarm(self) -> None:
        with self._wake:
            self._deadline = math.inf
            if self.told is not None:
                self.told(0.0, 0.0)

    def _watch(self) -> None:
        with self._wake:  # which a wait gives back until it is over
            while True:
                left = self._deadline - time.monotonic()
                if left > 0:
                    self._looks = self._deadline
                    self._wake.wait(None if left == math.inf else min(left, threading.TIMEOUT_MAX))
                    continue
                self._deadline = math.inf
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread_id), ctypes.py_object(TimeLimit)
                )


_watchdog = _Watchdog()


def tell_deadlines(told: Callable[[float, float], None]) -> None:
    """Call this with each deadline of the user's code and the seconds up to it; with 0, 0 after."""
    _watchdog.told = told


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeLimit` here when the block takes longer than ``seconds``. Does not nest."""
    if not seconds:
        yield
        return
    _watchdog.arm(seconds)
    try:
        yield
    finally:
        _watchdog.disarm()


def within_limit(work: Callable[[], T], seconds: float | None, otherwise: T) -> T:
    """What ``work`` returns, or ``otherwise`` where it takes longer: the check will say so."""
    try:
        with time_limit(seconds):
            return work()
    except TimeLimit:
        return otherwise


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What ``work`` returns, and the seconds that it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard what the user's code prints and warns: thousands of evaluations repeat it."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS products differ bitwise between one and two threads; small ones are slower in two."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="blas"):
        yield


class GlobalRandom:
    """NumPy's global random state: pinned before each call, so that dropout is a function.

    Setting 2.5 kB of state costs more than a small forward pass; it is skipped for ops that were
    seen not to use it.
    """

    def __init__(self, seed: int) -> None:
        self._state: Any = np.random.RandomState(seed).get_state()
        self._used: bool | None = None

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Give the caller's own global state back at the end."""
        before = np.random.get_state()
        try:
            yield
        finally:
            np.random.set_state(before)

    @property
    def unused(self) -> bool:
        """The op was seen not to draw from it."""
        return self._used is False

    def pin(self) -> None:
        if self._used is not False:
            np.random.set_state(self._state)

    def observe(self) -> None:
        """After the first calls of an op: did it draw from the global state?"""
        now: Any = np.random.get_state()
        moved = now[2] != self._state[2] or not np.array_equal(now[1], self._state[1])
        self._used = bool(self._used) or bool(moved)

"""Running other people's code: limited in time, quiet, and with the global random state pinned."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from gradcheck.foreign import Generator

T = TypeVar("T")


_LIMIT = "gradcheck-limit"
"""The name of our own thread."""


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

    def forget(self) -> None:
        """In a forked child, which has no thread but the one that forked."""
        self._wake = threading.Condition()
        self._deadline = self._looks = math.inf
        self._started = False

    def arm(self, seconds: float) -> None:
        with self._wake:
            if not self._started:
                threading.Thread(target=self._watch, daemon=True, name=_LIMIT).start()
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
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_watchdog.forget)


def tell_deadlines(told: Callable[[float, float], None]) -> None:
    """Call this with each deadline of the user's code and the seconds up to it; with 0, 0 after."""
    _watchdog.told = told


class _Limited:
    """A block that is limited in time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        _watchdog.arm(self._seconds)

    def __exit__(self, *_: object) -> None:
        _watchdog.disarm()


_UNLIMITED = contextlib.nullcontext()
"""One for all: it has no state."""


def time_limit(seconds: float | None) -> contextlib.AbstractContextManager[None]:
    """Raise `TimeLimit` here when the block takes longer than ``seconds``. Does not nest."""
    return _Limited(seconds) if seconds else _UNLIMITED


def alone() -> bool:
    """No thread of Python's runs but this one: none holds a lock, which a fork would keep held."""
    others = [t for t in threading.enumerate() if t.name != _LIMIT]
    return others == [threading.current_thread()]


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
def process_kept() -> Iterator[None]:
    """Give back what the user's code may have changed for all: the folder, the recursion limit."""
    depth = sys.getrecursionlimit()
    with contextlib.ExitStack() as stack:
        stack.callback(sys.setrecursionlimit, depth)
        with contextlib.suppress(OSError):  # it is gone
            stack.callback(_back_to, os.getcwd())
        yield


def _back_to(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.chdir(folder)


@contextlib.contextmanager
def crashes_told() -> Iterator[None]:
    """A crash of compiled code prints the lines of Python that it was called from."""
    told = faulthandler.is_enabled()
    if not told:
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # no file
            faulthandler.enable(sys.__stderr__, all_threads=False)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if not told:
            faulthandler.disable()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS products differ bitwise between one and two threads; small ones are slower in two.

    PyTorch has threads of its own; it is asked where somebody has imported it.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch = sys.modules.get("torch")
    before = getattr(torch, "get_num_threads", lambda: 1)()
    if before != 1:
        torch.set_num_threads(1)  # type: ignore[union-attr]
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        if before != 1:
            torch.set_num_threads(before)  # type: ignore[union-attr]


class NumpyRandom:
    """NumPy's global random state, as `foreign.Generator` has it."""

    def seeded(self, seed: int) -> Any:
        return np.random.RandomState(seed).get_state()

    def state(self) -> Any:
        return np.random.get_state()

    def restore(self, state: Any) -> None:
        np.random.set_state(state)

    def same(self, a: Any, b: Any) -> bool:
        return bool(a[2] == b[2] and np.array_equal(a[1], b[1]))


class GlobalRandom:
    """Global random states: pinned before each call, so that dropout is a function.

    NumPy's, and the one of the framework that an op belongs to. Setting 2.5 kB of state costs more
    than a small forward pass; it is skipped for ops that were seen not to use it.
    """

    def __init__(self, seed: int, *more: Generator | None) -> None:
        self._generators: list[Generator] = [NumpyRandom(), *(g for g in more if g is not None)]
        self._states = [g.seeded(seed) for g in self._generators]
        self._used: bool | None = None

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Give the caller's own global state back at the end."""
        before = [g.state() for g in self._generators]
        try:
            yield
        finally:
            self._set(before)

    @property
    def unused(self) -> bool:
        """The op was seen not to draw from it."""
        return self._used is False

    def pin(self) -> None:
        if self._used is not False:
            self._set(self._states)

    def _set(self, states: list[Any]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.restore(state)

    def observe(self) -> None:
        """After the first calls of an op: did it draw from the global state?"""
        pairs = zip(self._generators, self._states, strict=True)
        moved = any(not g.same(g.state(), state) for g, state in pairs)
        self._used = bool(self._used) or moved

"""The functions in the place of PyTorch's: they call those first, then ours, and keep a record."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import torch

from gradcheck.errors import UsageError
from gradcheck.frameworks import framework_of
from gradcheck.guards import quiet
from gradcheck.plain import NAME, SENTENCE, clean, told
from gradcheck.torch_shim.apart import apart
from gradcheck.torch_shim.call import Call, NotTaken, name_of, read
from gradcheck.torch_shim.judging import judged
from gradcheck.torch_shim.record import Record, Said

HOME = "torch.autograd.gradcheck"
"""The module: the attribute of that name of `torch.autograd` is the function."""
ORDERS = {"gradcheck": 1, "gradgradcheck": 2}


class Beside:
    """Runs ours beside every call while it is installed.

    Parameters
    ----------
    cases : int
        Points at which ours judges: the call's own, and others near it.
    seconds : float
        For ours at one call.

    Attributes
    ----------
    records : list of Record
        Of the calls since `take` was called last.
    """

    def __init__(self, cases: int, seconds: float) -> None:
        self.cases, self.seconds = cases, seconds
        self.records: list[Record] = []
        self._originals: dict[str, Callable[..., bool]] = {}
        self._ours: dict[str, Callable[..., bool]] = {}
        self._busy = threading.local()

    def install(self) -> None:
        """Bind ours wherever PyTorch's are bound in a module now; more than once does no harm."""
        home = sys.modules[HOME]
        with contextlib.suppress(UsageError):  # then each call says so
            framework_of(len, (torch.zeros(()),))  # loads the door once, for all children
        for name in ORDERS:
            if name not in self._originals:
                self._originals[name] = getattr(home, name)
                self._ours[name] = self._beside(name)
            _rebind(self._originals[name], self._ours[name])

    def uninstall(self) -> None:
        """Bind PyTorch's own wherever ours are bound."""
        for name, original in self._originals.items():
            _rebind(self._ours[name], original)

    def take(self) -> list[Record]:
        """The records since the last time."""
        taken, self.records = self.records, []
        return taken

    def _beside(self, name: str) -> Callable[..., bool]:
        original = self._originals[name]

        @functools.wraps(original)
        def function(*arguments: Any, **keywords: Any) -> bool:
            __tracebackhide__ = True
            if getattr(self._busy, "now", False):  # gradgradcheck calls gradcheck
                return original(*arguments, **keywords)
            judge = self._prepared(name, arguments, keywords)
            self._busy.now, started = True, time.perf_counter()
            try:
                returned = original(*arguments, **keywords)
            except Exception as error:
                judge(_raised(error, time.perf_counter() - started))
                raise
            else:
                judge(_returned(returned, time.perf_counter() - started))
            finally:
                self._busy.now = False
            return returned

        return function

    def _prepared(
        self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Callable[[Said], None]:
        """Read the call before PyTorch runs it, which may write into its inputs."""
        function = arguments[0] if arguments else keywords.get("func")
        call: Call | Exception
        try:
            call = read(self._originals[name], ORDERS[name], arguments, keywords)
        except Exception as error:
            call = error
        where = _test() or _place()

        def judge(theirs: Said) -> None:
            ours = self._said(call, theirs, (arguments, keywords))
            shown = clean(_safe_name(function), NAME)
            self.records.append(
                Record(test=where, name=shown, order=ORDERS[name], theirs=theirs, ours=ours)
            )

        return judge

    def _said(self, call: Call | Exception, theirs: Said, owners: tuple[Any, ...]) -> Said:
        """Ours; whatever goes wrong in it is a sentence."""
        if theirs.verdict == "not run":
            return Said(verdict="not run", sentence=f"{HOME} raises {theirs.sentence}")
        if isinstance(call, Exception):
            return Said(verdict="not run", sentence=_sentence(call))

        started = time.perf_counter()

        def work() -> str:
            return msgspec.json.encode(self._safely(call, started)).decode()

        try:
            return msgspec.json.decode(apart(work, self.seconds, owners), type=Said)
        except Exception as error:
            seconds = time.perf_counter() - started
            return Said(verdict="not run", sentence=_sentence(error), seconds=seconds)

    def _safely(self, call: Call, started: float) -> Said:
        try:
            with quiet():
                return judged(call, self.cases, self.seconds)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also what ends a test, as pytest.skip does
            seconds = time.perf_counter() - started
            return Said(verdict="not run", sentence=_sentence(error), seconds=seconds)


def _sentence(error: BaseException) -> str:
    said = clean(told(error), SENTENCE)
    plain = isinstance(error, (NotTaken, TimeoutError, ChildProcessError))
    return said if plain else f"{type(error).__name__}: {said}"


def _returned(right: bool, seconds: float) -> Said:
    if right:
        return Said(verdict="pass", seconds=seconds)
    return Said(verdict="fail", sentence="returned False", seconds=seconds)


def _raised(error: Exception, seconds: float) -> Said:
    """What PyTorch's raised: its own verdict, or an error of the call or of the function."""
    first = clean(told(error).strip().partition("\n")[0], SENTENCE)
    if isinstance(error, sys.modules[HOME].GradcheckError):
        return Said(verdict="fail", sentence=first, seconds=seconds)
    sentence = f"{type(error).__name__}: {first}"
    return Said(verdict="not run", sentence=sentence, seconds=seconds)


def _safe_name(function: Any) -> str:
    try:
        return name_of(function)
    except Exception:
        return "a function"


def _test() -> str:
    """The id of the test that pytest runs now."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def _place() -> str:
    """The file and line of the call, from outside of this file and of PyTorch."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _rebind(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Put one function in the place of another, in every module that holds it."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        for name in [n for n, value in list(names.items()) if value is old]:
            names[name] = new

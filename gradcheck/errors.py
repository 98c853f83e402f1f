"""Errors that a user can mend. Each message says what, where, why, and what to do next."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.results import OpResult


class UsageError(Exception):
    """The call, the command line or the settings are wrong; nothing was checked (exit code 2)."""


class TargetError(UsageError):
    """A target could not be imported, or holds no op of that name."""


class TooLarge(UsageError):
    """The cases of an op do not fit into the memory that there is."""


class OwnFault(UsageError):
    """A fault of gradcheck's own at one op: it is left out, the others are checked (exit code 3).

    Attributes
    ----------
    trace : str
        The traceback.
    """

    def __init__(self, trace: str) -> None:
        last = trace.strip().rpartition("\n")[2]
        super().__init__(f"internal error, please report it: {last}")
        self.trace = trace

    def __reduce__(self) -> tuple[type[OwnFault], tuple[str]]:
        return OwnFault, (self.trace,)


class NothingCollected(Exception):
    """There was no op to check (exit code 5)."""


class GradientError(AssertionError):
    """An op failed, or could not be judged.

    Attributes
    ----------
    result : OpResult
        Everything that was found, as the reports show it.
    """

    def __init__(self, message: str, result: OpResult) -> None:
        super().__init__(message)
        self.result = result


@contextmanager
def faults_told() -> Iterator[None]:
    """What goes wrong in gradcheck itself, where one op is checked.

    Raises
    ------
    TooLarge
        Memory is short.
    OwnFault
        Anything else that is no `UsageError`.
    """
    try:
        yield
    except UsageError:
        raise
    except MemoryError as error:
        what = f" ({error})" if str(error) else ""
        raise TooLarge(
            f"there is not enough memory for a case{what}: give it a smaller example, or smaller "
            "sizes in its signature"
        ) from error
    except Exception as error:
        raise OwnFault("".join(traceback.format_exception(error))) from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'affine'?`` for a near miss, else the known names, else nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return " Did you mean " + " or ".join(repr(n) for n in close) + "?"
    if names:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        return f" Known: {shown}."
    return ""

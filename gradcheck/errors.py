"""Errors that a user can mend. Each message says what, where, why, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.results import OpResult


class UsageError(Exception):
    """The call, the command line or the settings are wrong; nothing was checked (exit code 2)."""


class TargetError(UsageError):
    """A target could not be imported, or holds no op of that name."""


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

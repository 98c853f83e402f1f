"""How a test ends: what was checked in it has a say where nothing else in it failed.

A known failure, or too many examples of Hypothesis that could not be judged, must not end a test
before its other lines have run; so they are noted, and told when its report is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

_ENDINGS: pytest.StashKey[dict[str, Ending]] = pytest.StashKey()
"""By op."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the checks of one op end their test."""

    known: str = ""
    """Why its failure is let through: the test is reported as xfailed."""
    failure: str = ""
    """The test fails with this text."""


def fresh(item: pytest.Item) -> None:
    """A test begins, perhaps once more."""
    item.stash[_ENDINGS] = {}


def note(item: pytest.Item, op: str, end: Ending) -> None:
    """How an op ends a test, over what was noted of it before."""
    item.stash.setdefault(_ENDINGS, {})[op] = end


def of_phase(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """End a phase that went well with what was noted: a failure before what is known to fail."""
    if call.when == "setup" and call.excinfo is None:  # a fixture's checks: the call tells
        return
    ends = item.stash.get(_ENDINGS, {})
    item.stash[_ENDINGS] = {}
    if call.excinfo is not None:
        return
    failures = [end.failure for end in ends.values() if end.failure]
    known = dict.fromkeys(end.known for end in ends.values() if end.known)
    try:
        if failures:
            raise pytest.fail.Exception("\n\n".join(failures), pytrace=False)
        if known:
            raise pytest.xfail.Exception("; ".join(known), pytrace=False)
    except pytest.fail.Exception:  # of which an xfail is a kind
        call.excinfo = pytest.ExceptionInfo.from_current()

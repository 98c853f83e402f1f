"""``max-time`` in a session: when its time is over, and what becomes of the ops that are left.

An op that is not begun is skipped, with the reason; one that was cut is not judged. Neither is a
pass, so the session fails. Each process of xdist counts for itself, from its own beginning.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest

from gradcheck.plugin import carrying, options

if TYPE_CHECKING:
    from gradcheck.results import OpResult
    from gradcheck.settings import Settings

_BEGUN: pytest.StashKey[float] = pytest.StashKey()
_LATE: pytest.StashKey[bool] = pytest.StashKey()


def begin(config: pytest.Config) -> None:
    """From now on the time of the session is counted."""
    config.stash[_BEGUN] = time.perf_counter()


def until(config: pytest.Config) -> float:
    """When it is over; never, where the settings have no ``max-time``."""
    seconds = options.settings(config).max_time
    return config.stash[_BEGUN] + seconds if seconds else math.inf


def demand_time(item: pytest.Item) -> None:
    """Skip an op that would be begun too late."""
    if time.perf_counter() > until(item.config):
        item.stash[_LATE] = True
        pytest.skip(f"not checked: {why(options.settings(item.config))}")


def demand_whole(item: pytest.Item, result: OpResult) -> None:
    """Note that an op was cut; skip it where the settings let through what is not judged."""
    from gradcheck.policy import fails
    from gradcheck.series import LATE

    if result.verdict != "inconclusive" or not result.reason.endswith(LATE):
        return
    item.stash[_LATE] = True
    if not (result.waived or fails(result, options.settings(item.config))):
        pytest.skip(f"not judged: {result.reason}")


def why(settings: Settings) -> str:
    """Why the session was cut short."""
    return f"out of time (max-time {settings.max_time:g})"


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Tell the process that writes reports; the note is of one attempt."""
    if item.stash.get(_LATE, False):
        setattr(report, carrying.LATE, True)
        item.stash[_LATE] = False

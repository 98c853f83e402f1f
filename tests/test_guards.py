"""The limit on the user's code: it ends what is too long, and nothing else afterwards."""

from __future__ import annotations

import time

import pytest

from gradcheck.guards import TimeLimit, time_limit


def busy(seconds: float) -> None:
    """Python code that an exception can interrupt; it gives up in the end, lest a test hang."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize("before", [(), (60.0,), (0.05,), (60.0, 0.05, 60.0)])
def test_a_limit_holds_whatever_limits_came_before(before: tuple[float, ...]) -> None:
    for seconds in before:
        with time_limit(seconds):
            pass
    with pytest.raises(TimeLimit), time_limit(0.1):
        busy(20.0)


def test_a_limit_that_is_over_stops_nothing_that_comes_later() -> None:
    with time_limit(0.05):
        pass
    with time_limit(60.0):
        busy(0.2)


def test_a_second_limit_holds_after_the_first_was_passed() -> None:
    for _ in range(2):
        with pytest.raises(TimeLimit), time_limit(0.05):
            busy(20.0)

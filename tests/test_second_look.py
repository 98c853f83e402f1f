"""What three evaluations leave open is asked once more at another step, before it climbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradcheck.claims import Claims
from gradcheck.compare import SMALL, Rules, Status
from gradcheck.floats import eps_of
from gradcheck.judging import Judge
from gradcheck.point import Entries
from tests.gates import Array
from tests.test_structure import at

Function = Callable[[Array], Array]


def judge(function: Function, slope: Array, x: Array, signif: float | None = None) -> Judge:
    """Who judges what backward says of an elementwise function, upstream being 1."""
    point = at(function, x, dtype=str(x.dtype))
    point.cotangent[:] = 1.0
    gradient = np.asarray(slope, np.float64)
    eps = eps_of(x.dtype)
    claims = Claims([gradient], lambda _: eps, lambda: (gradient * eps,), lambda _: [gradient])
    return Judge(point, claims, Rules.of(point.precision, signif))


def first_look(judge: Judge) -> list[int]:
    """What is open after three evaluations of each entry."""
    along = Entries(0, judge.point.primals[0].size)
    return judge._quick.many(along, judge.differences(along)).open


CASES = {
    # curved: float32's step of 1/32 is doubled above sqrt(2)
    "shorter, float32": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, np.float32([1.5, 1.75, 0.0])),
    "shorter, float64": (np.log, lambda x: 1 / x, np.array([0.02, 0.05, 3.0])),
    # a line far away from 0: half a unit in the last place of 300, over a step of 1/32
    "longer, float32": (lambda x: x + 300, np.ones_like, np.float32([0.5, -0.25, 1.0])),
    "longer, float64": (lambda x: x + 1e5, np.ones_like, np.array([0.5, -0.25, 1.0])),
}


@pytest.mark.parametrize("name", CASES)
def test_another_step_settles_what_is_right(name: str) -> None:
    function, slope, x = CASES[name]
    made = judge(function, slope(x.astype(np.float64)), x)
    assert first_look(made)
    screened = made.screen(Entries(0, x.size))
    assert not screened.open
    judged = made.finish(screened)
    assert not judged.climbed.any()
    assert judged.where(Status.PASS) == range(x.size)
    assert (np.abs(judged.value - slope(x.astype(np.float64))) <= judged.bound).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("off", [0.99, 1.01, 0.0, -1.0])
def test_and_nothing_that_is_wrong(name: str, off: float) -> None:
    function, slope, x = CASES[name]
    made = judge(function, off * slope(x.astype(np.float64)), x)
    assert not made.screen(Entries(0, x.size)).settled.any()
    assert made.compare(Entries(0, x.size)).where(Status.FAIL) == [0, 1, 2]


def test_a_longer_step_that_meets_a_wave_again_and_again_is_not_believed() -> None:
    """At half a period x + h, x - h and x + 2h are on the chord, where x + h/16 is not."""

    def wave(x: Array) -> Array:
        return (4.5e5 + 1000 * x + np.sin(8 * np.pi * x.astype(np.float64))).astype(np.float32)

    made = judge(wave, np.full(1, 1000.0), np.zeros(1, np.float32))
    (place,) = first_look(made)
    screened = made._quick.many(Entries(0, 1), made.differences(Entries(0, 1)))
    places, stretch = made._quick.undecided(screened)
    assert places.tolist() == [place]
    assert stretch.tolist() == [16]  # the step is 1/2: two periods
    assert made.screen(Entries(0, 1)).open == [0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_negligible_does_not_climb(dtype: str) -> None:
    """A far tail that backward knows and forward has lost, beside entries of an ordinary size."""
    rules = Rules.of(dtype, None)
    least = max(SMALL, rules.faint) * rules.signif  # entries are judged on a share of the largest
    slopes = np.array([1.0, 0.2 * least, 0.9 * least, 1.1 * least])

    def function(x: Array) -> Array:
        return x * np.array([1, 0, 0, 0], x.dtype)

    x = np.zeros(4, dtype)
    made = judge(function, slopes, x)
    assert made.screen(Entries(0, 4)).open == [3]
    strict = Judge(made.point, made.claims, replace(made.rules, signif=0.0, negligible=0.0))
    assert strict.screen(Entries(0, 4)).open == [1, 2, 3]
    assert {2, 3} <= set(strict.compare(Entries(0, 4)).where(Status.FAIL))


def test_a_tolerance_of_ones_own_is_applied_to_what_is_confirmed() -> None:
    """And one that is tighter than usual decides what is negligible."""
    for dtype, given, expected in (
        ("float64", 1e-3, 1e-8),
        ("float64", 1e-12, 1e-12),
        ("float64", None, 1e-8),
        ("float32", 0.0, 0.0),
    ):
        rules = Rules.of(dtype, given)
        assert rules.negligible == expected
        assert given is None or rules.signif == given


def test_how_far_outside_its_bounds_one_is_that_did_not_climb() -> None:
    slopes = np.array([1.0, 5e-11])
    made = judge(lambda x: x * np.array([1, 0]), slopes, np.zeros(2), signif=1e-3)
    judged = made.compare(Entries(0, 2))
    assert not judged.climbed.any()
    assert judged.most_beyond() == pytest.approx(5e-9)

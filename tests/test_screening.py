"""One move is screened without arrays of one number; it must be what many moves are told."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck import moves, streaming
from gradcheck.claims import Claims
from gradcheck.compare import Rules, Status
from gradcheck.differences import _power_near, quick, quick_one, scale_of
from gradcheck.floats import eps_of
from gradcheck.judged import Judged
from gradcheck.judging import Judge
from gradcheck.point import Entries, Move, Point
from gradcheck.quotients import stacked
from gradcheck.screening import Screen
from tests.gates import Array
from tests.test_structure import at

FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "smooth": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "a kink": (np.abs, np.sign),
    "does not move": (lambda x: 0 * x, lambda x: 0 * x),
    "large": (lambda x: 1e300 * x, lambda x: np.full(x.shape, 1e300, x.dtype)),
    "infinite beyond": (lambda x: np.exp(700 * x), lambda x: 700 * np.exp(700 * x)),
    "flat": (np.rint, np.zeros_like),
}


def screened(x: Array, name: str, off: float) -> tuple[Screen, Point, Move]:
    """A screen of one function's gradient, ``off`` times right, and a move of all entries."""
    function, slope = FUNCTIONS[name]
    point = at(function, x, dtype=str(x.dtype))
    with np.errstate(all="ignore"):
        gradient = np.asarray(slope(x), np.float64) * point.cotangent.reshape(x.shape) * off
    eps = eps_of(x.dtype)
    claims = Claims([gradient], lambda _: eps, lambda: (gradient * eps,), lambda _: [gradient])
    move = moves.whole({0: x.size}, moves.Speeds((1,), point.precision))
    return Screen(point, claims, Rules.of(point.precision, None)), point, move


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=25)
@given(
    x=st.lists(st.integers(-300, 300), min_size=1, max_size=40),
    off=st.sampled_from([1.0, 1 + 1e-5, 0.5, -1.0, 0.0, np.inf, np.nan]),
)
def test_one_move_is_screened_as_many_are(name: str, dtype: str, x: list[int], off: float) -> None:
    if name in ("large", "infinite beyond") and dtype == "float32":
        return
    screen, point, move = screened(np.array(x, dtype) / 100, name, off)
    with np.errstate(all="ignore"):
        found = quick_one(point, move)
        one, many = screen.passing(move, found), screen.many([move], stacked([found]))
    assert many.settled.tolist() == [one is not None]
    assert one is None or one == many.judged.at(0)
    twice = Judged.joined([many.judged, many.judged])
    for status in Status:
        many.judged.status[:] = twice.status[:] = status
        error = many.judged.relative_errors().tolist()
        np.testing.assert_array_equal(2 * error, twice.relative_errors())


@pytest.mark.parametrize("off", [1.0, 1 + 1e-4])
def test_one_move_passes_where_right_and_stays_open_where_not(off: float) -> None:
    screen, point, move = screened(np.linspace(-2, 2, 50), "smooth", off)
    assert (screen.passing(move, quick_one(point, move)) is not None) == (off == 1)


@pytest.mark.parametrize("count", [3, 50])
def test_differences_of_one_move_are_those_of_several(count: int) -> None:
    """A direction over all entries by itself, and as a row among rows."""
    x = np.linspace(-2, 2, count)
    _, point, move = screened(x, "smooth", 1.0)
    row = msgspec.structs.replace(move, whole=False)
    for one, several in zip(quick_one(point, move), quick(point, [row]), strict=True):
        np.testing.assert_allclose([one], several, rtol=1e-6, atol=1e-9)


@given(st.floats(0, allow_nan=False) | st.integers(0, 1000).map(lambda k: 2 ** (k / 2)))
def test_the_scale_of_one_size_is_that_of_many(size: float) -> None:
    """Also where two powers of two are equally near, by the logarithm."""
    with np.errstate(over="ignore"):  # beyond the largest number
        around = size, np.nextafter(size, 0.0), np.nextafter(size, np.inf)
    for one in around:
        (scale,) = scale_of(np.array([one]))
        assert _power_near(float(one)) == scale
        if np.isfinite(scale):
            assert abs(np.log2(max(one, 1.0)) - np.log2(scale)) <= 0.5 + 1e-9


def test_the_primals_are_back_after_a_direction() -> None:
    x = np.linspace(-2, 2, 50)
    _, point, move = screened(x, "smooth", 1.0)
    point.displaced(move, 1e-3)
    assert point.work[0].tobytes() == x.tobytes()
    quick_one(point, move)
    assert point.work[0].tobytes() == x.tobytes()


@pytest.mark.parametrize("name", ["smooth", "a kink", "does not move", "flat"])
@pytest.mark.parametrize("weight", [1.5, -1.0, 0.0])
@pytest.mark.parametrize("whole", [True, False])
def test_one_output_is_summed_as_many_are(name: str, weight: float, *, whole: bool) -> None:
    """A second output that never moves adds nothing."""
    function, x = FUNCTIONS[name][0], np.linspace(-0.4, 1.2, 9)
    alone = at(lambda x: function(x).sum(), x)
    beside = at(lambda x: np.array([function(x).sum(), 0.0]), x)
    alone.cotangent, beside.cotangent = np.array([weight]), np.array([weight, 3.0])
    move = moves.whole({0: 9}, moves.Speeds((1,), "float64")) if whole else Move.entry(0, 3)
    with np.errstate(all="ignore"):
        one, many = (streaming.sums(p, move, 2.0**-15, root=whole) for p in (alone, beside))
    np.testing.assert_allclose(one[0], many[0], rtol=1e-15)
    assert one[1] == many[1]
    assert alone.work[0].tobytes() == x.tobytes()


def test_the_primals_are_back_where_a_direction_is_interrupted() -> None:
    x, calls = np.linspace(-2, 2, 50), itertools.count()

    def forward(x: Array) -> Array:
        if next(calls) == stopped:
            raise KeyboardInterrupt
        return np.sin(x)

    for stopped in (-1, 1, 2, 3):
        calls = itertools.count()
        point = at(forward, x)
        move = moves.whole({0: 50}, moves.Speeds((1,), "float64"))
        with pytest.raises(KeyboardInterrupt) if stopped > 0 else contextlib.nullcontext():
            quick_one(point, move)
        assert point.work[0].tobytes() == x.tobytes()


def test_forward_that_hands_out_its_input_is_not_perturbed_twice() -> None:
    point = at(lambda x: x, np.linspace(-2, 2, 50))
    move = moves.whole({0: 50}, moves.Speeds((1,), "float64"))
    above, below = point.far_along(move, 1e-3), point.far_along(move, -1e-3)
    assert (above != below).all()


def test_a_wrong_direction_fails_and_a_right_one_passes() -> None:
    for off, status in ((1.0, Status.PASS), (-1.0, Status.FAIL)):
        screen, point, move = screened(np.linspace(-2, 2, 50), "smooth", off)
        judge = Judge(point, screen._claims, Rules.of("float64", None))
        assert judge.compare([move]).status.tolist() == [int(status)]


@pytest.mark.parametrize("outputs", [1, 100_000])
@pytest.mark.parametrize("side", [1, -1])
def test_the_third_point_lies_away_from_zero(side: int, outputs: int) -> None:
    """log at 1.5 h: x - 2h would be outside of its domain, as x + 2h is for log(-x) at -1.5 h."""
    h = 2.0**-15
    point = at(lambda x: np.log(side * x) * np.ones(outputs), side * np.array([1.5 * h]))
    found = quick(point, Entries(0, 1))
    assert np.isfinite(found.value + found.bound).all()
    assert abs(found.value - point.cotangent.sum() / point.primals[0]) <= found.bound


def test_a_kink_half_a_step_ahead_is_not_seen_and_nothing_right_fails_by_it() -> None:
    """Its four samples lie on a parabola: what the quick path says there can only pass."""
    h = 2.0**-15
    point = at(lambda x: np.maximum(x - h / 2, 0), np.zeros(1))
    found = quick(point, Entries(0, 1))
    assert found.value == pytest.approx(point.cotangent / 4)
    assert found.bound < 1e-9
    claims = Claims([np.zeros(1)], lambda _: 2.0**-52, lambda: (np.zeros(1),), lambda _: [])
    judge = Judge(point, claims, Rules.of("float64", None))
    assert judge.screen(Entries(0, 1)).open == [0]
    assert judge.compare(Entries(0, 1)).status.tolist() != [int(Status.FAIL)]


@given(left=st.integers(-999, 999), right=st.integers(-999, 999))
def test_a_kink_at_the_point_is_in_the_bound(left: int, right: int) -> None:
    """The slope of the side on which the third point lies is within it; the other is not passed."""
    point = at(lambda x: np.where(x < 0, left * x, right * x), np.zeros(1))
    found, jump = quick(point, Entries(0, 1)), abs(point.cotangent[0] * (right - left))
    assert found.truncation[0] == pytest.approx(jump / 3)
    assert abs(found.value[0] - point.cotangent[0] * right) <= found.bound[0] * (1 + 1e-9)

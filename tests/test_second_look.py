"""What three evaluations leave open is asked once more at a shorter step, before it climbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

import gradcheck
from gradcheck import differences, moves
from gradcheck.arrays import LARGE
from gradcheck.claims import Claims
from gradcheck.compare import SMALL, Rules, Status
from gradcheck.differences import quick, quick_one
from gradcheck.floats import eps_of
from gradcheck.judging import Judge
from gradcheck.moves import Speeds
from gradcheck.point import Entries, Move
from tests.gates import Array
from tests.judged import fails, passes
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


CASES = {
    # float32's step of 1/32 is doubled above sqrt(2)
    "float32": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, np.float32([1.5, 1.75, 0.0])),
    "float64": (np.log, lambda x: 1 / x, np.array([0.02, 0.05, 3.0])),
}


@pytest.mark.parametrize("name", CASES)
def test_a_shorter_step_settles_what_is_right(name: str) -> None:
    function, slope, x = CASES[name]
    made = judge(function, slope(x.astype(np.float64)), x)
    assert made.screen(Entries(0, x.size)).open
    judged = made.compare(Entries(0, x.size))
    assert not judged.climbed.any()
    assert judged.where(Status.PASS) == range(x.size)
    assert (np.abs(judged.value - slope(x.astype(np.float64))) <= judged.bound).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("off", [0.99, 1.01, 0.0, -1.0])
def test_and_nothing_that_is_wrong(name: str, off: float) -> None:
    function, slope, x = CASES[name]
    made = judge(function, off * slope(x.astype(np.float64)), x)
    assert made.compare(Entries(0, x.size)).where(Status.FAIL) == [0, 1, 2]


CURVED = (lambda x: np.tanh(3 * x), lambda x: 3 / np.cosh(3 * x) ** 2)
NOISY = (lambda x: x + 200, np.ones_like)


X = np.float32([0.31, -0.27, 0.45, 0.9, -0.83, 0.12, -0.55, 0.7])
RATES = [*(2**k for k in range(3, 10)), 96, 100, 192, 255, 384, 768, 1536]


@pytest.mark.parametrize(
    ("pair", "rate"),
    [*((CURVED, k) for k in RATES), *((NOISY, k) for k in (8, 16, 32, 100))],
)
def test_a_wave_that_a_step_may_step_over_is_not_missed(
    pair: tuple[Function, Function], rate: int
) -> None:
    """Of so many periods a unit, as in positional encodings: backward has forgotten it."""
    (function, slope), size = pair, 0.3 / (2 * np.pi * rate)

    def wave(x: Array) -> Array:
        added = size * np.sin(2 * np.pi * rate * x.real.astype(np.float64))
        return (function(x) + added).astype(np.float32)

    made = judge(wave, slope(X.astype(np.float64)), X)
    assert len(made.compare(Entries(0, X.size)).where(Status.PASS)) <= 2


@pytest.mark.parametrize("stairs", [96, 255, 256, 384, 768])
def test_a_quantiser_is_no_line(stairs: int) -> None:
    """Stairs inside a curve, and the gradient of the curve."""
    function, slope = CURVED
    made = judge(lambda x: function(np.round(x * stairs) / stairs), slope(X.astype(float)), X)
    assert len(made.compare(Entries(0, X.size)).where(Status.PASS)) <= 2


@pytest.mark.parametrize("apart", [0.9, 1.1])
def test_a_second_look_has_to_meet_the_first(apart: float) -> None:
    made = judge(np.tanh, 1 - np.tanh(np.full(1, 1.75)) ** 2, np.float32([1.75]))
    screened = made.screen(Entries(0, 1))
    judged = screened.judged
    places, times = made._quick.curved(screened)
    found = quick(made.point, Entries(0, 1), times)
    away = found._replace(value=judged.value + apart * (judged.bound + found.bound))
    judged.analytic[:] = away.value
    made._quick.looked_again(screened, places, away)
    assert screened.open == ([] if apart < 1 else [0])


@pytest.mark.parametrize("name", ["whole", "rows", "entries"])
def test_each_move_has_a_step_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are taken in parts, or one by one."""
    rng = np.random.default_rng(3)
    x, times = rng.uniform(-1, 1, 40), 2.0 ** rng.integers(-3, 4, 12)
    point = at(np.sin, x)
    speeds = Speeds((1,), "float64")
    along: Sequence[Move] = {
        "whole": [moves.whole({0: 40}, speeds)] * 12,
        "rows": moves.in_turn(0, 40, 4, speeds),
        "entries": Entries(0, np.arange(12)),
    }[name]
    usual = quick(point, along[: len(along)])
    monkeypatch.setattr(differences, "_CHUNK", 3 * 40 * 5)  # five moves at a time
    found = quick(point, along, times[: len(along)])
    np.testing.assert_allclose(found.step, usual.step * times[: len(along)])
    assert len(set(found.step.tolist())) > 1
    for move, stretch, value in zip(along, times.tolist(), found.value, strict=False):
        assert quick_one(point, move, stretch).value == pytest.approx(value, rel=1e-9)


ODD = (1 + np.sqrt(5)) / 2


@pytest.mark.parametrize(
    ("truncation", "roundoff", "gap", "scale", "times"),
    [
        (4.0, 4e-3, 0.0, 1.0, ODD / 32),  # truncation and round-off together are least at 1/12.6
        (4.0, 1e-9, 0.0, 1.0, ODD / 512),  # at 1/2000, but not that far
        (1e-9, 4.0, 0.0, 1.0, None),  # a longer one steps over too much
        (4.0, 4e-3, 0.0, 1e-3, ODD / 32),  # judged on the floor
        (0.1, 0.1, 3.0, 1.0, None),  # sharp already, and apart
        (1.0, 1e-3, 1e6, 1.0, None),  # wrong beyond doubt
        (400.0, 1e-9, 0.0, 1.0, None),  # a kink, as a rule
        (4.0, 3.9, 0.0, 1.0, None),  # noise stands in the way, too
    ],
)
def test_the_step_of_a_second_look(
    truncation: float, roundoff: float, gap: float, scale: float, times: float | None
) -> None:
    """All but the scale in units of what a pass asks for; 1 is the floor of the scale."""
    made = judge(lambda x: x, np.ones(1), np.zeros(1))
    unit = made.rules.resolution
    parts = [np.array([v * unit]) for v in (truncation, roundoff)]
    found = quick(made.point, Entries(0, 1))
    found = found._replace(
        value=found.value + gap * unit,
        bound=parts[0] + parts[1],
        truncation=parts[0],
        roundoff=parts[1],
    )
    screened = made._quick.many(Entries(0, 1), found)
    screened.judged.scale[:], screened.floor[:] = scale, 1.0
    assert screened.open == [0]
    wanted = [] if times is None else [times]
    assert made._quick.curved(screened)[1].tolist() == pytest.approx(wanted, rel=1e-3)


def test_along_directions_steps_stay_powers_of_two() -> None:
    """The step that each of their entries takes is not known but where x + h is exact."""
    made = judge(lambda x: x, np.ones(8), np.zeros(8))
    unit, speeds = made.rules.resolution, Speeds((1,), "float64")
    for along in ([moves.whole({0: 8}, speeds)], moves.in_turn(0, 8, 4, speeds)):
        found = quick(made.point, along)
        worse = np.full(len(along), 40 * unit) * np.abs(found.scale)
        screened = made._quick.many(along, found._replace(bound=worse, truncation=worse))
        places, times = made._quick.curved(screened)
        assert len(places) == len(along)
        assert (np.frexp(times)[0] == 0.5).all()


def test_the_scale_of_a_second_look_is_its_own() -> None:
    made = judge(*CURVED[:1], CURVED[1](np.full(1, 0.5)), np.float32([0.5]))
    before = made.screen(Entries(0, 1)).judged.scale
    judged = made.compare(Entries(0, 1))
    assert not judged.climbed.any()
    assert judged.scale != before
    assert judged.scale == pytest.approx(CURVED[1](0.5), rel=1e-3)


@pytest.mark.parametrize("floor", [1.0, 0.0])
def test_a_small_entry_is_judged_on_the_floor_again(floor: float) -> None:
    made = judge(lambda x: 1e-3 * x, np.full(1, 1e-3), np.zeros(1))
    found, unit = quick(made.point, Entries(0, 1)), made.rules.resolution
    screened = made._quick.many(Entries(0, 1), found._replace(bound=np.array([4 * unit])))
    screened.floor[:] = floor
    made._quick.looked_again(screened, np.zeros(1, int), found._replace(bound=np.array([unit / 2])))
    assert screened.open == ([] if floor else [0])


@pytest.mark.parametrize("alone", [True, False])
def test_the_only_entry_is_looked_at_again_too(alone: bool) -> None:
    made = judge(np.tanh, 1 - np.tanh(np.full(1, 1.75)) ** 2, np.float32([1.75]))
    judged = made.alone(Entries(0, 1)) if alone else made.compare(Entries(0, 1))
    assert not judged.climbed.any()
    assert judged.where(Status.PASS) == range(1)


def test_where_too_many_are_open_for_the_ladder_none_is_looked_at_again() -> None:
    """Directions over them are: three evaluations of all are not followed by 9,000 of each."""
    calls = 0

    def forward(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.tanh(3 * x)

    x = np.random.default_rng(0).uniform(-1.2, 1.2, 5000).astype(np.float32)
    passes(forward, lambda dz, x: dz * CURVED[1](x), x, max_cases=2, dtypes=("float32",))
    assert calls < 1000


def test_forward_may_protect_what_it_saves() -> None:
    """What it was given is not perturbed then: copies are."""

    def forward(x: Array) -> Array:
        x.flags.writeable = False
        return x**3

    x = np.linspace(1.0, 6.0, LARGE)
    passes(forward, lambda dz, x: 3 * x**2 * dz, x, max_cases=2)
    fails(forward, lambda dz, x: 2 * x**2 * dz, x, max_cases=2)


def test_what_a_surrogate_starts_from_is_not_perturbed() -> None:
    """A large graph's pass holds the very arrays that forward got."""
    rounded = gradcheck.op(
        lambda x: np.round(x),
        lambda dz, x: 1 * dz,
        "x[...]",
        name="rounded",
        differentiates=lambda x: x,
    )

    @gradcheck.graph
    def net(x):  # type: ignore[no-untyped-def]
        return rounded(x) * 2

    passes(net, np.linspace(1.0, 6.0, LARGE), max_cases=1)


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
    assert judged.excess.tolist() == pytest.approx([0, 5e-9])
    whole = moves.whole({0: 2}, Speeds((1,), "float64"))
    made.claims.gradients[0][:] = [1, 0]
    first, second = (made.passes(whole), made.claims.slope(whole))
    made.claims.gradients[0][:] = [1 + 5e-9, 0]
    off = made.passes(whole)
    assert first is not None
    assert off is not None
    assert first.excess == 0
    assert off.excess == pytest.approx(
        abs(made.claims.slope(whole) - second) / abs(second), rel=0.1
    )

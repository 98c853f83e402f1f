"""Every trap by name: the true derivative is inside the bound, a planted wrong one is not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import NDArray

import gradcheck
from gradcheck import ladder
from gradcheck.estimate import Estimate, Float, Samples

Function = Callable[[NDArray[np.floating]], NDArray[np.floating]]
F32, F64 = np.float32, np.float64


class Curve:
    """A line through a function of one number, evaluated in its own precision."""

    def __init__(
        self, function: Function, x: float, dtype: type = F64, cotangent: tuple[float, ...] = (1.0,)
    ) -> None:
        self.function, self.x = function, dtype(x)
        self.cotangent = np.array(cotangent)
        self.eps, self.tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).smallest_normal)
        self.size = self.typical = abs(float(self.x))
        self.here = self._outputs(np.array([self.x]))[0]
        self.steps: list[float] = []

    def _outputs(self, x: NDArray[np.floating]) -> Float:
        with np.errstate(all="ignore"):
            outputs = np.asarray(self.function(x))
        assert outputs.dtype == x.dtype, "the test function left the precision under test"
        return outputs.astype(np.float64).reshape(len(x), -1)

    def sample(self, steps: Float) -> Samples:
        self.steps += steps.tolist()
        up, down = (self.x + steps).astype(self.x.dtype), (self.x - steps).astype(self.x.dtype)
        x = float(self.x)
        return Samples(up - x, x - down, self._outputs(up), self._outputs(down))


def of(function: Function, x: float, dtype: type = F64) -> Estimate:
    return ladder.estimate(Curve(function, x, dtype))


def accepts(estimate: Estimate, derivative: float) -> bool:
    """The question a comparison asks, without the noise of the backward pass."""
    close = abs(derivative - estimate.value) <= estimate.bound
    return estimate.resolved and (close or estimate.low <= derivative <= estimate.high)


def plus_step(height: float) -> Function:
    return lambda x: np.sin(x) + (x >= 0.5) * x.dtype.type(height)


def polynomial(coefficients: NDArray[np.floating]) -> Function:
    return lambda x: np.asarray(polyval(x, coefficients))


SMOOTH = [
    # name, function, x, derivative, relative errors that must be seen in float64 and in float32
    ("sin", np.sin, 0.7, math.cos(0.7), 1e-12, 1e-4),
    ("log near its pole", np.log, 1e-3, 1e3, 1e-10, 1e-2),
    ("x^2 at 1e5", np.square, 1e5, 2e5, 1e-12, 1e-5),
    ("x^2 at 1e6", np.square, 1e6, 2e6, 1e-12, 1e-5),
    ("tiny values", lambda x: x * x * x.dtype.type(2.0**-20), 0.75, 1.5 * 2.0**-20, 1e-12, 1e-5),
    ("subnormal results", lambda x: np.exp(x), -87.5, math.exp(-87.5), 1e-10, 0.2),
    ("linear at zero", lambda x: 3 * x, 0.0, 3.0, 1e-12, 1e-5),
    ("cube at zero", lambda x: x * x * x + 2 * x, 0.0, 2.0, 1e-12, 1e-5),
    ("steep tanh", lambda x: np.tanh(2048 * x), 0.0, 2048.0, 1e-12, 1e-5),
    ("steep tanh beside x", lambda x: np.tanh(2048 * x), 2.0**-11, 860.108, 1e-5, 1e-3),
    ("steep softplus", lambda x: np.logaddexp(0 * x, 8192 * x) / 8192, 0.0, 0.5, 1e-10, 1e-3),
    ("fast oscillation", lambda x: np.sin(256 * x), 0.5, 256 * math.cos(128), 1e-8, 1e-2),
    ("cancellation", lambda x: (x + 1024) - 1024, 0.7, 1.0, 1e-10, 1e-2),
    ("kink further off", lambda x: np.maximum(x, 0 * x), 2.0**-6, 1.0, 1e-12, 1e-3),
    ("jump further off", lambda x: x + (x > 1.0), 0.875, 1.0, 1e-12, 1e-3),
]


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize(
    ("function", "x", "derivative", "seen64", "seen32"),
    [case[1:] for case in SMOOTH],
    ids=[case[0] for case in SMOOTH],
)
def test_the_true_derivative_is_inside_and_a_slightly_wrong_one_is_not(
    function: Function, x: float, derivative: float, seen64: float, seen32: float, dtype: type
) -> None:
    estimate = of(function, x, dtype)
    seen = seen64 if dtype is F64 else seen32
    rounded = 1e-6 if derivative == 860.108 else 0.0  # the one derivative typed with few digits
    assert estimate.resolved
    assert not estimate.kink
    assert abs(estimate.value - derivative) <= estimate.bound + rounded * derivative
    for wrong in (1 + seen, 1 - seen):
        assert not accepts(estimate, derivative * wrong)
    assert not accepts(estimate, -derivative)
    assert not accepts(estimate, 0.0)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (lambda x: np.maximum(x, 0 * x), 0.0, 1.0),
        (np.abs, -1.0, 1.0),
        (lambda x: np.where(x > 0, x, x / 8), 0.125, 1.0),
        (lambda x: np.sin(x) + np.maximum(x, 0 * x) / 1024, 1.0, 1 + 1 / 1024),
    ],
    ids=["relu", "abs", "leaky relu", "weak kink"],
)
def test_at_a_kink_the_hull_is_accepted_and_a_hair_outside_is_not(
    function: Function, left: float, right: float, dtype: type
) -> None:
    estimate = of(function, 0.0, dtype)
    hair = (1e-3 if dtype is F64 else 1e-2) * (right - left)
    assert estimate.kink
    for inside in (left, right, (left + right) / 2, 0.37 * left + 0.63 * right):
        assert accepts(estimate, inside)
    for outside in (left - hair, right + hair):
        assert not accepts(estimate, outside)


@pytest.mark.parametrize(("x", "slope"), [(1e-7, 1.0), (-1e-7, 0.0)])
def test_a_kink_a_ten_millionth_away_is_told_from_a_kink_at_the_point(
    x: float, slope: float
) -> None:
    estimate = of(lambda x: np.maximum(x, 0 * x), x)
    assert not estimate.kink
    assert accepts(estimate, slope)
    assert not accepts(estimate, 1 - slope)


def test_a_kink_too_close_for_float32_is_taken_for_one_at_the_point() -> None:
    estimate = of(lambda x: np.maximum(x, 0 * x), 1e-7, F32)
    assert estimate.kink
    assert accepts(estimate, 1.0)
    assert not accepts(estimate, 1.1)


@pytest.mark.parametrize("away", [1e-6, 4e-6, 8e-6, 3e-5, 9e-5])
def test_a_kink_beside_x_that_float32_can_barely_see_is_never_a_wrong_slope(away: float) -> None:
    x = float(F32(0.5 - away))
    estimate = of(lambda x: np.abs(x - F32(0.5)) + np.sin(x), x, F32)
    assert not estimate.resolved or accepts(estimate, math.cos(x) - 1)
    if away > 1e-5:
        assert estimate.resolved
        assert not accepts(estimate, math.cos(x) + 1)


def test_where_nothing_is_resolved_finer_steps_are_added() -> None:
    x = float(F32(0.5 + 2.0**-15))
    estimate = of(lambda x: np.tanh((x - F32(0.5)) * 2**15), x, F32)
    assert accepts(estimate, 2**15 / math.cosh(1) ** 2)
    assert not accepts(estimate, 2**15)


def test_noise_that_may_be_a_kink_is_given_a_hull_but_not_called_one() -> None:
    x = float(F32(0.043076923))
    estimate = of(lambda x: (1 - np.cos(x)) / (x * x), x, F32)
    assert not estimate.kink
    assert estimate.low < (x * math.sin(x) - 4 * math.sin(x / 2) ** 2) / x**3 < estimate.high


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.where(x >= 0, x / x.dtype.type(1e30) + 1, 0 * x), 0.0),
        (lambda x: (x > 0) * x.dtype.type(1), 0.0),
        (np.sign, 0.0),
        (plus_step(1.0), 0.5),
        (np.round, 0.5),
        (np.cbrt, 0.0),
        (lambda x: np.sqrt(np.abs(x)), 0.0),
        (lambda x: 1 / (x - x.dtype.type(1e-30)), 0.0),
    ],
    ids=["step", "step from the left", "sign", "sine and step", "round", "cbrt", "cusp", "spike"],
)
def test_a_jump_or_an_infinite_slope_is_never_a_number(
    function: Function, x: float, dtype: type
) -> None:
    estimate = of(function, x, dtype)
    assert estimate.reason == "jump or spike"
    assert estimate.bound == math.inf


def test_a_jump_of_a_millionth_is_seen_or_inside_the_bound() -> None:
    assert of(plus_step(1e-6), 0.5).reason == "jump or spike"
    hidden = of(plus_step(1e-6), 0.5, F32)
    assert accepts(hidden, math.cos(0.5))


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize(
    ("function", "x"),
    [
        (np.sqrt, 0.0),
        (np.log, 0.0),
        (np.log, 1e-30),
        (np.arcsin, 1.0),
        (lambda x: np.where(x == 1, np.nan, x).astype(x.dtype), 1.0),
        (lambda x: np.where(x == 1, np.inf, x).astype(x.dtype), 1.0),
        (lambda x: x * np.nan, 1.0),
        (lambda x: x, math.inf),
        (lambda x: x, math.nan),
    ],
    ids=[
        "sqrt at zero", "log at zero", "log too near zero", "arcsin at one", "NaN at the point",
        "infinity at the point", "NaN everywhere", "x infinite", "x NaN",
    ],
)  # fmt: skip
def test_at_the_edge_of_the_domain_there_is_no_value(
    function: Function, x: float, dtype: type
) -> None:
    estimate = of(function, x, dtype)
    assert estimate.reason == "domain edge"
    assert math.isnan(estimate.value)
    assert estimate.bound == math.inf


@pytest.mark.parametrize("x", [1e-14, 1e-9, 1e-4])
def test_finer_steps_are_added_near_a_pole(x: float) -> None:
    estimate = of(np.log, x)
    assert accepts(estimate, 1 / x)
    assert not accepts(estimate, (1 + 1e-8) / x)


@pytest.mark.parametrize(("function", "x"), [(np.exp, 700.0), (np.square, 1e154)])
def test_coarse_steps_that_overflow_are_ignored(function: Function, x: float) -> None:
    derivative = 2 * x if function is np.square else float(np.exp(x))
    assert accepts(of(function, x), derivative)
    assert not accepts(of(function, x), derivative * (1 + 1e-9))


def test_an_output_that_absorbs_every_step_is_no_evidence_of_a_zero_slope() -> None:
    flat = of(lambda x: x + F32(1e10), 1.0, F32)
    assert flat.value == 0.0
    assert accepts(flat, 1.0)
    assert not accepts(flat, 1e5)
    both = Curve(lambda x: np.stack([x, x + F32(1e10)], axis=1), 1.0, F32, cotangent=(1.0, 2.0))
    assert accepts(ladder.estimate(both), 3.0)


def test_a_staircase_of_roundings_is_not_flat() -> None:
    estimate = of(lambda x: x + 1e10, 1.0)
    assert accepts(estimate, 1.0)
    assert not accepts(estimate, 1.01)


def naive_softplus(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.log(1 + np.exp(x)))


@pytest.mark.parametrize(
    ("function", "x", "derivative"),
    [
        (np.tanh, 40.0, 1 / math.cosh(40) ** 2),
        (naive_softplus, -60.0, math.exp(-60)),
        (naive_softplus, -100.0, math.exp(-100)),
    ],
)
def test_a_saturated_function_may_have_a_slope_too_small_to_see(
    function: Function, x: float, derivative: float
) -> None:
    estimate = of(function, x)
    assert estimate.value == 0.0
    assert accepts(estimate, derivative)
    assert not accepts(estimate, 1e-12)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("x", [-15.0, -20.0, -25.0, -30.0])
def test_a_staircase_inside_the_function_is_not_flat(x: float, dtype: type) -> None:
    estimate = of(naive_softplus, x, dtype)
    assert accepts(estimate, 1 / (1 + math.exp(-x)))
    assert not accepts(estimate, 1e-3)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("x", [0.0, 0.001953125, 0.3])
def test_a_wave_that_the_coarse_steps_take_for_a_constant(x: float, dtype: type) -> None:
    frequency = float(dtype(128 * math.pi))
    estimate = of(lambda x: np.sin(x.dtype.type(frequency) * x), x, dtype)
    slope = frequency * math.cos(frequency * float(dtype(x)))
    assert accepts(estimate, slope)
    assert not accepts(estimate, 0.0)
    assert not accepts(estimate, slope + 0.01 * frequency)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize(
    ("function", "x", "derivative"),
    [
        (lambda x: np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - x.dtype.type(0.5)), 1.0, 1.0),
        (lambda x: np.sin(x) + x * np.abs(x), 0.0, 1.0),
        (lambda x: x + np.maximum(x, 0 * x) ** 2, 0.0, 1.0),
    ],
    ids=["huber", "x|x|", "relu squared"],
)
def test_a_jump_of_the_second_derivative_slows_convergence_but_not_the_bound(
    function: Function, x: float, derivative: float, dtype: type
) -> None:
    estimate = of(function, x, dtype)
    assert accepts(estimate, derivative)
    assert not accepts(estimate, derivative + (1e-6 if dtype is F64 else 1e-2))


@pytest.mark.parametrize("x", [1e-13, 1e-14])
def test_steps_are_refined_until_they_are_small_beside_x(x: float) -> None:
    estimate = of(lambda x: np.abs(x) * np.sqrt(np.abs(x)), x)
    assert accepts(estimate, 1.5 * math.sqrt(x))
    assert not accepts(estimate, 1.51 * math.sqrt(x))


@pytest.mark.parametrize("dtype", [F64, F32])
def test_noise_far_above_the_rounding_of_the_outputs_is_measured(dtype: type) -> None:
    first_opinion_wrong = 0
    for x in np.linspace(0.02, 0.2, 40).astype(dtype).tolist():
        curve = Curve(lambda x: (1 - np.cos(x)) / (x * x), x, dtype)
        derivative = (x * math.sin(x) - 4 * math.sin(x / 2) ** 2) / x**3
        once, again = ladder.estimate(curve), ladder.estimate(curve, stretch=1.37)
        outside = [e.resolved and not accepts(e, derivative) for e in (once, again)]
        first_opinion_wrong += outside[0]
        assert not all(outside)
    assert first_opinion_wrong <= 3


def test_a_fine_end_that_is_calm_by_chance_gets_a_second_look() -> None:
    x = 0.1852
    estimate = of(lambda x: (1 - np.cos(x)) / (x * x), x)
    derivative = (x * math.sin(x) - 4 * math.sin(x / 2) ** 2) / x**3
    assert accepts(estimate, derivative)
    assert not accepts(estimate, derivative * (1 + 1e-6))


@pytest.mark.parametrize("x", [998.9, 999.3, 1000.7, 1003.3])
def test_noise_of_a_square_grows_with_the_coarse_steps(x: float) -> None:
    estimate = of(lambda x: (x / 7 * 7 - 1000) ** 2, x)
    assert accepts(estimate, 2 * (x - 1000))
    assert not accepts(estimate, 2.000001 * (x - 1000))


def test_subnormal_results_carry_the_error_of_the_smallest_number() -> None:
    estimate = of(np.exp, -720.0)
    assert accepts(estimate, math.exp(-720))
    assert not accepts(estimate, 1.01 * math.exp(-720))


@pytest.mark.parametrize("away", [1e-10, 3e-10])
def test_structure_at_the_fine_end_is_not_taken_for_noise(away: float) -> None:
    def spike(x: NDArray[np.floating]) -> NDArray[np.floating]:
        width = x.dtype.type(1e-10)
        return np.asarray(np.sin(x) + x.dtype.type(1e-13) / (x + width / 2))

    assert of(spike, away, F32).reason == "jump or spike"


@pytest.mark.parametrize("dtype", [F64, F32])
def test_zero_and_nothing_have_an_exact_derivative(dtype: type) -> None:
    zero = of(lambda x: 0 * x, 0.3, dtype)
    nothing = ladder.estimate(Curve(lambda x: x[:, None][:, :0], 0.3, dtype, cotangent=()))
    for estimate in (zero, nothing):
        assert (estimate.value, estimate.reason) == (0.0, "")
    assert (
        zero.bound <= 32 * np.finfo(dtype).eps
    )  # a term of size 1 inside may have been rounded away


@pytest.mark.parametrize("dtype", [F64, F32])
def test_a_constant_has_slope_zero_within_half_an_ulp_of_it(dtype: type) -> None:
    estimate = of(lambda x: 0 * x + 5, 0.3, dtype)
    assert accepts(estimate, 0.0)
    assert not accepts(estimate, 100 * float(np.finfo(dtype).eps))


def test_the_cotangent_contracts_and_the_scale_shows_the_cancellation() -> None:
    outputs: Function = lambda x: np.stack([np.sin(x), np.sin(x) + x / 1024], axis=1)  # noqa: E731
    estimate = ladder.estimate(Curve(outputs, 0.7, cotangent=(1.0, -1.0)))
    assert accepts(estimate, -1 / 1024)
    assert not accepts(estimate, -1 / 1023)
    assert estimate.scale == pytest.approx(2 * math.cos(0.7), rel=1e-2)


def test_the_bound_has_two_parts_and_the_fine_end_is_reported() -> None:
    estimate = of(np.sin, 0.7)
    assert estimate.bound == pytest.approx(estimate.truncation + estimate.roundoff)
    assert estimate.truncation > 0 < estimate.roundoff
    assert len(estimate.fine_values) == len(estimate.fine_noise) == 4
    for value, noise in zip(estimate.fine_values, estimate.fine_noise, strict=True):
        assert abs(value - math.cos(0.7)) <= noise


@pytest.mark.parametrize(
    ("function", "x", "dtype", "first"),
    [(np.sin, 0.7, F64, 20), (np.sin, 0.7, F32, 18), (np.log, 1e-14, F64, 20)],
)
def test_no_step_is_sampled_twice_and_every_evaluation_is_counted(
    function: Function, x: float, dtype: type, first: int
) -> None:
    curve = Curve(function, x, dtype)
    estimate = ladder.estimate(curve)
    assert estimate.evaluations == 2 * len(curve.steps)
    assert len(set(curve.steps)) == len(curve.steps)
    assert curve.steps == sorted(curve.steps, reverse=True)
    assert first <= len(curve.steps) <= 2 * first
    assert (len(curve.steps) > first) == (x < 1e-10)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("x", [0.0, 1e-5, 1.0, 12345.0])
def test_no_step_is_finer_than_32_ulp(x: float, dtype: type) -> None:
    curve = Curve(plus_step(1.0), x, dtype)  # where nothing is resolved, steps get finest
    ladder.estimate(curve)
    ladder.estimate(curve, scale=1e-30)
    assert min(curve.steps) >= 32 * np.spacing(dtype(x))


def test_stretched_steps_give_another_opinion_and_a_scale_moves_them() -> None:
    plain, stretched, small = Curve(np.exp, 0.3), Curve(np.exp, 0.3), Curve(np.exp, 0.3)
    once, again = ladder.estimate(plain), ladder.estimate(stretched, stretch=1.37)
    assert not set(plain.steps) & set(stretched.steps)
    assert abs(once.value - again.value) <= once.bound + again.bound
    ladder.estimate(small, scale=2.0**-6)
    assert max(small.steps) == 2.0**-7


@pytest.mark.parametrize("dtype", [F64, F32])
def test_no_right_derivative_of_a_random_polynomial_is_outside(dtype: type) -> None:
    rng = np.random.default_rng(7)
    visible = 1e-9 if dtype is F64 else 1e-3
    suspected = 0
    for _ in range(150):
        coefficients, x = rng.integers(-4, 5, 6), float(dtype(rng.uniform(-2, 2)))
        estimate = of(polynomial(coefficients.astype(dtype)), x, dtype)
        derivative = float(polyval(x, polyder(coefficients)))
        assert accepts(estimate, derivative)
        if estimate.low <= estimate.high:
            suspected += 1  # noise that looks like a weak kink: a hull without a kink
        else:
            assert not accepts(estimate, derivative + visible * max(estimate.scale, 1.0))
        assert not estimate.kink
    assert suspected <= 3


class Noise:
    """A line whose samples are anything at all."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.outputs = rng, int(rng.integers(0, 4))
        self.eps, self.tiny = [(2.2e-16, 2.2e-308), (1.2e-7, 1.2e-38)][int(rng.integers(2))]
        self.size = float(rng.choice([0, 5e-324, 1, 1e300, np.inf, np.nan]))
        self.typical = float(rng.choice([0, 1, np.inf, np.nan]))
        self.here, self.cotangent = self._draw(self.outputs), self._draw(self.outputs)

    def _draw(self, *shape: int) -> Float:
        if self.rng.random() < 0.7:
            return self.rng.standard_normal(shape)
        return self.rng.choice([np.nan, np.inf, -np.inf, 0.0, 1.0, 1e308, 5e-324], shape)

    def sample(self, steps: Float) -> Samples:
        above, below = self._draw(len(steps), self.outputs), self._draw(len(steps), self.outputs)
        above[: self.rng.integers(len(steps))] = self.rng.choice([1.0, np.nan])
        absorbed = self.rng.random(len(steps)) > 0.01
        return Samples(steps * absorbed, steps, above, below)


def test_no_sample_whatever_raises_or_warns() -> None:
    rng = np.random.default_rng(0)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for _ in range(1500):
            estimate = ladder.estimate(Noise(rng))
            assert estimate.resolved == math.isfinite(estimate.bound)
            assert math.isfinite(estimate.value) or not estimate.resolved


def test_a_tail_that_forward_rounds_away_is_not_called_wrong() -> None:
    """log(1 + t) is exactly flat where t is 1e-59: its right gradient is 1e-59, no fail."""

    def forward(z: Any) -> Any:
        return np.log(np.exp(z - z.max()).sum()) + z.max() - z[0]

    def backward(dz: Any, z: Any) -> Any:
        p = np.exp(z - z.max())
        return dz * (p / p.sum() - (np.arange(z.size) == 0))

    z = np.array([500.0, 366.0, 420.0])
    result = gradcheck.check(forward, backward, z, max_cases=12)
    assert result.verdict == "pass"
    with pytest.raises(gradcheck.GradientError):
        gradcheck.check(forward, lambda dz, z: backward(dz, z) + 1e-9, z, max_cases=12)

"""Numbers that the precision cannot hold, and choices that are demanded at places of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import finite
from gradcheck.compare import Rules, Status, judge
from gradcheck.estimate import Estimate
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom, quiet
from gradcheck.model import Case, Recipe
from gradcheck.records import unnum
from gradcheck.targets import op_of
from reference_ops.activations import silu
from tests.gates import Array
from tests.judged import fails, passes, wrong


def test_a_forward_that_overflows_rightly_is_rejected_and_counted() -> None:
    result = passes(np.exp, lambda dy, x: dy * np.exp(x), "x[...]", profile="ci", max_cases=100)
    assert any("overflows" in what for what in result.rejected)
    assert not result.findings


def refusal(
    forward: Callable[[Array], Array], *x: float, dtype: str = "float32", regime: str = "generic"
) -> str:
    """Why what is not finite there is no fault of forward's; empty where it is."""
    case = Case(Recipe(regime=regime, dtype=dtype), (np.array(x, dtype),))
    evaluator = Evaluator(gradcheck.op(forward, lambda dy, x: dy, "x[n]"), GlobalRandom(0))
    with quiet():
        outputs = evaluator.forward(case.primals, {})
        assert not np.isfinite(outputs[0]).all()
        return finite.refusal(evaluator, case, outputs, refusable=False)


def test_an_overflow_is_right_where_the_value_is_too_large_or_grows_so_far() -> None:
    assert refusal(np.exp, 1.0, 164.0) == finite.OVERFLOWS
    assert refusal(lambda x: np.exp(x) - np.exp(2 * x), 166.0, 141.0) == finite.OVERFLOWS
    wide = lambda x: -0.5 / np.exp(x) ** 2 - 0.5 * np.log(2 * np.pi)  # noqa: E731
    assert refusal(wide, -106.0) == finite.OVERFLOWS  # in float32, though the output is float64
    assert refusal(lambda x: np.exp(x / 2) * 0.1, 178.3) == finite.OVERFLOWS  # nearly: 5e37
    assert refusal(lambda x: np.exp(np.exp(x)), 12.0) == finite.GROWS  # beyond all wider numbers


def test_and_is_a_fault_where_it_does_not() -> None:
    assert not refusal(lambda x: np.log(1 + np.exp(x)), 164.0)
    assert not refusal(lambda x: np.log(1 + np.exp(x * x)), 164.0)
    assert not refusal(lambda x: np.exp(x) / np.exp(x).sum(), 164.0, 3.0)
    assert not refusal(lambda x: np.exp(x) + 0 * np.log(1 + np.exp(x[::-1])), 1.0, 164.0)
    assert not refusal(lambda x: x / 0, 1.0, 2.0)
    both = lambda x: np.stack([np.exp(x), np.log(1 + np.exp(x))], -1)  # noqa: E731
    assert not refusal(both, *[200.0] * 8)  # wider arithmetic says 200


def test_a_narrow_dtype_overflows_where_wider_ones_do_alone() -> None:
    norm = lambda x: np.sqrt((x * x).sum(-1))  # noqa: E731
    assert not refusal(norm, 300.0, dtype="float16")
    assert refusal(np.exp, 12.0, dtype="float16") == finite.OVERFLOWS


def test_the_users_own_example_overflows_where_it_is_known_to_alone() -> None:
    pole = lambda x: np.exp(1 / (1 - x))  # noqa: E731
    assert not refusal(pole, 1.0, 0.5, regime="example")
    assert refusal(np.exp, 164.0, regime="example") == finite.OVERFLOWS


def test_few_evaluations_say_that_values_grow() -> None:
    calls = 0

    def forward(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.exp(np.exp(x))

    assert refusal(forward, *[12.0] * 50) == finite.GROWS
    assert calls < 100


@pytest.mark.parametrize("seed", range(3))
def test_what_is_too_small_to_matter_is_not_shown_as_the_worst(seed: int) -> None:
    """exp(-677) beside a finite difference of 0: a relative error of 1, of nothing."""
    forward, backward = lambda x: np.exp(x) - 1, lambda dy, x: dy * np.exp(x)
    worst = passes(forward, backward, "x[n]", profile="ci", max_cases=100, seed=seed).worst
    assert worst is not None
    assert unnum(worst.relative_error) <= unnum(worst.limit) < 1


def test_what_a_factor_has_lost_below_the_smallest_number_is_no_error() -> None:
    """x logistic(x) at -89: exp(89) is infinite in float32, so logistic(-89) is 0."""

    def mish(x: Array) -> Array:
        return x * np.tanh(np.logaddexp(0, x))

    def slope(x: Array) -> Array:
        t = np.tanh(np.logaddexp(0, x))
        return t + x * (1 - t**2) / (1 + np.exp(-x))

    tail = ("x:-95..-80[n]",)
    passes(mish, lambda dy, x: dy * slope(x), *tail, dtypes=("float32",), max_cases=100)
    fails(mish, lambda dy, x: dy * slope(x) * 1.1, *tail, dtypes=("float32",), max_cases=100)
    masked = lambda x, m: np.sin(x) + 0 * np.maximum(m, -1)  # noqa: E731
    beside = lambda dy, x, m: (2 * dy * np.cos(x), 0 * m)  # noqa: E731
    found = fails(masked, beside, "x[n], m:-3e38..-1e38[n]", dtypes=("float32",))
    assert "x" in wrong(found)  # whatever stands beside it
    fails(np.log, lambda dy, x: 2 * dy / x, "x:1e30..1e32[n]", dtypes=("float32",))
    far = ("x:-740..-700[n]",)
    grown = lambda dy, x: dy * (1 + x) * np.exp(x)  # noqa: E731
    passes(lambda x: x * np.exp(x), grown, *far, dtypes=("float64",), max_cases=100, seed=1)


@pytest.mark.parametrize("off", [1e-7, 1e-5, 1e-3])
def test_what_a_loose_tolerance_lets_through_is_shown(off: float) -> None:
    options = {"signif": 0.01, "dtypes": ("float64",)}
    worst = passes(np.sin, lambda dy, x: dy * np.cos(x) * (1 + off), "x[n]", **options).worst
    assert worst is not None
    assert unnum(worst.relative_error) == pytest.approx(off, rel=0.01)


def test_backward_may_overflow_where_it_is_asked_for_eight_times_as_much() -> None:
    """exp(88) is 1.7e38, and 3.4e38 the largest float32."""
    found = passes(np.exp, lambda dy, x: dy * np.exp(x), "x:80..88[n]", dtypes=("float32",))
    assert found.checks["linearity"].verdict == "pass"
    clipped = lambda dy, x: np.minimum(dy, 2) * np.exp(x)  # noqa: E731
    found = fails(np.exp, clipped, "x:80..88[n]", dtypes=("float32",), checks="linearity")
    assert {f.code for f in found.findings} == {"not-linear"}


def test_a_forward_that_overflows_where_it_need_not_fails() -> None:
    def softplus(x: Array) -> Array:
        return np.log(1 + np.exp(x))

    def back(dy: Array, x: Array) -> Array:
        return dy / (1 + np.exp(-x))

    codes = {f.code for f in fails(softplus, back, "x[...]", profile="ci", max_cases=100).findings}
    assert "forward-not-finite" in codes
    naive = lambda x: np.log(np.exp(x).sum(axis=-1))  # noqa: E731
    sums = lambda dy, x: np.expand_dims(dy, -1) * np.exp(x) / np.exp(x).sum(-1, keepdims=True)  # noqa: E731
    found = fails(naive, sums, "x[n d]", profile="ci", max_cases=100).findings
    assert "forward-not-finite" in {f.code for f in found}


def test_a_forward_that_is_no_number_at_declared_inputs_fails() -> None:
    found = fails(np.log, lambda dy, x: dy / x, "x[n]").findings
    assert {f.code for f in found} == {"forward-not-finite"}
    assert "'x:-1..1[n]'" in found[0].message


@pytest.mark.parametrize(
    ("analytic", "precision", "status"),
    [
        (-np.inf, "float32", Status.INCONCLUSIVE),
        (np.inf, "float32", Status.FAIL),
        (np.nan, "float32", Status.FAIL),
        (-np.inf, "float64", Status.FAIL),
    ],
)
def test_a_slope_beyond_the_precision_may_be_infinite_with_its_sign(
    analytic: float, precision: str, status: Status
) -> None:
    estimate = Estimate(value=-5.01e38, bound=1e34)
    made = judge(analytic, 0.0, (estimate, lambda: estimate), Rules.of(precision, None))
    assert made.status is status


def test_a_power_whose_slope_overflows_alone_is_not_red() -> None:
    """z = 3e35 can be held in float32, its slope -5e38 cannot."""
    x, y = np.array([0.0116, 1.5], np.float32), np.array([-18.33, 2.0], np.float32)

    def back(dz: Array, x: Array, y: Array) -> tuple[Array, Array]:
        return dz * y * x ** (y - 1), dz * x**y * np.log(x)

    passes(np.power, back, x, y, dtypes="float32", domain={"x": "positive"})


def test_a_demanded_choice_is_tried_where_it_is_demanded() -> None:
    def forward(z: Array) -> Array:
        return np.minimum(np.maximum(z, 0), 6)

    def back(dy: Array, z: Array) -> Array:
        return np.where((z > 0) & (z <= 6), dy, 0)  # slope 1 at 6

    for place, wanted, right in ((6, 1, True), (6, 0, False), (0, 0, True), (0, 1, False)):
        options = {"conventions": {"z": {place: wanted}}}
        if right:
            passes(forward, back, "z[...]", **options)
        else:
            codes = {f.code for f in fails(forward, back, "z[...]", **options).findings}
            assert "convention" in " ".join(codes)


def test_a_demanded_place_needs_no_constant_in_the_source() -> None:
    bound = np.array([7.25])

    def forward(z: Array) -> Array:
        return np.minimum(z, z.dtype.type(bound[0]))

    def back(dy: Array, z: Array) -> Array:
        return np.where(z < bound[0], dy, 0)

    gradcheck.check(forward, back, "z[...]", conventions={"z": {7.25: 0}})
    assert fails(forward, back, "z[...]", conventions={"z": {7.25: 1}})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_tail_that_the_precision_cannot_hold_may_be_zero(dtype: str) -> None:
    """The slope of silu at -142 is -6e-60, which float32 has no number for."""
    options: dict[str, Any] = {"tails": "exact", "dtypes": dtype, "max_cases": 100}
    options["domain"] = {"z": "-200..60"}
    passes(silu, **options)
    right = op_of(silu)
    assert right is not None

    def vjp(*primals: Any) -> Any:
        outputs, pullback = right.vjp(*primals)
        return outputs, lambda c: tuple(np.where(primals[0] < -60, 0, g) for g in pullback(c))

    assert wrong(fails(replace(right, vjp=vjp), **options)) == {"z"}


def test_a_small_slope_in_half_precision_is_judged_with_exact_tails_too() -> None:
    def forward(x: Array) -> Array:
        return np.asarray(np.sin(x) * x.dtype.type(1e-5))

    def flipped(dy: Array, x: Array) -> Array:
        return np.asarray(-np.cos(x) * x.dtype.type(1e-5) * dy)

    for options in ({}, {"tails": "exact"}):
        found = fails(forward, flipped, "x[n]", dtypes="float16", **options)
        assert wrong(found) == {"x"}


def test_overflow_beyond_float64_is_told_by_long_double() -> None:
    result = passes(np.exp, lambda dy, x: dy * np.exp(x), "x:-800..800[n]", max_cases=40)
    assert any("overflows" in what for what in result.rejected)


@pytest.mark.parametrize("rightly", [True, False])
def test_overflow_is_told_by_the_reference_where_forward_has_no_wider_arithmetic(
    rightly: bool,
) -> None:
    """exp(800) is beyond float64; log(exp(x) + 1) is near 800, by a forward that overflows."""

    def forward(x: Array) -> Array:
        if x.dtype == np.longdouble:
            raise TypeError("no such dtype")
        return np.asarray(np.exp(x) if rightly else np.log(np.exp(x) + 1))

    def backward(dy: Array, x: Array) -> Array:
        return np.asarray(dy * (np.exp(x) if rightly else 1 / (1 + np.exp(-x))))

    def softplus(x: Array) -> Array:
        return np.asarray(np.logaddexp(0, x))

    reference = np.exp if rightly else softplus
    if rightly:
        result = passes(forward, backward, "x:-800..800[n]", max_cases=40, reference=reference)
        assert any("overflows" in what for what in result.rejected)
    else:
        found = fails(forward, backward, "x:-800..800[n]", max_cases=40, reference=reference)
        assert "forward-not-finite" in {f.code for f in found.findings}

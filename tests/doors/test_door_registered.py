"""Registered functions, and `check` inside other tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import gradcheck
from tests.doors.common import (
    CASES,
    B,
    MultiplyGate,
    MultiplyGateUnswitched,
    V,
    W,
    X,
    affine,
    affine_backward,
    affine_backward_wrong_w,
    codes,
    fails,
    passes,
    refused,
    warnings_of,
    wrong,
)


def test_registered_function():
    @gradcheck.register("x[n], k[]")
    def scaled_right(x, k):
        return x * k

    @scaled_right.def_vjp
    def _(dz, x, k):
        return k * dz, np.sum(x * dz)

    @gradcheck.register("x[n], k[]")
    def scaled_wrong(x, k):
        return x * k

    @scaled_wrong.def_vjp
    def _(dz, x, k):
        return k * dz, np.sum(dz)

    assert np.array_equal(scaled_right(V, 2.0), 2 * V)
    out, pullback = scaled_right.vjp(V, np.float64(2.0))
    assert np.array_equal(out, 2 * V)
    assert np.array_equal(pullback(np.ones(5))[0], np.full(5, 2.0))
    assert passes(scaled_right).kind == "function with vjp"
    assert wrong(fails(scaled_wrong)) == {"k"}


def test_registered_function_without_backward():
    @gradcheck.register("x[n]")
    def lonely(x):
        return x * x

    text = refused(lonely)
    assert "lonely is registered but has no backward pass" in text
    assert "@lonely.def_vjp" in text
    assert np.array_equal(lonely(V), V * V)


def test_registered_class():
    @gradcheck.register("x[n], y[n]")
    class RegisteredMultiply(MultiplyGate):
        pass

    @gradcheck.register("x[n], y[n]")
    class RegisteredUnswitched(MultiplyGateUnswitched):
        pass

    assert isinstance(RegisteredMultiply, type)
    passes(RegisteredMultiply)
    assert wrong(fails(RegisteredUnswitched)) == {"x", "y"}


def test_subclass_of_a_registered_class_is_itself():
    """A registered parent's op must not be checked in place of the child."""

    @gradcheck.register("x[n], y[n]")
    class Parent(MultiplyGate):
        pass

    class Child(Parent):
        def backward(self, dz):
            return [self.x * dz, self.y * dz]

    assert wrong(fails(Child, V, V[::-1] + 0.25)) == {"x", "y"}


def test_op_object():
    right = gradcheck.op(affine, affine_backward, X, W, B, name="right")
    assert passes(right).op.endswith("::right")
    assert wrong(fails(gradcheck.op(affine, affine_backward_wrong_w, X, W, B))) == {"w"}


def test_options_given_with_a_registered_op():
    """Broadcasting that nobody declared is a warning, and a fail where forward's word holds."""
    made = gradcheck.op(lambda x, y: x * y, lambda dz, x, y: (y * dz, x * dz), "x[n d], y[n d]")
    assert ("wrong-shape", "y") in warnings_of(passes(made, max_cases=25))
    assert codes(fails(made, scope="forward", max_cases=25)) == {"wrong-shape"}


@pytest.mark.parametrize(
    ("more", "options"), [((X,), {}), (("x[n]",), {}), ((), {"facto": 2.0}), ((), {"nondif": "x"})]
)
def test_what_an_op_object_cannot_take_is_not_dropped_silently(more, options):
    """An op has its inputs and attributes already."""
    with pytest.raises(gradcheck.UsageError):
        gradcheck.check(gradcheck.op(affine, affine_backward, X, W, B), *more, **options)


def test_inside_a_hypothesis_test():
    """Hypothesis makes the cases; gradcheck judges each of them once."""
    seen: list[tuple[float, ...]] = []

    @hypothesis_settings(max_examples=8, database=None, derandomize=True, deadline=None)
    @given(st.lists(st.integers(-20, 20), min_size=1, max_size=5))
    def right(numbers):
        x = np.array(numbers) / 4
        result = gradcheck.check(lambda x: x**3, lambda dz, x: 3 * x * x * dz, x)
        assert result.cases == 1
        seen.append(tuple(numbers))

    right()
    assert len(seen) >= 8

    @hypothesis_settings(max_examples=20, database=None, derandomize=True, deadline=None)
    @given(st.integers(-20, 20))
    def wrong_above_ten(number):
        def backward(dz, x):
            return np.where(x > 10, 2 * x, 3 * x * x) * dz

        gradcheck.check(lambda x: x**3, backward, np.array([float(number)]))

    with pytest.raises(gradcheck.GradientError) as caught:
        wrong_above_ten()
    assert "x = np.array([11.0])" in str(caught.value)


def test_inside_a_hypothesis_test_what_cannot_be_judged_is_rejected():
    own_generator = np.random.default_rng(0)
    judged: list[int] = []
    entered: list[int] = []

    def forward(x):
        return x * (own_generator.random() if x[0] < 0 else 2.0)

    @hypothesis_settings(
        max_examples=40,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much],
    )
    @given(st.integers(-2, 40))
    def test(number):
        entered.append(number)
        gradcheck.check(forward, lambda dz, x: 2.0 * dz, np.array([float(number)]))
        judged.append(number)

    test()
    assert any(n < 0 for n in entered)
    assert judged
    assert all(n >= 0 for n in judged)


def test_outside_hypothesis_what_cannot_be_judged_is_red():
    own_generator = np.random.default_rng(0)
    with pytest.raises(gradcheck.GradientError, match="not a function of its inputs") as caught:
        gradcheck.check(lambda x: x * own_generator.random(), lambda dz, x: dz, V, max_cases=CASES)
    assert caught.value.result.verdict == "inconclusive"


def test_gradient_error_is_an_assertion_with_its_result():
    with pytest.raises(AssertionError, match="gradient of w") as caught:
        gradcheck.check(affine, affine_backward_wrong_w, X, W, B, max_cases=CASES)
    assert isinstance(caught.value, gradcheck.GradientError)
    assert caught.value.result.worst is not None
    assert caught.value.result.worst.input == "w"


def test_the_callers_random_state_is_left_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    passes(affine, affine_backward, X, W, B)
    assert np.array_equal(np.random.get_state()[1], before)

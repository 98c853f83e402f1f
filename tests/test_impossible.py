"""Inputs that cannot be had: refused in words, or not judged with the reason; never a traceback."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import gradcheck
from gradcheck.errors import UsageError
from tests.gates import Array, passes, refused, sine, sine_backward, x5


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        (st.nothing(), "yield no valid case"),
        (st.integers().filter(lambda v: False), "yield no valid case"),
        (st.integers().map(lambda v: 1 // 0), "strategy raises ZeroDivisionError"),
        (st.text(min_size=1), "strategy of x draws <U"),
    ],
)
def test_strategy_without_a_valid_case(strategy: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        passes(sine, sine_backward, "x[n]", domain={"x": strategy})


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("x[n+1]", "'n\\+1' is no dimension"),
        ("x:symmetric[n d]", "cannot be symmetric: write x\\[n n\\]"),
        ("x:symmetric[n]", "cannot be symmetric"),
        ("x[... n ...]", "may stand once"),
    ],
)
def test_dimensions_that_cannot_be_solved(signature: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        passes(sine, sine_backward, signature)


def test_a_domain_and_a_relation_that_contradict_each_other() -> None:
    error = refused(sine, sine_backward, "x:positive[n]", valid=lambda x: bool((x < 0).all()))
    assert error.result.verdict == "inconclusive"
    assert "valid() refuses it" in error.result.reason
    with pytest.raises(UsageError, match="valid=3"):
        passes(sine, sine_backward, "x[n]", valid=3)


def test_symmetric_input_beside_shapes_that_are_not_square() -> None:
    """Broadcasting is tried: a symmetric matrix has no row."""
    a = np.array([[2.0, 0.3], [0.3, 1.5]])
    passes(lambda a, x: a * x, lambda dz, a, x: [dz * x, dz * a], a, a + 1)


class Counting:
    """A forward that counts its calls into its result."""

    def __init__(self) -> None:
        self.calls = count()

    def __call__(self, x: Array) -> Array:
        return np.sin(x) + next(self.calls)


def test_stateful_or_random_forward_is_found_before_differentiating() -> None:
    rng = np.random.default_rng(0)
    for forward in (Counting(), lambda x: x * (rng.random(x.shape) > 0.5)):
        error = refused(forward, sine_backward, np.repeat(x5, 3))
        (found,) = error.result.findings
        assert found.code == "random-forward"
        assert error.result.verdict == "inconclusive"
        assert error.result.comparisons == 0
        assert error.result.forward_calls < 50
    gradcheck.check(sine, sine_backward, x5, max_cases=15)

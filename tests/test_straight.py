"""Inputs that outputs follow along lines: two evaluations of each group, and when they do not do.

Everything is held against three evaluations of each entry by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import compressed
from gradcheck.differences import quick
from gradcheck.point import Entries
from gradcheck.quotients import QuickEstimates
from tests.gates import Array, fails, passes
from tests.test_structure import at

MATRIX = np.random.default_rng(1).standard_normal((16, 5))
ROWS = np.random.default_rng(2).standard_normal((6, 16))
H = 2.0**-15
"""The step at 1."""


def grouped_at(function: Callable[[Array], Array], x: Array) -> tuple[QuickEstimates[Any], int]:
    """Every entry of an input of rows, and the points that it took once the groups were known."""
    point = at(function, x)
    found = compressed.find(point, 0)
    assert found is not None
    assert found.groups == 16
    before = point.evaluator.counters.forward_points
    made = compressed.quick(point, 0, found)
    assert made is not None
    points = point.evaluator.counters.forward_points - before
    one_by_one = quick(point, Entries(0, np.arange(x.size)))
    np.testing.assert_allclose(made.value, one_by_one.value, rtol=1e-8, atol=1e-10)
    assert (np.abs(made.value - one_by_one.value) <= made.bound + one_by_one.bound).all()
    return made, points


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_evaluations_of_a_group_are_enough_along_lines(dtype: str) -> None:
    point = at(lambda x: x @ MATRIX.astype(dtype), ROWS.astype(dtype), dtype=dtype)
    found = compressed.find(point, 0)
    assert found is not None
    before = point.evaluator.counters.forward_points
    made = compressed.quick(point, 0, found)
    assert made is not None
    near, trial, together, alone = 2 * 16, 2, 1, 4
    assert point.evaluator.counters.forward_points - before <= near + trial + together + alone
    assert (made.truncation <= made.roundoff).all()
    weights = point.cotangent.reshape(6, 5) @ MATRIX.T
    assert (np.abs(made.value - weights.reshape(-1)) <= made.bound).all()


def bilinear(x: Array) -> Array:
    """Straight along each entry, and each slope is another entry."""
    return np.asarray((x[..., ::2] * x[..., 1::2]) @ MATRIX[:8])


def bent_beyond(x: Array) -> Array:
    """Straight as far as three evaluations reach."""
    return np.asarray(np.where(np.abs(x - 1) > 8 * H, 3 * x, x) @ MATRIX)


def ends_beyond(x: Array) -> Array:
    if (np.abs(x - 1) > 8 * H).any():
        raise ValueError("out of range")
    return np.asarray(x @ MATRIX)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: x**3 @ MATRIX, np.zeros((6, 16))),
        (lambda x: np.sin(x) @ MATRIX, np.zeros((6, 16))),
        (lambda x: np.exp(x) @ MATRIX, ROWS),
        (bilinear, ROWS),
    ],
    ids=["cubes at zero", "sines at zero", "exponentials", "products of two entries"],
)
def test_what_is_no_line_takes_three(function: Callable[[Array], Array], x: Array) -> None:
    made, points = grouped_at(function, x)
    assert points >= 3 * 16
    if function is not bilinear:
        assert (made.truncation > 0).all()


@pytest.mark.parametrize("function", [bent_beyond, ends_beyond])
def test_lines_that_end_within_many_steps_are_good_enough_here(
    function: Callable[[Array], Array],
) -> None:
    _, points = grouped_at(function, np.ones((6, 16)))
    assert points >= 3 * 16


def test_a_wrong_entry_along_lines_is_found() -> None:
    def backward(dy: Array, x: Array) -> Array:
        dx = dy @ MATRIX.T
        dx[2, 3] *= 1.01
        return np.asarray(dx)

    options: dict[str, Any] = {"vary_sizes": False, "dtypes": "float64", "max_cases": 3}
    passes(lambda x: x @ MATRIX, lambda dy, x: dy @ MATRIX.T, ROWS, **options)
    assert fails(lambda x: x @ MATRIX, backward, ROWS, **options).entry == (2, 3)

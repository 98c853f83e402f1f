"""At the edge of forward's domain there is one side, and its slope is the derivative there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.gates import Array
from tests.judged import fails, passes, wrong

Slope = Callable[[Array], Array]


def within(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The function, refusing what is below zero."""

    def forward(x: Array) -> Array:
        if (x < 0).any():
            raise ValueError("x must not be below 0")
        return function(x)

    return forward


SMOOTH: dict[str, tuple[Callable[[Array], Array], Slope]] = {
    "x^1.5": (lambda x: x * np.sqrt(x), lambda x: np.sqrt(x) * 3 / 2),
    "exp": (np.exp, np.exp),
    "log(1 + x)": (np.log1p, lambda x: 1 / (1 + x)),
    "steep": (lambda x: np.tanh(50 * x), lambda x: 50 * (1 - np.tanh(50 * x) ** 2)),
    "square": (lambda x: x * x, lambda x: 2 * x),
    "1 / sqrt(x + eps)": (
        lambda x: 1 / np.sqrt(x + x.dtype.type(1e-3)),
        lambda x: -1 / (2 * (x + x.dtype.type(1e-3)) ** 1.5),
    ),
}
SLOW: dict[str, tuple[Callable[[Array], Array], Slope]] = {
    "3x + x^2 - x^1.1 / 100": (
        lambda x: 3 * x + x**2 - x**1.1 / 100,
        lambda x: 3 + 2 * x - 0.011 * x**0.1,
    ),
    "x + x^2 - x^1.1 / 10": (
        lambda x: x + x**2 - x**1.1 / 10,
        lambda x: 1 + 2 * x - 0.11 * x**0.1,
    ),
    "sin x + x^2 - x^1.1 / 20": (
        lambda x: np.sin(x) + x**2 - x**1.1 / 20,
        lambda x: np.cos(x) + 2 * x - 0.055 * x**0.1,
    ),
}
"""A part settles slowly, which coarse steps do not show."""
INFINITE: dict[str, tuple[Callable[[Array], Array], Slope]] = {
    "sqrt": (np.sqrt, lambda x: 1 / (2 * np.sqrt(x))),
    "x^0.9": (lambda x: x**0.9, lambda x: 0.9 * x**-0.1),
}


def backward(slope: Slope, at_zero: float | None = None, factor: float = 1.0) -> Any:
    def back(dy: Array, x: Array) -> Array:
        with np.errstate(all="ignore"):
            given = slope(x)
        spoilt = given * factor if at_zero is None else np.full_like(given, at_zero)
        return np.asarray(dy * np.where(x == 0, spoilt, given))

    return back


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_one_sided_slope_passes_and_constant_beyond_is_a_convention(
    name: str, dtype: str
) -> None:
    function, slope = SMOOTH[name]
    options: dict[str, Any] = {"dtypes": dtype, "max_cases": 40}
    passes(within(function), backward(slope), "x:nonnegative[...]", **options)
    passes(within(function), backward(slope, at_zero=0.0), "x:nonnegative[...]", **options)


@pytest.mark.parametrize("name", SMOOTH)
def test_no_number_there_is_wrong(name: str) -> None:
    function, slope = SMOOTH[name]
    for value in (np.nan, np.inf):
        result = fails(
            within(function), backward(slope, at_zero=value), "x:nonnegative[...]", max_cases=40
        )
        assert wrong(result) == {"x"}


@pytest.mark.parametrize("name", ["exp", "log(1 + x)", "steep", "1 / sqrt(x + eps)"])
def test_another_slope_there_is_wrong(name: str) -> None:
    function, slope = SMOOTH[name]
    for factor in (2.0, -1.0, 1.01, 0.9, 0.5):
        back = backward(slope, factor=factor)
        assert wrong(fails(within(function), back, "x:nonnegative[...]", max_cases=40)) == {"x"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SLOW)
def test_a_right_slope_that_is_reached_slowly_is_not_called_wrong(name: str, dtype: str) -> None:
    function, slope = SLOW[name]
    passes(within(function), backward(slope), "x:nonnegative[n]", dtypes=dtype, max_cases=60)


def test_0_times_an_infinite_slope_is_not_judged() -> None:
    """At this seed a case has 0 with an upstream gradient of 0; a NaN elsewhere stays wrong."""
    function, slope = INFINITE["sqrt"]
    options: dict[str, Any] = {"max_cases": 60, "seed": 7}
    passes(function, lambda dy, x: dy / (2 * np.sqrt(x)), "x:nonnegative[n]", **options)
    fails(function, lambda dy, x: dy / (2 * np.sqrt(x - x)), "x:nonnegative[n]", **options)
    fails(
        function, lambda dy, x: dy * np.where(dy, slope(x), np.nan), "x:nonnegative[n]", **options
    )
    nowhere = backward(slope, at_zero=np.nan)  # not infinity there with an upstream gradient either
    fails(function, nowhere, "x:nonnegative[n]", **options)


@pytest.mark.parametrize("name", INFINITE)
@pytest.mark.parametrize("at_zero", [None, 0.0, np.nan])
def test_an_infinite_slope_is_not_judged(name: str, at_zero: float | None) -> None:
    function, slope = INFINITE[name]
    result = passes(
        within(function), backward(slope, at_zero=at_zero), "x:nonnegative[n]", max_cases=40
    )
    assert result.checks["values"].inconclusive > 0

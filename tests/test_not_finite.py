"""A gradient that is NaN or infinite is shown as infinitely wrong, before what is wrong a bit."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.arrays import relative_error
from gradcheck.plugin.summary import _rank
from gradcheck.records import unnum
from gradcheck.reporters import json, text
from gradcheck.reporters.html import render
from gradcheck.reporters.standing import worst_first
from gradcheck.results import OpResult, Report, summarise
from gradcheck.runner import run_one
from gradcheck.settings import Settings

SETTINGS = Settings(max_cases=10)


def flat(x):
    """No entry moves it: beside a finite difference of 0 there is no size to divide by."""
    return np.zeros_like(x)


def result(name, forward, backward) -> OpResult:
    op = gradcheck.op(forward, backward, "x[n]", name=name)
    return run_one(op, SETTINGS, illustrated=True)


@pytest.fixture(scope="module")
def results() -> dict[str, OpResult]:
    made = [
        result("right", np.tanh, lambda dz, x: dz * (1 - np.tanh(x) ** 2)),
        result("wrong", np.tanh, lambda dz, x: -3 * dz * (1 - np.tanh(x) ** 2)),
        result("infinite", np.tanh, lambda dz, x: np.full_like(x, np.inf)),
        result("flat_nan", flat, lambda dz, x: dz * np.nan),
    ]
    return {r.name: r for r in made}


def report(results) -> Report:
    found = list(results.values())
    return Report(
        seed=0, profile="", environment={}, summary=summarise(found, 0, 0.0), results=found
    )


@pytest.mark.parametrize("name", ["flat_nan", "infinite"])
def test_its_relative_error_is_infinite(results, name):
    worst = results[name].worst
    assert worst is not None
    assert worst.relative_error == "inf"
    assert results[name].verdict == "fail"
    numbers = results[name].findings[0].numbers
    assert numbers is not None
    assert numbers.relative_error == "inf"
    assert "inf" in results[name].figures.heat.errors
    assert "  relative error      inf, " in text.failure(results[name])


def test_finite_errors_are_what_they_were(results):
    worst = results["wrong"].worst
    assert unnum(worst.relative_error) == pytest.approx(4 / 3)
    assert unnum(results["right"].worst.relative_error) < 1e-6


def test_it_comes_first_in_every_order(results):
    whole = report(results)
    assert [r.name for r in worst_first(whole.results)][2:] == ["wrong", "right"]
    assert [r.name for r in sorted(whole.results, key=_rank)][2:] == ["wrong", "right"]
    again = json.parse(json.render(whole), "here")
    assert again.results[3].worst.relative_error == "inf"
    page = render(whole)
    assert page.index(">flat_nan<") < page.index(">wrong<") < page.index(">right<")
    assert "<td>inf<td>" in page


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        (float("nan"), 0.0, "inf"),
        (float("inf"), 1.0, "inf"),
        (float("nan"), float("nan"), "inf"),
        (0.0, 0.0, "0.0"),
        (-1.0, 2.0, "1.5"),
    ],
)
def test_the_relative_error_of_two_numbers(a, b, error):
    assert str(relative_error(a, b)) == error

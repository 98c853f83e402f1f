"""A pass that could not have failed is said to be hollow; and conventions can be demanded."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.errors import UsageError
from tests.gates import (
    Array,
    Function,
    fails,
    near_zero,
    passes,
    refused,
    relu,
    sine,
    sine_backward,
    x5,
)


def codes(result: object) -> set[tuple[str, str]]:
    return {(f.code, f.input) for f in result.findings if f.severity == "warning"}  # type: ignore[attr-defined]


def test_output_that_nothing_moves() -> None:
    def rounded(x: Array) -> Array:
        return np.round(x)

    def zeros(dz: Array, x: Array) -> Array:
        return np.zeros_like(x)

    assert ("unmoved", "x") in codes(passes(rounded, zeros, x5 + 0.2))
    assert fails(rounded, zeros, x5 + 0.2, strict=True).code == "unmoved"
    fails(rounded, lambda dz, x: dz, x5 + 0.2)
    assert not codes(passes(sine, sine_backward, x5))


def test_one_input_that_is_never_used() -> None:
    def ignores(x: Array, y: Array) -> Array:
        return np.sin(x)

    def backward(dz: Array, x: Array, y: Array) -> list[Array]:
        return [dz * np.cos(x), np.zeros_like(y)]

    result = passes(ignores, backward, "x[n], y[n]")
    assert ("unmoved", "y") in codes(result)
    assert ("unmoved", "x") not in codes(result)


@pytest.mark.parametrize(("edge", "hollow"), [(1.2, True), (-2.0, False)])
def test_gradient_that_is_zero_on_most_draws(edge: float, hollow: bool) -> None:
    def hinge(x: Array) -> Array:
        return np.maximum(x.sum() - edge * x.size, 0)

    def backward(dz: Array, x: Array) -> Array:
        return np.full_like(x, dz * (x.sum() > edge * x.size))

    result = passes(hinge, backward, "x[n]", max_cases=25)
    assert (("mostly-zero", "x") in codes(result)) is hollow
    assert all(f.cases > 5 for f in result.findings if f.code == "mostly-zero")


def test_most_cases_refused() -> None:
    def rare(x: Array) -> bool:
        return int(1000 * np.abs(x).sum()) % 3 == 0 and x.ndim == 1

    result = passes(sine, sine_backward, "x[n]", valid=rare, max_cases=60)
    assert ("mostly-rejected", "") in codes(result)
    assert any("never met, because forward refuses it: 0-d" in a for a in result.assumptions)
    assert not codes(passes(sine, sine_backward, "x[n]"))


def relu_backward(at_zero: float) -> Function:
    return lambda dz, x: dz * np.where(x == 0, at_zero, x > 0)


@pytest.mark.parametrize("pinned", [{"x": {0: 0.5}}, {"x": {0: (0.5, 1)}}])
def test_convention_that_is_pinned(pinned: object) -> None:
    passes(relu, relu_backward(0.5), near_zero, conventions=pinned)
    passes(relu, relu_backward(0.0), near_zero)
    found = fails(relu, relu_backward(0.0), near_zero, conventions=pinned)
    assert found.code == "convention"
    assert "at x = 0 backward takes 0 of the larger one-sided slope" in found.message
    assert "conventions= demands 0.5" in found.message


def test_convention_at_ties() -> None:
    def largest(x: Array) -> Array:
        return x.max()

    def first(dz: Array, x: Array) -> Array:
        dx = np.zeros_like(x)
        dx[x.argmax()] = dz
        return dx

    def split(dz: Array, x: Array) -> Array:
        return dz * (x == x.max()) / (x == x.max()).sum()

    one = {"x": {"tie": (0, 1)}}
    passes(largest, first, x5, conventions=one)
    passes(largest, split, x5)
    assert fails(largest, split, x5, conventions=one).code == "convention"


@pytest.mark.parametrize(("share", "right"), [(0.0, True), (1.0, False), (0.5, False)])
def test_convention_at_a_tie_of_one_number_with_many(share: float, right: bool) -> None:
    """The other entries move too: the slope at the tie is not the share alone."""

    def backward(dz: Array, x: Array, y: Array) -> tuple[Array, Array]:
        taken = (y > x) + share * (y == x)
        return dz * (1 - taken), (dz * taken).sum()

    check = passes if right else fails
    found = check(np.maximum, backward, "x[n], y[]", conventions={"y": {"tie": 0}}, max_cases=50)
    assert right or found.code == "convention"


def test_conventions_in_another_form_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="say by input and place"):
        passes(relu, relu_backward(0), near_zero, conventions={"x": 0})
    with pytest.raises(UsageError, match="conventions: there is no input 'y'"):
        passes(relu, relu_backward(0), near_zero, conventions={"y": {0: 0}})


def test_example_outside_of_the_declared_domain() -> None:
    with pytest.raises(UsageError, match="says x is positive, the example has -1"):
        passes(np.log, lambda dz, x: dz / x, "x:positive[n]", x5)


def test_a_case_with_several_kinks_counts_once_and_kinks_are_named_by_their_places():
    pinned = {"x": {0: 0}}
    result = refused(relu, relu_backward(1.0), np.zeros((2, 3)), conventions=pinned).result
    (found,) = [f for f in result.findings if f.code == "convention"]
    assert found.cases <= result.cases
    clipped = passes(lambda x: np.clip(x, -1, 1), lambda d, x: d * (abs(x) <= 1), x5)
    assert {c.where for c in clipped.conventions} <= {"-1", "1", "-1, 1"}
    assert clipped.conventions

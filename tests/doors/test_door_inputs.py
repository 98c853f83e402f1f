"""Lists of arrays, strategies, relations between inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import gradcheck
from tests.doors.common import (
    CASES,
    B,
    V,
    W,
    X,
    affine,
    affine_backward,
    affine_backward_wrong_w,
    assumed,
    codes,
    fails,
    passes,
    refused,
    wrong,
)


def concatenated(arrays):
    return np.concatenate(arrays)


def split_backward(dout, arrays):
    ends = np.cumsum([len(a) for a in arrays])[:-1]
    return [part.copy() for part in np.split(dout, ends)]


def split_backward_reversed(dout, arrays):
    return [part[::-1].copy() for part in split_backward(dout, arrays)]


def test_list_of_arrays_as_one_argument():
    result = passes(concatenated, split_backward, [V, V[:3] + 0.5])
    assert "arrays_0" in assumed(result)
    assert "arrays_1" in assumed(result)
    found = fails(concatenated, split_backward_reversed, [V, V[:3] + 0.5])
    assert wrong(found) == {"arrays_0", "arrays_1"}


def test_list_of_arrays_beside_another_argument():
    def weighted(arrays, k):
        return k * np.concatenate(arrays)

    def backward(dout, arrays, k):
        return [k * d for d in split_backward(dout, arrays)], np.sum(dout * concatenated(arrays))

    def backward_wrong(dout, arrays, k):
        return split_backward(dout, arrays), np.sum(dout * concatenated(arrays))

    passes(weighted, backward, [V, V[:3] + 0.5], 1.5)
    result = fails(weighted, backward_wrong, [V, V[:3] + 0.5], 1.5)
    assert wrong(result) == {"arrays_0", "arrays_1"}


def test_list_of_one_array_beside_another_argument():
    def weighted(arrays, k):
        return k * np.concatenate(arrays)

    def backward(dout, arrays, k):
        return [k * d for d in split_backward(dout, arrays)], np.sum(dout * concatenated(arrays))

    passes(weighted, backward, [V], 1.5)


def test_tuple_of_arrays_stays_a_tuple():
    seen = set()

    def stacked(arrays):
        seen.add(type(arrays))
        return np.concatenate(arrays)

    passes(stacked, split_backward, (V, V[:3] + 0.5))
    assert seen == {tuple}


def test_list_of_numbers_is_an_array():
    def backward(dz, x):
        return 2 * np.asarray(x) * dz

    def backward_wrong(dz, x):
        return np.asarray(x) * dz

    passes(lambda x: np.asarray(x) ** 2, backward, [0.5, -1.5, 2.0])
    assert wrong(fails(lambda x: np.asarray(x) ** 2, backward_wrong, [0.5, -1.5, 2.0])) == {"x"}


def test_zero_dimensional_arrays():
    def backward(dz, x, y):
        return y * dz, x * dz

    passes(lambda x, y: x * y, backward, np.array(3.0), np.array(-4.0))
    result = fails(lambda x, y: x * y, lambda dz, x, y: (y * dz, dz), np.array(3.0), np.array(-4.0))
    assert wrong(result) == {"y"}


def test_empty_signature_dimensions_are_numbers():
    passes(lambda x, y: x * y, lambda dz, x, y: (y * dz, x * dz), "x[], y[]")
    result = fails(lambda x, y: x * y, lambda dz, x, y: (x * dz, y * dz), "x[], y[]")
    assert wrong(result) == {"x", "y"}


def test_the_same_array_twice():
    """``check(multiply, ..., x, x)`` gives two inputs, each moved on its own."""
    passes(lambda x, y: x * y, lambda dz, x, y: (y * dz, x * dz), V, V)
    result = fails(lambda x, y: x * y * y, lambda dz, x, y: (y * y * dz, x * y * dz), V, V)
    assert wrong(result) == {"y"}


def test_the_example_is_left_alone():
    x, w, b = X.copy(), W.copy(), B.copy()
    passes(affine, affine_backward, x, w, b)
    with pytest.raises(gradcheck.GradientError):
        gradcheck.check(affine, affine_backward_wrong_w, x, w, b, max_cases=CASES)
    assert np.array_equal(x, X)
    assert np.array_equal(w, W)
    assert np.array_equal(b, B)
    assert x.flags.writeable


def test_read_only_example():
    x = X.copy()
    x.flags.writeable = False
    passes(affine, affine_backward, x, W, B)


def sorted_vectors() -> st.SearchStrategy[np.ndarray[Any, Any]]:
    steps = st.lists(st.integers(1, 40), min_size=3, max_size=6)
    return steps.map(lambda s: np.cumsum(np.array(s)) / 8)


def gaps(x):
    """Refuses anything that is not sorted."""
    if (np.diff(x) <= 0).any():
        raise ValueError("knots must increase")
    return np.log(np.diff(x))


def gaps_backward(dz, x):
    flow = dz / np.diff(x)
    return np.concatenate([[0.0], flow]) - np.concatenate([flow, [0.0]])


def gaps_backward_wrong(dz, x):
    flow = dz / np.diff(x)
    return np.concatenate([[0.0], flow]) + np.concatenate([flow, [0.0]])


def test_strategy():
    options = {"domain": {"x": sorted_vectors()}}
    passes(gaps, gaps_backward, "x[n]", **options)
    assert wrong(fails(gaps, gaps_backward_wrong, "x[n]", **options)) == {"x"}


def test_strategy_beside_an_example():
    options = {"domain": {"x": sorted_vectors()}}
    example = np.array([0.5, 1.25, 2.0, 4.0])
    passes(gaps, gaps_backward, example, **options)
    assert wrong(fails(gaps, gaps_backward_wrong, example, **options)) == {"x"}


def test_strategy_values_are_declared():
    """A wrong gradient at a value that the user's strategy drew is a fail, whatever else varies."""
    drawn = st.sampled_from([np.array([2.0, 3.0, 5.0]), np.array([-2.0, -3.0, -5.0])])

    def backward(dz, x):
        return 2 * np.abs(x) * dz

    assert wrong(fails(lambda x: x * x, backward, "x[3]", domain={"x": drawn})) == {"x"}
    result = passes(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[3]", domain={"x": drawn})
    assert not {"zero-size", "0-d", "one more dimension"} & set(result.coverage)


def test_strategy_for_one_of_two_inputs():
    options = {"domain": {"k": st.sampled_from([0.5, 2.0])}}

    def scaled(x, k):
        return k * x

    result = passes(scaled, lambda dz, x, k: (k * dz, np.sum(x * dz)), V, 1.5, **options)
    assert result.comparisons > 50
    assert wrong(fails(scaled, lambda dz, x, k: (k * dz, np.sum(dz)), V, 1.5, **options)) == {"k"}


def test_strategy_that_yields_nothing():
    with pytest.raises(gradcheck.UsageError, match="strateg"):
        gradcheck.check(
            gaps, gaps_backward, "x[n]", domain={"x": sorted_vectors().filter(lambda x: False)}
        )


def test_domain_word():
    def log(x):
        if (np.asarray(x) <= 0).any():
            raise ValueError("only positive numbers have a logarithm")
        return np.log(x)

    passes(log, lambda dz, x: dz / x, "x[n]", domain={"x": "positive"})
    assert wrong(fails(log, lambda dz, x: dz * x, "x[n]", domain={"x": "positive"})) == {"x"}
    assert codes(fails(log, lambda dz, x: dz / x, "x[n]")) == {"forward-raised"}


def test_domain_of_an_input_that_does_not_exist():
    text = refused(affine, affine_backward, X, W, B, domain={"xs": "positive"})
    assert "'xs'" in text
    assert "'x'" in text


@pytest.mark.parametrize("option", ["nondiff", "overwrites"])
def test_option_that_names_no_input(option):
    text = refused(affine, affine_backward, X, W, B, **{option: "weights"})
    assert "'weights'" in text


def test_domain_without_the_name_of_an_input():
    assert "domain" in refused(affine, affine_backward, X, W, B, domain="positive")


def test_domain_word_that_does_not_exist():
    text = refused(affine, affine_backward, X, W, B, domain={"x": "positve"})
    assert "'positve'" in text
    assert "'positive'" in text


def test_valid():
    """``x > y`` is no property of one input."""

    def log_gap(x, y):
        return np.log(x - y)

    def backward(dz, x, y):
        return dz / (x - y), -dz / (x - y)

    def backward_wrong(dz, x, y):
        return dz / (x - y), dz / (x - y)

    options = {"valid": lambda x, y: bool(np.all(x > y)), "max_cases": 40}
    result = passes(log_gap, backward, "x[], y[]", **options)
    assert sum(n for reason, n in result.rejected.items() if "valid() refuses it" in reason) >= 10
    assert wrong(fails(log_gap, backward_wrong, "x[], y[]", **options)) == {"y"}
    assert codes(fails(log_gap, backward, "x[], y[]")) == {"forward-not-finite"}

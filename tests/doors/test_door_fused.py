"""One function that returns ``(value, gradient)``."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from tests.doors.common import (
    CASES,
    LABELS,
    B,
    V,
    W,
    X,
    assumed,
    cross_entropy,
    cross_entropy_gradient,
    fails,
    passes,
    refused,
    wrong,
)


def softmax_loss(x, y):
    """cs231n: returns (loss, dx)."""
    return cross_entropy(x, y), cross_entropy_gradient(x, y)


def softmax_loss_not_averaged(x, y):
    return cross_entropy(x, y), cross_entropy_gradient(x, y) * len(y)


def test_fused_with_one_gradient():
    result = passes(softmax_loss, X, LABELS)
    assert result.kind == "value and gradient"
    assert "returns (value, gradient of x)" in result.assumptions
    assert wrong(fails(softmax_loss_not_averaged, X, LABELS)) == {"x"}


def ridge(x, w, b):
    r = x @ w + b
    return 0.5 * np.sum(r * r)


def ridge_gradients(x, w, b):
    r = x @ w + b
    return r @ w.T, x.T @ r, r.sum(axis=0)


def test_fused_with_several_gradients():
    def right(x, w, b):
        return ridge(x, w, b), *ridge_gradients(x, w, b)

    def wrong_b(x, w, b):
        dx, dw, db = ridge_gradients(x, w, b)
        return ridge(x, w, b), dx, dw, 2 * db

    result = passes(right, X, W, B)
    assert "returns (value, gradient of x, w, b)" in result.assumptions
    assert wrong(fails(wrong_b, X, W, B)) == {"b"}


def test_fused_with_the_gradients_in_one_tuple():
    def right(x, w, b):
        return ridge(x, w, b), ridge_gradients(x, w, b)

    def wrong_x(x, w, b):
        dx, dw, db = ridge_gradients(x, w, b)
        return ridge(x, w, b), (dx + 1, dw, db)

    passes(right, X, W, B)
    assert wrong(fails(wrong_x, X, W, B)) == {"x"}


@pytest.mark.parametrize("prefix", ["", "d"])
@pytest.mark.parametrize("names", [("x", "w", "b"), ("b", "w", "x")])
def test_fused_with_a_dict_of_gradients(names, prefix):
    """Matched by key, in whatever order the dict has them."""

    def right(x, w, b):
        found = dict(zip(("x", "w", "b"), ridge_gradients(x, w, b), strict=True))
        return ridge(x, w, b), {prefix + n: found[n] for n in names}

    def wrong_w(x, w, b):
        loss, found = right(x, w, b)
        return loss, {**found, f"{prefix}w": 2 * found[f"{prefix}w"]}

    result = passes(right, X, W, B)
    assert "not checked" not in assumed(result)
    assert wrong(fails(wrong_w, X, W, B)) == {"w"}


def test_fused_dict_of_gradients_of_one_shape():
    """Two inputs of one shape in the other order: only the keys tell them apart."""

    def right(u, v):
        return np.sum(u * v * v), {"v": 2 * u * v, "u": v * v}

    def exchanged(u, v):
        return np.sum(u * v * v), {"u": 2 * u * v, "v": v * v}

    passes(right, V, V[::-1] + 0.25)
    assert wrong(fails(exchanged, V, V[::-1] + 0.25)) == {"u", "v"}


def test_fused_with_one_gradient_left_out():
    """Said, because a gradient that is not there cannot be right."""

    def right(x, w, b):
        return ridge(x, w, b), ridge_gradients(x, w, b)[1]

    def wrong_w(x, w, b):
        return ridge(x, w, b), -ridge_gradients(x, w, b)[1]

    result = passes(right, X, W, B)
    assert "x: no gradient returned, not checked" in result.assumptions
    assert "b: no gradient returned, not checked" in result.assumptions
    assert wrong(fails(wrong_w, X, W, B)) == {"w"}


def test_fused_with_something_else_before_the_gradient():
    """(loss, accuracy, dx): the accuracy is no gradient."""

    def right(x, y):
        return cross_entropy(x, y), np.mean(x.argmax(axis=1) == y), cross_entropy_gradient(x, y)

    def wrong_x(x, y):
        return cross_entropy(x, y), np.mean(x.argmax(axis=1) == y), -cross_entropy_gradient(x, y)

    passes(right, X, LABELS)
    assert wrong(fails(wrong_x, X, LABELS)) == {"x"}


def test_fused_with_an_attribute():
    def right(w, reg=0.5):
        return 0.5 * reg * np.sum(w * w), reg * w

    def ignores_reg(w, reg=0.5):
        return 0.5 * reg * np.sum(w * w), 0.5 * w

    passes(right, W, reg=0.5)
    assert wrong(fails(ignores_reg, W, reg=0.5)) == {"w"}


def test_fused_that_raises_on_its_example():
    """The user's own error, said as one; not a raw traceback through gradcheck."""

    def broken(x):
        raise RuntimeError("no luck")

    with pytest.raises((gradcheck.UsageError, gradcheck.GradientError), match="no luck"):
        gradcheck.check(broken, V)


@pytest.mark.parametrize("function", [lambda x: x * x, lambda x: np.sum(x), lambda x: (x, 2 * x)])
def test_function_without_backward_that_is_not_fused(function):
    assert "(value, gradient)" in refused(function, V)


def test_fused_whose_value_is_no_number():
    text = refused(lambda x: ("a", x), V)
    assert "(str" in text or "(value, gradient)" in text


def test_fused_without_an_example():
    assert "example" in refused(softmax_loss, "x[n c], y:int[n]<c")


def test_fused_that_writes_into_its_input_leaves_the_example_alone():
    def center(x):
        x -= 1.0
        return 0.5 * np.sum(x * x), x.copy()

    given_array = V.copy()
    with pytest.raises(gradcheck.GradientError, match="writes into its input x"):
        gradcheck.check(center, given_array, max_cases=CASES)
    assert np.array_equal(given_array, V)

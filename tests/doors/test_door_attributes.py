"""Keyword attributes and integer inputs."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from tests.doors.common import (
    LABELS,
    B,
    V,
    W,
    X,
    affine,
    affine_backward,
    assumed,
    codes,
    cross_entropy,
    cross_entropy_gradient,
    fails,
    outcome,
    passes,
    refused,
    warnings_of,
    wrong,
)


def summed(x, axis=0, keepdims=False):
    return np.sum(x, axis=axis, keepdims=keepdims)


def summed_backward(dout, x, axis=0, keepdims=False):
    if not keepdims:
        dout = np.expand_dims(dout, axis)
    return dout * np.ones_like(x)


def summed_backward_axis_ignored(dout, x, axis=0, keepdims=False):
    if not keepdims:
        dout = np.expand_dims(dout, 0)
    return dout * np.ones_like(x)


def test_attributes_are_varied():
    result = passes(summed, summed_backward, X, axis=1)
    assert {"axis=-1", "axis=0", "keepdims=True"} <= set(result.coverage)


def test_attribute_that_backward_ignores():
    """Every value of forward's own attribute is declared: right for axis 0 is not enough."""
    result = fails(summed, summed_backward_axis_ignored, X)
    assert codes(result) & {"wrong-gradient", "backward-raised"}


def test_attribute_of_the_example_that_backward_ignores():
    """The example's own value is declared: a fail without any scope."""

    def scaled(x, factor=1.0):
        return factor * x

    passes(scaled, lambda dz, x, factor=1.0: factor * dz, V, factor=2.0)
    assert wrong(fails(scaled, lambda dz, x: 1.0 * dz, V, factor=2.0)) == {"x"}


def test_attribute_that_nobody_gave_and_backward_ignores():
    """Every attribute of forward's own signature is declared."""

    def scaled(x, factor=1.0):
        return factor * x

    passes(scaled, lambda dz, x, factor=1.0: factor * dz, V)
    assert wrong(fails(scaled, lambda dz, x: 1.0 * dz, V)) == {"x"}


def test_positional_attribute_of_backward():
    def power(x, n=2):
        return x**n

    def backward(dz, x, n):
        return n * x ** (n - 1) * dz

    def backward_wrong(dz, x, n):
        return x ** (n - 1) * dz

    passes(power, backward, V, n=2)
    assert wrong(fails(power, backward_wrong, V, n=2)) == {"x"}


def test_flags_and_words_in_the_example():
    def pooled(x, mode, scale):
        return {"sum": np.sum, "mean": np.mean}[mode](x) * scale

    def backward(dz, x, mode, scale):
        divisor = {"sum": 1, "mean": x.size}[mode]
        reduced = {"sum": np.sum, "mean": np.mean}[mode](x)
        return np.full_like(x, dz * scale / divisor), reduced * dz

    def backward_wrong(dz, x, mode, scale):
        return np.full_like(x, dz * scale), backward(dz, x, mode, scale)[1]

    result = passes(pooled, backward, V, "mean", 1.5)
    assert "mode: str, handed over as it is" in result.assumptions
    assert wrong(fails(pooled, backward_wrong, V, "mean", 1.5)) == {"x"}


def test_one_none_for_each_argument_that_is_no_array():
    """As `torch.autograd.Function` has it: one gradient per argument of forward."""

    def scaled(x, mode, k):
        return k * x

    def backward(dz, x, mode, k):
        return k * dz, None, np.sum(dz * x)

    def backward_wrong(dz, x, mode, k):
        return k * dz, None, np.sum(dz)

    passes(scaled, backward, V, "mean", 1.5)
    assert wrong(fails(scaled, backward_wrong, V, "mean", 1.5)) == {"k"}


def test_optional_array_that_is_none():
    def product(x, w, b=None):
        return x @ w if b is None else x @ w + b

    def backward(dz, x, w, b=None):
        return dz @ w.T, x.T @ dz, None if b is None else dz.sum(axis=0)

    passes(product, backward, X, W, None)
    result = fails(product, lambda dz, x, w, b: (dz @ w.T, 2 * x.T @ dz, None), X, W, None)
    assert wrong(result) == {"w"}


def test_optional_array_reaches_backward():
    """Backward's own default for b is no reason to leave b out."""

    def product(x, w, b=None):
        return x @ w if b is None else x @ w + b

    def backward(dz, x, w, b=None):
        return dz @ w.T, x.T @ dz, None if b is None else dz.sum(axis=0)

    def backward_wrong(dz, x, w, b=None):
        return dz @ w.T, x.T @ dz, None if b is None else 5 * dz.sum(axis=0)

    result = passes(product, backward, X, W, B)
    assert ("no-gradient", "b") not in warnings_of(result)
    assert wrong(fails(product, backward_wrong, X, W, B)) == {"b"}


@pytest.mark.parametrize("order", ["dz, x, n", "dz, n, x", "n, x, dz", "x, n, dz", "dz, x, n=2"])
def test_attribute_among_the_arguments_of_backward(order):
    """It is an argument like the others, wherever it stands."""
    names = {"np": np}
    exec(f"def backward({order}):\n    return n * x ** (n - 1) * dz", names)
    exec(f"def backward_wrong({order}):\n    return x ** (n - 1) * dz", names)

    def power(x, n=2):
        return x**n

    passes(power, names["backward"], V, n=3)
    assert wrong(fails(power, names["backward_wrong"], V, n=3)) == {"x"}


def test_attribute_with_the_name_of_a_setting():
    """Forward's own keyword reaches forward, or the clash is said."""
    seen = set()

    def scaled(x, budget=2.0):
        seen.add(budget)
        return budget * x

    found = outcome(scaled, lambda dz, x, budget=2.0: budget * dz, V, budget=70.0)
    said = isinstance(found, gradcheck.UsageError) and "forward" in str(found)
    assert 70.0 in seen or said


def test_misspelt_attribute():
    """Neither an attribute of forward nor a setting: said before anything runs."""
    text = refused(summed, summed_backward, X, axsi=1)
    assert "axsi" in text
    assert "'axis'" in text


def test_misspelt_setting():
    with pytest.raises(gradcheck.UsageError, match="max_cases"):
        gradcheck.check(affine, affine_backward, X, W, B, max_case=10)


def test_attributes_beside_a_signature():
    """An attribute given as a keyword holds, with a signature as with an example."""

    def scaled(x, factor=1.0):
        return factor * x

    passes(scaled, lambda dz, x, factor=1.0: factor * dz, "x[n]", factor=2.0)
    assert wrong(fails(scaled, lambda dz, x: 1.0 * dz, "x[n]", factor=2.0)) == {"x"}


def lookup(table, words):
    return table[words]


def lookup_backward(dout, table, words):
    dtable = np.zeros_like(table)
    np.add.at(dtable, words, dout)
    return dtable, None


def lookup_backward_left_out(dout, table, words):
    return lookup_backward(dout, table, words)[0]


def lookup_backward_no_repeats(dout, table, words):
    """``+=`` with repeated indices keeps the last only."""
    dtable = np.zeros_like(table)
    dtable[words] += dout
    return dtable, None


@pytest.mark.parametrize("backward", [lookup_backward, lookup_backward_left_out])
def test_integer_input(backward):
    result = passes(lookup, backward, X, np.array([0, 2, 1, 1]))
    assert "words" in assumed(result)


def test_repeated_indices_are_tried():
    """The example has no index twice; the cases do."""
    assert wrong(fails(lookup, lookup_backward_no_repeats, X, np.array([0, 2]))) == {"table"}


def test_labels():
    def backward(dout, scores, y):
        return dout * cross_entropy_gradient(scores, y), None

    def backward_alone(dout, scores, y):
        return dout * cross_entropy_gradient(scores, y)

    def not_averaged(dout, scores, y):
        return dout * cross_entropy_gradient(scores, y) * len(y), None

    passes(cross_entropy, backward, X, LABELS)
    passes(cross_entropy, backward_alone, X, LABELS)
    assert wrong(fails(cross_entropy, not_averaged, X, LABELS)) == {"scores"}


def test_boolean_mask():
    def masked(x, mask):
        return np.where(mask, x, 0.0)

    mask = np.array([True, False, True, True, False])
    passes(masked, lambda dz, x, mask: (np.where(mask, dz, 0.0), None), V, mask)
    assert wrong(fails(masked, lambda dz, x, mask: (1.0 * dz, None), V, mask)) == {"x"}


def test_nondiff():
    def scaled(x, k):
        return x * k

    def backward(dz, x, k):
        return k * dz, None

    result = passes(scaled, backward, V, 1.5)
    assert ("no-gradient", "k") in warnings_of(result)
    assert not warnings_of(passes(scaled, backward, V, 1.5, nondiff="k"))
    assert wrong(fails(scaled, lambda dz, x, k: (dz + k, None), V, 1.5, nondiff="k")) == {"x"}


def test_gradient_none_for_a_declared_input():
    result = fails(lambda x, k: x * k, lambda dz, x, k: (k * dz, None), "x[n], k[]")
    assert codes(result) == {"no-gradient"}


def test_no_real_input():
    assert "real input" in refused(lambda words: words, lambda dz, words: dz, np.array([True]))


@pytest.mark.parametrize("dtype", [np.longdouble, np.complex128])
def test_dtype_that_is_not_supported(dtype):
    text = refused(lambda x: x * x, lambda dz, x: 2 * x * dz, V.astype(dtype))
    assert text.startswith("x is complex" if dtype is np.complex128 else f"x is {np.dtype(dtype)}")

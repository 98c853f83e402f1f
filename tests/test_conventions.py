"""A convention is listed only where there is a kink, and its value is within its own slopes."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.records import unnum
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings


def found(forward, backward, dtype: str = "float64", signature: str = "x[n]") -> OpResult:
    op = gradcheck.op(forward, backward, signature, name="op")
    return run_one(op, Settings(max_cases=60, dtypes=(dtype,)))


def smooth(x):
    return np.tanh(x)


def slope(x):
    return 1 - np.tanh(x) ** 2


def off_at_ties(factor):
    """Right, but where an entry is equal to another one."""

    def backward(dz, x):
        _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
        tied = counts[place].reshape(x.shape) > 1
        return dz * slope(x) * np.where(tied, factor, 1).astype(x.dtype)

    return backward


@pytest.mark.parametrize(("factor", "dtype"), [(1.0005, "float64"), (1.01, "float32")])
def test_a_smooth_function_has_no_kink_at_a_tie(factor, dtype):
    result = found(smooth, off_at_ties(factor), dtype)
    assert result.verdict == "fail"
    assert {f.code for f in result.findings if f.severity == "fail"} == {"wrong-gradient"}
    assert found(smooth, off_at_ties(1), dtype).verdict == "pass"


@pytest.mark.parametrize("factor", [1.0005, 1.01, -1])
def test_a_wrong_gradient_of_a_smooth_function_lists_no_convention(factor):
    result = found(smooth, lambda dz, x: factor * dz * slope(x))
    assert result.verdict == "fail"
    assert not result.conventions


def largest(x):
    return x.max()


def first_of_them(dz, x):
    dx = np.zeros_like(x)
    dx[x.argmax()] = dz
    return dx


def shared(dz, x):
    tied = (x == x.max()).astype(x.dtype)
    return dz * tied / tied.sum(dtype=x.dtype)


def root(x):
    return x + np.sqrt(x) ** 3


@pytest.mark.parametrize(
    ("forward", "backward", "signature"),
    [
        (lambda x: np.maximum(x, 0), lambda dz, x: dz * (x > 0), "x[n]"),
        (largest, first_of_them, "x[n]"),
        (largest, shared, "x[n]"),
        (
            lambda x: np.median(x),
            lambda dz, x: dz * np.eye(x.size)[x.argsort()[x.size // 2]],
            "x[3]",
        ),
        (root, lambda dz, x: dz * (x > 0) * (1 + 1.5 * np.sqrt(x)), "x:nonnegative[n]"),
    ],
    ids=["a kink", "ties, one of them", "ties, shared", "ties that no entry shows", "an edge"],
)
def test_a_convention_lies_within_its_slopes(forward, backward, signature):
    result = found(forward, backward, signature=signature)
    assert result.verdict == "pass"
    assert result.conventions
    for listed in result.conventions:
        left, right, yours = (unnum(v) for v in (listed.left, listed.right, listed.yours))
        assert left <= yours <= right
        assert right - left > 0.1

"""Gates and helpers that several of the door tests use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.results import OpResult

CASES = 16


X = np.array([[0.5, -1.25, 2.0, 0.75], [1.5, 0.75, -0.5, -1.0], [-0.25, 1.0, 0.5, -2.0]])


W = np.array([[0.25, -1.0], [1.5, 0.5], [-0.75, 2.0], [1.25, -0.5]])


B = np.array([0.5, -0.75])


V = np.array([0.5, -1.25, 2.0, 0.75, -0.375])


LABELS = np.array([0, 3, 1])


def passes(*target: Any, **options: Any) -> OpResult:
    result = gradcheck.check(*target, **{"max_cases": CASES, **options})
    assert result.verdict == "pass"
    assert result.comparisons > 0
    return result


def fails(*target: Any, **options: Any) -> OpResult:
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(*target, **{"max_cases": CASES, **options})
    assert caught.value.result.verdict == "fail"
    return caught.value.result


def outcome(*target: Any, **options: Any) -> OpResult | gradcheck.UsageError:
    """The result, whatever the verdict, or the refusal."""
    try:
        return gradcheck.check(*target, **{"max_cases": CASES, **options})
    except gradcheck.GradientError as error:
        return error.result
    except gradcheck.UsageError as error:
        return error


def wrong(result: OpResult) -> set[str]:
    """The inputs whose gradients are wrong."""
    return {f.input for f in result.findings if f.severity == "fail" and f.code == "wrong-gradient"}


def codes(result: OpResult) -> set[str]:
    return {f.code for f in result.findings if f.severity == "fail"}


def warnings_of(result: OpResult) -> set[tuple[str, str]]:
    return {(f.code, f.input) for f in result.findings if f.severity == "warning"}


def refused(*target: Any, **options: Any) -> str:
    """The text of the UsageError that a call raises."""
    with pytest.raises(gradcheck.UsageError) as caught:
        gradcheck.check(*target, **{"max_cases": CASES, **options})
    return str(caught.value)


def assumed(result: OpResult) -> str:
    return "\n".join(result.assumptions)


class MultiplyGate:
    """As on the slide, with ``self``."""

    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dz):
        return [self.y * dz, self.x * dz]


class MultiplyGateUnswitched(MultiplyGate):
    def backward(self, dz):
        return [self.x * dz, self.y * dz]


def affine(x, w, b):
    return x @ w + b


def affine_backward(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def affine_backward_wrong_w(dout, x, w, b):
    return dout @ w.T, 0.5 * x.T @ dout, dout.sum(axis=0)


def cross_entropy(scores, y):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def cross_entropy_gradient(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return p / len(y)

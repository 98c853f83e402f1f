"""A whole model through `check_params`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcheck
from tests.doors.common import (
    B,
    W,
    X,
    wrong,
)


class TwoLayerNet:
    factor = 1.0

    def __init__(self, container=dict):
        rng = np.random.default_rng(2)
        self.params = {
            "W1": rng.normal(size=(4, 3)),
            "b1": rng.normal(size=3),
            "W2": rng.normal(size=(3, 2)),
        }
        self.grads: dict[str, Any] = {}

    def loss(self, x):
        p = self.params
        h = np.tanh(x @ p["W1"] + p["b1"])
        out = h @ p["W2"]
        dh = (out @ p["W2"].T) * (1 - h * h)
        self.grads = {"W1": x.T @ dh, "b1": self.factor * dh.sum(axis=0), "W2": h.T @ out}
        return 0.5 * np.sum(out * out)

    def fused(self, x):
        return self.loss(x), self.grads


class TwoLayerNetWrong(TwoLayerNet):
    factor = 2.0


def test_params_with_gradients_in_the_return_value():
    net, bad = TwoLayerNet(), TwoLayerNetWrong()
    before = {k: v.copy() for k, v in net.params.items()}
    result = gradcheck.check_params(lambda: net.fused(X), net.params)
    assert result.verdict == "pass"
    assert result.kind == "model"
    assert {k for k in before if np.array_equal(before[k], net.params[k])} == set(before)
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check_params(lambda: bad.fused(X), bad.params)
    assert wrong(caught.value.result) == {"b1"}
    assert {k for k in before if np.array_equal(before[k], bad.params[k])} == set(before)


def test_params_in_a_list_with_gradients_in_a_list():
    w, b = W.copy(), B.copy()

    def loss():
        r = X @ w + b
        return 0.5 * np.sum(r * r), [X.T @ r, r.sum(axis=0)]

    def loss_wrong():
        value, (dw, db) = loss()
        return value, [dw, -db]

    assert gradcheck.check_params(loss, [w, b]).verdict == "pass"
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check_params(loss_wrong, [w, b])
    assert wrong(caught.value.result) == {"1"}


def test_params_with_live_gradients():
    w, b = W.copy(), B.copy()
    grads = {"w": np.zeros_like(w), "b": np.zeros_like(b)}
    factor = 1.0

    def loss():
        r = X @ w + b
        grads["w"][...] = factor * X.T @ r
        grads["b"][...] = r.sum(axis=0)
        return 0.5 * np.sum(r * r)

    params = {"w": w, "b": b}
    assert gradcheck.check_params(loss, params, gradients=grads).verdict == "pass"
    factor = 3.0
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check_params(loss, params, gradients=grads)
    assert wrong(caught.value.result) == {"w"}


def test_params_with_live_gradients_in_a_list():
    w, b = W.copy(), B.copy()
    grads = [np.zeros_like(w), np.zeros_like(b)]

    def loss():
        r = X @ w + b
        grads[0][...] = X.T @ r
        grads[1][...] = r.sum(axis=0)
        return 0.5 * np.sum(r * r)

    assert gradcheck.check_params(loss, [w, b], gradients=grads).verdict == "pass"
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check_params(loss, [b, w], gradients=grads)
    assert {f.code for f in caught.value.result.findings} == {"wrong-shape"}


def test_params_with_live_gradients_in_a_dict_that_is_filled_anew():
    """``grads.clear()`` and new arrays: the dict is read after each call."""
    net = TwoLayerNet()

    def loss():
        value = net.loss(X)
        grads.clear()
        grads.update(net.grads)
        return value

    grads: dict[str, Any] = {}
    assert gradcheck.check_params(loss, net.params, gradients=grads).verdict == "pass"
    net.factor = 2.0
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check_params(loss, net.params, gradients=grads)
    assert wrong(caught.value.result) == {"b1"}


def test_params_with_a_gradient_missing():
    """A parameter without a gradient is not silently passed over."""
    net = TwoLayerNet()

    def loss():
        value = net.loss(X)
        return value, {"W1": net.grads["W1"], "W2": net.grads["W2"]}

    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check_params(loss, net.params)
    assert any(f.input == "b1" and f.code == "no-gradient" for f in caught.value.result.findings)


def test_params_are_restored_when_the_closure_raises():
    w = W.copy()
    calls = 0

    def loss():
        nonlocal calls
        calls += 1
        if calls > 5:
            raise RuntimeError("the sixth call fails")
        return 0.5 * np.sum(w * w), [w.copy()]

    with pytest.raises(gradcheck.GradientError, match="the sixth call fails"):
        gradcheck.check_params(loss, [w])
    assert np.array_equal(w, W)


def test_params_are_restored_when_the_closure_is_interrupted():
    w = W.copy()
    calls = 0

    def loss():
        nonlocal calls
        calls += 1
        if calls > 5:
            raise KeyboardInterrupt
        return 0.5 * np.sum(w * w), [w.copy()]

    with pytest.raises(KeyboardInterrupt):
        gradcheck.check_params(loss, [w])
    assert np.array_equal(w, W)


def test_params_without_gradients():
    with pytest.raises(gradcheck.UsageError, match="gradients="):
        gradcheck.check_params(lambda: float(np.sum(W)), {"W": W.copy()})


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"w": [1.0, 2.0]}, "'w' is a list"),
        ({}, "no real array"),
        ([np.arange(3)], "no real array"),
        (3.0, "dict or list"),
        (np.broadcast_to(1.0, (3,)), "dict or list"),
        ({"w": np.broadcast_to(1.0, (3,))}, "read-only"),
    ],
)
def test_params_that_are_none(params, says):
    with pytest.raises(gradcheck.UsageError, match=says):
        gradcheck.check_params(lambda: (0.0, []), params)


def test_params_with_a_misspelt_option():
    w = W.copy()
    with pytest.raises(gradcheck.UsageError, match="max_cases"):
        gradcheck.check_params(lambda: (0.5 * np.sum(w * w), [w.copy()]), [w], max_case=3)


def test_params_take_the_options_of_check():
    w = W.astype(np.float32)

    def loss():
        return 0.5 * np.sum(w * w), [w.copy()]

    assert gradcheck.check_params(loss, [w], dtypes="float32").dtypes == ["float32"]
    assert gradcheck.check_params(loss, [w]).dtypes == ["float32"]

"""A forward and a backward function; several outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck.results import OpResult
from tests.doors.common import (
    B,
    V,
    W,
    X,
    affine,
    affine_backward,
    affine_backward_wrong_w,
    codes,
    fails,
    outcome,
    passes,
    refused,
    wrong,
)


def test_pair():
    result = passes(affine, affine_backward, X, W, B)
    assert result.op == "affine"
    assert "backward(cotangent, x, w, b)" in result.assumptions
    assert wrong(fails(affine, affine_backward_wrong_w, X, W, B)) == {"w"}


def test_pair_with_a_signature():
    passes(affine, affine_backward, "x[n d], w[d k], b[k]")
    assert wrong(fails(affine, affine_backward_wrong_w, "x[n d], w[d k], b[k]")) == {"w"}


def test_pair_with_a_signature_in_another_order():
    """Names decide, not places."""
    passes(affine, affine_backward, "b[k], w[d k], x[n d]")


def test_pair_with_a_signature_and_an_example():
    passes(affine, affine_backward, "x[n d], w[d k], b[k]", X, W, B)
    text = refused(affine, affine_backward, "x[n d], w[d k], b[k]", X, W)
    assert "narrow the domain" not in text


@pytest.mark.parametrize(
    "signature", ["x[n], w[d k], b[k]", "x[n d], w[n k], b[k]", "x[n 3], w[3 k], b[k]"]
)
def test_signature_and_example_that_contradict_each_other(signature):
    text = refused(affine, affine_backward, signature, X, W, B)
    assert "x" in text
    assert "narrow the domain" not in text


def test_arrays_given_as_keywords():
    """Inputs like any other, or refused: not three gradients for one input."""
    found = outcome(affine, affine_backward, X, w=W, b=B)
    if isinstance(found, OpResult):
        assert found.verdict == "pass"
        assert {"w", "b"} <= {s.partition("[")[0] for s in found.assumptions}
    else:
        assert "'w'" in str(found)


def test_signature_that_leaves_an_input_out():
    text = refused(affine, affine_backward, "x[n d], w[d k]")
    assert "backward(dout, x, w, b)" in text
    assert "forward(x, w)" in text


def test_example_that_leaves_an_input_out():
    """Said before anything runs, and not as a fault of the domain."""
    assert "narrow the domain" not in refused(affine, affine_backward, X, W)


def test_example_with_an_input_too_many():
    assert "narrow the domain" not in refused(affine, affine_backward, X, W, B, B)


def test_backward_returns_too_few_gradients():
    result = fails(affine, lambda dout, x, w, b: (dout @ w.T, x.T @ dout), X, W, B)
    assert codes(result) == {"gradient-count"}
    assert "(x, w, b)" in result.findings[0].message


def test_lambda_pair():
    passes(lambda x: x * x, lambda dz, x: 2 * x * dz, V)
    assert wrong(fails(lambda x: x * x, lambda dz, x: x * dz, V)) == {"x"}


def test_numpy_ufunc_as_forward():
    passes(np.sin, lambda dz, x: dz * np.cos(x), V)
    assert codes(fails(np.sin, lambda dz, x: dz * np.sin(x), V)) == {"wrong-gradient"}


def test_bound_methods_as_a_pair():
    class Model:
        def forward(self, x):
            return x**3

        def backward(self, dz, x):
            return 3 * x**2 * dz

        def backward_wrong(self, dz, x):
            return 3 * x * dz

    model = Model()
    passes(model.forward, model.backward, V)
    assert wrong(fails(model.forward, model.backward_wrong, V)) == {"x"}


def test_backward_that_is_no_function():
    assert "forward must be callable, not a str" in refused("affine", affine_backward, X, W, B)
    assert "cannot read 'affine_backward'" in refused(affine, "affine_backward", X, W, B)


def test_cotangent_last():
    """``backward(x, k, dz)`` is understood from the names."""

    def scaled(x, k):
        return x * k

    def backward(x, k, dz):
        return k * dz, np.sum(x * dz)

    def backward_wrong(x, k, dz):
        return k * dz, np.sum(dz)

    passes(scaled, backward, V, 1.5)
    assert wrong(fails(scaled, backward_wrong, V, 1.5)) == {"k"}


def test_order_of_arguments_spelt_out():
    def scaled(x, k):
        return x * k

    def backward(first, dz, second):
        return second * dz, np.sum(first * dz)

    def backward_wrong(first, dz, second):
        return second * dz, np.sum(dz)

    passes(scaled, backward, V, 1.5, call="bwd(x, dz, k)")
    assert wrong(fails(scaled, backward_wrong, V, 1.5, call="bwd(x, dz, k)")) == {"k"}


def test_order_of_arguments_that_names_nothing():
    def scaled(x, factor):
        return x * factor

    text = refused(
        scaled, lambda dz, x, k: (k * dz, np.sum(x * dz)), V, 1.5, call="bwd(dz, x, facto)"
    )
    assert "'facto'" in text
    assert "factor, x" in text
    assert "call=" in refused(scaled, lambda dz, x, k: dz, V, 1.5, call="dz, x, factor")


def test_order_of_arguments_of_a_gate_class():
    """The message that asks for ``call=`` must not then ignore it."""

    class Scaled:
        def forward(self, x, k):
            return x * k

        def backward(self, first, dz, second):
            return second * dz, np.sum(first * dz)

    class Wrong(Scaled):
        def backward(self, first, dz, second):
            return second * dz, np.sum(dz)

    assert "call=" in refused(Scaled, V, 1.5)
    passes(Scaled, V, 1.5, call="backward(x, dz, k)")
    assert wrong(fails(Wrong, V, 1.5, call="backward(x, dz, k)")) == {"k"}


def test_arguments_that_cannot_be_guessed():
    text = refused(affine, lambda dout, one, two: dout, X, W, B)
    assert "call=" in text
    assert "one, two" in text


def sum_and_product(x, y):
    return x + y, x * y


def test_several_outputs_as_one_tuple():
    def backward(couts, x, y):
        ds, dp = couts
        return ds + y * dp, ds + x * dp

    def second_dropped(couts, x, y):
        ds, _ = couts
        return 1 * ds, 1 * ds

    u, v = V, V[::-1] + 0.25
    passes(sum_and_product, backward, u, v)
    assert wrong(fails(sum_and_product, second_dropped, u, v)) == {"x", "y"}


def test_several_outputs_one_argument_each():
    class Both:
        def forward(self, x, y):
            self.x, self.y = x, y
            return x + y, x * y

        def backward(self, ds, dp):
            return ds + self.y * dp, ds + self.x * dp

    class Exchanged(Both):
        def backward(self, ds, dp):
            return dp + self.y * ds, dp + self.x * ds

    u, v = V, V[::-1] + 0.25
    passes(Both, u, v)
    assert wrong(fails(Exchanged, u, v)) == {"x", "y"}


def lstm_like(x, h, c):
    """Two outputs and a cache."""
    i, g = np.tanh(x), np.tanh(h)
    next_c = c + i * g
    next_h = np.tanh(next_c) * i
    return next_h, next_c, (i, g, next_c)


def lstm_like_backward(dnext_h, dnext_c, cache):
    i, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * i * (1 - t * t)
    di = dnext_h * t + dc * g
    return di * (1 - i * i), dc * i * (1 - g * g), dc


def lstm_like_backward_wrong(dnext_h, dnext_c, cache):
    """Forgets that the cell reaches the loss through the hidden state too."""
    i, g, next_c = cache
    t = np.tanh(next_c)
    dc = 1.0 * dnext_c
    di = dnext_h * t + dc * g
    return di * (1 - i * i), dc * i * (1 - g * g), dc


def test_two_outputs_and_a_cache():
    u, v, w = V, V[::-1] + 0.25, V * V - 1
    passes(lstm_like, lstm_like_backward, u, v, w)
    assert wrong(fails(lstm_like, lstm_like_backward_wrong, u, v, w)) == {"x", "h", "c"}


def test_two_outputs_and_a_cache_with_the_cotangents_in_one_tuple():
    u, v, w = V, V[::-1] + 0.25, V * V - 1
    passes(lstm_like, lambda douts, cache: lstm_like_backward(*douts, cache), u, v, w)
    result = fails(lstm_like, lambda douts, cache: lstm_like_backward_wrong(*douts, cache), u, v, w)
    assert wrong(result) == {"x", "h", "c"}


def test_integer_output_has_no_cotangent_that_counts():
    def top(x):
        return np.max(x), np.argmax(x)

    def backward(couts, x):
        gradient = np.zeros_like(x)
        gradient[np.argmax(x)] = couts[0]
        return (gradient,)

    def backward_last(couts, x):
        gradient = np.zeros_like(x)
        gradient[-1] = couts[0]
        return (gradient,)

    passes(top, backward, V)
    assert wrong(fails(top, backward_last, V)) == {"x"}


@pytest.mark.parametrize("names", [("dx", "x"), ("dA", "A"), ("dinputs", "inputs"), ("delta", "t")])
def test_an_input_has_another_name_in_backward(names):
    space: dict[str, Any] = {}
    exec("def backward({}, {}):\n    return 2 * {} * {}".format(*names, *names), space)
    passes(lambda v: v * v, space["backward"], X)


@pytest.mark.parametrize("names", [("dy", "y"), ("grad_y", "y"), ("y_grad", "y"), ("d_out", "out")])
def test_what_the_cotangent_is_the_gradient_of_is_the_output(names):
    """backward(dy, y) of a forward(x): y is no input."""
    space: dict[str, Any] = {}
    cotangent, output = names
    for name, factor in (("right", 1), ("twice", 2)):
        exec(f"def {name}({cotangent}, {output}): return {factor} * {cotangent} * {output}", space)
    passes(np.exp, space["right"], X)
    assert wrong(fails(np.exp, space["twice"], X)) == {"x"}


def test_and_an_input_where_forward_has_one_of_that_name():
    def forward(x, y):
        return x * y

    def backward(dy, x, y):
        return dy * y, dy * x

    passes(forward, backward, X, 2 * X)
    passes(lambda a, b: a * b, backward, X, 2 * X)  # by their places

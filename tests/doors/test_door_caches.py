"""``(out, cache)`` and ``backward(dout, cache)``."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from tests.doors.common import (
    B,
    V,
    W,
    X,
    assumed,
    fails,
    passes,
    wrong,
)


def affine_cached(x, w, b):
    return x @ w + b, (x, w, b)


def affine_cached_backward(dout, cache):
    x, w, _ = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def affine_cached_backward_wrong_b(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.mean(axis=0) + 0 * b


def test_out_and_cache():
    result = passes(affine_cached, affine_cached_backward, X, W, B)
    assert "(cotangent, cache)" in assumed(result)
    assert wrong(fails(affine_cached, affine_cached_backward_wrong_b, X, W, B)) == {"b"}


def test_cache_first():
    def backward(cache, dout):
        return affine_cached_backward(dout, cache)

    def backward_wrong(cache, dout):
        return affine_cached_backward_wrong_b(dout, cache)

    passes(affine_cached, backward, X, W, B)
    assert wrong(fails(affine_cached, backward_wrong, X, W, B)) == {"b"}


def test_cache_first_spelt_out():
    def backward(stuff, dout):
        return affine_cached_backward(dout, stuff)

    def backward_wrong(stuff, dout):
        return affine_cached_backward_wrong_b(dout, stuff)

    passes(affine_cached, backward, X, W, B, call="backward(cache, dout)")
    result = fails(affine_cached, backward_wrong, X, W, B, call="backward(cache, dout)")
    assert wrong(result) == {"b"}


def relu_forward(x):
    """cs231n: the cache of one primal is that primal itself."""
    cache = x
    return np.maximum(0, x), cache


def test_cache_of_one_primal():
    def backward(dout, cache):
        return dout * (cache > 0)

    def backward_wrong(dout, cache):
        return dout * (cache < 0)

    result = passes(relu_forward, backward, X)
    assert result.conventions
    assert wrong(fails(relu_forward, backward_wrong, X)) == {"x"}


def test_cache_of_one_primal_under_another_name():
    """Nothing but forward's return value says that the second argument is a cache."""

    def square_forward(x):
        return x * x, 2 * x

    def backward(dout, twice):
        return dout * twice

    def backward_wrong(dout, twice):
        return dout * twice / 2

    result = passes(square_forward, backward, V)
    assert "(cotangent, cache)" in assumed(result)
    assert wrong(fails(square_forward, backward_wrong, V)) == {"x"}


def logistic_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, out


def product_forward(x, w):
    return x * w, (x, w)


def product_backward(dout, x):
    x, w = x
    return dout * w, dout * x


NAMED = {
    "the input": (relu_forward, lambda dout, x: dout * (x > 0), (X,)),
    "the output": (logistic_forward, lambda dout, out: dout * out * (1 - out), (X,)),
    "one of two inputs": (product_forward, product_backward, (X, 2 * X)),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_cache_that_is_called_as_something_else_is(name):
    forward, backward, example = NAMED[name]
    signature = ", ".join(f"{n}[n d]" for n in "xw"[: len(example)])

    def wrong_backward(dout, x):
        return backward(3 * dout, x)

    assert "(cotangent, cache)" in assumed(passes(forward, backward, *example))
    for given in (example, (signature,)):
        passes(forward, backward, *given)
        assert "x" in wrong(fails(forward, wrong_backward, *given))


def test_two_outputs_are_no_cache():
    def forward(x):
        return np.sin(x), np.cos(x)

    def backward(d, x):
        return d[0] * np.cos(x) - d[1] * np.sin(x)

    for given in ((X,), ("x[n d]",), (np.zeros(3),)):
        assert "backward(cotangent, x)" in passes(forward, backward, *given).assumptions
        assert wrong(fails(forward, lambda d, x: d[0] * np.cos(x), *given)) == {"x"}


def again(x):
    y = x * x
    return y, y


TWO = {
    "the input again": (lambda x: (x * x, x), lambda d, x: 2 * x * d[0] + d[1]),
    "the output again": (again, lambda d, x: 2 * x * (d[0] + d[1])),
    "transposed": (lambda x: (x.T, x), lambda d, x: d[0].T + d[1]),
}


@pytest.mark.parametrize("name", TWO)
def test_nor_are_two_outputs_that_hold_the_same(name):
    forward, backward = TWO[name]
    for given in (X, "x[n d]"):
        passes(forward, backward, given)
        assert wrong(fails(forward, lambda d, x: 2 * backward(d, x), given)) == {"x"}


def test_a_cache_that_no_array_holds_is_called_by_no_input_s_name():
    for cache in (None, {"k": 1}):
        with pytest.raises(gradcheck.UsageError, match="must take the cache as its last argument"):
            gradcheck.check(lambda x, c=cache: (x * x, c), lambda d, x: 2 * x * d, X)


def test_parts_of_the_input_are_no_cache():
    for given in ((np.array([1.5, -0.5]),), ("x[2]",)):
        result = passes(lambda x: (x[:1], x[1:]), lambda d, x: np.concatenate(d), *given)
        assert "backward(cotangent, x)" in result.assumptions


def test_a_cache_is_asked_for_where_forward_returns_two_things_alone():
    op = gradcheck.op(np.tanh, lambda dout, x: dout / np.cosh(x) ** 2, "x[n]")
    assert op.forward is np.tanh


def test_cache_is_not_returned():
    result = fails(lambda x: x * x, lambda dout, cache: 2 * cache * dout, V)
    assert any("(out, cache)" in f.message for f in result.findings)


def batchnorm_forward(x, gamma, beta, bn_param):
    """cs231n: an option dict that forward writes its running statistics into."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    mean, var = x.mean(axis=0), x.var(axis=0)
    inv = 1 / np.sqrt(var + eps)
    hat = (x - mean) * inv
    running = bn_param.get("running_mean", np.zeros(x.shape[1]))
    bn_param["running_mean"] = momentum * running + (1 - momentum) * mean
    bn_param["calls"] = bn_param.get("calls", 0) + 1
    return gamma * hat + beta, (hat, gamma, inv)


def batchnorm_backward(dout, cache):
    hat, gamma, inv = cache
    dhat = dout * gamma
    dx = inv * (dhat - dhat.mean(axis=0) - hat * (dhat * hat).mean(axis=0))
    return dx, (dout * hat).sum(axis=0), dout.sum(axis=0)


def batchnorm_backward_mean_only(dout, cache):
    hat, gamma, inv = cache
    dhat = dout * gamma
    return inv * (dhat - dhat.mean(axis=0)), (dout * hat).sum(axis=0), dout.sum(axis=0)


def test_option_dict_that_forward_writes_into():
    gamma, beta = np.array([1.5, -0.5, 0.75, 2.0]), np.array([0.5, 1.0, -1.5, 0.25])
    option = {"eps": 1e-3}
    result = passes(batchnorm_forward, batchnorm_backward, X, gamma, beta, option)
    assert option == {"eps": 1e-3}
    assert "bn_param: dict, handed over as it is" in result.assumptions
    wrong_result = fails(batchnorm_forward, batchnorm_backward_mean_only, X, gamma, beta, option)
    assert wrong(wrong_result) == {"x"}
    assert option == {"eps": 1e-3}


def test_option_dict_as_a_keyword():
    gamma, beta = np.array([1.5, -0.5, 0.75, 2.0]), np.array([0.5, 1.0, -1.5, 0.25])
    option = {"eps": 1e-3}
    passes(batchnorm_forward, batchnorm_backward, X, gamma, beta, bn_param=option)
    assert option == {"eps": 1e-3}
    result = fails(batchnorm_forward, batchnorm_backward_mean_only, X, gamma, beta, bn_param=option)
    assert wrong(result) == {"x"}

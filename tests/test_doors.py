"""Every way to hand over a gate: the right one passes, the wrong one beside it fails.

The doors are those of public hand-written backward passes: the lecture's gate class, pairs of
functions, ``(out, cache)``, fused value and gradient, layers with parameters, whole models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

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


# -- the lecture's gate class -------------------------------------------------------------------


class MultiplyGate:
    """As on the slide, with ``self``."""

    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dz):
        return [self.y * dz, self.x * dz]


class MultiplyGateTuple(MultiplyGate):
    def backward(self, dz):
        return self.y * dz, self.x * dz


class MultiplyGateUnswitched(MultiplyGate):
    def backward(self, dz):
        return [self.x * dz, self.y * dz]


class MultiplyGateNoUpstream(MultiplyGate):
    def backward(self, dz):
        return [self.y, self.x]


SCALARS = {
    "python": (3.0, -4.0),
    "numpy": (np.float64(3.0), np.float64(-4.0)),
    "0-d": (np.array(3.0), np.array(-4.0)),
    "integers": (3, -4),
    "vectors": (V, V[::-1].copy() + 0.5),
}


@pytest.mark.parametrize("values", SCALARS.values(), ids=SCALARS)
@pytest.mark.parametrize("gate", [MultiplyGate, MultiplyGateTuple])
def test_right_gate_class(gate, values):
    assert passes(gate, *values).kind == "gate class"


@pytest.mark.parametrize("values", SCALARS.values(), ids=SCALARS)
def test_wrong_gate_class(values):
    assert wrong(fails(MultiplyGateUnswitched, *values)) == {"x", "y"}


@pytest.mark.parametrize(
    "values", [SCALARS["python"], SCALARS["vectors"]], ids=["numbers", "vectors"]
)
def test_gate_that_drops_its_upstream(values):
    """The diagnosis names the cause, not a factor that fits one entry by chance."""
    result = fails(MultiplyGateNoUpstream, *values)
    assert wrong(result) == {"x", "y"}
    assert {"upstream" in f.diagnosis for f in result.findings if f.code == "wrong-gradient"} == {
        True
    }


def test_gate_instance():
    assert passes(MultiplyGate(), 3.0, -4.0).kind == "gate object"
    assert wrong(fails(MultiplyGateUnswitched(), 3.0, -4.0)) == {"x", "y"}


def test_scalars_reach_the_gate_as_scalars():
    """A gate written for numbers may branch on them; 0-d arrays stay arrays."""
    seen = set()

    class Larger:
        def forward(self, x, y):
            seen.add(type(x))
            self.first = bool(x > y)
            return x if self.first else y

        def backward(self, dz):
            return [dz, 0.0 * dz] if self.first else [0.0 * dz, dz]

    result = passes(Larger, 3.0, -4.0)
    assert all(issubclass(t, np.floating) for t in seen)
    assert not any(f.severity == "fail" for f in result.findings)


def test_one_of_several_numbers_written_as_an_integer_is_still_differentiated():
    """``check(gate, 3, -4.5)``: 3 is a number as a student writes it, not an index."""

    class WrongInX(MultiplyGate):
        def backward(self, dz):
            return [self.y * dz + 1.0, self.x * dz]

    passes(MultiplyGate, 3, -4.5)
    assert wrong(fails(WrongInX, 3, -4.5)) == {"x"}


class Scale:
    """Constructor arguments are attributes."""

    def __init__(self, factor, shift=0.5):
        self.factor, self.shift = factor, shift

    def forward(self, x):
        return self.factor * x + self.shift

    def backward(self, dz):
        return (self.factor * dz,)


class ScaleByTwo(Scale):
    def backward(self, dz):
        return (2.0 * dz,)


def test_constructor_attributes():
    result = passes(Scale, V, factor=2.0)
    assert {"factor=1.0", "factor=4.0", "shift=0.25", "shift=1.0"} <= set(result.coverage)


def test_constructor_attribute_that_backward_ignores():
    """Right for the example's factor 2, wrong for every other."""
    assert wrong(fails(ScaleByTwo, V, factor=2.0)) == {"x"}


def test_constructor_attribute_with_listed_values_is_declared():
    passes(Scale, "x[n], factor=2.0|3.0")
    assert wrong(fails(ScaleByTwo, "x[n], factor=2.0|3.0")) == {"x"}


def test_constructor_argument_missing():
    text = refused(Scale, V)
    assert "factor" in text
    assert "shift" not in text
    assert "keyword" in text


def test_constructor_argument_misspelt():
    assert "factor" in refused(Scale, V, factr=2.0)
    assert "'shift'" in refused(Scale, V, factor=2.0, shft=0.5)


class SlideGate:
    """The slide leaves ``self`` out."""

    def forward(x, y):  # noqa: N805, RUF100
        return x * y

    def backward(dz):  # noqa: N805, RUF100
        return [dz, dz]


def test_slide_without_self():
    text = refused(SlideGate, 3.0, -4.0)
    assert "SlideGate.forward(x, y) has no 'self'" in text
    assert "def forward(self, x, y)" in text


def test_backward_without_self():
    class Half:
        def forward(self, x):
            return x / 2

        def backward(dz):  # noqa: N805, RUF100
            return dz / 2

    assert "def backward(self, dz)" in refused(Half, 3.0)


def test_class_without_backward():
    class Square:
        def forward(self, x):
            return x * x

        def backwards(self, dz):
            return 2 * dz

    text = refused(Square, 3.0)
    assert "Square has no forward and backward methods" in text
    assert "backwards" in text


def test_instance_without_backward():
    class Square:
        def forward(self, x):
            return x * x

    text = refused(Square(), V)
    assert "forward and backward methods" in text


def test_gate_class_without_an_example():
    text = refused(MultiplyGate)
    assert "'x'" in text
    assert "example" in text


def test_nothing_at_all():
    with pytest.raises(gradcheck.UsageError, match="nothing to check"):
        gradcheck.check()


def test_something_that_is_no_gate():
    assert "cannot be checked" in refused(3.0, V)


def test_static_methods():
    class Square:
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def backward(dz, x):
            return 2 * x * dz

    class Cube(Square):
        @staticmethod
        def backward(dz, x):
            return 3 * x * dz

    passes(Square, V)
    assert wrong(fails(Cube, V)) == {"x"}


def test_callable_object():
    class Square:
        def __call__(self, x):
            self.x = x
            return x * x

        def backward(self, dz):
            return 2 * self.x * dz

    class NoFactor(Square):
        def backward(self, dz):
            return self.x * dz

    passes(Square(), V)
    assert wrong(fails(NoFactor(), V)) == {"x"}


def test_gate_that_appends_in_forward():
    """Real layers append to lists in forward: every evaluation gets its own copy."""

    class Stack:
        def __init__(self):
            self.seen = []

        def forward(self, x):
            self.seen.append(x)
            return x * x

        def backward(self, dz):
            return 2 * self.seen.pop() * dz

    gate = Stack()
    passes(gate, V)
    passes(Stack, V)
    assert gate.seen == []


def test_backward_without_upstream_of_a_scalar_loss():
    class Half:
        def forward(self, x):
            self.x = x
            return 0.5 * np.sum(x * x)

        def backward(self):
            return self.x

    class Whole(Half):
        def backward(self):
            return 2 * self.x

    passes(Half, V)
    assert wrong(fails(Whole, V)) == {"x"}


# -- a pair of functions ------------------------------------------------------------------------


def affine(x, w, b):
    return x @ w + b


def affine_backward(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def affine_backward_wrong_w(dout, x, w, b):
    return dout @ w.T, 0.5 * x.T @ dout, dout.sum(axis=0)


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


# -- (out, cache) -------------------------------------------------------------------------------


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


# -- several outputs ----------------------------------------------------------------------------


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


# -- attributes ---------------------------------------------------------------------------------


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
    """Every attribute of forward's own signature is declared (DECISIONS)."""

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


# -- integer inputs -----------------------------------------------------------------------------


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


def cross_entropy(scores, y):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def cross_entropy_gradient(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return p / len(y)


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


@pytest.mark.parametrize("dtype", [np.float16, np.complex128])
def test_dtype_that_is_not_supported(dtype):
    text = refused(lambda x: x * x, lambda dz, x: 2 * x * dz, V.astype(dtype))
    assert text.startswith("x is complex" if dtype is np.complex128 else "x is float16")


# -- fused value and gradient -------------------------------------------------------------------


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


# -- layers -------------------------------------------------------------------------------------


class Linear:
    """Parameters on attributes: W with dW, b with db."""

    def __init__(self, inputs=4, outputs=2):
        rng = np.random.default_rng(3)
        self.W = rng.normal(size=(outputs, inputs))
        self.b = rng.normal(size=outputs)
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dout):
        self.dW = dout.T @ self.x
        self.db = dout.sum(axis=0)
        return dout @ self.W


class LinearWrongW(Linear):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW *= 2
        return dx


class LinearWrongX(Linear):
    def backward(self, dout):
        return super().backward(dout) * 2


class LinearPrefixed(Linear):
    """``W`` with ``grad_W``, ``b`` with ``b_grad``."""

    def backward(self, dout):
        self.grad_W = dout.T @ self.x
        self.b_grad = dout.sum(axis=0)
        return dout @ self.W


class LinearDicts:
    """``params`` with ``grads``, the same keys."""

    factor = 1.0

    def __init__(self):
        rng = np.random.default_rng(3)
        self.params = {"W": rng.normal(size=(4, 2)), "b": rng.normal(size=2)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.factor * self.x.T @ dout
        self.grads["b"] = dout.sum(axis=0)
        return dout @ self.params["W"].T


class LinearDictsWrong(LinearDicts):
    factor = 2.0


class LinearLists:
    """``params`` with ``grads``, lists in the same order."""

    factor = 1.0

    def __init__(self):
        rng = np.random.default_rng(3)
        self.W, self.b = rng.normal(size=(4, 2)), rng.normal(size=2)
        self.params = [self.W, self.b]
        self.grads = [np.zeros_like(self.W), np.zeros_like(self.b)]

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.grads[0][...] = self.factor * self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ self.W.T


class LinearListsWrong(LinearLists):
    factor = -1.0


class LinearAccumulates(Linear):
    """``dW +=``: zeroed by an optimiser that is not here."""

    factor = 1.0

    def __init__(self):
        super().__init__()
        self.dW, self.db = np.full_like(self.W, 7.0), np.full_like(self.b, 7.0)

    def backward(self, dout):
        self.dW += self.factor * dout.T @ self.x
        self.db += dout.sum(axis=0)
        return dout @ self.W


class LinearAccumulatesWrong(LinearAccumulates):
    factor = 0.5


class Holder:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class LinearHolders:
    """Objects with ``data`` and ``grad``."""

    factor = 1.0

    def __init__(self):
        rng = np.random.default_rng(3)
        self.weight, self.bias = Holder(rng.normal(size=(4, 2))), Holder(rng.normal(size=2))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, dout):
        self.weight.grad += self.factor * self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.data.T


class LinearHoldersWrong(LinearHolders):
    factor = 2.0


LAYERS = {
    "attributes": (
        Linear,
        LinearWrongW,
        "W",
        [
            "self.W is a parameter, its gradient is self.dW",
            "self.b is a parameter, its gradient is self.db",
        ],
    ),
    "dicts": (
        LinearDicts,
        LinearDictsWrong,
        "W",
        [
            "self.params['W'] is a parameter, its gradient is self.grads['W']",
            "self.params['b'] is a parameter, its gradient is self.grads['b']",
        ],
    ),
    "lists": (
        LinearLists,
        LinearListsWrong,
        "params_0",
        [
            "self.params[0] is a parameter, its gradient is self.grads[0]",
            "self.params[1] is a parameter, its gradient is self.grads[1]",
        ],
    ),
    "accumulates": (
        LinearAccumulates,
        LinearAccumulatesWrong,
        "W",
        ["self.W is a parameter, its gradient is self.dW"],
    ),
    "holders": (
        LinearHolders,
        LinearHoldersWrong,
        "weight",
        ["self.weight.data is a parameter, its gradient is self.weight.grad"],
    ),
}


@pytest.mark.parametrize("door", LAYERS)
def test_layer(door):
    right, wrong_layer, parameter, sentences = LAYERS[door]
    result = passes(right(), X)
    assert result.kind == "layer"
    for sentence in sentences:
        assert sentence in result.assumptions
    assert wrong(fails(wrong_layer(), X)) == {parameter}


def test_layer_says_which_it_paired():
    assert "its gradient is self.grad_W" in assumed(passes(LinearPrefixed(), X))
    assert "its gradient is self.b_grad" in assumed(passes(LinearPrefixed(), X))


def test_layer_with_a_wrong_input_gradient():
    assert wrong(fails(LinearWrongX(), X)) == {"x"}


class LinearPrivate(Linear):
    """``_W`` with ``_dW``: kept from the caller, not from the check."""

    factor = 1.0

    def __init__(self):
        super().__init__()
        self._W, self._b = self.W, self.b
        del self.W, self.b, self.dW, self.db

    def forward(self, x):
        self._x = x
        return x @ self._W.T + self._b

    def backward(self, dout):
        self._dW = self.factor * dout.T @ self._x
        self._db = dout.sum(axis=0)
        return dout @ self._W


class LinearPrivateWrong(LinearPrivate):
    factor = 2.0


def test_layer_with_private_parameters():
    assert "its gradient is self._dW" in assumed(passes(LinearPrivate(), X))
    assert wrong(fails(LinearPrivateWrong(), X)) == {"_W"}


class LinearSlots:
    __slots__ = ("W", "dW", "x")
    factor = 1.0

    def __init__(self):
        self.W = np.random.default_rng(3).normal(size=(4, 2))
        self.dW = np.zeros((4, 2))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW[...] = self.factor * self.x.T @ dout
        return dout @ self.W.T


class LinearSlotsWrong(LinearSlots):
    __slots__ = ()
    factor = 2.0


def test_layer_with_slots():
    assert "self.W is a parameter, its gradient is self.dW" in assumed(passes(LinearSlots(), X))
    assert wrong(fails(LinearSlotsWrong(), X)) == {"W"}


def test_layer_itself_is_left_alone():
    layer = LinearAccumulates()
    weight = layer.W.copy()
    passes(layer, X)
    assert np.array_equal(layer.W, weight)
    assert (layer.dW == 7.0).all()
    assert not hasattr(layer, "x")


def test_layer_with_a_signature():
    """Its parameters are checked without an example too."""
    assert "W" in assumed(passes(Linear(), "x[n 4]"))
    assert wrong(fails(LinearWrongW(), "x[n 4]")) == {"W"}


def test_layer_class():
    """The class in place of an instance: its parameters are checked, or it is said that not."""
    found = outcome(LinearWrongW, X)
    assert isinstance(found, OpResult)
    assert wrong(found) == {"W"} or "W" in assumed(found)


def test_layer_that_assigns_its_gradients_only_in_backward():
    class Late(Linear):
        def __init__(self):
            super().__init__()
            del self.dW, self.db

    passes(Late(), X)


def test_layer_whose_input_has_a_parameters_name():
    class Product:
        def __init__(self):
            self.x = np.array([0.5, -1.0, 1.5, 2.0])
            self.dx = np.zeros(4)

        def forward(self, x):
            self.given = x
            return x * self.x

        def backward(self, dout):
            self.dx[...] = (dout * self.given).sum(axis=0)
            return dout * self.x

    class Wrong(Product):
        def backward(self, dout):
            gradient = super().backward(dout)
            self.dx[...] *= 2
            return gradient

    passes(Product(), X)
    assert wrong(fails(Wrong(), X)) == {"self.x"}


class Embedding:
    """Parameters only: the input is integer and has no gradient."""

    def __init__(self):
        self.W = np.random.default_rng(5).normal(size=(6, 3))
        self.dW = np.zeros_like(self.W)

    def forward(self, words):
        self.words = words
        return self.W[words]

    def backward(self, dout):
        np.add.at(self.dW, self.words, dout)


class EmbeddingNoRepeats(Embedding):
    def backward(self, dout):
        self.dW[self.words] += dout


def test_layer_with_parameters_only():
    words = np.array([[0, 5, 2], [1, 3, 4]])
    result = passes(Embedding(), words)
    assert "self.W is a parameter" in assumed(result)
    assert wrong(fails(EmbeddingNoRepeats(), words)) == {"W"}


def test_layer_with_no_parameters_and_integer_input_only():
    """Nothing could be compared: that is no pass."""

    class OneHot:
        def forward(self, words):
            return np.eye(6)[words]

        def backward(self, dout):
            return None

    with pytest.raises(gradcheck.GradientError):
        gradcheck.check(OneHot(), np.array([[0, 5, 2], [1, 3, 4]]), max_cases=CASES)


def test_shared_parameter_in_a_list_adds_up():
    """Tied weights: one array twice in the list, its gradient is the sum of both entries."""

    class Tied:
        factor = 1.0

        def __init__(self):
            w = np.random.default_rng(1).normal(size=(4, 4))
            self.params = [w, w]
            self.grads = [np.zeros_like(w), np.zeros_like(w)]

        def forward(self, x):
            self.x = x
            self.h = x @ self.params[0]
            return self.h @ self.params[1]

        def backward(self, dout):
            dh = dout @ self.params[1].T
            self.grads[1][...] = self.factor * self.h.T @ dout
            self.grads[0][...] = self.x.T @ dh
            return dh @ self.params[0].T

    class Wrong(Tied):
        factor = 0.0

    passes(Tied(), X)
    assert wrong(fails(Wrong(), X)) == {"params_0"}


def test_layer_made_of_layers():
    """The parameters of the layers inside are checked, or the report says that they are not."""

    class TwoLayers:
        inner: type = Linear

        def __init__(self):
            self.first, self.second = self.inner(4, 3), Linear(3, 2)

        def forward(self, x):
            self.h = np.tanh(self.first.forward(x))
            return self.second.forward(self.h)

        def backward(self, dout):
            return self.first.backward(self.second.backward(dout) * (1 - self.h**2))

    class Wrong(TwoLayers):
        inner = LinearWrongW

    passes(TwoLayers(), X)
    assert any("W" in name for name in wrong(fails(Wrong(), X)))


def test_layer_that_cannot_be_copied():
    class Locked(Linear):
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    text = refused(Locked(), X)
    assert "Locked cannot be copied (no copies)" in text


class LinearReturns(Linear):
    """(dx, [dW, db]) from backward, and nothing on self."""

    factor = 1.0

    def __init__(self):
        super().__init__()
        del self.dW, self.db

    def backward(self, dout):
        return dout @ self.W, [self.factor * dout.T @ self.x, dout.sum(axis=0)]


class LinearReturnsWrong(LinearReturns):
    factor = 2.0


def test_layer_that_returns_its_parameters_gradients():
    result = passes(LinearReturns(), X)
    assert "self.W is a parameter, backward returns its gradient" in result.assumptions
    assert "self.b is a parameter, backward returns its gradient" in result.assumptions
    assert wrong(fails(LinearReturnsWrong(), X)) == {"W"}


# -- whole models -------------------------------------------------------------------------------


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


# -- registered functions -----------------------------------------------------------------------


def test_registered_function():
    @gradcheck.register("x[n], k[]")
    def scaled_right(x, k):
        return x * k

    @scaled_right.def_vjp
    def _(dz, x, k):
        return k * dz, np.sum(x * dz)

    @gradcheck.register("x[n], k[]")
    def scaled_wrong(x, k):
        return x * k

    @scaled_wrong.def_vjp
    def _(dz, x, k):
        return k * dz, np.sum(dz)

    assert np.array_equal(scaled_right(V, 2.0), 2 * V)
    out, pullback = scaled_right.vjp(V, np.float64(2.0))
    assert np.array_equal(out, 2 * V)
    assert np.array_equal(pullback(np.ones(5))[0], np.full(5, 2.0))
    assert passes(scaled_right).kind == "function with vjp"
    assert wrong(fails(scaled_wrong)) == {"k"}


def test_registered_function_without_backward():
    @gradcheck.register("x[n]")
    def lonely(x):
        return x * x

    text = refused(lonely)
    assert "lonely is registered but has no backward pass" in text
    assert "@lonely.def_vjp" in text
    assert np.array_equal(lonely(V), V * V)


def test_registered_class():
    @gradcheck.register("x[n], y[n]")
    class RegisteredMultiply(MultiplyGate):
        pass

    @gradcheck.register("x[n], y[n]")
    class RegisteredUnswitched(MultiplyGateUnswitched):
        pass

    assert isinstance(RegisteredMultiply, type)
    passes(RegisteredMultiply)
    assert wrong(fails(RegisteredUnswitched)) == {"x", "y"}


def test_subclass_of_a_registered_class_is_itself():
    """A registered parent's op must not be checked in place of the child."""

    @gradcheck.register("x[n], y[n]")
    class Parent(MultiplyGate):
        pass

    class Child(Parent):
        def backward(self, dz):
            return [self.x * dz, self.y * dz]

    assert wrong(fails(Child, V, V[::-1] + 0.25)) == {"x", "y"}


def test_op_object():
    right = gradcheck.op(affine, affine_backward, X, W, B, name="right")
    assert passes(right).op.endswith("::right")
    assert wrong(fails(gradcheck.op(affine, affine_backward_wrong_w, X, W, B))) == {"w"}


def test_options_given_with_a_registered_op():
    """Broadcasting that nobody declared is a warning, and a fail where forward's word holds."""
    made = gradcheck.op(lambda x, y: x * y, lambda dz, x, y: (y * dz, x * dz), "x[n d], y[n d]")
    assert ("wrong-shape", "y") in warnings_of(passes(made, max_cases=25))
    assert codes(fails(made, scope="forward", max_cases=25)) == {"wrong-shape"}


@pytest.mark.parametrize(
    ("more", "options"), [((X,), {}), (("x[n]",), {}), ((), {"facto": 2.0}), ((), {"nondif": "x"})]
)
def test_what_an_op_object_cannot_take_is_not_dropped_silently(more, options):
    """An op has its inputs and attributes already."""
    with pytest.raises(gradcheck.UsageError):
        gradcheck.check(gradcheck.op(affine, affine_backward, X, W, B), *more, **options)


# -- inputs of other kinds ----------------------------------------------------------------------


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


# -- strategies of the user's own ---------------------------------------------------------------


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


# -- relations between inputs -------------------------------------------------------------------


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


# -- inside other tests -------------------------------------------------------------------------


def test_inside_a_hypothesis_test():
    """Hypothesis makes the cases; gradcheck judges each of them once."""
    seen: list[tuple[float, ...]] = []

    @hypothesis_settings(max_examples=8, database=None, derandomize=True, deadline=None)
    @given(st.lists(st.integers(-20, 20), min_size=1, max_size=5))
    def right(numbers):
        x = np.array(numbers) / 4
        result = gradcheck.check(lambda x: x**3, lambda dz, x: 3 * x * x * dz, x)
        assert result.cases == 1
        seen.append(tuple(numbers))

    right()
    assert len(seen) >= 8

    @hypothesis_settings(max_examples=20, database=None, derandomize=True, deadline=None)
    @given(st.integers(-20, 20))
    def wrong_above_ten(number):
        def backward(dz, x):
            return np.where(x > 10, 2 * x, 3 * x * x) * dz

        gradcheck.check(lambda x: x**3, backward, np.array([float(number)]))

    with pytest.raises(gradcheck.GradientError) as caught:
        wrong_above_ten()
    assert "x = np.array([11.0])" in str(caught.value)


def test_inside_a_hypothesis_test_what_cannot_be_judged_is_rejected():
    own_generator = np.random.default_rng(0)
    judged: list[int] = []
    entered: list[int] = []

    def forward(x):
        return x * (own_generator.random() if x[0] < 0 else 2.0)

    @hypothesis_settings(
        max_examples=10,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much],
    )
    @given(st.integers(-20, 20))
    def test(number):
        entered.append(number)
        gradcheck.check(forward, lambda dz, x: 2.0 * dz, np.array([float(number)]))
        judged.append(number)

    test()
    assert any(n < 0 for n in entered)
    assert judged
    assert all(n >= 0 for n in judged)


def test_outside_hypothesis_what_cannot_be_judged_is_red():
    own_generator = np.random.default_rng(0)
    with pytest.raises(gradcheck.GradientError, match="not a function of its inputs") as caught:
        gradcheck.check(lambda x: x * own_generator.random(), lambda dz, x: dz, V, max_cases=CASES)
    assert caught.value.result.verdict == "inconclusive"


def test_gradient_error_is_an_assertion_with_its_result():
    with pytest.raises(AssertionError, match="gradient of w") as caught:
        gradcheck.check(affine, affine_backward_wrong_w, X, W, B, max_cases=CASES)
    assert isinstance(caught.value, gradcheck.GradientError)
    assert caught.value.result.worst is not None
    assert caught.value.result.worst.input == "w"


def test_the_callers_random_state_is_left_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    passes(affine, affine_backward, X, W, B)
    assert np.array_equal(np.random.get_state()[1], before)

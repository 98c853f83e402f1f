"""Layer objects with parameters and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.results import OpResult
from tests.doors.common import (
    CASES,
    X,
    assumed,
    fails,
    outcome,
    passes,
    refused,
    wrong,
)


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

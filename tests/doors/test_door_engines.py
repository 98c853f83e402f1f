"""A user's own engine at the door: a graph or model class whose backward takes no upstream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcheck
from tests.judged import fails, passes, wrong

x = np.array([0.5, -1.5, 0.25])
y = np.array([1.25, 0.75, -0.5])
z = np.array([0.125, 2.0, -1.0, 0.5])


# --- the slide's class ----------------------------------------------------------------------------
class Slide:
    """f = sum (x + y) max(y, z), gate by gate; ``factor`` and ``branches`` plant mistakes."""

    factor, branches = 1.0, True

    def forward(self, x, y, z):
        self.y, self.z = y, z
        self.a, self.b = x + y, np.maximum(y, z)
        return np.sum(self.a * self.b)

    def backward(self):
        da, db = self.b, self.factor * self.a
        first = self.y >= self.z
        dy = da + db * first if self.branches else db * first
        return [da, dy, db * ~first]


class WrongSign(Slide):
    factor = -1.0


class OneBranch(Slide):
    """The gradients of y's two successors are not summed."""

    branches = False


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
def test_the_slides_graph(make):
    example = (x, y, y[::-1] + 0.1)
    passes(make(Slide), *example)
    assert "z" in wrong(fails(make(WrongSign), *example))
    assert "y" in wrong(fails(make(OneBranch), *example))


def test_the_slides_graph_on_numbers():
    passes(Slide, 1.0, 2.0, 0.0)
    assert wrong(fails(OneBranch, 1.0, 2.0, 0.0)) == {"y"}


class Inputs:
    """``forward(inputs)`` with a list, as the slide writes it."""

    sign = 1.0

    def forward(self, inputs):
        self.inputs = inputs
        a, b, c = inputs
        return np.dot(a, b) + np.sum(np.square(c))

    def backward(self):
        a, b, c = self.inputs
        return [np.array(b), self.sign * np.array(a), 2 * c]


class WrongInputs(Inputs):
    sign = -1.0


def test_a_list_of_inputs():
    passes(Inputs, [x, y, z])
    assert wrong(fails(WrongInputs, [x, y, z])) == {"inputs_1"}


def test_a_dict_of_inputs_is_refused_with_what_to_write():
    with pytest.raises(gradcheck.UsageError, match=r"inputs is a dict.*arguments of their own"):
        gradcheck.check(Inputs, {"a": x, "b": y})


# --- gates in topological order -------------------------------------------------------------------
class Value:
    def __init__(self) -> None:
        self.value: Any = 0.0
        self.grad: Any = 0.0


class Gate:
    def __init__(self, a: Value, b: Value, out: Value) -> None:
        self.a, self.b, self.out = a, b, out


class Times(Gate):
    def forward(self):
        self.out.value = self.a.value * self.b.value

    def backward(self):
        self.a.grad = self.a.grad + self.b.value * self.out.grad
        self.b.grad = self.b.grad + self.a.value * self.out.grad


class Plus(Gate):
    def forward(self):
        self.out.value = self.a.value + self.b.value

    def backward(self):
        self.a.grad = self.a.grad + self.out.grad
        self.b.grad = self.b.grad + self.out.grad


class Overwriting(Plus):
    """= where += is meant: a value used twice loses one of its gradients."""

    def backward(self):
        self.a.grad = self.out.grad
        self.b.grad = self.out.grad


class Engine:
    """(x + y) x, on nodes that keep value and gradient."""

    plus: type[Gate] = Plus
    clears = True

    def __init__(self) -> None:
        self.x, self.y, self.s, self.f = Value(), Value(), Value(), Value()
        self.values = [self.x, self.y, self.s, self.f]
        self.gates = [self.plus(self.x, self.y, self.s), Times(self.s, self.x, self.f)]

    def forward(self, x, y):
        if self.clears:
            for value in self.values:
                value.grad = np.zeros(np.shape(x))
        self.x.value, self.y.value = x, y
        for gate in self.gates:
            gate.forward()
        return self.f.value

    def backward(self):
        self.f.grad = np.ones(np.shape(self.f.value))
        for gate in reversed(self.gates):
            gate.backward()
        return [np.array(self.x.grad), np.array(self.y.grad)]


class LosingEngine(Engine):
    plus = Overwriting


class NeverCleared(Engine):
    clears = False


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
def test_gates_on_nodes_with_values_and_gradients(make):
    passes(make(Engine), x, y)
    assert wrong(fails(make(LosingEngine), x, y)) == {"x"}


def test_gradients_that_pile_up_over_calls_are_a_warning():
    result = passes(NeverCleared(), x, y)
    assert "keeps-state" in {f.code for f in result.findings if f.severity == "warning"}


def test_gradients_left_on_nodes_alone_are_asked_for():
    class Leaves(Engine):
        def backward(self):
            super().backward()

    (found,) = fails(Leaves(), x, y).findings
    assert "backward returned None: let it return the gradients" in found.message


# --- outputs that are arrays ----------------------------------------------------------------------
class Running:
    """Cumulative sums; without an upstream, backward is the gradient of their sum."""

    off = 0

    def forward(self, x):
        self.size = x.shape[0]
        return np.cumsum(x)

    def backward(self):
        return np.arange(self.size, 0, -1.0) - self.off


class RunningWrong(Running):
    off = 1


def test_without_an_upstream_an_array_is_summed():
    result = passes(Running, x)
    assert any("gradient of the sum of the output" in a for a in result.assumptions)
    fails(RunningWrong, x)


class Pair:
    """A loss, and beside it what nobody differentiates."""

    def forward(self, x):
        self.x = x
        return np.sum(x**2), x > 0

    def backward(self):
        return 2 * self.x


def test_of_several_outputs_the_first_is_the_loss():
    passes(Pair, x)


# --- models with parameters -----------------------------------------------------------------------
X = np.array([[0.3, 0.2], [0.1, -0.4], [1.0, 0.5], [0.2, 0.9]])
Y = np.round(np.sin(np.arange(12.0)).reshape(4, 3), 2)


class Model:
    """Half the squared error of a linear layer; data are arguments, parameters on the instance."""

    def __init__(self) -> None:
        self.W = np.round(np.cos(np.arange(6.0)).reshape(3, 2), 2)
        self.b = np.array([0.1, -0.2, 0.3])

    def total(self, residual):
        return residual.sum(axis=0)

    def forward(self, X, Y):
        self.X, self.residual = X, X @ self.W.T + self.b - Y
        return 0.5 * np.sum(self.residual**2)

    def backward(self):
        self.dW = self.residual.T @ self.X
        self.db = self.total(self.residual)
        return self.residual @ self.W, -self.residual


class MeanedModel(Model):
    def total(self, residual):
        return residual.mean(axis=0)


def test_a_model_with_parameters():
    result = passes(Model(), X, Y)
    assert any("self.W is a parameter" in a for a in result.assumptions)
    assert wrong(fails(MeanedModel(), X, Y)) == {"b"}


def with_own_data(model: type[Model]) -> Any:
    class Own(model):  # type: ignore[valid-type,misc]
        def forward(self):
            return model.forward(self, X, Y)

        def backward(self):
            model.backward(self)

    return Own()


def test_a_model_that_holds_its_data_has_parameters_only():
    passes(with_own_data(Model))
    assert wrong(fails(with_own_data(MeanedModel))) == {"b"}


def test_the_linearity_of_an_engine_is_not_asked_for():
    assert not gradcheck.op(Engine(), x, y).linear

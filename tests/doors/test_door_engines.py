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


class Named:
    """``forward(inputs)`` with a dict; gradients by name, in another order."""

    sign, keys = 1.0, ("b", "a")

    def forward(self, inputs):
        self.inputs = inputs
        return np.sum(inputs["a"] ** 2 * inputs["b"])

    def backward(self):
        a, b = self.inputs["a"], self.inputs["b"]
        return dict(zip(self.keys, (self.sign * a**2, 2 * a * b), strict=True))


class WrongNamed(Named):
    sign = -1.0


class Prefixed(Named):
    keys = ("db", "da")


class Misnamed(Named):
    keys = ("b", "c")


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
def test_a_dict_of_inputs(make):
    for given in ({"a": x, "b": y}, {"a": 0.5, "b": -1.25}):
        passes(make(Named), given)
        passes(make(Prefixed), given)
        assert wrong(fails(make(WrongNamed), given)) == {"inputs_b"}


def test_a_gradient_of_no_input_is_named():
    (found,) = fails(Misnamed, {"a": x, "b": y}).findings
    assert "backward returns a gradient named 'c', and the inputs are a, b" in found.message


def test_a_dict_of_more_than_arrays_is_refused_with_what_to_write():
    with pytest.raises(gradcheck.UsageError, match=r"inputs is a dict.*arguments of their own"):
        gradcheck.check(Named, {"a": x, "b": "y"})


class ByName:
    """Arguments one by one; gradients by name."""

    factor = 1.0

    def forward(self, a, b):
        self.a, self.b = a, b
        return np.sum(a**2 * b)

    def backward(self):
        return {"b": self.a**2, "a": self.factor * 2 * self.a * self.b}


class ByNameDoubled(ByName):
    factor = 2.0


def test_a_dict_of_gradients():
    passes(ByName, x, y)
    assert wrong(fails(ByNameDoubled(), x, y)) == {"a"}


def test_functions_of_a_dict():
    def forward(inputs):
        return inputs["a"] * inputs["b"]

    def backward(dz, inputs):
        return {"b": dz * inputs["a"], "a": dz * inputs["b"]}

    def swapped(dz, inputs):
        return {"a": dz * inputs["a"], "b": dz * inputs["b"]}

    def fused(inputs):
        return np.sum(forward(inputs)), {"b": 1 * inputs["a"], "a": 1 * inputs["b"]}

    passes(forward, backward, {"a": x, "b": y})
    passes(fused, {"a": x, "b": y})
    assert wrong(fails(forward, swapped, {"a": x, "b": y})) == {"inputs_a", "inputs_b"}


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


def ran(engine: Any, *arguments: Any) -> Any:
    """An engine that its user has run before it is checked."""
    engine.forward(*arguments)
    engine.backward()
    return engine


def test_an_engine_that_ran_before():
    """What its nodes kept of that is no parameter."""
    passes(ran(Engine(), x, y), x, y)
    assert wrong(fails(ran(LosingEngine(), x, y), x, y)) == {"x"}


def test_gradients_that_an_earlier_run_left_are_a_wrong_gradient():
    assert wrong(fails(ran(NeverCleared(), x, y), x, y)) == {"x", "y"}


class Shared(NeverCleared):
    """The gradients pile up on the class: no copy is rid of them."""

    piled: Any = 0.0

    def backward(self):
        dx, dy = super().backward()
        if np.shape(Shared.piled) != np.shape(dx):
            Shared.piled = np.zeros_like(dx)
        Shared.piled = Shared.piled + dx
        return [Shared.piled.copy(), dy]


def test_gradients_that_pile_up_outside_of_the_instance():
    assert "not-deterministic" in {f.code for f in fails(Shared(), x, y).findings}


class Closures:
    """x y x, built once: each node keeps its neighbours in closures."""

    sign = 1.0

    def __init__(self) -> None:
        self.x, self.y = Value(), Value()
        self.p, self.f = Value(), Value()
        self.steps: list[Any] = []
        self.pulls = {"p": self.times(self.x, self.y, self.p)}
        self.pull = self.times(self.p, self.x, self.f)

    def times(self, a: Value, b: Value, out: Value) -> Any:
        def step():
            out.value = a.value * b.value

        def pull(sign=self.sign, a=a):
            a.grad = a.grad + b.value * out.grad
            b.grad = b.grad + sign * a.value * out.grad

        self.steps.append(step)
        return pull

    def forward(self, x, y):
        self.x.value, self.y.value = x, y
        for node in (self.x, self.y, self.p, self.f):
            node.grad = np.zeros(np.shape(x))
        for step in self.steps:
            step()
        return self.f.value

    def backward(self):
        self.f.grad = np.ones(np.shape(self.f.value))
        self.pull()
        self.pulls["p"]()
        return [self.x.grad.copy(), self.y.grad.copy()]


class WrongClosures(Closures):
    sign = -1.0


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
def test_nodes_in_closures_are_copied_with_their_engine(make):
    passes(make(Closures), x, y)
    assert wrong(fails(make(WrongClosures), x, y)) == {"x", "y"}


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


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
def test_without_an_upstream_an_array_is_summed(make):
    result = passes(make(Running), x)
    assert any("gradient of the sum of the output" in a for a in result.assumptions)
    assert wrong(fails(make(RunningWrong), x)) == {"x"}


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


class GroupedModel(Model):
    """Parameters and gradients in dicts, which backward fills; it returns nothing."""

    sign = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.params, self.grads = {"W": self.W, "b": self.b}, dict[str, Any]()

    def backward(self):
        super().backward()
        self.grads = {"b": self.sign * self.db, "W": self.dW}
        del self.dW, self.db


class WrongGroupedModel(GroupedModel):
    sign = -1.0


class Returning(GroupedModel):
    def backward(self):
        super().backward()
        return self.grads


class WrongReturning(Returning):
    sign = -1.0


def test_a_model_that_leaves_gradients_in_a_dict():
    for right, bad in ((GroupedModel, WrongGroupedModel), (Returning, WrongReturning)):
        result = passes(right(), X, Y)
        assert {f.input for f in result.findings if f.code == "no-gradient"} == {"X", "Y"}
        assert wrong(fails(bad(), X, Y)) == {"b"}


class Hidden(Model):
    """An intermediate value beside its gradient, which looks like a parameter."""

    sign = 1.0

    def forward(self, X, Y):
        self.h = np.tanh(X)
        return super().forward(self.h, Y)

    def backward(self):
        self.dh, dY = super().backward()
        self.dX = self.dh * (1 - self.h**2)
        self.dW = self.sign * self.dW
        return self.dX, dY


class WrongHidden(Hidden):
    sign = -1.0


@pytest.mark.parametrize("before", [False, True], ids=["new", "ran before"])
def test_values_that_forward_writes_are_no_parameters(before):
    right, bad = Hidden(), WrongHidden()
    if before:
        right, bad = ran(right, X, Y), ran(bad, X, Y)
    result = passes(right, X, Y)
    assert not any("self.h is a parameter" in a for a in result.assumptions)
    assert wrong(fails(bad, X, Y)) == {"W"}


def with_own_data(model: type[Model]) -> Any:
    class Own(model):  # type: ignore[valid-type,misc]
        def forward(self):
            return model.forward(self, X, Y)

        def backward(self):
            model.backward(self)

    return Own


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
def test_a_model_that_holds_its_data_has_parameters_only(make):
    passes(make(with_own_data(Model)))
    assert wrong(fails(make(with_own_data(MeanedModel)))) == {"b"}


class Nothing:
    def forward(self):
        return 3.0

    def backward(self):
        pass


class Broken(Nothing):
    def backward(self):
        raise RuntimeError("not written yet")


@pytest.mark.parametrize("make", [lambda c: c, lambda c: c()], ids=["class", "instance"])
@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Nothing, r"Nothing.forward\(\) takes no input.*as self.W and self.dW.*check_params"),
        (Broken, "Broken: .* raise RuntimeError: not written yet"),
    ],
)
def test_a_model_with_nothing_to_differentiate(make, model, said):
    with pytest.raises(gradcheck.UsageError, match=said):
        gradcheck.check(make(model))


def test_the_linearity_of_an_engine_is_not_asked_for():
    assert not gradcheck.op(Engine(), x, y).linear

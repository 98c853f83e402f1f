"""Arrays of a layer that no name pairs with a gradient: a warning for parameters alone."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.results import OpResult
from tests.doors.common import fails, passes

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.2, -0.3]])
CODE = "unpaired-parameter"


def warnings(result: OpResult) -> str:
    return "; ".join(f.message for f in result.findings if f.code == CODE)


def checked(layer: object, *example: object, **options: object) -> OpResult:
    return passes(layer, *(example or (X,)), max_cases=12, **options)


class Linear:
    """``gw`` is beside ``weight``, and no name pairs them; it is wrong besides."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.weight, self.bias = rng.normal(size=(2, 3)), np.zeros(2)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, dz):
        self.gw, self.gb = 7 * dz.T @ self.x, dz.sum(axis=0)
        return dz @ self.weight


class Paired(Linear):
    def backward(self, dz):
        dx = super().backward(dz)
        self.grad_weight, self.grad_bias = self.gw / 7, self.gb
        return dx


class Forgotten(Paired):
    """Its bias has no gradient anywhere."""

    def backward(self, dz):
        dx = super().backward(dz)
        del self.grad_bias, self.gb
        return dx


class InDicts:
    def __init__(self):
        self.params = {"alpha": np.array([1.5, 0.5, -1.0]), "shift": np.zeros(3)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x * self.params["alpha"] + self.params["shift"]

    def backward(self, dz):
        self.grads["alpha"] = (dz * self.x).sum(axis=0)
        return dz * self.params["alpha"]


class Stacked:
    """A layer of layers, one of which has the fault."""

    def __init__(self):
        self.first, self.second = Paired(), Linear()
        self.second.weight = self.second.weight[:, :2].copy()

    def forward(self, x):
        return self.second.forward(self.first.forward(x))

    def backward(self, dz):
        return self.first.backward(self.second.backward(dz))


@pytest.mark.parametrize(
    ("layer", "named", "silent"),
    [
        (Linear(), ["self.weight (backward leaves self.gw, of its shape)", "self.bias"], []),
        (Forgotten(), ["self.bias is never"], ["weight"]),
        (InDicts(), ["self.params['shift'] is never"], ["alpha"]),
        (Stacked(), ["self.second.weight", "self.second.bias"], ["first"]),
        (Linear, ["self.weight (backward leaves"], []),
    ],
    ids=["no name pairs them", "no gradient", "one key short", "in a part", "a class"],
)
def test_what_is_not_compared_is_named(layer, named, silent):
    found = checked(layer)
    said = warnings(found)
    assert all(name in said for name in named)
    assert not any(name in said for name in silent)
    assert [f.severity for f in found.findings if f.code == CODE] == ["warning"]
    assert CODE in {f.code for f in fails(layer, X, max_cases=12, strict=True).findings}


class Gain:
    """One number, whose gradient np.sum makes no array, but a NumPy number."""

    factor = 1.0

    def __init__(self):
        self.gain = np.array(1.5)

    def forward(self, x):
        self.x = x
        return self.gain * x

    def backward(self, dz):
        self.dgain = self.factor * np.sum(dz * self.x)
        return self.gain * dz


class WrongGain(Gain):
    factor = 3.0


def test_a_single_number_is_paired_too():
    assert "self.gain is a parameter, its gradient is self.dgain" in checked(Gain()).assumptions
    assert {f.input for f in fails(WrongGain(), X, max_cases=12).findings} >= {"gain"}


def test_what_is_paired_is_compared_and_gets_no_warning():
    found = checked(Paired())
    assert not warnings(found)
    assert "self.weight is a parameter, its gradient is self.grad_weight" in found.assumptions


def test_parameters_of_a_class_with_a_signature_are_not_compared():
    said = warnings(passes(gradcheck.op(Paired, "x[n 3]", name="p"), max_cases=12))
    assert "self.weight (with self.grad_weight), self.bias (with self.grad_bias) are never" in said
    assert "gradcheck.op(Paired(...), ...)" in said
    assert not warnings(passes(gradcheck.op(Paired(), "x[n 3]", name="q"), max_cases=12))


# --- no false alarm -------------------------------------------------------------------------------
class Norm(Paired):
    """Running statistics are written while training, and used otherwise; neither has a gradient."""

    training = True

    def __init__(self):
        super().__init__()
        self.running_mean, self.running_var = np.zeros(3), np.ones(3)
        self.cache = np.ones(3)
        self.unused_weight = np.ones((2, 3))
        self.last_x = np.zeros((2, 3))

    def forward(self, x):
        if self.training:
            self.running_mean = 0.9 * self.running_mean + 0.1 * x.mean(axis=0)
            return super().forward(x)
        return super().forward((x - self.running_mean) / np.sqrt(self.running_var + 1e-5))

    def backward(self, dz):
        self.last_x = self.x
        dx = super().backward(dz)
        return dx if self.training else dx / np.sqrt(self.running_var + 1e-5)


class Evaluated(Norm):
    training = False


class Dropped(Paired):
    """A mask that forward draws, and one that is fixed."""

    def __init__(self):
        super().__init__()
        self.mask, self.fixed_mask = np.ones((2, 2)), np.array([1.0, 0.5])

    def forward(self, x):
        kept = np.random.random((len(x), 2)) > 0.5
        self.mask = 2.0 * kept * self.fixed_mask
        return super().forward(x) * self.mask

    def backward(self, dz):
        return super().backward(dz * self.mask)


class Scaled(Paired):
    """A constant that the output depends on; backward leaves something of its shape."""

    def __init__(self):
        super().__init__()
        self.scale = np.array([2.0, 0.5])

    def forward(self, x):
        return self.scale * super().forward(x)

    def backward(self, dz):
        self.dout = dz.sum(axis=0)
        return super().backward(dz * self.scale)


@pytest.mark.parametrize("layer", [Norm, Evaluated, Dropped, Scaled])
def test_what_is_no_parameter_gets_no_warning(layer):
    assert not warnings(checked(layer()))


def test_a_constant_that_the_output_depends_on_is_noted():
    noted = checked(Scaled()).assumptions
    assert "self.scale is held as it is: no gradient array pairs with it" in noted
    noted = " ".join(checked(Norm()).assumptions)
    assert "held as it is" not in noted


def test_an_instance_that_ran_before_is_no_other():
    layer = Paired()
    layer.backward(layer.forward(X))
    assert not warnings(checked(layer))


def test_a_constant_is_declared():
    found = checked(Linear(), nondiff=["weight", "bias"])
    assert not warnings(found)
    assert "weight: not differentiated, as declared" in found.assumptions
    with pytest.raises(gradcheck.UsageError, match=r"there is no input 'wieght'.*weight"):
        checked(Linear(), nondiff="wieght")


def test_a_generator_of_its_own_says_nothing():
    """Forward is random, so nothing can be said of what it depends on; the check reports that."""
    generator = np.random.default_rng(0)

    class Noisy(Linear):
        def forward(self, x):
            return super().forward(x) + generator.random()

    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(Noisy(), X, max_cases=12)
    assert not warnings(caught.value.result)

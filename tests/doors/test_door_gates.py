"""The lecture's gate class: state on self, scalars, constructor attributes."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from tests.doors.common import (
    MultiplyGate,
    MultiplyGateUnswitched,
    V,
    fails,
    passes,
    refused,
    wrong,
)


class MultiplyGateTuple(MultiplyGate):
    def backward(self, dz):
        return self.y * dz, self.x * dz


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

"""A tape whose parts are wrong: who gave which is told, before an op is blamed for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from tests.tapes.engines import Tensor, of_arrays

BRIEF = Settings(max_cases=5)
RIGHT = {
    "leaf": Tensor,
    "value": lambda t: t.data,
    "backward": lambda t, cotangent: t.backward(cotangent),
    "grad": lambda t: t.grad,
}


def tape(**wrong):
    return gradcheck.tape(**{**RIGHT, **wrong})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"leaf": lambda a: None}, "leaf(np.ones(2, np.float32)) gives None; as in leaf="),
        ({"leaf": lambda: 1}, "leaf(np.ones(2, np.float32)) raises TypeError"),
        ({"leaf": lambda a: a, "value": lambda t: t}, "leaf= gives an ndarray, which has no 'exp'"),
        ({"value": lambda t: t}, "is a Tensor, no array of numbers; as in value="),
        ({"value": lambda t: None}, "is None, no array of numbers"),
        ({"constant": lambda a: a.no}, "constant(np.ones(2, np.float32)) raises AttributeError"),
        ({"constant": lambda a: None}, "constant(np.ones(2, np.float32)) gives None"),
        ({"value": str}, "is a str, no array of numbers"),
        ({"value": lambda t: float(t.data)}, "value(leaf(np.ones(2, np.float32))) raises"),
        ({"value": lambda t: t.data[0]}, "has shape () instead of (2,)"),
        ({"value": lambda t: t.dat}, "raises AttributeError"),
        ({"backward": lambda: None}, "backward(tensor), and takes (); as in"),
        ({"backward": lambda t, g, retain: None}, "takes (t, g, retain); as in"),
        ({"backward": lambda t, *, g: None}, "takes (t, *, g); as in"),
        ({"functions": "numpy"}, "functions='numpy': a module or several"),
        ({"functions": {"exp": np.exp}}, "a module or several"),
        ({"dtypes": "float64", "leaf": lambda a: None}, "leaf(np.ones(2, np.float64)) gives None"),
    ],
)
def test_a_wrong_part_is_told_when_the_first_op_is_named(wrong, said):
    with pytest.raises(UsageError) as told:
        tape(**wrong).ops("exp")
    assert said in str(told.value)


def test_a_wrong_part_is_told_for_a_function_too():
    with pytest.raises(UsageError, match="gives None; as in leaf="):
        tape(leaf=lambda a: None).op(lambda x: x.exp(), "x[n]")


def test_a_leaf_that_raises_is_told_by_the_engine_too():
    with pytest.raises(UsageError, match="raises TypeError"):
        tape(leaf=lambda: 1).engine()


@pytest.mark.parametrize(
    "right",
    [
        {"value": lambda t: t.data.tolist()},
        {"grad": lambda t: t.grad.tolist()},
        {"backward": Tensor.backward},
        {"backward": lambda t, g, retain=False: t.backward(g)},
    ],
)
def test_what_may_be_given_otherwise_passes(right):
    assert run_one(tape(**right).ops("exp")["exp"], BRIEF).verdict == "pass"


def told(op):
    return " ".join(f.message for f in run_one(op, BRIEF).findings if f.severity == "fail")


def test_a_grad_that_gives_a_tensor_is_told():
    op = tape(grad=lambda t: Tensor(t.grad)).ops("exp")["exp"]
    assert "what grad= gives of a leaf is a Tensor, no array of numbers" in told(op)


def test_a_function_that_gives_none_is_told():
    with pytest.raises(UsageError, match="the function gives None"):
        run_one(of_arrays().op(lambda x: None, "x[n]", name="forgot"), BRIEF)


class Number:
    """A value in the manner of micrograd, without `sum`."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __mul__(self, other):
        return Number(self.data * other.data, ((self, other.data), (other, self.data)))

    def exp(self):
        e = math.exp(self.data)
        return Number(e, ((self, e),))


def test_numbers_without_scalar_are_asked_about():
    lib = tape(leaf=Number, backward=lambda v: None)
    lib.ops("exp mul:*")
    assert "give tape(..., scalar=True)" in told(lib["exp"])
    assert "Number has no sum(); give backward=lambda t, cotangent" in told(lib["mul"])


def test_an_engine_without_any_gradient_is_told_that_and_no_more():
    result = run_one(tape(grad=lambda t: None).engine(), BRIEF)
    assert {f.code for f in result.findings if f.severity == "fail"} == {"no-gradient"}


def test_a_method_that_writes_into_its_leaf_fails():
    def doubled(x):
        x.data *= 2
        return x * np.ones(())

    findings = run_one(tape().op(doubled, "x[n]"), BRIEF).findings
    assert "forward writes into its input x" in " ".join(f.message for f in findings)


@pytest.mark.parametrize(
    ("vjp", "said"),
    [
        (lambda f, *xs: f(*xs), "vjp= gives a ndarray; return the output and its pullback"),
        (lambda f, *xs: (f(*xs), 3), "vjp= gives (ndarray, int)"),
    ],
)
def test_a_vjp_that_gives_no_pair_is_told(vjp, said):
    op = gradcheck.tape(vjp=vjp, functions=np).ops("multiply:*")["multiply"]
    with pytest.raises(UsageError) as told:
        run_one(op, BRIEF)
    assert said in str(told.value)


def test_a_pullback_that_forgets_an_input_is_told():
    lib = gradcheck.tape(vjp=lambda f, *xs: (f(*xs), lambda g: [g]), functions=np)
    assert "arrays given to vjp=: 2, gradients from its pullback: 1" in told(
        lib.ops("multiply:*")["multiply"]
    )


def test_a_tape_without_ops_is_told(project):
    project.write("empty.py", "import gradcheck\nlib = gradcheck.tape(vjp=str)\n")
    ran = project.run("run", "empty.py")
    assert ran.code == 5
    assert "a tape has ops once they are named" in " ".join((ran.out + ran.err).split())

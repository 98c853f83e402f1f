"""Libraries that ship: a few functions of each, their engines, and wrong gradients that they have.

The whole lists are in `benchmarks/world/`.
"""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.runner import run_one
from gradcheck.settings import Settings

BRIEF = Settings(max_cases=12)


def fails(op, cases=BRIEF):
    return {f.code for f in run_one(op, cases).findings if f.severity in ("fail", "not judged")}


@pytest.fixture(scope="module")
def autograd():
    anp = pytest.importorskip("autograd.numpy")
    from autograd import make_vjp

    def vjp(function, *arrays):
        pullback, output = make_vjp(function, tuple(range(len(arrays))))(*arrays)
        return output, pullback

    return gradcheck.tape(vjp=vjp, functions=anp)


@pytest.fixture(scope="module")
def mygrad():
    mg = pytest.importorskip("mygrad")
    return gradcheck.tape(
        leaf=mg.tensor,
        value=lambda t: t.data,
        backward=lambda t, cotangent: t.backward(cotangent),
        grad=lambda t: t.grad,
        constant=lambda a: mg.tensor(a, constant=True),
        detach=lambda t: mg.tensor(t.data.copy(), constant=True),
        functions=mg,
    )


@pytest.fixture(scope="module")
def tinygrad():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEV", "PYTHON")
        tensor = pytest.importorskip("tinygrad").Tensor

        def leaf(array):  # a number of its own is a constant, which has no gradient
            return tensor(array) if array.ndim else tensor(array.reshape(1)).reshape(())

        yield gradcheck.tape(
            leaf=leaf,
            value=lambda t: t.numpy(),
            backward=lambda t, cotangent: t.backward(leaf(cotangent)),
            grad=lambda t: None if t.grad is None else t.grad.numpy(),
            dtypes="float32",
        )


def test_autograd(autograd):
    made = autograd.ops("exp log tanh add:+", positive="log")
    made |= autograd.reductions("sum max") | autograd.ops("matmul", "(n,k),(k,m)->(n,m)")
    assert {name: fails(op) for name, op in made.items()} == {name: set() for name in made}
    assert fails(autograd.engine()) == set()


def test_autograd_has_wrong_gradients_that_are_found(autograd):
    """sinc and prod are smooth at 0 and NaN there; tile repeats along another axis."""
    made = autograd.ops("sinc") | autograd.ops("prod", "x[n]")
    tiled = autograd.op(lambda x: autograd_tile(x), "x[2 m]", name="tile2")
    for op in (*made.values(), tiled):
        assert "wrong-gradient" in fails(op, Settings(max_cases=25)), op.name


def autograd_tile(x):
    import autograd.numpy as anp

    return anp.tile(x, 2)


def test_mygrad(mygrad):
    made = mygrad.ops("exp log tanh add:+", positive="log")
    made |= mygrad.reductions("sum max") | mygrad.ops("matmul", "(n,k),(k,m)->(n,m)")
    assert {name: fails(op) for name, op in made.items()} == {name: set() for name in made}
    engine = mygrad.engine()
    assert fails(engine) == set()
    assert "replaces the gradient of a leaf" in " ".join(engine.assumptions)


def test_mygrad_gives_no_gradient_at_ties_and_is_found(mygrad):
    op = mygrad.binary("maximum")["maximum"]
    assert "wrong-at-tie" in fails(op)


def test_tinygrad(tinygrad):
    few = Settings(max_cases=4)
    for op in tinygrad.ops("tanh").values():
        result = run_one(op, few)
        assert [f for f in result.findings if f.severity == "fail"] == []


def test_tinygrads_gradients_share_a_buffer_and_that_is_found(tinygrad):
    """x + w gives both the same gradient; a second backward adds to one of them in place."""
    op = tinygrad.engine(nodes=50)
    found = [f for f in op.foreign.remarks() if f.severity == "fail"]
    assert {f.code for f in found} <= {"engine-prefilled"}
    for remark in found:
        assert "though w is not in the second graph; gradients share memory" in remark.message


def test_tinygrad_by_itself(tinygrad):
    """The same without gradcheck: once it is mended, the test above has nothing to find."""
    from tinygrad import Tensor

    x, w = Tensor([2.0, -3.0]), Tensor([5.0, 7.0])
    (x + w).backward(Tensor([1.0, -2.0]))
    before = w.grad.numpy().copy()
    (x * Tensor([-2.0, 3.0])).backward(Tensor([1.0, -2.0]))
    x.grad.numpy()  # lazy: now it is computed
    shared = not np.array_equal(w.grad.numpy(), before)
    found = {f.code for f in tinygrad["engine"].foreign.remarks() if f.severity == "fail"}
    assert shared == ("engine-prefilled" in found)

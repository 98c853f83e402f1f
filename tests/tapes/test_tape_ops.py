"""Ops of a tape library by name: right ones pass, wrong ones fail, slips are told."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from tests.tapes.engines import Tensor, Value, constant, of_arrays, of_numbers, softplus

BRIEF = Settings(max_cases=25)


def verdicts(ops):
    return {name: run_one(op, BRIEF).verdict for name, op in ops.items()}


def test_an_engine_of_numbers_is_registered_in_a_line():
    lib = of_numbers()
    lib.ops(
        "exp log tanh relu add:+ sub:- mul:* div:/ pow:**", positive="log pow[a]", nonzero="div[b]"
    )
    assert set(verdicts({n: lib[n] for n in lib}).values()) == {"pass"}
    assert lib["exp"].options.reference is np.exp
    assert lib["div"].options.reference is np.divide
    assert lib["relu"].options.reference is None
    assert [str(i.domain) for i in lib["pow"].inputs] == ["positive", "real"]
    assert "its own * and sum" in lib["exp"].assumptions[0].replace("the library's", "its")


def test_an_engine_of_arrays_is_registered_in_a_line():
    lib = of_arrays(constant=constant)
    lib.ops("exp tanh sqrt relu softplus add:+ mul:* div:/", positive="sqrt", nonzero="div[b]")
    lib.ops("matmul:@", "(n,k),(k,m)->(n,m)")
    lib.reductions("sum")
    lib.op(lambda x, w: (x @ w).tanh(), "x[n k], w[k m]", name="layer")
    assert set(verdicts({n: lib[n] for n in lib}).values()) == {"pass"}
    assert [a.name for a in lib["sum"].attributes] == ["axis", "keepdims"]
    assert lib["matmul"].options.reference is np.matmul
    assert lib["mul"].vjp_wanting is not None


def test_a_wrong_gradient_fails_and_is_explained_at_the_line_of_the_method():
    result = run_one(of_numbers().ops("wrong_tanh")["wrong_tanh"], BRIEF)
    assert result.verdict == "fail"
    assert "wrong-gradient" in {f.code for f in result.findings}
    assert result.source.file.endswith("engines.py")
    assert result.source.line == Value.wrong_tanh.__code__.co_firstlineno


def test_a_reduction_that_is_wrong_along_an_axis_fails():
    result = run_one(of_arrays().reductions("mean")["mean"], BRIEF)
    assert result.verdict == "fail"
    right = of_arrays().ops("mean", "x[n m]")["mean"]
    assert run_one(right, BRIEF).verdict == "pass"


class Kept(Tensor):
    """A broadcast is not summed back."""

    def fit(self, g):
        return g


class Forward(Tensor):
    """Another function than NumPy's of that name, with its own gradient."""

    def exp(self):
        e = np.exp2(self.data)
        return self.made(e, (self, lambda g: g * e * np.log(2)))


def test_a_broadcast_that_is_not_summed_is_a_fail_since_forward_accepts_it():
    result = run_one(of_arrays(Kept).ops("add:+")["add"], BRIEF)
    assert result.verdict == "fail"
    declared = run_one(of_arrays(Kept, scope="declared").ops("add:+")["add"], BRIEF)
    assert declared.verdict == "pass"


def test_numpys_function_of_the_same_name_is_the_reference():
    result = run_one(of_arrays(Forward).ops("exp")["exp"], BRIEF)
    assert "wrong-forward" in {f.code for f in result.findings}
    free = run_one(of_arrays(Forward).ops("exp", reference=None)["exp"], BRIEF)
    assert free.verdict == "pass"


class Leaky(Tensor):
    """Right for both inputs together, wrong where only one is wanted."""

    def __mul__(self, other):
        if other.wants or not self.wants:
            return super().__mul__(other)
        return self.made(self.data * other.data, (self, lambda g: g))


def test_a_gradient_that_is_wanted_alone_is_compared_with_the_one_beside_others():
    lib = of_arrays(Leaky, constant=lambda a: Leaky(a, wants=False))
    result = run_one(lib.ops("mul:*")["mul"], BRIEF)
    assert {f.code for f in result.findings if f.severity == "fail"} == {"wanted-alone"}


def fused(wrong=1.0):
    def vjp(function, *arrays):
        leaves = [Tensor(a) for a in arrays]
        output = function(*leaves)

        def pullback(cotangent):
            output.backward(cotangent * wrong)
            return [leaf.grad for leaf in leaves]

        return output, pullback

    def data(value):
        return np.asarray(getattr(value, "data", value)) if isinstance(value, Tensor) else value

    return gradcheck.tape(vjp=vjp, value=data)


def test_a_library_that_differentiates_functions_takes_vjp():
    def double(x):
        return x * 2.0

    assert run_one(fused().op(double, "x[n]"), BRIEF).verdict == "pass"
    result = run_one(fused(1.5).op(double, "x[n]"), BRIEF)
    assert {f.likely for f in result.findings if f.severity == "fail"} == {"factor"}


def test_several_outputs_are_contracted_together():
    def both(x):
        return x * x, x.tanh()

    op = of_arrays().op(both, "x[n]")
    assert run_one(op, BRIEF).verdict == "pass"
    assert run_one(of_numbers().op(both, "x[]"), BRIEF).verdict == "pass"


def test_an_op_of_numbers_on_arrays_of_them():
    def neuron(x, w, b):
        return np.vectorize(Value.tanh)(x @ w + b)

    op = of_numbers().op(neuron, "x[n k], w[k m], b[m]")
    assert run_one(op, Settings(max_cases=12)).verdict == "pass"


def test_integers_are_handed_over_as_arrays_and_have_no_gradient():
    def take(table, index):
        rows = table.data[index]

        def back(g):
            made = np.zeros_like(table.data)
            np.add.at(made, index, g)
            return made

        return table.made(rows, (table, back))

    op = of_arrays(constant=constant).op(take, "table[v d], index:int[n]<v")
    assert run_one(op, BRIEF).verdict == "pass"


def test_one_op_by_name_may_be_called_otherwise():
    lib = of_numbers()
    assert lib.op("exp", "x[]", name="grow") is lib["grow"]
    assert lib.op("add:+", "a[], b[]", name="plus") is lib["plus"]
    assert run_one(lib["grow"], BRIEF).verdict == "pass"


def test_names_are_kept_apart_by_the_name_of_the_tape():
    lib = of_numbers(name="micro")
    lib.ops("exp")
    assert lib["exp"].name == "micro.exp"
    assert list(lib) == ["exp"]
    assert len(lib) == 1
    assert "1 op" in repr(lib)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda lib: lib.ops("tahn"), "there is no 'tahn' in Tensor. Did you mean 'tanh'"),
        (lambda lib: lib.ops(""), "name at least one op"),
        (lambda lib: lib.ops("exp exp"), "an op 'exp' already"),
        (lambda lib: lib.ops("add:+="), "cannot read 'add:+='"),
        (lambda lib: lib.ops("add:"), "cannot read 'add:'"),
        (lambda lib: lib.ops(3), "names in a text"),
        (lambda lib: lib.ops("\x1b[31m"), "cannot read"),
        (lambda lib: lib.ops("f:**", "x[n]"), "no operator of 1 input"),
        (lambda lib: lib.ops("exp", positve="exp"), "Did you mean 'positive'"),
        (lambda lib: lib.ops("exp", axis=0), "stands in the signature"),
        (lambda lib: lib.ops("exp", positive="log"), "'log' has a domain and is none of the ops"),
        (lambda lib: lib.ops("exp", positive="exp["), "name ops, or one input of an op"),
        (lambda lib: lib.ops("exp", domain="positive"), "name ops, or one input of an op"),
        (lambda lib: lib.ops("exp", positive="exp[y]"), "there is no input 'y'"),
        (lambda lib: lib.ops("exp", domain={"exp": "1..0"}), "no domain, nor a range"),
        (lambda lib: lib.ops("exp", reference=3), "reference must be a function"),
        (lambda lib: lib.op(3, "x[n]"), "a name or a function, not 3"),
        (lambda lib: lib.op(abs, "x{n}"), "cannot read"),
        (lambda lib: lib.engine(nodes=0), "nodes=0: a whole number"),
        (lambda lib: (lib.engine(), lib.engine()), "an op 'engine' already"),
        (lambda lib: lib["exq"], "the tape has no op 'exq'"),
    ],
)
def test_a_slip_is_told_and_adds_nothing(act, said):
    lib = of_arrays()
    with pytest.raises(UsageError) as told:
        act(lib)
    assert said in str(told.value)
    assert [n for n in lib if n != "engine"] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "leaf, value, backward, grad missing"),
        ({"leaf": Tensor, "value": str, "backward": str}, "grad missing"),
        ({"leaf": 3}, "leaf= must be a function, not 3"),
        ({"vjp": str, "leaf": Tensor}, "vjp= stands for all of it; leave out leaf"),
        ({"vjp": str, "scalar": True}, "leave out scalar"),
        ({"vjp": str, "nonsense": 1}, "unknown option 'nonsense'"),
        ({"vjp": str, "valid": str}, "valid= is said of one op"),
    ],
)
def test_a_tape_that_lacks_a_part_is_told(given, said):
    with pytest.raises(UsageError) as told:
        gradcheck.tape(**given)
    assert said in str(told.value)


def test_a_leaf_that_raises_is_told():
    def leaf(array):
        raise RuntimeError("no device")

    lib = gradcheck.tape(leaf=leaf, value=str, backward=str, grad=str)
    with pytest.raises(UsageError, match="raises RuntimeError: no device"):
        lib.ops("exp")


def test_functions_of_a_fused_library_need_a_module():
    with pytest.raises(UsageError, match=r"functions=autograd\.numpy"):
        gradcheck.tape(vjp=lambda f, *xs: None).ops("exp")


def test_a_function_of_a_module_is_found_before_a_method():
    from tests.tapes import engines

    assert softplus is engines.softplus
    op = of_arrays(functions=engines).ops("softplus", reference=lambda x: np.logaddexp(0, x))
    assert run_one(op["softplus"], BRIEF).verdict == "pass"

"""What one example call tells of an op, what forward is asked besides, and that it is said."""

from __future__ import annotations

import inspect
from typing import Any, Literal

import numpy as np
import pytest

import gradcheck
from gradcheck.attributes import attributes_of
from gradcheck.cases import build, recipes
from gradcheck.engine import generate
from gradcheck.evaluation import Evaluator
from gradcheck.examples import read
from gradcheck.guards import GlobalRandom, quiet
from gradcheck.model import Attribute, Op
from gradcheck.moves import tie_broken
from gradcheck.point import Move
from gradcheck.probe import Learnt, learn
from gradcheck.registry import make
from gradcheck.templates import plan
from tests.judged import fails, passes, wrong

X = np.array([[0.5, -1.25, 2.0, 0.75], [1.5, 0.75, -0.5, -1.0], [-0.25, 1.0, 0.5, -2.0]])
V = np.array([0.5, -1.25, 2.0, 0.75, -0.375])


def dims(*values: Any) -> list[tuple[str | int, ...]]:
    return [i.dims for i in read([f"a{k}" for k in range(len(values))], values).inputs]


def kind(value: Any) -> str:
    """The domain that an array suggests, beside a plain real input."""
    return read(["x", "other"], [value, V]).inputs[0].domain.kind


def sentence(value: Any) -> str:
    return next(s for s in read(["x", "other"], [value, V]).assumptions if s.startswith("x["))


def learnt(forward: Any, *example: Any, **attributes: Any) -> tuple[Op, dict[str, tuple[int, ...]]]:
    """What is known after forward was asked; no backward is run."""
    op = make([forward, lambda dz, *inputs: None, *example], attributes, {})
    with quiet():
        learnt = learn(op, Evaluator(op, GlobalRandom(0)))
        found, sizes = learnt.op, learnt.sizes
    return found, dict(sizes)


# -- sizes --------------------------------------------------------------------------------------


def test_equal_sizes_are_one_dimension():
    x, w, b = dims(np.ones((3, 4)), np.ones((4, 2)), np.ones(2))
    assert x[1] == w[0]
    assert w[1] == b[0]
    assert len({x[0], x[1], w[1]}) == 3


def test_size_one_and_zero_are_themselves():
    x, w = dims(np.ones((1, 3)), np.ones((3, 1)))
    assert x[0] == w[1] == 1
    assert x[1] == w[0]
    assert dims(np.ones((0, 2)))[0][0] == 0


def test_numbers_have_no_dimension():
    found = read(["x", "y", "z"], [3.0, np.float64(2.0), np.array(1.0)]).inputs
    assert [i.dims for i in found] == [(), (), ()]
    assert [i.scalar for i in found] == [True, True, False]


def test_sizes_are_varied():
    shapes = set()

    def forward(x):
        shapes.add(x.shape)
        return x * 2

    passes(forward, lambda dz, x: 2 * dz, X)
    two = {s for s in shapes if len(s) == 2}
    assert len({s[0] for s in two}) >= 3
    assert len({s[1] for s in two}) >= 3


def test_wrong_at_another_size_than_the_examples():
    """Right for five entries, wrong for every other number of them."""

    def backward(dz, x):
        return np.full_like(x, dz / 5)

    def backward_right(dz, x):
        return np.full_like(x, dz / len(x))

    passes(lambda x: np.sum(x) / len(x), backward_right, V)
    assert wrong(fails(lambda x: np.sum(x) / len(x), backward, V)) == {"x"}


def test_wrong_at_size_one():
    def variance(x):
        return np.sum((x - x.mean()) ** 2) / max(len(x) - 1, 1)

    def backward(dz, x):
        return 2 * (x - x.mean()) * dz / max(len(x) - 1, 1) + (dz if len(x) == 1 else 0)

    assert wrong(fails(variance, backward, V)) == {"x"}


def test_backward_that_raises_at_size_one():
    """A size that the harness made up, where backward refuses loudly: said, not red."""

    def backward(dz, x):
        if len(x) == 1:
            raise IndexError("two at least")
        return 2 * x * dz

    square = lambda x: x * x  # noqa: E731
    result = passes(square, backward, V)
    assert any(f.code == "backward-raised" and f.severity == "warning" for f in result.findings)
    assert fails(square, backward, V, scope="forward").verdict == "fail"


def test_backward_that_takes_the_examples_size_only():
    """The size may be given elsewhere: said, where an example says it; red, where a name does."""

    def backward(dz, x):
        if len(x) != 5:
            raise ValueError("five and no more")
        return 2 * x * dz

    result = passes(lambda x: x * x, backward, V)
    assert any(" = 5: " in s for s in result.assumptions)
    text = str(fails(lambda x: x * x, backward, "x[n]").findings)
    assert "five and no more" in text


def test_sizes_that_are_not_to_be_varied():
    shapes = set()

    def forward(x):
        shapes.add(x.shape)
        return x * x

    passes(forward, lambda dz, x: 2 * x * dz, V, vary_sizes=False)
    assert shapes == {(5,)}
    assert wrong(fails(forward, lambda dz, x: x * dz, V, vary_sizes=False)) == {"x"}


def test_size_that_is_a_multiple_of_another():
    """An LSTM's four gates per hidden unit: sizes 3 and 12 are varied together."""

    def gates(x, h):
        if x.size != 4 * h.size:
            raise ValueError("four gates per hidden unit")
        return x.reshape(4, -1).sum(axis=0) * h

    def backward(dz, x, h):
        return np.tile(h * dz, 4), x.reshape(4, -1).sum(axis=0) * dz

    def backward_wrong(dz, x, h):
        return np.repeat(h * dz, 4), x.reshape(4, -1).sum(axis=0) * dz

    x, h = np.linspace(-1.5, 1.25, 12), np.array([0.5, -1.0, 2.0])
    result = passes(gates, backward, x, h)
    assert any("4*" in s for s in result.assumptions)
    assert wrong(fails(gates, backward_wrong, x, h)) == {"x"}


def test_square_example_ties_what_belongs_apart():
    """Equal sizes are taken as one dimension: said in the assumptions."""
    found = read(["x", "w"], [np.ones((3, 3)), np.ones((3, 3))])
    letters = {d for i in found.inputs for d in i.dims}
    assert len(letters) == 1
    assert all(f"[{letters.copy().pop()} " in s for s in found.assumptions)


def test_sizes_that_forward_refuses():
    def halved(x):
        if len(x) % 2:
            raise ValueError("an even number of values")
        return x.reshape(-1, 2).sum(axis=1)

    op, sizes = learnt(halved, np.arange(1.0, 7.0))
    (allowed,) = sizes.values()
    assert {2, 4, 6} <= set(allowed)
    assert not {1, 3, 5} & set(allowed)
    assert any("forward refuses sizes 1, 3, 5" in s for s in op.assumptions)
    right = passes(halved, lambda dz, x: np.repeat(dz, 2), np.arange(1.0, 7.0))
    assert any("forward refuses sizes" in s for s in right.assumptions)
    assert not any(reason.startswith("plain") for reason in right.rejected)
    assert wrong(fails(halved, lambda dz, x: np.tile(dz, 2), np.arange(1.0, 7.0))) == {"x"}


def test_the_only_size_that_forward_takes():
    def cross(x, y):
        return (
            np.array(
                [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
            )
            + 0 * x * y
        )

    op, sizes = learnt(cross, np.array([1.0, -2.0, 0.5]), np.array([0.5, 1.5, -1.0]))
    assert set(sizes.values()) == {(3,)}
    assert any("= 3: forward takes no other size" in s for s in op.assumptions)


def test_a_dimension_of_a_constant_inside_forward():
    """A weight that is no argument fixes one dimension and leaves the other."""
    w = np.arange(12.0).reshape(4, 3) / 8

    op, sizes = learnt(lambda x: x @ w, X)
    names = [d for i in op.inputs for d in i.dims]
    assert sizes[names[1]] == (4,)
    assert len(sizes[names[0]]) > 3
    passes(lambda x: x @ w, lambda dz, x: dz @ w.T, X)
    assert wrong(fails(lambda x: x @ w, lambda dz, x: dz @ w.T * 2, X)) == {"x"}


def test_size_one_that_is_only_broadcast_is_no_size():
    """Forward takes size 1 because NumPy broadcasts, not because it was meant."""
    b = np.array([0.5, -1.0, 1.5, 2.0])
    op, sizes = learnt(lambda x: x + b, X)
    assert sizes[op.inputs[0].dims[1]] == (4,)


def test_everything_goes_where_nothing_is_refused():
    op, sizes = learnt(lambda x: x * 2, V)
    assert {1, 2, 3, 4, 5} <= set(sizes[op.inputs[0].dims[0]])
    assert not any("refuses" in s or "no other" in s for s in op.assumptions)


def test_example_that_forward_refuses():
    def never(x):
        raise ValueError("not today")

    result = fails(never, lambda dz, x: dz, V)
    found = [f for f in result.findings if f.severity == "fail"]
    assert [f.code for f in found] == ["forward-raised"]
    assert "not today" in found[0].message


def test_example_on_which_forward_is_not_finite():
    result = fails(lambda x: np.log(x), lambda dz, x: dz / x, V)
    assert "forward-not-finite" in {f.code for f in result.findings}


def test_example_that_is_not_finite_is_not_passed_over():
    """The one input that the user did hand over was not judged."""
    result = None
    try:
        result = gradcheck.check(
            lambda x: x * x, lambda dz, x: 2 * x * dz, V * np.nan, max_cases=20
        )
    except (gradcheck.GradientError, gradcheck.UsageError):
        return
    assert any("NaN" in s for s in result.assumptions)


# -- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (V, "real"),
        (np.abs(V), "positive"),
        (-np.abs(V), "negative"),
        (np.array([0.0, 0.5, 2.0]), "nonnegative"),
        (np.array([[0.25, 0.75], [0.5, 0.5]]), "simplex"),
        (np.array([0.25, 0.25, 0.5]), "simplex"),
        (np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), "one-hot"),
        (np.array([0.0, 1.0, 1.0, 0.0]), "binary"),
        (np.array([[2.0, -0.5], [-0.5, 1.0]]), "symmetric"),
        (np.eye(3) * 2, "nonnegative"),
        (np.zeros(3), "real"),
        (np.array([2.0, 3.0]), "real"),
        (2.0, "real"),
        (np.zeros((0, 3)), "real"),
        (np.array([0, 3, 1]), "index"),
        (np.array([True, False]), "boolean"),
    ],
)
def test_kind_of_values(value, expected):
    assert kind(value) == expected


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.abs(V), "positive"),
        (np.array([[0.25, 0.75], [0.5, 0.5]]), "rows that sum to one"),
        (np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), "labels, not differentiated"),
        (np.array([0, 3, 1]), "integers 0 <= i < 4"),
        (np.array([-1, 3, 1]), "integers -1 <= i < 4"),
        (np.array([0.0, 1.0, 1.0, 0.0]), "zeros and ones"),
    ],
)
def test_every_assumption_is_a_sentence(value, says):
    assert says in sentence(value)


def test_undifferentiated_inputs_are_said():
    """Whatever is not compared must be seen to be left out."""
    assert "not differentiated" in sentence(np.array([0, 3, 1]))


def test_labels_are_not_differentiated():
    found = read(["p", "y"], [X, np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])]).inputs
    assert [i.differentiable for i in found] == [True, False]


def test_values_are_of_the_examples_size():
    """Not 0.1 to 2 for a function of millionths."""
    op, sizes = learnt(lambda x: x * x, V * 1e-6)
    made = plan(Learnt(op, sizes), ("float64",))
    drawn = generate(recipes(made), seed="0", count=25, first=made.schedule(25))
    values = [build(op, d.value).primals[0] for d in drawn if not d.value.beyond]
    largest = [np.abs(x).max() for x in values if x.any()]
    assert len(largest) >= 10
    assert 1e-6 < max(largest) < 3e-6
    assert min(largest) > 1e-8


def test_example_of_integers_only():
    found = read(["x", "y"], [3, -4])
    assert all(i.differentiable for i in found.inputs)
    assert any("integers only: taken as real" in s for s in found.assumptions)
    assert all(v.dtype == np.float64 for v in found.values)


def test_no_real_input():
    with pytest.raises(gradcheck.UsageError, match="no real input"):
        read(["name"], ["word"])
    with pytest.raises(gradcheck.UsageError, match="no real input"):
        read(["mask"], [np.array([True])])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            np.zeros(2, [("re", "f4"), ("im", "f4")]),
            "pass real numbers or integers",
        ),
        (V.astype(np.longdouble), "never silently cast"),
        (V + 1j, "x is complex"),
        (np.array(["a", "b"]), "x is an array of"),
        (np.array([object()]), "x is an array of object"),
    ],
)
def test_dtypes_that_are_refused(value, says):
    with pytest.raises(gradcheck.UsageError, match=says):
        read(["x", "other"], [value, V])


def test_constants_are_handed_over():
    found = read(["x", "mode", "flag", "config", "none"], [V, "mean", True, {"a": 1}, None])
    assert found.constants == {1: "mean", 2: True, 3: {"a": 1}, 4: None}
    assert "mode: str, handed over as it is" in found.assumptions
    assert [i.name for i in found.inputs] == ["x"]


def test_lists():
    found = read(["xs", "y"], [[V, X], [0.5, 1.5]])
    assert [i.name for i in found.inputs] == ["xs_0", "xs_1", "y"]
    assert found.places == ((0, 0), (0, 1), (1, None))


# -- domains that forward narrows ---------------------------------------------------------------


def test_two_numbers_say_nothing_of_their_sign():
    """Forward is asked: the logarithm takes positive numbers only."""
    op, _ = learnt(lambda x: np.log(x), np.array([0.5, 2.0]))
    assert op.inputs[0].domain.kind == "positive"
    assert "x: positive (forward refuses most other values)" in op.assumptions
    result = passes(lambda x: np.log(x), lambda dz, x: dz / x, np.array([0.5, 2.0]))
    assert "x: positive (forward refuses most other values)" in result.assumptions
    assert wrong(fails(lambda x: np.log(x), lambda dz, x: dz, np.array([0.5, 2.0]))) == {"x"}


def test_forward_that_raises_narrows_too():
    def root(x):
        if np.any(x < 0):
            raise ValueError("negative")
        return np.sqrt(x)

    op, _ = learnt(root, 2.0)
    assert op.inputs[0].domain.kind == "positive"


def test_only_the_input_that_needs_it_is_narrowed():
    """The example itself has negative values of y."""
    op, _ = learnt(lambda x, y: y * np.log(x), 2.0, V)
    assert [i.domain.kind for i in op.inputs] == ["positive", "real"]


def test_range_of_the_example_as_a_last_resort():
    def band(x):
        if np.any(np.asarray(x) < 40) or np.any(np.asarray(x) > 50):
            raise ValueError("between 40 and 50")
        return x * x

    op, _ = learnt(band, np.array([41.0, 49.0]))
    assert (op.inputs[0].domain.low, op.inputs[0].domain.high) == (41.0, 49.0)
    assert any("41 to 49" in s for s in op.assumptions)


def cholesky_backward(dL, A):
    """Murray, Differentiation of the Cholesky decomposition, 2016."""
    L = np.linalg.cholesky(A)
    inner = np.tril(L.T @ dL)
    inner[np.diag_indices(len(L))] /= 2
    inverse = np.linalg.inv(L)
    return inverse.T @ (inner + inner.T) @ inverse / 2


def test_a_definite_matrix_stays_definite_where_forward_refuses_others():
    def cholesky(A):
        return np.linalg.cholesky(A)

    A = X @ X.T + np.eye(3)
    op, sizes = learnt(cholesky, A)
    assert op.inputs[0].domain.kind == "definite"
    assert all(len(taken) > 3 for taken in sizes.values())
    op, _ = learnt(lambda A: A @ A, A)
    assert op.inputs[0].domain.kind == "symmetric"

    def twice(dL, A):
        return 2 * cholesky_backward(dL, A)

    for given in (A, "A:definite[n n]"):
        passes(cholesky, cholesky_backward, given)
        assert wrong(fails(cholesky, twice, given)) == {"A"}


def test_nothing_is_narrowed_without_need():
    op, _ = learnt(lambda x: np.abs(x), np.array([0.5, 2.0]))
    assert op.inputs[0].domain.kind == "real"
    assert not any("refuses" in s for s in op.assumptions)


def test_positive_example_stays_positive():
    """Three positive numbers are an assumption; what lies beyond is made up, and only a warning."""

    def backward(dz, x):
        return np.where(x > 0, 1.0, 0.5) * 2 * x * dz

    example = np.array([0.5, 2.0, 1.0, 3.0])
    result = passes(lambda x: x * x, backward, example, max_cases=25)
    assert any(s.endswith(": positive") for s in result.assumptions)
    mixed = np.array([0.5, -2.0, 1.0, 3.0])
    assert wrong(fails(lambda x: x * x, backward, mixed)) == {"x"}


def test_no_narrowing_where_a_relation_is_declared():
    """``valid`` says which values go together: its author knows of negative ones."""
    seen = []

    def log_gap(x, y):
        seen.append(float(np.min(x)))
        return np.log(x - y)

    passes(
        log_gap,
        lambda dz, x, y: (dz / (x - y), -dz / (x - y)),
        3.0,
        1.0,
        valid=lambda x, y: bool(np.all(x > y)),
        max_cases=40,
        checks="values",
    )
    assert min(seen) < -0.1


# -- index bounds -------------------------------------------------------------------------------


def test_index_ends_where_forward_refuses():
    """The example's largest index is 2; the table has five rows."""
    op, _ = learnt(lambda table, words: table[words], np.ones((5, 3)), np.array([0, 2, 1, 1]))
    table, words = op.inputs
    assert words.domain.below == table.dims[0]
    assert f"words: integers 0 <= i < {table.dims[0]} (forward refuses more)" in op.assumptions


def test_index_bound_is_not_the_dimension_that_is_merely_larger():
    """Two dimensions are larger than every index; only one of them is the bound."""
    op, _ = learnt(lambda table, words: table[:, words], np.ones((4, 6)), np.array([0, 2, 1]))
    assert op.inputs[1].domain.below == op.inputs[0].dims[1]


def test_index_of_its_own_dimension():
    """A permutation is bounded by its own length."""

    def permuted(x, order):
        return x[order]

    op, _ = learnt(permuted, V, np.array([4, 2, 0, 1, 3]))
    assert op.inputs[1].domain.below == op.inputs[0].dims[0]


def test_integers_that_forward_does_not_bound_keep_the_examples_range():
    op, _ = learnt(lambda x, k: x * (k + 1), V, np.array([0, 2, 1, 0, 2]))
    assert op.inputs[1].domain.below == 3


def test_negative_indices_of_the_example_are_kept():
    """-1 is padding, or the last row: either way it is tried."""
    seen = set()

    def lookup(table, words):
        seen.update(np.asarray(words).ravel().tolist())
        return table[words]

    def backward(dout, table, words):
        d = np.zeros_like(table)
        np.add.at(d, words, dout)
        return d, None

    op, _ = learnt(lookup, np.ones((5, 3)), np.array([0, -1, 1]))
    assert op.inputs[1].domain.low == -1
    passes(lookup, backward, np.arange(15.0).reshape(5, 3) / 8 - 1, np.array([0, -1, 1]))
    assert -1 in seen


def test_index_bound_moves_with_the_size():
    """With a table of another size the last row is still met, and never passed."""
    last = set()

    def lookup(table, words):
        if len(table) and words.size:
            last.add(len(table) - 1 - int(words.max()))
        return table[words]

    def backward(dout, table, words):
        d = np.zeros_like(table)
        np.add.at(d, words, dout)
        return d, None

    table = np.arange(15.0).reshape(5, 3) / 8 - 1
    result = passes(lookup, backward, table, np.array([0, 2, 1, 1]))
    assert 0 in last
    assert not any("IndexError" in r for r in result.rejected if "zero-size" not in r)


# -- attributes ---------------------------------------------------------------------------------


def attributes(function: Any, rank: int = 2, **given: Any) -> dict[str, Attribute]:
    keywords = dict(list(inspect.signature(function).parameters.items())[1:])
    return {a.name: a for a in attributes_of(keywords, given, rank)}


def test_attributes_of_forward():
    def f(x, flag=False, axis=0, factor=2.0, rate=0.3, mode="mean", size=None, count=3):
        return x

    found = attributes(f)
    assert found["flag"].all_values == (False, True)
    assert found["axis"].all_values == (0, -2, -1, 1)
    assert found["factor"].values == (2.0,)
    assert set(found["factor"].made_up) == {1.0, 4.0}
    assert {0.15, 0.6} <= set(found["rate"].made_up)
    assert found["mode"].all_values == ("mean", "sum", "none")
    assert found["size"].all_values == (None,)
    assert {0, 1, 2, 4, 6} == set(found["count"].made_up)


def test_given_values_come_first():
    def f(x, axis=0, factor=2.0):
        return x

    found = attributes(f, axis=1, factor=3.0)
    assert found["axis"].values == (1,)
    assert 0 in found["axis"].made_up
    assert found["factor"].values == (3.0,)


def test_literals_are_declared():
    def f(x, mode="sum"):
        return x

    f.__annotations__ = {"mode": Literal["sum", "mean", "none"]}
    found = attributes(f)
    assert found["mode"].values == ("sum", "mean", "none")
    assert found["mode"].made_up == ()


def test_postponed_literals_are_declared():
    """This file's annotations are strings, as in most code of today."""

    def reduced(x, mode: Literal["sum", "mean"] = "sum"):
        return np.sum(x) if mode == "sum" else np.mean(x)

    def backward(dz, x, mode="sum"):
        return np.full_like(x, dz)

    assert attributes(reduced)["mode"].values == ("sum", "mean")
    assert wrong(fails(reduced, backward, V)) == {"x"}


@pytest.mark.parametrize("name", ["verbose", "inplace", "return_cache", "seed", "debug"])
def test_flags_that_are_no_mathematics_are_left_alone(name):
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False)
    assert attributes_of({name: parameter}, {}, 2)[0].all_values == (False,)


def test_attribute_value_that_forward_refuses():
    """Made-up values may be refused: counted, shown, never red."""

    def power(x, n=3):
        if n != 3:
            raise ValueError("cubes only")
        return x**n

    result = passes(power, lambda dz, x, n=3: 3 * x * x * dz, V)
    assert any(reason.startswith("n=") and "cubes only" in reason for reason in result.rejected)


# -- what lies beyond the example ---------------------------------------------------------------


def test_broadcasting_beyond_the_example_is_a_warning():
    def backward(dz, x, y):
        return y * dz, x * dz

    u, v = X, X[::-1] + 0.25
    result = passes(lambda x, y: x * y, backward, u, v)
    warnings = [f for f in result.findings if f.severity == "warning" and f.code == "wrong-shape"]
    assert warnings
    assert all("forward accepts this (broadcast" in f.message for f in warnings)
    assert fails(lambda x, y: x * y, backward, u, v, scope="forward")


def test_broadcasting_inside_the_example_is_declared():
    def backward(dz, x, b):
        return 1 * dz, dz.sum(axis=0)

    def backward_not_summed(dz, x, b):
        return 1 * dz, 1 * dz

    passes(lambda x, b: x + b, backward, X, X[0])
    result = fails(lambda x, b: x + b, backward_not_summed, X, X[0])
    assert {(f.code, f.input) for f in result.findings if f.severity == "fail"} == {
        ("wrong-shape", "b")
    }


def test_refused_cases_are_counted_and_shown():
    def strict(x):
        if x.ndim != 2 or x.size == 0:
            raise ValueError("a matrix, please")
        return x * x

    result = passes(strict, lambda dz, x: 2 * x * dz, X, max_cases=25)
    assert any("a matrix, please" in reason for reason in result.rejected)
    assert result.cases_rejected == sum(result.rejected.values()) > 0


def test_too_many_refused_is_no_pass():
    """Forward takes the example and nothing else: no evidence."""

    def only_this(x):
        if not np.array_equal(np.round(x, 2), np.round(V, 2)):
            raise ValueError("only the example")
        return x * x

    with pytest.raises(gradcheck.GradientError, match="only the example") as caught:
        gradcheck.check(only_this, lambda dz, x: 2 * x * dz, V, max_cases=20)
    assert caught.value.result.verdict == "inconclusive"


def test_assumptions_are_printed_with_a_failure():
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(
            lambda table, words: table[words],
            lambda dout, table, words: (np.ones_like(table), None),
            np.arange(15.0).reshape(5, 3) / 8 - 1,
            np.array([0, 2, 1, 1]),
            max_cases=20,
        )
    assert "words: integers 0 <= i < n (forward refuses more)" in str(caught.value)


# -- right ops that a first run must not call wrong -----------------------------------------------


def ones_like(dz, x):
    return dz * np.ones_like(x)


def test_keywords_of_a_library_function_are_not_the_ops():
    """np.sum has an axis; a backward that was written for the sum of all has not."""
    result = passes(np.sum, ones_like, X)
    assert "axis" not in "".join(result.assumptions)
    passes(np.trace, lambda dz, a: dz * np.eye(len(a)), np.outer(V, V) + np.eye(5))
    along = lambda dz, x: np.repeat(dz[:, None], x.shape[1], 1)  # noqa: E731
    passes(np.sum, along, X, axis=1)  # that axis, and no other
    assert wrong(fails(np.sum, lambda dz, x: 2 * ones_like(dz, x), X)) == {"a"}


def test_keywords_that_backward_takes_too_are_varied():
    def backward(dz, a, axis=-1):
        return np.broadcast_to(np.expand_dims(dz, -1), a.shape).copy()

    result = fails(np.sum, backward, X, axis=-1)
    assert result.verdict == "fail"


def test_many_equal_entries_of_a_sort():
    """Any rank among the equals is a limit of gradients."""

    def ranks(x):
        return np.argsort(np.argsort(x, kind="stable"), kind="stable")

    passes(np.sort, lambda dz, x: dz[ranks(x)], V)
    primals = (np.array([2.0, 1, 2, 2, 2, 2, 2, 1]),)
    broken = [p[0] for p, _ in tie_broken(primals, Move.entry(0, 3), 1e-3)]
    equals = primals[0] == 2
    assert {int((b[equals] < b[3]).sum()) for b in broken} == set(range(6))
    assert wrong(fails(np.sort, lambda dz, x: dz[ranks(-x)], V))


def test_a_vector_for_one_of_three_operands_is_an_accident():
    affine = lambda x, w, b: (x @ w + b, (x, w))  # noqa: E731
    backward = lambda dz, cache: (dz @ cache[1].T, cache[0].T @ dz, dz.sum(0))  # noqa: E731
    passes(affine, backward, X, X.T.copy() + 0.5, X[:, 0] - 1, scope="forward")


def test_what_a_pass_is_worth_leaves_out_what_was_never_declared():
    def summed(gradient, shape):
        return gradient if gradient.shape == shape else 2 * gradient.sum().reshape(shape)

    def backward(dz, x, y):
        return summed(dz * y + 0 * x, x.shape), summed(dz * x + 0 * y, y.shape)

    result = passes(lambda x, y: (x * y).sum(), backward, V, V + 3)
    assert any(f.code == "wrong-gradient" for f in result.findings), "said all the same"
    assert result.worst is not None
    assert not result.worst.wrong


def layer_norm(x, gamma, beta):
    s = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    hat = (x - x.mean(-1, keepdims=True)) / s
    return gamma * hat + beta, (hat, gamma, s)


def layer_norm_backward(dz, cache):
    hat, gamma, s = cache
    d = dz * gamma
    mean, along = d.mean(-1, keepdims=True), (d * hat).mean(-1, keepdims=True)
    return (d - mean - hat * along) / s, (dz * hat).sum(0), dz.sum(0)


def test_an_accident_is_a_note_and_a_warning_by_scope():
    """NumPy stretches a gamma of size 1; nobody declared it, and the author need not hear of it."""
    arguments = layer_norm, layer_norm_backward, X, X[0] + 0.5, X[1]
    for scope, severity in (("declared", "note"), ("forward", "warning")):
        result = passes(*arguments, scope=scope)
        stretched = {f.severity for f in result.findings if "(broadcast" in f.message}
        assert stretched == {severity}


class Dropout:
    def __init__(self, ratio=0.5):
        self.ratio, self.mask = ratio, None

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x * (1.0 - self.ratio)
        self.mask = np.random.rand(*x.shape) > self.ratio
        return x * self.mask

    def backward(self, dz):
        return dz * self.mask


@pytest.mark.parametrize(("scope", "severity"), [("declared", "note"), ("forward", "warning")])
def test_a_mode_in_which_backward_refuses_aloud(scope, severity):
    """Nobody calls backward in evaluation, and who does hears of it."""
    raised = [f for f in passes(Dropout, X, scope=scope).findings if f.code == "backward-raised"]
    assert {f.severity for f in raised} == {severity}


@pytest.mark.parametrize("scope", ["declared", "forward"])
def test_no_real_output_beyond_the_example_is_a_refusal(scope):
    """np.bincount of nothing is an array of integers, whatever the weights."""
    index = np.array([0, 1, 3, 1, 0])
    forward = lambda x, i: np.bincount(i, weights=x, minlength=4)  # noqa: E731
    result = passes(forward, lambda dz, x, i: dz[i], V, index, scope=scope)
    assert {f.code for f in result.findings} <= {"widened-output"}  # bincount answers in float64
    assert any("no real output" in why for why in result.rejected)

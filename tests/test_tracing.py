"""Functions that are graphs: what can be written in a formula, and that a planted bug shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gradcheck
from gradcheck import Graph
from gradcheck.graphs.composed import Composed
from gradcheck.model import Op
from gradcheck.registry import make
from reference_ops import losses, reductions
from reference_ops.arithmetic import add
from reference_ops.linear import affine
from reference_ops.nonlinear import tanh
from reference_ops.words import embedding
from tests.judged import fails, guilty, passes

x = np.array([0.5, -1.5, 2.0])
M = np.array([[0.5, -1.5, 0.25], [1.0, 0.75, -0.5]])


def op(forward: Any, backward: Any, signature: str, **options: Any) -> Op:
    return make([forward, backward, signature], {}, options)


def steps(function: Any, *values: Any) -> list[str]:
    """What a formula records: ``name = op``."""
    composed = gradcheck.op(gradcheck.graph(function), *values).detail
    assert isinstance(composed, Composed)
    return [f"{s.name} = {s.op.name}" for s in composed.run(values).steps]


# --- operators ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("formula", "recorded"),
    [
        (lambda a, b: a + b, "add"),
        (lambda a, b: a - b, "subtract"),
        (lambda a, b: a * b, "multiply"),
        (lambda a, b: a / b, "divide"),
        (lambda a, b: 2 + a, "add"),
        (lambda a, b: 2 - a, "subtract"),
        (lambda a, b: 2 / a, "divide"),
        (lambda a, b: -a, "negative"),
        (lambda a, b: a**3, "power"),
        (lambda a, b: a @ b, "matmul"),
        (lambda a, b: a[1:], "getitem"),
        (lambda a, b: a[np.array([0, 0, 2])], "getitem"),
        (lambda a, b: a.T, "transpose"),
        (lambda a, b: np.tanh(a), "tanh"),
        (lambda a, b: np.maximum(a, b), "maximum"),
        (lambda a, b: np.add(a, x), "add"),
        (lambda a, b: x * a, "multiply"),
        (lambda a, b: np.sum(a, axis=0), "sum"),
        (lambda a, b: a.mean(), "mean"),
    ],
)
def test_an_operator_is_the_op_of_its_name(formula, recorded):
    own = np.array([0.25, 1.5, -0.75])
    assert steps(formula, x, own) == [f"{recorded} = {recorded}"]
    assert_allclose(gradcheck.graph(formula)(x, own), formula(x, own))
    passes(gradcheck.graph(formula), x, own)


def test_the_modules_own_op_comes_before_the_reference_op():
    """``add`` of this module's namespace is found by name; another one is taken instead."""
    mine = op(lambda a, b: a + b, lambda dz, a, b: (1 * dz, 2 * dz), "a[...], b[...]", name="mine")
    before = globals()["add"]
    globals()["add"] = mine
    try:
        assert steps(total_of_two, x, x) == ["s = mine", "total_of_two = tanh"]
        assert guilty(fails(gradcheck.graph(total_of_two), x, x)) == {"s"}
    finally:
        globals()["add"] = before
    passes(gradcheck.graph(total_of_two), x, x)


def total_of_two(a, b):
    s = a + b
    return tanh(s)


@pytest.mark.parametrize(
    "formula", [lambda a: 2 * a + 1, lambda a: a * 2.5 - 1.0], ids=["left", "right"]
)
def test_python_numbers_leave_the_precision_as_it_is(formula):
    single = x.astype(np.float32)
    assert gradcheck.graph(formula)(single).dtype == np.float32
    passes(gradcheck.graph(formula), single, dtypes="float32")


def test_adding_in_place_makes_a_new_value():
    def piled(a):
        made = a * 2
        made += a
        return made

    assert steps(piled, x) == ["made = multiply", "made_2 = add"]
    passes(gradcheck.graph(piled), x)


# --- names ----------------------------------------------------------------------------------------
def test_nodes_are_called_as_in_the_formula():
    def score(x, W, b):
        z = W @ x + b
        h = tanh(z)
        return h * 2

    assert steps(score, x, M, np.ones(2)) == [
        "matmul = matmul",
        "z = add",
        "h = tanh",
        "score = multiply",
    ]


def test_names_do_not_change_when_python_has_warmed_up():
    def net(x):
        first = x[0]
        head, last = x[0:1], x[1]
        total = x.sum(axis=0)
        for step in x:
            first = first + step
        a, b = x[:2]
        return first * last + total * head + a * b

    made = gradcheck.op(gradcheck.graph(net), "x[3]").detail
    lists = [[s.name for s in made.run([x]).steps] for _ in range(50)]
    assert all(names == lists[0] for names in lists)
    assert {"first", "total", "step"} <= set(lists[0])


def test_a_node_called_as_an_input_has_a_name_of_its_own():
    def net(x):
        x = tanh(x)
        return x * 2

    assert steps(net, x) == ["x_2 = tanh", "net = multiply"]


# --- Python in between ----------------------------------------------------------------------------
@gradcheck.graph
def cell(x, h, W):
    return tanh(W @ h + x)


def test_a_recurrent_net_over_time_steps():
    def net(xs, h, W):
        for x_t in xs:
            h = cell(x_t, h, W)
        return h

    made = gradcheck.op(gradcheck.graph(net), "xs[t d], h[d], W[d d]")
    lengths = {len(made.detail.run([np.ones((n, 2)), x[:2], M[:, :2]]).steps) for n in (1, 4)}
    assert lengths == {4, 16}
    passes(made, max_cases=40)


def test_nested_graphs_have_their_names_before_their_nodes():
    def net(xs, h, W):
        for x_t in xs:
            h = cell(x_t, h, W)
        return h

    names = steps(net, np.ones((2, 2)), np.ones(2), np.ones((2, 2)))
    assert [n for n in names if n.endswith("tanh")] == ["cell.cell = tanh", "cell_2.cell = tanh"]


def test_shapes_and_branches_on_them():
    def pooled(a):
        if a.ndim == 2 and len(a) > 1:
            return reductions.mean(a, axis=0) * a.shape[0]
        return a * 1.0

    passes(gradcheck.graph(pooled), M)
    passes(gradcheck.graph(pooled), x)


def test_a_list_of_arguments():
    def net(x, weights):
        for W in weights:
            x = tanh(x @ W)
        return x

    weights = [np.round(np.sin(np.arange(9.0) + k), 2).reshape(3, 3) for k in range(2)]
    passes(gradcheck.graph(net), x, weights)


def test_integers_are_not_differentiated():
    def net(table, words):
        return tanh(embedding(table, words))

    assert guilty(passes(gradcheck.op(gradcheck.graph(net), "table[v d], words:int[t]<v"))) == set()


def test_inputs_by_name_and_attributes_by_place():
    def net(a, W, b):
        z = affine(a, b=b, W=W)
        return reductions.sum(z, 0, keepdims=True)

    tape = gradcheck.op(gradcheck.graph(net), M, np.ones((4, 3)), np.ones(4)).detail.run(
        (M, np.ones((4, 3)), np.ones(4))
    )
    assert tape.steps[-1].attributes == {"axis": 0, "keepdims": True}
    passes(gradcheck.op(gradcheck.graph(net), "a[n d], W[k d], b[k]"))


def test_attributes_of_a_graph_are_tried():
    def penalised(w, lam=0.5):
        return reductions.sum(tanh(w)) + losses.l2_penalty(w, lam=lam)

    made = gradcheck.op(gradcheck.graph(penalised), "w[n], lam=0.5|0.0")
    assert made.attributes[0].values == (0.5, 0.0)
    passes(made)


# --- several outputs ------------------------------------------------------------------------------
def lstm_like(claimed: float = 1.0) -> Op:
    """(h, c) from (x, h, c): c' = c + x, h' = h tanh(c')."""

    def forward(x, h, c):
        new = c + x
        return h * np.tanh(new), new

    def backward(cotangents, x, h, c):
        dh, dc = cotangents
        t = np.tanh(c + x)
        dnew = dc + claimed * dh * h * (1 - t * t)
        return dnew, dh * t, 1 * dnew

    return op(forward, backward, "x[d], h[d], c[d]", name="lstm")


def unrolled(step: Op) -> Op:
    def net(x, h, c):
        for _ in range(3):
            h, c = step(x, h, c)
        return h, c

    return gradcheck.op(gradcheck.graph(net), "x[d], h[d], c[d]")


def test_an_op_with_several_outputs():
    passes(unrolled(lstm_like()))
    found = fails(unrolled(lstm_like(0.5))).findings
    assert {f.code for f in found if f.severity == "fail"} == {"wrong-node"}


def test_an_op_with_several_outputs_in_a_built_graph():
    graph = Graph("cell")
    a, h, c = (graph.input(n) for n in "xhc")
    h2, c2 = graph.apply(lstm_like(), a, h, c, name="step", outputs=2)
    graph.output(h2, add(c2, a))
    passes(graph, "x[d], h[d], c[d]")
    value, pullback = graph.vjp(x, x, x)
    assert_allclose(value[1], 3 * x)
    assert_array_equal(pullback((np.zeros(3), np.ones(3)))[0], [2, 2, 2])


def test_an_output_that_nothing_reads_has_no_upstream():
    def half(x, h, c):
        only, _ = lstm_like()(x, h, c)
        return only

    passes(gradcheck.op(gradcheck.graph(half), "x[d], h[d], c[d]"))


def test_a_graph_as_a_function_of_arrays():
    made = gradcheck.graph(total_of_two)
    assert_allclose(made(x, x), np.tanh(2 * x))


def test_a_graph_of_arrays_takes_attributes_by_place():
    def pool(a, mode="sum", *, times=1):
        made = reductions.sum(a) if mode == "sum" else reductions.mean(a)
        return made * times

    free = gradcheck.graph(pool)
    assert [free(x, "mean"), free(a=x, mode="mean"), free(x, times=3)] == [
        *[pytest.approx(1 / 3)] * 2,
        pytest.approx(3.0),
    ]

    def pick(a, i):
        return a[i.value]

    picking = gradcheck.graph("a[n], i:int[]<n", name="picking_of_arrays")(pick)
    assert picking(x, 1) == x[1]


def test_a_graph_with_annotations():
    @gradcheck.graph
    def graph_of_numbers(a: float, b: float):
        return a * b + a

    passes(graph_of_numbers)


# --- a mistake in one node ------------------------------------------------------------------------
def bent() -> Op:
    """tanh with 1 - tanh where 1 - tanh^2 is its derivative."""
    return op(np.tanh, lambda dz, a: (1 - np.tanh(a)) * dz, "a[...]", name="bent")


def over_time(act):
    def net(xs, h, W):
        for x_t in xs:
            z = W @ h + x_t
            h = act(z)
        return h

    return net, "xs[t d], h[d], W[d d]"


def through_a_list(act):
    def net(a, weights):
        for W in weights:
            h = act(a @ W)
            a = h
        return a

    return net, (M, [np.round(np.cos(np.arange(9.0) + k), 2).reshape(3, 3) for k in range(2)])


def by_name(act):
    def net(a, W, b):
        z = affine(a, b=b, W=W)
        h = act(z)
        return reductions.sum(h, 0)

    return net, "a[n d], W[k d], b[k]"


def of_integers(act):
    def net(table, words):
        h = act(embedding(table, words))
        return h * h

    return net, "table[v d], words:int[t]<v"


def with_attributes(act):
    def net(a, lam=0.5, squared=False):
        h = act(a)
        return h**2 * lam if squared else h * lam

    return net, "a[n], lam=0.5|2.0, squared=False|True"


def with_several_results(act):
    def net(a, b):
        h = act(a * b)
        return h, h + b

    return net, "a[n], b[n]"


def with_numbers_on_both_sides(act):
    def net(a):
        h = act(1 - a / 2)
        return 2 * h - 0.5

    return net, (x.astype(np.float32),)


def in_a_graph_of_its_own(act):
    @gradcheck.graph
    def inner(a):
        h = act(a)
        return h * 2

    def net(a, b):
        return inner(a) + inner(b)

    return net, "a[n], b[n]"


@pytest.mark.parametrize(
    "write",
    [
        over_time,
        through_a_list,
        by_name,
        of_integers,
        with_attributes,
        with_several_results,
        with_numbers_on_both_sides,
        in_a_graph_of_its_own,
    ],
)
def test_a_formula_passes_and_a_wrong_node_in_it_is_named(write):
    passes(*described(write(tanh)))
    named = guilty(fails(*described(write(bent()))))
    assert {n.rpartition(".")[2].partition("_")[0] for n in named} == {"h"}


def described(written: tuple[Any, Any]) -> tuple[Any, ...]:
    function, inputs = written
    given = (inputs,) if isinstance(inputs, str) else inputs
    return gradcheck.graph(function), *given


def test_a_wrong_node_with_several_outputs_in_a_built_graph():
    graph = Graph("cell")
    a, h, c = (graph.input(n) for n in "ahc")
    h2, c2 = graph.apply(lstm_like(0.5), a, h, c, name="step", outputs=2)
    graph.output(h2, add(c2, a))
    assert guilty(fails(graph, "a[d], h[d], c[d]")) == {"step"}


def test_the_number_of_outputs_is_said_where_a_graph_is_built():
    graph = Graph("cell")
    made = graph.apply(lstm_like(), *(graph.input(n) for n in "ahc"), name="step")
    graph.output(made)
    with pytest.raises(gradcheck.UsageError, match=r"node step has 2 outputs.*outputs=2"):
        gradcheck.check(graph, "a[d], h[d], c[d]")


@pytest.mark.parametrize(
    "formula",
    [
        lambda a: a.reshape(3, 2),
        lambda a: a.reshape((3, -1)),
        lambda a: a.reshape(-1),
        lambda a: np.reshape(a, (1, 6)),
        lambda a: a.transpose(1, 0),
        lambda a: a.transpose(),
        lambda a: np.transpose(a, (1, 0)),
    ],
)
def test_sizes_and_axes_are_given_as_in_numpy(formula):
    assert_array_equal(gradcheck.graph(formula)(M), formula(M))
    passes(gradcheck.graph(formula), M)

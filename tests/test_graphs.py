"""Computation graphs: values forwards, gradients backwards with sums at branches, and as ops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gradcheck
from gradcheck.graphs.building import Graph
from gradcheck.graphs.calls import as_op
from gradcheck.graphs.reverse import backward
from gradcheck.model import Op
from gradcheck.registry import make
from tests.judged import fails, guilty, passes, wrong


def op(forward: Any, backward: Any, signature: str, **options: Any) -> Op:
    return make([forward, backward, signature], {}, options)


nodes = SimpleNamespace(  # not by name in the module: the plugin would collect them
    add=op(lambda x, y: x + y, lambda dz, x, y: (1 * dz, 1 * dz), "x[...], y[...]", name="add"),
    multiply=op(
        lambda x, y: x * y, lambda dz, x, y: (y * dz, x * dz), "x[...], y[...]", name="multiply"
    ),
    maximum=op(
        lambda x, y: np.maximum(x, y),
        lambda dz, x, y: (np.where(x >= y, dz, 0.0), np.where(x >= y, 0.0, dz)),
        "x[...], y[...]",
        name="maximum",
    ),
    square=op(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[...]", name="square"),
    wrong_square=op(lambda x: x * x, lambda dz, x: x * dz, "x[...]", name="wrong_square"),
    total=op(lambda x: np.sum(x), lambda dz, x: np.full_like(x, dz), "x[...]", name="total"),
    scaled=op(
        lambda x, factor=2.0: factor * x,
        lambda dz, x, factor=2.0: factor * dz,
        "x[...], factor=2.0|3.0",
        name="scaled",
    ),
)


def lecture() -> Graph:
    """f(x, y, z) = (x + y) max(y, z)."""
    graph = Graph("f")
    x, y, z = graph.input("x"), graph.input("y"), graph.input("z")
    a = graph.apply(nodes.add, x, y, name="a")
    b = graph.apply(nodes.maximum, y, z, name="b")
    graph.output(graph.apply(nodes.multiply, a, b, name="f"))
    return graph


def pull(graph: Graph, *values: Any, cotangent: Any = 1.0) -> tuple[Any, list[Any]]:
    """The value, and the gradient of each source."""
    value, pullback = graph.vjp(*values)
    return value, list(pullback((np.asarray(cotangent, dtype=float),)))


# -- the lecture's example ----------------------------------------------------------------------


def test_lecture_example():
    """At (1, 2, 0): f = 6 and the gradient is (2, 5, 0)."""
    value, gradients = pull(lecture(), 1.0, 2.0, 0.0)
    assert value == 6
    assert gradients == [2, 5, 0]


def test_lecture_example_node_by_node():
    """Every value, every upstream gradient, every product that a node passes on."""
    graph = lecture()
    tape = graph.run([1.0, 2.0, 0.0])
    index = {n: k for k, n in enumerate(tape.names)}
    assert {n: float(tape.values[k]) for n, k in index.items()} == {
        "x": 1,
        "y": 2,
        "z": 0,
        "a": 3,
        "b": 2,
        "f": 6,
    }
    gradients = backward(tape, [np.array(1.0)])
    assert {n: float(gradients.upstream[k]) for n, k in index.items()} == {
        "f": 1,
        "a": 2,
        "b": 3,
        "x": 2,
        "y": 5,
        "z": 0,
    }
    passed_on = {
        s.name: [float(g) for g in gradients.downstream[k]] for k, s in enumerate(tape.steps)
    }
    assert passed_on == {"f": [2, 3], "a": [2, 2], "b": [3, 0]}


def test_lecture_local_gradients():
    """da/dx = da/dy = 1; db/dy = 1(y > z), db/dz = 1(z > y); df/da = b, df/db = a."""
    one = (np.array(1.0),)
    assert [float(g) for g in nodes.add.vjp(1.0, 2.0)[1](one)] == [1, 1]
    assert [float(g) for g in nodes.maximum.vjp(2.0, 0.0)[1](one)] == [1, 0]
    assert [float(g) for g in nodes.multiply.vjp(3.0, 2.0)[1](one)] == [2, 3]


def test_lecture_example_with_another_upstream():
    assert pull(lecture(), 1.0, 2.0, 0.0, cotangent=-0.5)[1] == [-1, -2.5, 0]


def test_lecture_example_written_with_integers():
    """1, 2, 0 as one writes them: never three times nothing."""
    value, gradients = pull(lecture(), 1, 2, 0)
    assert value == 6
    assert gradients == [2, 5, 0]


def test_lecture_example_at_the_other_side_of_max():
    """f = (x + y) z for z > y: (z, z, x + y)."""
    assert pull(lecture(), 1.0, 2.0, 3.0) == (9, [3, 3, 3])


def test_lecture_graph_is_right():
    result = passes(lecture())
    assert result.kind == "graph"
    assert result.op == "f"
    assert passes(lecture(), "x[n], y[n], z[n]").worst is not None


def test_reference_worked_example():
    from reference_ops.graphs import worked_example

    value, pullback = worked_example.vjp(1.0, 2.0, 0.0)
    assert float(value) == 6
    assert [float(g) for g in pullback((np.array(1.0),))] == [2, 5, 0]


# -- structure ----------------------------------------------------------------------------------


def test_nodes_run_in_topological_order():
    """Each node once, after its parents; backwards each once, after its successors."""
    order: list[str] = []

    def traced(name: str) -> Op:
        def forward(x, y):
            order.append(name)
            return x + y

        def backward(dz, x, y):
            order.append(f"d{name}")
            return 1 * dz, 1 * dz

        return op(forward, backward, "x[...], y[...]", name=name)

    graph = Graph("diamond")
    x, y = graph.input("x"), graph.input("y")
    a = graph.apply(traced("a"), x, y)
    b = graph.apply(traced("b"), a, y)
    c = graph.apply(traced("c"), a, x)
    graph.output(graph.apply(traced("d"), b, c))
    value, gradients = pull(graph, 1.0, 10.0)
    assert value == 2 * 11 + 11
    assert gradients == [3, 3]
    forward, backward = order[:4], order[4:]
    assert forward == ["a", "b", "c", "d"]
    assert backward[0] == "dd"
    assert backward[-1] == "da"
    assert set(backward) == {"da", "db", "dc", "dd"}
    assert len(backward) == 4


def test_gradients_add_up_where_a_value_is_used_twice():
    graph = Graph("x cubed")
    x = graph.input("x")
    graph.output(graph.apply(nodes.multiply, x, graph.apply(nodes.square, x)))
    value, gradients = pull(graph, 3.0)
    assert (value, gradients) == (27, [27])
    passes(graph, "x[n]")


def test_one_node_as_both_arguments():
    graph = Graph("x squared")
    x = graph.input("x")
    graph.output(graph.apply(nodes.multiply, x, x))
    assert pull(graph, 3.0) == (9, [6])
    passes(graph, "x[n]")


def test_sums_at_branches_are_new_arrays():
    """A backward that returns its cotangent itself, used twice, must not be added to in place."""
    passing = op(lambda x: 1 * x, lambda dz, x: dz, "x[...]", name="passing")
    graph = Graph("twice")
    x = graph.input("x")
    graph.output(graph.apply(nodes.add, graph.apply(passing, x), graph.apply(passing, x)))
    upstream = np.array([1.0, 2.0])
    _, pullback = graph.vjp(np.array([0.5, 0.25]))
    (gradient,) = pullback((upstream,))
    assert_array_equal(gradient, [2, 4])
    assert_array_equal(upstream, [1, 2])


def test_a_node_that_writes_into_its_cotangent_does_not_spoil_the_others():
    def backward(dz, x):
        dz *= 2 * x
        return dz

    overwriting = op(lambda x: x * x, backward, "x[...]", name="overwriting", overwrites="x")
    graph = Graph("beside")
    x = graph.input("x")
    a = graph.apply(nodes.square, x)
    graph.output(graph.apply(nodes.add, graph.apply(overwriting, a), graph.apply(nodes.square, a)))
    value, gradients = pull(graph, np.array([2.0]), cotangent=[1.0])
    assert_array_equal(value, [32])
    assert_array_equal(gradients[0], [2 * 4 * 2**3])


def test_pullback_twice_gives_the_same():
    """A pullback is a function of its cotangent: gradients must not pile up over calls."""
    _, pullback = lecture().vjp(1.0, 2.0, 0.0)
    first = [float(g) for g in pullback((np.array(1.0),))]
    assert first == [2, 5, 0]
    assert [float(g) for g in pullback((np.array(1.0),))] == first
    assert [float(g) for g in pullback((np.array(10.0),))] == [20, 50, 0]


def test_two_passes_do_not_disturb_each_other():
    graph = lecture()
    _, one = graph.vjp(1.0, 2.0, 0.0)
    _, other = graph.vjp(1.0, 2.0, 3.0)
    assert [float(g) for g in one((np.array(1.0),))] == [2, 5, 0]
    assert [float(g) for g in other((np.array(1.0),))] == [3, 3, 3]


def test_arrays():
    x = np.array([0.5, -1.5, 2.0])
    y = np.array([1.0, 0.25, -0.75])
    z = np.array([-1.0, 2.0, 0.5])
    cotangent = np.array([1.0, -2.0, 0.5])
    value, (dx, dy, dz) = pull(lecture(), x, y, z, cotangent=cotangent)
    top = np.maximum(y, z)
    assert_allclose(value, (x + y) * top)
    assert_allclose(dx, top * cotangent)
    assert_allclose(dy, (top + (x + y) * (y >= z)) * cotangent)
    assert_allclose(dz, (x + y) * (y < z) * cotangent)


def test_constant():
    """A constant takes part and is not differentiated."""
    graph = Graph("shifted")
    x = graph.input("x")
    graph.output(graph.apply(nodes.multiply, graph.apply(nodes.add, x, graph.constant(2.0)), x))
    assert pull(graph, 3.0) == (15, [8])
    passes(graph)


def test_integer_constant():
    power = op(
        lambda x, k: x**k,
        lambda dz, x, k: (k * x ** (k - 1) * dz, None),
        "x[...], k:int[]<4",
        name="power",
    )
    graph = Graph("cube")
    x = graph.input("x")
    graph.output(graph.apply(power, x, graph.constant(3)))
    assert pull(graph, 2.0) == (8, [12])


def test_attributes_of_a_node():
    graph = Graph("thrice")
    x = graph.input("x")
    graph.output(graph.apply(nodes.scaled, x, factor=3.0))
    assert pull(graph, 2.0) == (6, [3])
    assert wrong(passes(graph, "x[n]")) == set()


def test_unused_source_gives_zeros():
    graph = Graph("one of two")
    x = graph.input("x")
    graph.input("unused")
    graph.output(graph.apply(nodes.square, x))
    value, gradients = pull(graph, np.array([2.0, 3.0]), np.ones((2, 2)), cotangent=[1.0, 1.0])
    assert_array_equal(value, [4, 9])
    assert_array_equal(gradients[0], [4, 6])
    assert_array_equal(gradients[1], np.zeros((2, 2)))
    passes(graph, "x[n], unused[n d]")


def test_node_that_the_output_does_not_need():
    graph = Graph("dead end")
    x, y = graph.input("x"), graph.input("y")
    graph.apply(nodes.wrong_square, y)
    graph.output(graph.apply(nodes.square, x))
    assert pull(graph, 3.0, 4.0) == (9, [6, 0])
    passes(graph)


def test_source_as_the_output():
    graph = Graph("identity")
    x = graph.input("x")
    graph.output(x)
    assert pull(graph, 3.0, cotangent=2.0) == (3, [2])


def test_gradient_none_stops_there():
    lookup = op(
        lambda table, words: table[words],
        lambda dz, table, words: (_added_at(table, words, dz), None),
        "table[v d], words:int[t]<v",
        name="lookup",
    )
    graph = Graph("looked up")
    table, words = graph.input("table"), graph.input("words")
    graph.output(
        graph.apply(nodes.total, graph.apply(nodes.square, graph.apply(lookup, table, words)))
    )
    value, gradients = pull(graph, np.array([[1.0], [2.0]]), np.array([1, 1, 0]))
    assert value == 9
    assert_array_equal(gradients[0], [[2], [8]])
    assert gradients[1] is None
    passes(graph, "table[v d], words:int[t]<v")


def _added_at(table: Any, words: Any, dz: Any) -> Any:
    gradient = np.zeros_like(table)
    np.add.at(gradient, words, dz)
    return gradient


# -- graphs in graphs ---------------------------------------------------------------------------


def test_nested_graph():
    """((x + y) max(y, z))^2 at (1, 2, 0): 36, and 2 f times (2, 5, 0)."""
    outer = Graph("f squared")
    x, y, z = outer.input("x"), outer.input("y"), outer.input("z")
    outer.output(outer.apply(nodes.square, outer.apply(lecture(), x, y, z)))
    assert pull(outer, 1.0, 2.0, 0.0) == (36, [24, 60, 0])
    passes(outer)


def test_nested_graph_that_is_wrong():
    inner = Graph("inner")
    u = inner.input("u")
    inner.output(inner.apply(nodes.wrong_square, u))
    outer = Graph("outer")
    x, y = outer.input("x"), outer.input("y")
    outer.output(outer.apply(nodes.add, outer.apply(inner, x), y))
    assert guilty(fails(outer)) == {"inner2.wrong_square1"}


def test_nested_graph_used_twice():
    outer = Graph("difference")
    x, y, z = (outer.input(n) for n in "xyz")
    outer.output(
        outer.apply(nodes.add, outer.apply(lecture(), x, y, z), outer.apply(lecture(), y, x, z))
    )
    value, gradients = pull(outer, 1.0, 2.0, 0.0)
    assert value == 6 + 3
    assert gradients == [2 + 4, 5 + 1, 0]


def test_registered_functions_and_classes_as_nodes():
    @gradcheck.register("x[n]")
    def graph_cube(x):
        return x**3

    @graph_cube.def_vjp
    def _(dz, x):
        return (3 * x * x * dz,)

    @gradcheck.register("x[n], y[n]")
    class GraphProduct:
        def forward(self, x, y):
            self.x, self.y = x, y
            return x * y

        def backward(self, dz):
            return [self.y * dz, self.x * dz]

    graph = Graph("both")
    x = graph.input("x")
    graph.output(graph.apply(GraphProduct, graph.apply(graph_cube, x), x))
    value, gradients = pull(graph, np.array([2.0]), cotangent=[1.0])
    assert_array_equal(value, [16])
    assert_array_equal(gradients[0], [32])
    passes(graph, "x[n]")


# -- graphs as ops ------------------------------------------------------------------------------


@pytest.mark.parametrize("signature", [None, "x[n], y[n]", "y[n d], x[n d]"])
def test_a_wrong_node_makes_the_graph_fail(signature):
    def build(node: Op) -> Graph:
        graph = Graph("sum")
        x, y = graph.input("x"), graph.input("y")
        graph.output(graph.apply(nodes.add, graph.apply(nodes.square, x), graph.apply(node, y)))
        return graph

    more = () if signature is None else (signature,)
    passes(build(nodes.square), *more)
    assert guilty(fails(build(nodes.wrong_square), *more)) == {"wrong_square3"}


def test_a_wrong_node_spoils_all_its_sources():
    graph = Graph("product")
    x, y = graph.input("x"), graph.input("y")
    graph.output(graph.apply(nodes.wrong_square, graph.apply(nodes.multiply, x, y)))
    (finding,) = fails(graph).findings
    assert "which spoils the gradients of x, y" in finding.message
    assert wrong(fails(graph, checks="values")) == {"x", "y"}


def test_a_node_with_too_few_gradients():
    one_only = op(lambda x, y: x + y, lambda dz, x, y: (dz,), "x[...], y[...]", name="one_only")
    graph = Graph("short")
    x, y = graph.input("x"), graph.input("y")
    graph.output(graph.apply(one_only, x, y))
    result = fails(graph)
    assert any("one_only returned 1 gradients for 2 inputs" in f.message for f in result.findings)


def test_a_graph_with_several_kinds_of_sources():
    graph = Graph("score")
    x, w, u = graph.input("x"), graph.input("w"), graph.input("u")
    matvec = op(
        lambda w, x: w @ x, lambda dz, w, x: (np.outer(dz, x), w.T @ dz), "w[k d], x[d]", name="mv"
    )
    dot = op(lambda u, h: u @ h, lambda dz, u, h: (h * dz, u * dz), "u[k], h[k]", name="dot")
    graph.output(graph.apply(dot, u, graph.apply(nodes.square, graph.apply(matvec, w, x))))
    result = passes(graph, "x[d], w[k d], u[k]")
    assert result.comparisons > 50


def test_options_of_a_graph_as_an_op():
    made = lecture().op("x[n], y[n], z[n]", dtypes=("float32",))
    assert passes(made).dtypes == ["float32"]
    assert passes(lecture(), dtypes="float32").dtypes == ["float32"]


def test_domains_of_a_graph():
    log = op(lambda x: np.log(x), lambda dz, x: dz / x, "x:positive[...]", name="log")
    graph = Graph("entropy")
    p = graph.input("p")
    graph.output(graph.apply(nodes.multiply, p, graph.apply(log, p)))
    passes(graph, "p:positive[n]")
    passes(graph, "p[n]", domain={"p": "positive"})
    assert {f.code for f in fails(graph, "p[n]").findings if f.severity == "fail"} == {
        "forward-not-finite"
    }


# -- what is refused ----------------------------------------------------------------------------


def test_node_of_another_graph():
    one, other = Graph("one"), Graph("other")
    x, y = one.input("x"), other.input("y")
    with pytest.raises(gradcheck.UsageError, match="y is a node of graph other"):
        one.apply(nodes.add, x, y)
    with pytest.raises(gradcheck.UsageError, match="y is a node of another graph"):
        one.output(y)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_arity(count):
    graph = Graph("g")
    x = graph.input("x")
    with pytest.raises(gradcheck.UsageError) as caught:
        graph.apply(nodes.add, *[x] * count)
    assert f"add takes 2 inputs (x, y), not {count}" in str(caught.value)
    assert len(graph.nodes) == 1


def test_no_output():
    graph = Graph("endless")
    graph.input("x")
    for use in (
        lambda: graph.forward(1.0),
        lambda: graph.vjp(1.0),
        lambda: gradcheck.check(graph),
    ):
        with pytest.raises(gradcheck.UsageError, match=r"endless has no output.*graph\.output"):
            use()


@pytest.mark.parametrize("count", [0, 2, 4])
def test_wrong_number_of_values(count):
    for use in (lecture().forward, lecture().vjp):
        with pytest.raises(gradcheck.UsageError, match=f"takes 3 inputs, not {count}"):
            use(*[1.0] * count)


def test_two_inputs_of_one_name():
    graph = Graph("g")
    graph.input("x")
    with pytest.raises(gradcheck.UsageError, match="two inputs named 'x'"):
        graph.input("x")


def test_value_in_place_of_a_node():
    graph = Graph("g")
    x = graph.input("x")
    with pytest.raises(gradcheck.UsageError, match=r"argument 1 of add is float.*graph\.constant"):
        graph.apply(nodes.add, x, 2.0)


def test_output_that_is_no_node():
    with pytest.raises(gradcheck.UsageError, match="node"):
        Graph("g").output(3.0)  # type: ignore[arg-type]


def test_function_that_is_no_op():
    def plain(x):
        return x

    graph = Graph("g")
    with pytest.raises(gradcheck.UsageError, match="plain is not a registered op"):
        graph.apply(plain, graph.input("x"))
    with pytest.raises(gradcheck.UsageError, match="3 is not a registered op"):
        as_op(3)


def test_function_without_its_backward():
    @gradcheck.register("x[n]")
    def graph_lonely(x):
        return x

    graph = Graph("g")
    with pytest.raises(
        gradcheck.UsageError, match="graph_lonely is registered but has no backward"
    ):
        graph.apply(graph_lonely, graph.input("x"))


def test_node_with_several_outputs():
    both = op(
        lambda x: (x, 2 * x), lambda couts, x: (couts[0] + 2 * couts[1],), "x[...]", name="both"
    )
    graph = Graph("g")
    graph.output(graph.apply(both, graph.input("x"), name="split"))
    with pytest.raises(gradcheck.UsageError, match="node split has 2 outputs"):
        graph.vjp(1.0)


def test_signature_that_leaves_a_source_out():
    with pytest.raises(gradcheck.UsageError, match="'z'"):
        lecture().op("x[n], y[n]")


def test_signature_with_a_source_that_is_not_there():
    with pytest.raises(gradcheck.UsageError, match="'w'"):
        lecture().op("x[n], y[n], w[n]")


def test_options_of_a_graph_that_do_not_exist():
    with pytest.raises(gradcheck.UsageError, match="'scope'"):
        lecture().op("x[n], y[n], z[n]", scop="forward")


def test_example_call_of_a_graph():
    """As every other door takes one; or refused, but not dropped."""
    x = np.array([0.5, -1.5, 2.0])
    result = passes(lecture(), x, x + 0.25, x[::-1] - 0.125)
    assert any(s.startswith("x[") for s in result.assumptions)


def test_a_graph_function_on_nodes_of_a_built_graph_names_its_nodes():
    @gradcheck.graph
    def doubled(a):
        twice = nodes.add(a, a)
        return nodes.square(twice)

    graph = Graph("outer")
    graph.output(doubled(graph.input("x")))
    assert [s.name for s in graph.run([3.0]).steps] == ["doubled.twice", "doubled.doubled"]
    assert pull(graph, 3.0) == (36, [24])

"""What a graph refuses: each with a sentence that says where, and what to write instead."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import Graph, UsageError
from reference_ops.arithmetic import add, power
from reference_ops.linear import affine
from reference_ops.nonlinear import tanh

x = np.array([0.5, -1.5])
M = np.array([[0.5, -1.5, 0.25], [1.0, 0.75, -0.5]])
kept: list[Any] = []


def written(x):
    made = x * 2
    made[0] = 1
    return made


def piled(x):
    total = np.zeros(2)
    total += tanh(x)
    return total


def put(x):
    made = np.zeros(2)
    made[0] = x[0]
    return made


def endless(x):
    return endless(tanh(x))


def holding(x):
    kept.append(x)
    return tanh(kept[0])


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (lambda x: None, "returns nothing, not a node"),
        (lambda x: 3.0, "returns a float, not a node"),
        (lambda x: x.value, "returns a ndarray, not a node"),
        (lambda x: (), "returns no node"),
        (lambda x: tanh(x) if x else x, "node x is no truth value: a graph has no branches"),
        (lambda x: tanh(x) if x > 0 else x, "node x cannot be compared: a graph has no branches"),
        (lambda x: tanh(x) if x == 0 else x, "node x cannot be compared: a graph has no branches"),
        (lambda x: tanh(x) if x != 0 else x, "node x cannot be compared: a graph has no branches"),
        (lambda x: tanh(x) if 0 in x else x, "cannot be compared: a graph has no branches"),
        (lambda x: x and tanh(x), "node x is no truth value"),
        (lambda x: x * float(x), r"float\(\) of node x would leave the graph"),
        (lambda x: math.exp(x), r"float\(\) of node x would leave the graph"),
        (lambda x: x * int(x), r"int\(\) of node x would leave the graph"),
        (lambda x: x * complex(x), r"complex\(\) of node x would leave the graph"),
        (lambda x: round(x), r"round\(\) of node x would leave the graph"),
        (lambda x: x * len(f"{x:.2f}"), "a text '.2f' of node x would leave the graph"),
        (lambda x: [x][x], "an index or a size made of node x would leave the graph"),
        (lambda x: x[x], r"indexed with node x: an index is not differentiated.*x\[x.value\]"),
        (lambda x: x[..., x], r"indexed with node x: an index is not differentiated"),
        (lambda x: np.asarray(x) * 2, "node x cannot be turned into an array"),
        (lambda x: np.array([x, x]), "node x cannot be turned into an array"),
        (lambda x: np.cbrt(x), "no op called 'cbrt'.*@gradcheck.register"),
        (lambda x: np.zeros_like(x), "no op called 'zeros_like'.*node.value is the array"),
        (lambda x: x // 2, r"floor_divide \(//\) of graph nodes: .*no op called 'floor_divide'"),
        (lambda x: x % 2, r"remainder \(%\) of graph nodes: .* no op called 'remainder'"),
        (lambda x: np.add.reduce(x), "np.add.reduce of a node cannot be recorded"),
        (lambda x: np.add(x, x, out=np.zeros(2)), r"np.add of nodes cannot write into an array"),
        (lambda x: x.flat, "node x has no attribute 'flat', nor is it an op: .*node.value.flat"),
        (lambda x: x.byteswap(), "node x has no attribute 'byteswap', nor is it an op: register"),
        (lambda x: {"h": tanh(x)}, "returns a dict, not a node"),
        (lambda x: [[tanh(x)]], "returns a list, not a node"),
        (lambda x: tanh(x, x), "tanh: too many positional arguments"),
        (lambda x: affine(x, b=x), "affine: missing a required argument: 'W'"),
        (lambda x: tanh(x) + "a", "'a' is no number or array"),
        (lambda x: tanh(x) * None, "None is no number or array"),
        (lambda x: power(x, n=x), "power: n is no input.*x is a node where a number is wanted"),
        (written, "node made cannot be written into.*where"),
        (piled, "np.add of nodes cannot write into an array.*write y = y \\+ x for y \\+= x"),
        (put, r"float\(\) of node getitem would leave the graph"),
        (endless, "graph endless recurses without end: .*Let it end at a shape"),
    ],
)
def test_a_formula_that_leaves_the_graph(formula, said):
    with pytest.raises(UsageError, match=said):
        gradcheck.check(gradcheck.graph(named(formula)), x, max_cases=3)


def named(formula: Callable[..., Any]) -> Callable[..., Any]:
    if formula.__name__ == "<lambda>":
        formula.__name__ = "formula"
    return formula


def test_a_node_of_an_earlier_call():
    kept.clear()
    with pytest.raises(UsageError, match=r"graph holding: .* is a node of another graph"):
        gradcheck.check(gradcheck.graph(holding), x, max_cases=3)


def test_what_a_node_does_not_have_can_be_asked_for():
    seen = []

    def asking(x):
        seen.append((hasattr(x, "flat"), hasattr(x, "shape"), hasattr(x, "mean"), len({x, x})))
        return tanh(x)

    gradcheck.graph(asking)(x)
    assert seen == [(False, True, True, 1)]


def test_a_function_without_its_backward():
    @gradcheck.register("x[n]")
    def graph_input_lonely(x):
        return x

    with pytest.raises(UsageError, match="registered but has no backward pass"):
        gradcheck.check(gradcheck.graph(named(lambda x: graph_input_lonely(x))), x)


def test_shapes_that_do_not_fit_are_named_with_their_nodes():
    def net(x, W):
        z = W @ x
        return tanh(z)

    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(gradcheck.graph(net), x, M, max_cases=3)
    assert "(at node z = matmul(W (2, 3), x (2,)))" in str(caught.value)


def test_shapes_that_do_not_fit_in_a_built_graph():
    graph = Graph("net")
    a, b = graph.input("a"), graph.input("b")
    graph.output(graph.apply(add, graph.apply(tanh, a, name="h"), b, name="s"))
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(graph, x, np.ones(3), max_cases=3)
    assert "(at node s = add(h (2,), b (3,)))" in str(caught.value)


def test_a_gradient_of_another_shape_is_named_with_its_node():
    wrong = gradcheck.op(
        lambda x, b: x + b, lambda dz, x, b: (dz, dz), "x[n d], b[d]", name="biased"
    )

    def net(x, b):
        z = wrong(x, b)
        return tanh(z)

    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(gradcheck.graph(net), M, M[0], max_cases=6)
    text = " ".join(str(caught.value).split())
    assert "the gradient of b has shape (2, 3), its value (3,)" in text
    assert "node z = biased" in text


# --- cycles, strangers ----------------------------------------------------------------------------
def test_a_graph_in_itself():
    graph = Graph("f")
    source = graph.input("x")
    graph.output(tanh(source))
    with pytest.raises(UsageError, match="graph f cannot be a node of itself: that is a cycle"):
        graph.apply(graph, source)


def test_a_graph_in_itself_through_another():
    f, g = Graph("f"), Graph("g")
    a, b = f.input("x"), g.input("y")
    f.output(tanh(a))
    g.output(g.apply(f, b))
    with pytest.raises(UsageError, match="graph f cannot be a node of itself"):
        f.apply(g, a)


def test_a_built_graph_in_itself_through_a_function():
    """Nobody sees it before it runs."""
    graph = Graph("f")

    @gradcheck.graph("x[n]", name="graph_input_around")
    def around(x):
        return graph.op()(x)

    graph.output(graph.apply(around, graph.input("x")))
    with pytest.raises(UsageError, match="graph f recurses without end"):
        gradcheck.check(graph, x, max_cases=3)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda f, a, b: a + b, "graph f: b is a node of graph g"),
        (lambda f, a, b: 2 * a - b, "graph f: b is a node of graph g"),
        (lambda f, a, b: add(a, b), "a is a node of graph f, b one of graph g"),
        (lambda f, a, b: affine(a, W=b, b=a), "a is a node of graph f, b one of graph g"),
        (lambda f, a, b: np.add(a, b), "graph f: b is a node of graph g"),
        (lambda f, a, b: f.apply(add, a, b), "graph f: b is a node of graph g"),
        (lambda f, a, b: f.output(b), "graph f: b is a node of another graph"),
        (lambda f, a, b: f.output((a, a)), r"output\(\) takes a node, not tuple"),
        (lambda f, a, b: f.output(), r"output\(\) takes the node that is its value"),
        (lambda f, a, b: f.apply(add, a, x), r"argument 1 of add is ndarray.*graph.constant\("),
        (lambda f, a, b: f.apply(add, a), r"add takes 2 inputs \(x, y\), not 1"),
        (lambda f, a, b: f.apply(np.tanh, a), "tanh is not a registered op"),
        (lambda f, a, b: f.apply(tanh, a, outputs=0), "tanh with outputs=0: 1 or more"),
        (lambda f, a, b: f.input("a"), "there are two inputs named 'a'"),
        (lambda f, a, b: gradcheck.check(f, x), "graph f has no output: call graph.output"),
        (lambda f, a, b: gradcheck.check(Graph("h")), r"graph h has no input.*graph.input\("),
        (lambda f, a, b: a[b], "node a is indexed with node b"),
        (lambda f, a, b: a == b, "node a cannot be compared"),
    ],
)
def test_building_a_graph(use, said):
    f, g = Graph("f"), Graph("g")
    a, b = f.input("a"), g.input("b")
    with pytest.raises(UsageError, match=said):
        use(f, a, b)


def test_a_constant_that_is_no_number():
    graph = Graph("f")
    graph.output(add(graph.input("a"), graph.constant("one")))
    with pytest.raises(UsageError, match="graph f: 'one' is no number or array"):
        gradcheck.check(graph, x)


def test_a_node_has_no_shape_before_the_graph_runs():
    with pytest.raises(UsageError, match=r"node x of graph f has no value or shape.*@gradcheck"):
        _ = Graph("f").input("x").shape


def test_a_graph_without_description_says_what_is_missing():
    made = gradcheck.graph(named(lambda x: tanh(x)))
    with pytest.raises(UsageError, match="formula is a graph without described inputs"):
        _ = made.__gradcheck_op__


def test_only_functions_are_graphs():
    with pytest.raises(UsageError, match="decorates a function"):
        gradcheck.graph(np.tanh)


# --- an input that nothing depends on -------------------------------------------------------------
def test_an_output_that_does_not_depend_on_an_input():
    result = gradcheck.check(gradcheck.graph(named(lambda x, y: tanh(x))), x, x, max_cases=20)
    assert [(f.code, f.input) for f in result.findings] == [("unmoved", "y")]


# --- large graphs ---------------------------------------------------------------------------------
def chain(length: int) -> Graph:
    graph = Graph("chain")
    node = graph.input("x")
    for _ in range(length):
        node = add(node, 1e-4)
    graph.output(node)
    return graph


def traced_chain(x):
    for _ in range(10_000):
        x = tanh(x)
    return x


@pytest.mark.parametrize(
    "graph", [chain(10_000), gradcheck.graph(traced_chain)], ids=["built", "traced"]
)
def test_ten_thousand_nodes_in_a_chain(graph):
    op = gradcheck.op(graph, np.array([0.5]), checks="nodes")
    value, pullback = op.vjp(np.array([0.5]))
    (gradient,) = pullback((np.array([1.0]),))
    assert np.isfinite(value).all()
    assert 0 < gradient[0] <= 1
    assert gradcheck.check(op, max_cases=1).verdict == "pass"


def test_a_long_graph_can_be_copied():
    assert copy.deepcopy(chain(10_000)).forward(1.0) == pytest.approx(2.0)


def test_a_graph_is_not_pickled():
    """It holds functions: Python names the first."""
    with pytest.raises(pickle.PicklingError, match="Can't pickle <function add"):
        pickle.dumps(chain(10_000))


def test_graphs_fifty_deep():
    graph = Graph("g0")
    graph.output(tanh(graph.input("x")))
    for depth in range(50):
        outer = Graph(f"g{depth + 1}")
        outer.output(outer.apply(graph, outer.input("x")))
        graph = outer
    assert gradcheck.check(graph, x, max_cases=3).verdict == "pass"


# --- in a run -------------------------------------------------------------------------------------
FILE = """
import gradcheck
import numpy as np
from reference_ops.nonlinear import tanh

@gradcheck.graph
def helper(x):
    return tanh(x)

@gradcheck.graph("x[n]")
def broken(x):
    return np.cbrt(x)

@gradcheck.graph("x[n]")
def fine(x):
    return helper(x) * 2
"""


MARKUP = """
import gradcheck
from reference_ops.nonlinear import tanh

graph = gradcheck.Graph("[bold]f[/bold]")
graph.output(graph.apply(tanh, graph.input("x"), name="[red]h[/]"))
marked = graph.op("x[n]")
"""


def test_one_graph_that_cannot_be_traced_does_not_stop_the_others(project):
    project.write("nets.py", FILE)
    ran = project.run("run", "nets.py")
    assert ran.code == 1
    assert "fine" in ran.out
    assert "1 could not be checked" in ran.out
    assert "no op called 'cbrt'" in ran.text
    assert "Traceback" not in ran.text


def test_a_graph_without_description_is_no_op_of_its_module(project):
    project.write("nets.py", FILE)
    ran = project.run("list", "nets.py")
    assert ran.code == 0
    assert "helper" not in ran.out
    assert "fine" in ran.out


def test_two_graphs_of_one_name_are_refused():
    def define():
        @gradcheck.graph("x[n]", name="graph_input_twice")
        def one(x):
            return tanh(x)

        return one

    define()
    define()  # the same place again: a notebook cell run twice
    with pytest.raises(UsageError, match="two ops are called"):

        @gradcheck.graph("x[n]", name="graph_input_twice")
        def other(x):
            return tanh(x)


def test_hostile_names_of_nodes():
    """Control characters never reach a terminal."""
    graph = Graph("<script>alert(1)</script>\x1b[2J")
    node = graph.input("x")
    graph.output(graph.apply(tanh, node, name='h"\n\x1b[31m') + graph.constant(1.0, "]\x07"))
    assert gradcheck.check(graph, x, max_cases=3).verdict == "pass"
    names = [graph.name, *(n.name for n in graph.nodes)]
    assert all(n.isprintable() for n in names)
    assert names[2] == 'h"??[31m'


@pytest.mark.parametrize("name", ["", "x y", "x\r", "lambda", "1", 3, None])
def test_inputs_have_names_as_variables_have(name):
    with pytest.raises(UsageError, match="graph f: an input cannot be called"):
        Graph("f").input(name)


def test_markup_in_the_names_of_nodes_is_shown_as_it_is(project):
    project.write("nets.py", MARKUP)
    ran = project.run("run", "-v", "nets.py")
    assert ran.code == 0
    assert "[red]h[/] = tanh" in ran.out
    assert "\x1b" not in ran.out

"""A forward pass beside another computes what follows a changed value, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.evaluation import NodeRaised
from gradcheck.graphs.again import Again, Kept, forward_beside, uses_again
from gradcheck.graphs.composed import Composed
from gradcheck.model import Op
from gradcheck.registry import make
from reference_ops.arithmetic import multiply
from reference_ops.linear import affine
from reference_ops.nonlinear import tanh
from reference_ops.reductions import mean
from tests.gates import Array, fails, passes

rng = np.random.default_rng(0)
x, W, b, u = (rng.standard_normal(s) for s in ((3, 4), (2, 4), (2,), (3, 2)))


@gradcheck.graph
def net(x: Any, W: Any, b: Any, u: Any) -> Any:
    h = tanh(affine(x, W, b))
    if h.value[0, 0] > 5:
        return mean(h)
    return mean(multiply(h, u)) + mean(tanh(u)) * 0.5


def composed(function: Any, *primals: Array) -> tuple[Op, Composed]:
    op = make([function, *primals], {}, {})
    assert isinstance(op.detail, Composed)
    return op, op.detail


def beside(graph: Composed, base: Any, *values: Array) -> Again:
    tape = Again(base)
    tape.finish(graph.record(tape.start(graph.names, values), {}))
    return tape


@pytest.mark.parametrize(("changed", "kept"), [(0, 3), (1, 3), (2, 3), (3, 2), (None, 8)])
def test_only_what_follows_the_changed_source_is_computed(changed: int | None, kept: int) -> None:
    primals = [x, W, b, u]
    _, graph = composed(net, *primals)
    base = graph.run(primals)
    moved = [p + 1e-3 * (k == changed) for k, p in enumerate(primals)]
    tape = beside(graph, base, *moved)
    assert tape.kept == kept
    whole = graph.run(moved)
    for a, c in zip(tape.values, whole.values, strict=True):
        np.testing.assert_array_equal(a, c)
    assert tape.names == whole.names


@pytest.mark.parametrize("each", [False, True])
def test_the_pass_of_a_backward_is_kept_without_what_that_needs(each: bool) -> None:
    """Unless each node's part is looked at: what a node holds for its backward may be large."""

    @gradcheck.graph
    def scores(x: Any, W: Any, b: Any) -> Any:
        return mean(tanh(affine(x, W, b)))

    primals = (x, W, b)
    op, graph = composed(scores, *primals)
    kept = Kept.of(op, primals, each=each)
    assert kept is not None
    value, pullback = kept.vjp(*(p.copy() for p in primals))
    gradients = pullback((np.array(1.5),))
    for own, known in zip(gradients, graph.vjp(*primals)[1]((np.array(1.5),)), strict=True):
        np.testing.assert_array_equal(own, known)
    assert kept.base is not None
    assert [s.pullback is None for s in kept.base.steps] == [not each] * 3
    near = forward_beside(graph, kept.base)(*primals[:2], b + 1e-3)
    np.testing.assert_array_equal(near, graph.forward(*primals[:2], b + 1e-3))
    assert value == graph.forward(*primals)
    if not each:
        with pytest.raises(NodeRaised, match="let go"):
            pullback((np.array(1.5),))


@pytest.mark.parametrize("changed", [0, 1, 2, 3])
def test_steps_are_replayed_where_no_value_was_looked_at(changed: int) -> None:
    calls = []

    def counted(op: Any) -> Any:
        def forward(*values: Array) -> Any:
            calls.append(op.name)
            return op.forward(*values)

        return gradcheck.op(forward, lambda *_: None, *[np.ones(2)], name=op.name)

    squash = counted(make([np.tanh, lambda dy, x: dy, x], {}, {"name": "squash"}))

    @gradcheck.graph
    def plain(x: Any, W: Any, b: Any, u: Any) -> Any:
        h = squash(affine(x, W, b))
        return mean(multiply(h, u)) * h.shape[0] + mean(squash(u))

    primals = [x, W, b, u]
    _, graph = composed(plain, *primals)
    base = graph.run(primals)
    assert not base.read
    forward = forward_beside(graph, base)
    moved = [p + 1e-3 * (k == changed) for k, p in enumerate(primals)]
    calls.clear()
    made = forward(*moved)
    assert calls == ["squash"]
    np.testing.assert_array_equal(made, graph.forward(*moved))


def test_the_function_may_go_another_way() -> None:
    @gradcheck.graph
    def branching(x: Any) -> Any:
        return tanh(x) if x.value[0] > 0 else mean(x) * tanh(x)

    _, graph = composed(branching, np.array([0.5, 1.0]))
    base = graph.run([np.array([0.5, 1.0])])
    other = np.array([-0.5, 1.0])
    np.testing.assert_array_equal(forward_beside(graph, base)(other), graph.forward(other))


def test_what_a_later_node_writes_into_does_not_reach_the_next_pass() -> None:
    writes = gradcheck.op(lambda y: np.add(y, 1, out=y), lambda dz, y: dz, "y[n]", name="writes")

    @gradcheck.graph
    def graph_of(x: Any, y: Any) -> Any:
        return multiply(writes(tanh(x)), y)

    primals = [rng.standard_normal(3), rng.standard_normal(3)]
    _, graph = composed(graph_of, *primals)
    base = graph.run(primals)
    forward = forward_beside(graph, base)
    moved = [primals[0], primals[1] + 1]
    first = np.array(forward(*moved))
    np.testing.assert_array_equal(forward(*moved), first)


def test_a_graph_that_draws_at_random_is_computed_as_a_whole() -> None:
    """Were one of two nodes left out, the other would draw the numbers of the first."""

    def forward(x: Array) -> tuple[Array, Array]:
        mask = np.random.random(x.shape) < 0.5
        return x * mask, mask

    noise = gradcheck.op(forward, lambda dz, mask: dz * mask, "x[...]", name="noise")

    @gradcheck.graph
    def noisy(x: Any, y: Any) -> Any:
        return multiply(noise(x), noise(y))

    passes(noisy, rng.standard_normal(6), rng.standard_normal(6))


def test_an_op_that_hands_out_one_buffer_is_not_left_out() -> None:
    buffers: dict[tuple[int, ...], Array] = {}

    def forward(x: Array) -> Array:
        return np.tanh(x, out=buffers.setdefault(x.shape, np.empty(x.shape)))

    def backward(dy: Array, x: Array) -> Array:
        return dy / np.cosh(x) ** 2

    reusing = gradcheck.op(forward, backward, "x[...]", name="reusing", dtypes="float64")

    @gradcheck.graph
    def twice(x: Any, z: Any) -> Any:
        return tanh(reusing(x) + z) * tanh(reusing(z) + x)

    _, graph = composed(twice, x, x + 1)
    one, other = graph.run([x, x + 1]), graph.run([x, x + 1])
    assert uses_again(one, other)
    _, plain = composed(net, x, W, b, u)
    assert not uses_again(plain.run([x, W, b, u]), plain.run([x, W, b, u]))


def test_the_gradients_of_a_graph_are_judged_as_ever() -> None:
    passes(net, x, W, b, u)

    wrong = gradcheck.op(
        np.tanh, lambda dy, x: 1.01 * dy * (1 - np.tanh(x) ** 2), "x[...]", name="w"
    )

    @gradcheck.graph
    def spoilt(x: Any, W: Any, b: Any) -> Any:
        return mean(wrong(affine(x, W, b)))

    assert fails(spoilt, x, W, b).nodes

"""A graph fails: the wrong node is named, and no other; two errors that cancel are found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.checks import nodes
from gradcheck.model import Op
from gradcheck.registry import make
from gradcheck.results import Finding, OpResult
from reference_ops.linear import affine, dot
from reference_ops.losses import softmax_cross_entropy
from reference_ops.nonlinear import relu, tanh
from reference_ops.reductions import sum as total
from tests.judged import fails, guilty, passes, wrong


def op(forward: Any, backward: Any, signature: str, **options: Any) -> Op:
    return make([forward, backward, signature], {}, options)


def squashed(factor: Any = 1.0, *, name: str = "squash") -> Op:
    """tanh whose gradient is multiplied by something."""

    def backward(dz, x):
        return factor * (1 - np.tanh(x) ** 2) * dz

    return op(lambda x: np.tanh(x), backward, "x[...]", name=name)


def scaled(by: float, claimed: float, name: str) -> Op:
    return op(lambda x: by * x, lambda dz, x: claimed * dz, "x[...]", name=name)


def network(squash: Op) -> Any:
    def score(x, W, b, u):
        z = W @ x + b
        h = squash(z)
        return dot(u, h)

    return gradcheck.op(gradcheck.graph(score), "x[d], W[k d], b[k], u[k]")


def only(result: OpResult) -> Finding:
    (found,) = [f for f in result.findings if f.severity == "fail"]
    return found


# --- the guilty -----------------------------------------------------------------------------------
@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.0, 1.01, 1 + 1e-6, np.nan], ids=str)
def test_the_wrong_node_is_named_and_no_other(factor):
    passes(network(squashed()))
    assert guilty(fails(network(squashed(factor)), signif=0)) == {"h"}


def test_the_finding_says_node_path_what_is_spoilt_and_which_mistake():
    found = only(fails(network(squashed(-1.0))))
    assert found.code == "wrong-node"
    assert found.nodes == ("h",)
    assert found.path == "h -> score"
    assert "node h = squash(z), which spoils the gradients of x, W, b" in found.message
    assert found.likely == "sign"
    assert found.source is not None
    assert found.source.file.endswith("test_blame.py")
    assert "# there node h had" in found.case
    assert found.numbers is not None
    assert found.numbers.relative_error == pytest.approx(2)
    assert "upstream = " in found.case


def test_the_text_shows_the_node():
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(network(squashed(-1.0)), max_cases=12)
    text = str(caught.value)
    assert "score: nodes: a node is wrong" in text
    assert "gradient of squash.x, entry" in text
    assert "path                h -> score" in text


def test_one_wrong_entry_of_a_node_is_found():
    def backward(dz, x):
        gradient = (1 - np.tanh(x) ** 2) * dz
        gradient.reshape(-1)[-1] *= 1 + 1e-5
        return gradient

    wrong = op(lambda x: np.tanh(x), backward, "x[...]", name="squash")
    assert guilty(fails(network(wrong), signif=0)) == {"h"}


def test_the_second_use_of_a_wrong_op_is_named_with_the_first():
    wrong = squashed(2.0)

    def twice(x, u):
        a = wrong(x)
        b = wrong(a * 2)
        return dot(u, b)

    found = only(fails(gradcheck.op(gradcheck.graph(twice), "x[d], u[d]")))
    assert set(found.nodes) == {"a", "b"}
    assert "and 1 more node of this op" in found.message


def test_of_two_ops_of_one_name_the_wrong_one_is_named():
    right, wrong = squashed(), squashed(-1.0)

    def both(x, u):
        a = right(x)
        b = wrong(a)
        return dot(u, b)

    assert guilty(fails(gradcheck.op(gradcheck.graph(both), "x[d], u[d]"))) == {"b"}


def test_a_recurrent_net_with_a_wrong_cell():
    def recurrent(cell: Op) -> Op:
        def net(x, W, h):
            for x_t in x:
                h = cell(W @ h + x_t)
            return h

        return gradcheck.op(gradcheck.graph(net), "x[t d], W[d d], h[d]")

    passes(recurrent(squashed()))
    found = only(fails(recurrent(squashed(0.5))))
    assert found.input == "squash.x"
    assert set(found.nodes) >= {"h_2", "h_3"}  # "h" is the input


def test_a_wrong_input_of_a_node_with_several():
    wrong = op(
        lambda x, W, b: x @ W.T + b,
        lambda dz, x, W, b: (dz @ W, dz.T @ x, dz.mean(axis=0)),
        "x[n d], W[k d], b[k]",
        name="affine",
    )

    def net(x, W, b, labels):
        logits = wrong(x, W, b)
        return softmax_cross_entropy(logits, labels)

    shape = "x[n d], W[k d], b[k], labels:int[n]<k"
    found = only(fails(gradcheck.op(gradcheck.graph(net), shape)))
    assert found.input == "affine.b"
    assert found.likely == "size-factor"


def test_a_node_that_returns_no_gradient():
    wrong = op(
        lambda x, y: x * y, lambda dz, x, y: (y * dz, None), "x[...], y[...]", name="product"
    )

    def net(x, y):
        p = wrong(x, y)
        return tanh(p)

    assert guilty(fails(gradcheck.op(gradcheck.graph(net), "x[d], y[d]"))) == {"p"}


def test_a_nested_graph_has_its_own_node_named():
    inner = network(squashed(3.0))

    def outer(x, W, b, u):
        s = inner(x, W, b, u)
        return s * s

    named = guilty(fails(gradcheck.op(gradcheck.graph(outer), "x[d], W[k d], b[k], u[k]")))
    assert named == {"s.h"}


# --- errors that cancel ---------------------------------------------------------------------------
@pytest.mark.parametrize("inputs", [("x[d], u[d]",), (np.ones(150), np.arange(150.0))])
def test_two_errors_that_cancel_are_both_found(inputs):
    def cancelling(first: Op, second: Op) -> Op:
        def net(x, u):
            a = first(x)
            b = second(a)
            return dot(u, b)

        return gradcheck.op(gradcheck.graph(net), *inputs)

    passes(cancelling(scaled(3, 3, "one"), scaled(2, 2, "two")))
    wrong = cancelling(scaled(3, 6, "one"), scaled(2, 1, "two"))
    passes(wrong, checks="values")  # which is why nodes are looked at
    result = fails(wrong)
    assert guilty(result) == {"a", "b"}
    assert all("in the graph as a whole these errors cancel" in f.message for f in result.findings)


def test_nodes_that_are_all_looked_at_are_not_screened_before(monkeypatch):
    def screened(*_: Any) -> None:
        raise AssertionError("four forward passes that say nothing more")

    def net(x, u):
        return dot(u, squash(x))

    squash, large = squashed(), (np.ones(150), np.arange(150.0))
    monkeypatch.setattr(nodes, "defects", screened)
    result = passes(gradcheck.op(gradcheck.graph(net), *large), checks="nodes", max_cases=1)
    assert result.checks["nodes"].comparisons >= 150
    monkeypatch.undo()
    squash = squashed(1.01)
    assert guilty(fails(gradcheck.op(gradcheck.graph(net), *large), max_cases=1)) == {"squash"}


# --- right by itself, wrong in the graph ----------------------------------------------------------
class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dz):
        return [self.y * dz, self.x * dz]


def chain(first: Any, second: Any) -> Op:
    def net(x, y, z):
        a = first(x, y)
        return second(a, z)

    return gradcheck.op(gradcheck.graph(net), "x[d], y[d], z[d]")


def test_one_gate_instance_at_two_nodes_shares_its_cache():
    one, other = (gradcheck.op(Product(), "x[...], y[...]") for _ in range(2))
    passes(chain(one, other))
    found = only(fails(chain(one, one)))
    assert found.code == "node-disturbed"
    assert found.nodes == ("a",)
    assert "right by itself" in found.message
    assert "one instance that stands at net too" in found.message


def test_a_gate_class_has_an_instance_for_each_node():
    passes(chain(*[gradcheck.op(Product, "x[...], y[...]")] * 2))


def test_a_cache_of_the_module_is_shared_by_the_uses_of_a_function():
    kept: dict[str, Any] = {}

    def forward(x, y):
        kept["x"], kept["y"] = x, y
        return x * y

    product = op(forward, lambda dz: (kept["y"] * dz, kept["x"] * dz), "x[...], y[...]")
    found = only(fails(chain(product, product)))
    assert found.code == "node-disturbed"
    assert "something is kept between its uses" in found.message


def test_a_node_that_writes_into_what_another_reads():
    def forward(x, y):
        out = x * y
        y *= 2
        return out

    writer = op(forward, lambda dz, x, y: (y / 2 * dz, x * dz), "x[...], y[...]", name="writer")

    def net(x, y):
        a = tanh(y)
        w = writer(x, y)
        return a * w

    result = fails(gradcheck.op(gradcheck.graph(net), "x[d], y[d]"))
    assert guilty(result) == {"w"}
    said = [f.message for f in result.findings if f.code == "node-disturbed"]
    assert any("its forward writes into y, which node a reads" in m for m in said)


def test_every_node_right_and_the_graph_wrong_is_said():
    stop = op(lambda x: 2 * x, lambda dz, x: None, "x[...]", name="stop", nondiff="x")

    def net(x, u):
        a = stop(x)
        return dot(u, tanh(a))

    found = next(
        f
        for f in fails(gradcheck.op(gradcheck.graph(net), "x[d], u[d]")).findings
        if f.code == "wrong-gradient"
    )
    assert found.likely == "composition"
    assert "each of the 3 nodes is right by itself" in found.diagnosis


# --- the innocent ---------------------------------------------------------------------------------
def test_a_right_graph_with_kinks_and_saturation_has_no_guilty_node():
    from reference_ops.nonlinear import relu

    def net(x, W, b, U, c):
        h = relu(affine(x, W, b))
        return tanh(affine(h, U, c) * 5)

    passes(gradcheck.op(gradcheck.graph(net), "x[n d], W[k d], b[k], U[m k], c[m]"), max_cases=60)


def test_defects_cost_a_few_forward_passes_a_case():
    result = passes(network(squashed()), checks="nodes", max_cases=20)
    assert result.forward_calls <= 20 * 8
    assert result.checks["nodes"].comparisons > 0


def test_other_ops_have_no_nodes_to_look_at():
    assert "nodes" not in passes(squashed()).checks


def test_a_straight_through_node_is_followed_by_its_surrogate():
    def sign_through(claimed: float) -> Op:
        return op(
            np.sign,
            lambda dz, x: claimed * np.where(np.abs(x) <= 1, dz, 0),
            "x[...]",
            name="binary",
            differentiates=lambda x: np.clip(x, -1, 1),
        )

    def net(binary: Op) -> Op:
        def binarised(x, W, u):
            h = binary(W @ x)
            return dot(u, tanh(h))

        return gradcheck.op(gradcheck.graph(binarised), "x[d], W[k d], u[k]")

    passes(net(sign_through(1.0)))
    assert guilty(fails(net(sign_through(2.0)))) == {"h"}


# --- hard cases -----------------------------------------------------------------------------------
def test_a_leaky_rectifier_made_of_two_is_a_note_at_zero():
    """Each rectifier's slope is right at 0, and together they are none of the whole."""
    from reference_ops.nonlinear import relu

    def leaky(x):
        return relu(x) - 0.1 * relu(-x)

    result = passes(gradcheck.graph(leaky), np.array([0.5, 0.0, -1.0]), max_cases=40)
    assert "kinks-meet" in {f.code for f in result.findings}
    halved = op(lambda x: np.maximum(x, 0), lambda dz, x: 0.5 * dz * (x > 0), "x[...]", name="half")

    def wrong(x):
        return relu(x) - 0.1 * halved(-x)

    assert guilty(fails(gradcheck.graph(wrong), np.array([0.5, 0.0, -1.0]))) == {"half"}


def test_a_node_at_a_kink_excuses_no_other_gradient_of_the_graph():
    """The graph's own backward is wrong at all cases, also at those where a node has a kink."""
    from reference_ops.nonlinear import relu

    right = gradcheck.op(gradcheck.graph(lambda x: relu(x) * 2.0), "x[n]")

    def vjp(*primals):
        outputs, pullback = right.vjp(*primals)
        return outputs, lambda c: tuple(g + (primals[0] == 0).any() for g in pullback(c))

    spoilt = replace(right, vjp=vjp)  # wrong only where an entry is at the kink
    result = fails(spoilt, max_cases=60)
    assert "wrong-gradient" in {f.code for f in result.findings if f.severity == "fail"}
    passes(right, max_cases=60)


def test_ops_made_while_tracing_are_looked_at_all_the_same():
    def net(x):
        a = gradcheck.op(lambda x: 2 * x, lambda dz, x: 4 * dz, "x[...]", name="one")(x)
        return gradcheck.op(lambda x: 2 * x, lambda dz, x: 1 * dz, "x[...]", name="two")(a)

    assert guilty(fails(gradcheck.graph(net), np.array([0.5, -1.0]))) == {"a", "net"}


def test_a_buffer_that_is_returned_again_is_a_disturbed_node():
    buffer = np.zeros(3)

    def backward(dz, x):
        np.multiply(2 * x, dz, out=buffer)
        return buffer

    square = op(lambda x: x * x, backward, "x[n]", name="square")

    def net(x, y):
        a = square(x)
        b = square(y)
        return a * b

    result = fails(gradcheck.op(gradcheck.graph(net), "x[3], y[3]"))
    assert {f.code for f in result.findings if f.severity == "fail"} & {
        *("node-disturbed", "workspace-returned")
    }


def test_a_graph_with_a_surrogate_of_its_own_has_no_guilty_node():
    rounded = op(lambda x: np.round(x), lambda dz, x: 1 * dz, "x[...]", name="rounded")

    def net(x):
        return rounded(x) * 2

    made = gradcheck.op(gradcheck.graph(net), "x[n]", differentiates=lambda x: 2 * x)
    passes(made)

    def outer(x):
        y = made(x)
        return tanh(y)

    passes(gradcheck.op(gradcheck.graph(outer), "x[n]"))


def test_many_nodes_do_not_make_undecided_entries_a_pass():
    def unsteady(x):
        return x + 1e-2 * np.sin(1e9 * x) * np.cos(3e12 * x)

    noisy = op(unsteady, lambda dz, x: 1 * dz, "x[...]", name="noisy", dtypes="float64")

    def net(x):
        for _ in range(12):
            x = scaled(1, 1, "same")(x)
        return noisy(x)

    made = gradcheck.op(gradcheck.graph(net), "x[n]", dtypes="float64")
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(made, max_cases=12)
    assert caught.value.result.verdict == "inconclusive"


def test_a_backward_given_for_a_graph_function_is_the_one_that_is_judged():
    def net(x):
        return tanh(x) * x

    def backward(dz, x):
        return dz * (np.tanh(x) + x * (1 - np.tanh(x) ** 2))

    example = np.array([0.3, -0.2, 1.1])
    passes(gradcheck.graph(net), backward, example)
    fails(gradcheck.graph(net), lambda dz, x: 7 * dz, example)


def test_a_node_that_overwrites_what_another_reads_is_a_warning():
    def clipped(x):
        x *= x > 0
        return x

    rectify = op(
        clipped, lambda dz, x: dz * (x > 0), "x:nonzero[...]", name="rectify", overwrites="x"
    )

    def net(x):
        h = tanh(x)
        r = rectify(h)
        return h + r

    def alone(x):
        h = tanh(x)
        return rectify(h)

    result = passes(gradcheck.op(gradcheck.graph(net), "x:nonzero[n]"))
    assert "overwritten-value" in {f.code for f in result.findings if f.severity == "warning"}
    assert "net reads it too" in next(f.message for f in result.findings if f.code[:5] == "overw")
    assert not passes(gradcheck.op(gradcheck.graph(alone), "x:nonzero[n]")).findings


# --- on random graphs -----------------------------------------------------------------------------
def test_blame_on_random_graphs_of_the_reference_ops():
    """A few of what `benchmarks/blame.py` does by the hundred."""
    from benchmarks.blame import Plan, measure

    single, pairs = measure(Plan(5), (0, 4)), measure(Plan(5, pairs=True), (0, 4))
    assert len(single) >= 3
    assert pairs
    assert all(v.right and not v.innocent for v in (*single, *pairs))
    assert all(v.composed for v in pairs), "a pair that cancels passes as a whole"


def test_kinks_that_meet_excuse_no_entry_that_moves_none_of_them():
    """relu is at its kink in every case; z does not reach it, and is detached in part."""
    mask = np.ones((3, 4))
    mask[:, 0] = 0

    @gradcheck.graph("x[3 4], z[3 4]")
    def detached(x, z):
        return total(relu(x * mask) + tanh(z) * z.value)

    assert wrong(fails(detached)) == {"z"}

    @gradcheck.graph("x[3 4], z[3 4]")
    def right(x, z):
        return total(relu(x * mask) + tanh(z) * z)

    passes(right)

"""Networks of the reference ops: right as they stand, and the wrong op is named when one is broken.

`graphs.window_classifier`, the lecture's tagger, has tests of its own in `test_regulariser`.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gradcheck.graphs.calls import as_op, op_named
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.tape import Tape
from gradcheck.model import Op
from reference_ops import graphs, networks
from tests.judged import fails, guilty, passes

NETWORKS = (
    "softmax_classifier",
    "two_layer_net",
    "max_margin_window",
    "recurrent_net",
    "lstm_classifier",
    "transformer_block",
    "conv_net",
)
SIZES = {"n": 3, "d": 2, "k": 2, "c": 3, "v": 4}


def network(name: str) -> Op:
    return as_op(getattr(networks, name))


def example(op: Op, seed: int = 0) -> list[Any]:
    """One value for each input, of its shape."""
    rng = np.random.default_rng(seed)
    values = []
    for given in op.inputs:
        shape = tuple(SIZES.get(d, d) for d in given.dims)
        below = SIZES.get(given.domain.below, given.domain.below)
        values.append(rng.integers(0, below, shape) if given.integer else rng.normal(size=shape))
    return values


def traced(op: Op, **attributes: Any) -> Tape:
    assert isinstance(op.detail, Composed)
    return op.detail.run(example(op), attributes)


# --- right ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_passes(name):
    passes(network(name), max_cases=8)


@pytest.mark.parametrize("name", NETWORKS)
def test_its_gradients_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    from tests.oracles.networks import ORACLES

    op = network(name)
    values = example(op, seed=1)
    first = {a.name: a.values[0] for a in op.attributes}
    output, pullback = op.vjp(*values, **first)
    upstream = np.random.default_rng(2).normal(size=np.shape(output))
    tensors = [torch.tensor(v, requires_grad=v.dtype.kind == "f") for v in values]
    other = ORACLES[name].function(*tensors, **first)
    other.backward(torch.tensor(upstream))
    assert_allclose(output, other.detach().numpy())
    for given, own, tensor in zip(op.inputs, pullback((upstream,)), tensors, strict=True):
        if given.differentiable:
            assert_allclose(own, tensor.grad.numpy(), atol=1e-12, err_msg=given.name)
        else:
            assert own is None


def test_the_same_weights_at_all_steps_of_a_recurrent_net():
    tape = traced(network("recurrent_net"))
    steps = [s for s in tape.steps if s.op.name == "rnn_cell"]
    assert [s.name for s in steps] == ["h", "h_2", "h_3"]
    assert len({s.parents[2:] for s in steps}) == 1  # W_ih, W_hh, b_ih, b_hh
    assert [s.parents[1] for s in steps[1:]] == [s.outputs[0] for s in steps[:-1]]


def test_a_longer_sequence_is_a_longer_graph():
    op = network("lstm_classifier")
    x, *rest = example(op)
    assert isinstance(op.detail, Composed)
    for t in (1, 5):
        tape = op.detail.run([np.ones((t, *x.shape[1:])), *rest])
        assert [s.op.name for s in tape.steps].count("lstm_cell") == t


def test_both_windows_use_the_same_parameters():
    """d/du max(0, 1 - u'h + u'h_c) = h_c - h: each window has its share."""
    op = network("max_margin_window")
    table, words, corrupt, W, b, u = example(op)
    h, h_c = (np.tanh(W @ table[w].reshape(-1) + b) for w in (words, corrupt))
    assert 1 - u @ h + u @ h_c > 0
    _, pullback = op.vjp(table, words, corrupt, W, b, u)
    assert_allclose(pullback((1.0,))[-1], h_c - h)


def test_heads_attend_apart():
    """One head of all columns is another function than a head for each."""
    block = networks.transformer_block
    values = example(network("transformer_block"))
    assert not np.allclose(block(*values, heads=1), block(*values, heads=2))


# --- one op of it broken --------------------------------------------------------------------------
def broken(op: Op, place: int) -> Op:
    """The op with the gradient of one input too large by half."""

    def vjp(*primals: Any, **attributes: Any) -> Any:
        outputs, pullback = op.vjp(*primals, **attributes)

        def pull(cotangents: Any) -> Any:
            gradients = list(pullback(cotangents))
            gradients[place] = 1.5 * gradients[place]
            return gradients

        return outputs, pull

    of_any = op.any_number
    any_number = None if of_any is None else lambda inputs: broken(of_any(inputs), place)
    return replace(op, vjp=vjp, any_number=any_number)


BROKEN = (
    ("softmax_classifier", networks, "affine", 1, {"logits"}),
    ("softmax_classifier", networks, "softmax_cross_entropy", 0, {"data"}),
    ("softmax_classifier", networks, "l2_penalty", 0, {"l2_penalty", "l2_penalty_2"}),
    ("two_layer_net", networks, "tanh", 0, {"tanh"}),
    ("two_layer_net", networks, "relu", 0, {"h"}),
    ("two_layer_net", networks, "affine", 2, {"z", "logits"}),
    ("max_margin_window", networks, "embedding", 0, {"embedding", "embedding_2"}),
    ("max_margin_window", networks, "maximum", 0, {"max_margin_window"}),
    ("max_margin_window", graphs, "tanh", 0, {"window_score.h", "window_score_2.h"}),
    ("max_margin_window", graphs, "matmul", 1, {"window_score.matmul", "window_score_2.matmul"}),
    ("recurrent_net", networks, "rnn_cell", 3, {"h_2", "h_3"}),  # the first has h = 0
    ("recurrent_net", networks, "concatenate", 1, {"concatenate"}),
    ("recurrent_net", networks, "getitem", 0, {"getitem", "getitem_2", "getitem_3"}),
    ("lstm_classifier", networks, "lstm_cell", 2, {"lstm_cell_2", "lstm_cell_3"}),
    ("transformer_block", networks, "scaled_dot_product_attention", 1, {"mixed"}),
    ("transformer_block", networks, "rms_norm", 0, {"rms_norm", "rms_norm_2"}),
    ("transformer_block", networks, "gelu", 0, {"hidden"}),
    ("conv_net", networks, "conv2d", 1, {"maps"}),
    ("conv_net", networks, "max_pool2d", 0, {"max_pool2d"}),
    ("conv_net", networks, "reshape", 0, {"features"}),
)


@pytest.mark.parametrize(("name", "module", "op", "place", "nodes"), BROKEN)
def test_the_op_that_is_broken_is_named(
    name: str, module: ModuleType, op: str, place: int, nodes: set[str], monkeypatch: Any
) -> None:
    """In a formula an op is what its module has under the op's name."""
    spoilt = broken(as_op(op_named(op, vars(module))), place)
    monkeypatch.setattr(module, op, spoilt, raising=False)
    result = fails(network(name), max_cases=6)
    found = [f for f in result.findings if f.severity == "fail"]
    assert {f.code for f in found} == {"wrong-node"}
    assert guilty(result) == nodes
    assert {f.input for f in found} == {f"{op}.{spoilt.of(3).inputs[place].name}"}
    assert all("1.5 x" in f.diagnosis for f in found if f.diagnosis)

"""The full loss: a penalty hides no wrong gradient of the data; and only words in the data move.

CS224N lecture 4: J = mean cross-entropy + lam sum theta^2, and the pitfall of word vectors, of
which a step of the data term moves only those that were looked up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gradcheck
from gradcheck.model import Op
from gradcheck.registry import make
from reference_ops.graphs import window_classifier
from reference_ops.linear import affine
from reference_ops.losses import l2_penalty, softmax_cross_entropy
from reference_ops.reductions import sum as total
from reference_ops.words import embedding, window_concat
from tests.judged import fails, guilty, passes, wrong

Array = np.ndarray[Any, Any]


def op(forward: Any, backward: Any, signature: str, name: str) -> Op:
    return make([forward, backward, signature], {}, {"name": name})


def linear(factor: float = 1.0) -> Op:
    """X W' + b whose gradient of W is wrong by a factor."""

    def backward(dz: Array, x: Array, W: Array, b: Array) -> Any:
        return dz @ W, factor * (dz.T @ x), dz.sum(axis=0)

    return op(lambda x, W, b: affine(x, W, b), backward, "x[n d], W[k d], b[k]", "linear")


def penalty(factor: float = 2.0) -> Op:
    """lam sum theta^2; 1 is the factor of somebody who forgot the 2."""

    def forward(theta: Array, lam: float = 0.01) -> Any:
        return l2_penalty(theta, lam=lam)

    def backward(dR: Array, theta: Array, lam: float = 0.01) -> Any:
        return factor * lam * theta * dR

    return op(forward, backward, "theta[...], lam=0.01|0.5", "penalty")


def lookup(spread: float = 0.0, *, overwrites: bool = False) -> Op:
    """table[idx]; wrong ones leave a little in all rows, or keep one of the gradients of a word."""

    def backward(dout: Array, table: Array, idx: Array) -> Any:
        dtable = np.full_like(table, spread * dout.sum())
        if overwrites:
            dtable[idx] = dout
        else:
            np.add.at(dtable, idx, dout)
        return dtable, None

    def forward(table: Array, idx: Array) -> Any:
        return embedding(table, idx)

    return op(forward, backward, "table[v d], idx:int[n]<v", "lookup")


def classifier(
    lam: str, *, layer: Op | None = None, norm: Op | None = None, words: Op | None = None
) -> Op:
    """A window classifier of right parts, except for those given."""
    apply, square, find = layer or linear(), norm or penalty(), words or lookup()

    def loss(table: Any, idx: Any, W: Any, b: Any, labels: Any, lam: float = 1.0) -> Any:
        vectors = find(table, idx)
        logits = apply(window_concat(vectors, window=1), W, b)
        data = softmax_cross_entropy(logits, labels)
        return data + square(W, lam=lam)

    signature = f"table[v 2], idx:int[t]<v, W[c 6], b[c], labels:int[t]<c, lam={lam}"
    return gradcheck.op(gradcheck.graph(loss), signature)


def diagnoses(result: Any) -> str:
    return " ".join(f.diagnosis for f in result.findings if f.severity == "fail")


# -- with and without a penalty -----------------------------------------------------------------


@pytest.mark.parametrize("lam", ["1.0|0.0", "0.0|1.0", "1e6"])
def test_right_gradients_with_and_without_a_penalty(lam):
    assert wrong(passes(classifier(lam))) == set()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_penalty_a_million_times_larger_hides_no_wrong_gradient(dtype):
    """Its node is judged by itself, where no penalty is."""
    result = fails(classifier("1e6", layer=linear(1.5)), dtypes=dtype)
    assert guilty(result) == {"logits"}
    assert "backward = 1.5 x finite difference" in diagnoses(result)


def test_without_its_node_it_is_a_millionth_of_the_gradient_and_still_seen():
    """Each entry has a bound of its own, far below; what is 1e-6 of an entry is only a warning."""
    wrong_data = classifier("1e6", layer=linear(1.5))
    few = {"checks": "values", "max_cases": 25}
    assert wrong(fails(wrong_data, signif=0, **few)) == {"W"}
    seen = fails(wrong_data, **few).findings
    assert ("slightly-off", "W", "warning") in {(f.code, f.input, f.severity) for f in seen}


def test_what_only_the_node_can_show():
    """In float32 the wrong part is about one rounding of the whole gradient: no bound is below."""
    wrong_data = classifier("1e6", layer=linear(1.5))
    passes(wrong_data, checks="values", dtypes="float32")
    assert guilty(fails(wrong_data, checks="values,nodes", dtypes="float32")) == {"logits"}


@pytest.mark.parametrize(
    ("lam", "checks"),
    [
        ("1.0|0.0", "values"),
        ("1.0|0.0", "values,nodes"),
        ("1.0", "values,nodes"),
        ("0.0", "values,nodes"),
    ],
)
def test_a_wrong_gradient_of_the_data_is_found_with_and_without(lam, checks):
    result = fails(classifier(lam, layer=linear(1.5)), checks=checks)
    assert wrong(result) == ({"W"} if checks == "values" else set())
    assert guilty(result) == (set() if checks == "values" else {"logits"})
    assert "only for" not in diagnoses(result)


def test_a_wrong_gradient_of_the_penalty_shows_where_there_is_one():
    forgotten = penalty(1.0)
    passes(classifier("0.0", norm=forgotten))
    for lam in ("1.0", "1.0|0.0", "0.0|1.0", "1e6"):
        assert guilty(fails(classifier(lam, norm=forgotten))) == {"penalty"}


def test_reference_classifier_is_the_mean_over_the_data_plus_both_penalties():
    """Value and gradients differ by lam (|W|^2 + |U|^2) and its gradient, and nothing else."""
    rng = np.random.default_rng(3)
    table, W, U = (rng.normal(size=s) for s in ((4, 2), (3, 6), (2, 3)))
    words, labels = np.array([1, 3, 1]), np.array([0, 1, 1])
    values = (table, words, W, np.zeros(3), U, np.zeros(2), labels)
    own = window_classifier.__gradcheck_op__
    (with_it, pull), (alone, pull_alone) = (own.vjp(*values, lam=lam) for lam in (0.25, 0.0))
    assert_allclose(with_it - alone, 0.25 * (np.sum(W**2) + np.sum(U**2)))
    one = (np.array(1.0),)
    apart = [None if a is None else a - b for a, b in zip(pull(one), pull_alone(one), strict=True)]
    assert_allclose(apart[2], 2 * 0.25 * W)
    assert_allclose(apart[4], 2 * 0.25 * U)
    for k in (0, 3, 5):
        assert_array_equal(apart[k], 0)


# -- only words in the data move ----------------------------------------------------------------

TABLE = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0], [0.3, 0.6], [-1.2, 0.1]])
WORDS = np.array([1, 3, 1])
UNUSED = [0, 2, 4]


def table_gradient(lookup_op: Any, lam: float) -> Array:
    """Of the data term and a penalty over the whole table."""

    @gradcheck.graph
    def loss(table: Any, words: Any, W: Any) -> Any:
        vectors = lookup_op(table, words)
        logits = window_concat(vectors, window=1) @ W
        return softmax_cross_entropy(logits, np.array([0, 1, 1])) + l2_penalty(table, lam=lam)

    built = gradcheck.op(loss, "table[v d], words:int[t]<v, W[k c]")
    W = np.arange(-5.0, 7.0).reshape(6, 2) / 4
    _, pullback = built.vjp(TABLE, WORDS, W)
    gradient: Array = pullback((np.array(1.0),))[0]
    return gradient


def test_words_that_are_not_looked_up_do_not_move():
    gradient = table_gradient(embedding, 0.0)
    moved = TABLE - 0.5 * gradient
    assert_array_equal(gradient[UNUSED], 0)
    assert_array_equal(moved[UNUSED], TABLE[UNUSED])
    assert (moved[[1, 3]] != TABLE[[1, 3]]).all()


def test_a_penalty_over_the_table_moves_all_words():
    """Towards zero by 2 lam of themselves, those that were looked up besides."""
    moved = TABLE - 0.5 * table_gradient(embedding, 0.1)
    assert_allclose(moved[UNUSED], 0.9 * TABLE[UNUSED])
    assert_allclose(moved, 0.9 * TABLE - 0.5 * table_gradient(embedding, 0.0))


def test_reference_classifier_moves_only_words_in_its_data():
    """Its penalty is of the weights: words stay with it, too."""
    W, U = np.ones((3, 6)) / 4, np.arange(6.0).reshape(2, 3)
    values = (TABLE, WORDS, W, np.zeros(3), U, np.zeros(2), np.array([0, 1, 1]))
    for lam in (0.0, 0.01):
        _, pullback = window_classifier.__gradcheck_op__.vjp(*values, lam=lam)
        gradient = pullback((np.array(1.0),))[0]
        assert_array_equal(gradient[UNUSED], 0)
        assert (gradient[[1, 3]] != 0).all()


@pytest.mark.parametrize("spread", [1e-2, 1e-6])
def test_a_lookup_that_moves_all_words_a_little_is_caught(spread):
    bad = lookup(spread)
    assert (table_gradient(bad, 0.0)[UNUSED] != 0).all()
    assert guilty(fails(classifier("0.0|1.0", words=bad))) == {"vectors"}


def test_a_lookup_that_overwrites_repeated_words_is_caught():
    bad = lookup(overwrites=True)
    result = fails(classifier("0.0|1.0", words=bad))
    assert guilty(result) == {"vectors"}
    assert {f.likely for f in result.findings if f.severity == "fail"} == {"overwritten"}
    assert not np.allclose(table_gradient(bad, 0.0)[1], table_gradient(embedding, 0.0)[1])


# -- windows ------------------------------------------------------------------------------------


def test_the_gradient_at_a_window_is_split_among_its_words():
    """The lecture's window of five words: its 5d gradient, word by word."""
    sentence = np.arange(10.0).reshape(5, 2)
    output, pullback = window_concat.__gradcheck_op__.vjp(sentence, window=2)
    assert_array_equal(output[2], sentence.reshape(-1))
    upstream = np.zeros((5, 10))
    upstream[2] = np.arange(1.0, 11.0)
    (gradient,) = pullback((upstream,))
    assert_array_equal(gradient, [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]])


def test_a_word_in_several_windows_and_places_gets_the_sum():
    """Words 1, 3, 1 in windows of five, upstream 1 ... 15 row by row: 21, 24, 27 by place.

    The second of two entries of each vector has a hundred times that.
    """
    both = np.kron(np.arange(1.0, 16.0).reshape(3, 5), [1.0, 100.0])

    @gradcheck.graph
    def loss(table: Any, words: Any, weights: Any) -> Any:
        vectors = embedding(table, words)
        windows = window_concat(vectors, window=2)
        return total(windows * weights)

    built = gradcheck.op(loss, "table[v d], words:int[t]<v, weights[t k]")
    _, pullback = built.vjp(TABLE, WORDS, both)
    gradient = pullback((np.array(1.0),))[0]
    by_place = [3 + 7 + 11, 4 + 8 + 12, 5 + 9 + 13]
    assert_array_equal(gradient[:, 0], [0, by_place[0] + by_place[2], 0, by_place[1], 0])
    assert_array_equal(gradient[:, 1], 100 * gradient[:, 0])


# --- the softmax tip: the correct class and the wrong ones ----------------------------------------
@pytest.mark.parametrize(
    ("correct", "others", "said"),
    [
        (0.0, 1.0, "wrong only at the entries that y points at"),
        (1.0, 0.0, "wrong only at the entries that y does not point at"),
    ],
)
def test_a_loss_that_is_wrong_for_one_kind_of_class_says_which(correct, others, said):
    loss = softmax_cross_entropy.__gradcheck_op__

    def backward(dJ, logits, y):
        right, _ = loss.vjp(logits, y)[1]((dJ,))
        factor = np.full(np.shape(right), others)
        factor[np.arange(len(y)), y] = correct
        return factor * right, None

    wrong_loss = gradcheck.op(loss.forward, backward, "logits[n c], y:int[n]<c")
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(wrong_loss, max_cases=30)
    assert any(said in f.diagnosis for f in caught.value.result.findings)

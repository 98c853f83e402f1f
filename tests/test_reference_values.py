"""The reference ops against values known in closed form, and the properties the lecture names.

No finite differences here: that is what `gradcheck run` does with these ops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from reference_ops.arithmetic import add, maximum, multiply
from reference_ops.lecture import AddGate, MultiplyGate
from reference_ops.lecture_max import MaxGate
from reference_ops.linear import affine, dot, matmul, matvec, vecmat
from reference_ops.losses import l2_penalty, softmax_cross_entropy
from reference_ops.nonlinear import hard_tanh, leaky_relu, logistic, parametric_relu, relu, tanh
from reference_ops.probabilities import softmax
from reference_ops.reductions import mean
from reference_ops.reductions import sum as sum_
from reference_ops.words import embedding, window_concat

Array = NDArray[Any]

x23 = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
W43 = np.arange(12.0).reshape(4, 3) - 5
EXTREMES = [-1000.0, -100.0, -40.0, -1e-30, 0.0, 1e-30, 40.0, 100.0, 1000.0]


def gradients(op: Any, *primals: Any, cotangent: Any = None, **attributes: Any) -> tuple[Any, ...]:
    """Run backward, with a cotangent of distinct values unless one is given."""
    out, pullback = op.vjp(*primals, **attributes)
    if cotangent is None:
        values = np.linspace(-0.75, 1.5, max(np.size(out), 1))[: np.size(out)]
        cotangent = values.reshape(np.shape(out)).astype(np.asarray(out).dtype)
    return tuple(pullback(cotangent))


# -- the worked example and the node intuitions -------------------------------------------------


def test_worked_example_of_the_lecture() -> None:
    """f = (x + y) max(y, z) at (1, 2, 0): f = 6, and df = (2, 5, 0)."""
    x, y, z = np.array(1.0), np.array(2.0), np.array(0.0)
    a, b = add(x, y), maximum(y, z)
    assert (a, b, multiply(a, b)) == (3, 2, 6)
    da, db = gradients(multiply, a, b, cotangent=np.array(1.0))
    dx, dy_from_a = gradients(add, x, y, cotangent=da)
    dy_from_b, dz = gradients(maximum, y, z, cotangent=db)
    assert (da, db) == (2, 3)
    assert (dx, dy_from_a, dy_from_b, dz) == (2, 2, 3, 0)
    assert dy_from_a + dy_from_b == 5


def test_plus_distributes() -> None:
    cotangent = np.array([0.5, -2.0, 3.0])
    dx, dy = gradients(add, x23[0], x23[1], cotangent=cotangent)
    assert_array_equal(dx, cotangent)
    assert_array_equal(dy, cotangent)
    assert not np.shares_memory(dx, dy)
    assert not np.shares_memory(dx, cotangent)


def test_times_switches() -> None:
    cotangent = np.array([0.5, -2.0, 3.0])
    dx, dy = gradients(multiply, x23[0], x23[1], cotangent=cotangent)
    assert_array_equal(dx, cotangent * x23[1])
    assert_array_equal(dy, cotangent * x23[0])


def test_max_routes_and_the_first_wins_a_tie() -> None:
    cotangent = np.array([0.5, -2.0, 3.0])
    dx, dy = gradients(
        maximum, np.array([1.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.0]), cotangent=cotangent
    )
    assert_array_equal(dx, [0.5, 0, 3])
    assert_array_equal(dy, [0, -2, 0])


@pytest.mark.parametrize("op", [add, multiply, maximum])
@pytest.mark.parametrize("shapes", [((), (2, 3)), ((1,), (0,)), ((2, 1), (1, 3)), ((3,), (2, 3))])
def test_gradients_have_the_shapes_of_broadcast_inputs(
    op: Any, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    x, y = (np.full(shape, 0.5) for shape in shapes)
    assert tuple(g.shape for g in gradients(op, x, y)) == shapes


def test_a_broadcast_input_gets_the_sum_over_its_places() -> None:
    cotangent = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    dx, dy = gradients(add, np.ones((2, 1)), np.ones(3), cotangent=cotangent)
    assert_array_equal(dx, [[6], [60]])
    assert_array_equal(dy, [11, 22, 33])


def test_gates_of_the_lecture() -> None:
    gate = MultiplyGate()
    assert gate.forward(3.0, -4.0) == -12
    assert gate.backward(2.0) == [-8, 6]
    plus = AddGate()
    assert plus.forward(3.0, -4.0) == -1
    assert plus.backward(2.0) == [2, 2]


def test_the_lectures_max_rule_loses_the_gradient_at_a_tie() -> None:
    gate = MaxGate()
    assert gate.forward(2.0, 0.0) == 2
    assert gate.backward(3.0) == [3, 0]
    assert gate.forward(1.0, 1.0) == 1
    assert gate.backward(3.0) == [0, 0]
    assert np.sum(gradients(maximum, np.array(1.0), np.array(1.0), cotangent=np.array(3.0))) == 3


# -- linear maps --------------------------------------------------------------------------------


def test_products_agree_with_one_another() -> None:
    b = np.array([0.5, -0.5, 1.0, 2.0])
    assert_array_equal(affine(x23, W43, b), [matvec(W43, x) + b for x in x23])
    assert_array_equal(vecmat(x23[0], W43.T), matvec(W43, x23[0]))
    assert_array_equal(matmul(x23, W43.T), affine(x23, W43, np.zeros(4)))
    assert dot(x23[0], x23[1]) == 0.75 - 0.25 - 1.5


def test_weight_gradient_is_the_outer_product_of_delta_and_x() -> None:
    delta, x = np.array([1.0, -2.0, 0.5, 0.25]), x23[0]
    outer = np.array([[d * e for e in x] for d in delta])
    assert_array_equal(gradients(matvec, W43, x, cotangent=delta)[0], outer)
    assert_array_equal(gradients(vecmat, x, W43.T, cotangent=delta)[1], outer.T)
    dx, dW, db = gradients(affine, x[None], W43, np.zeros(4), cotangent=delta[None])
    assert_array_equal(dW, outer)
    assert_array_equal(dx[0], gradients(matvec, W43, x, cotangent=delta)[1])
    assert_array_equal(db, delta)


def test_stacks_of_matrices_broadcast_and_their_gradients_are_sums() -> None:
    """Each of a stack as by itself; what is shared by all gets the sum of what each would get."""
    xs, Ws = np.stack([x23, x23 - 1, 2 * x23]), np.stack([W43, W43 + 1, -W43])
    bs, b = np.arange(12.0).reshape(3, 1, 4), np.array([0.5, -0.5, 1.0, 2.0])
    dzs = np.arange(24.0).reshape(3, 2, 4) - 7
    assert_array_equal(affine(xs, Ws, bs), [affine(*one) for one in zip(xs, Ws, bs, strict=True)])
    alone = [gradients(affine, x, W43, b, cotangent=dz) for x, dz in zip(xs, dzs, strict=True)]
    dx, dW, db = gradients(affine, xs, W43, b, cotangent=dzs)
    assert_array_equal(dx, [one[0] for one in alone])
    assert_array_equal(dW, np.sum([one[1] for one in alone], axis=0))
    assert_array_equal(db, np.sum([one[2] for one in alone], axis=0))
    dx, dW, dbs = gradients(affine, x23, Ws, bs, cotangent=dzs)
    assert_array_equal(dx, np.sum([dz @ W for dz, W in zip(dzs, Ws, strict=True)], axis=0))
    assert_array_equal(dW, [dz.T @ x23 for dz in dzs])
    assert_array_equal(dbs, dzs.sum(axis=1, keepdims=True))


def test_stacks_of_matrices_times_a_vector() -> None:
    x, Ws, dzs = x23[0], np.stack([W43, W43 + 1, -W43]), np.arange(12.0).reshape(3, 4) - 5
    assert_array_equal(matvec(Ws, x), [matvec(W, x) for W in Ws])
    assert_array_equal(vecmat(x, Ws.mT), matvec(Ws, x))
    dW, dx = gradients(matvec, Ws, x, cotangent=dzs)
    alone = [gradients(matvec, W, x, cotangent=dz) for W, dz in zip(Ws, dzs, strict=True)]
    assert_array_equal(dW, [one[0] for one in alone])
    assert_array_equal(dx, np.sum([one[1] for one in alone], axis=0))
    dx, dW = gradients(vecmat, x, Ws.mT, cotangent=dzs)
    assert_array_equal(dW, np.stack([one[0].T for one in alone]))
    assert_array_equal(dx, np.sum([one[1] for one in alone], axis=0))


def test_matmul_and_dot_gradients() -> None:
    """A batch of rows times a matrix is `affine` without b; the dot product is a 1 x 1 product."""
    delta = np.array([[1.0, -2.0, 0.5, 0.25], [0.0, 3.0, -1.0, 2.0]])
    dA, dB = gradients(matmul, x23, W43.T, cotangent=delta)
    dx, dW, _ = gradients(affine, x23, W43, np.zeros(4), cotangent=delta)
    assert_array_equal(dA, dx)
    assert_array_equal(dB, dW.T)
    du, dh = gradients(dot, x23[0], x23[1], cotangent=np.float64(2))
    assert_array_equal(du, 2 * x23[1])
    assert_array_equal(dh, 2 * x23[0])


# -- nonlinearities -----------------------------------------------------------------------------


def test_closed_form_values() -> None:
    assert logistic(np.array(0.0)) == 0.5
    assert_allclose(logistic(np.log([1.0, 3.0, 1 / 3])), [0.5, 0.75, 0.25], rtol=1e-15)
    z = np.array([-2.0, -1.0, -0.5, 0.0, 1.0, 3.0])
    assert_array_equal(hard_tanh(z), [-1, -1, -0.5, 0, 1, 1])
    assert_array_equal(relu(z), [0, 0, 0, 0, 1, 3])
    assert_array_equal(leaky_relu(z), [-0.02, -0.01, -0.005, 0, 1, 3])
    assert_array_equal(leaky_relu(z, slope=0.25), [-0.5, -0.25, -0.125, 0, 1, 3])
    assert_array_equal(
        parametric_relu(x23, np.array([2.0, 3.0, 4.0])), [[0.5, -3, 2], [1.5, 0.25, -3]]
    )


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-15), (np.float32, 1e-6)])
def test_tanh_is_a_rescaled_logistic(dtype: Any, rtol: float) -> None:
    z = np.concatenate([np.linspace(-20, 20, 401), EXTREMES]).astype(dtype)
    assert_allclose(tanh(z), 2 * logistic(2 * z) - 1, rtol=0, atol=rtol)
    assert_allclose(gradients(tanh, z), np.multiply(4, gradients(logistic, 2 * z)), rtol=rtol)
    assert_allclose(logistic(z) + logistic(-z), np.ones_like(z), rtol=rtol)


@pytest.mark.parametrize(
    ("op", "z", "slopes"),
    [
        (relu, [-1.0, 0.0, 1.0], [0, 0, 1]),
        (leaky_relu, [-1.0, 0.0, 1.0], [0.01, 0.01, 1]),
        (hard_tanh, [-2.0, -1.0, 0.0, 1.0, 2.0], [0, 1, 1, 1, 0]),
    ],
)
def test_conventions_at_kinks(op: Any, z: list[float], slopes: list[float]) -> None:
    (dz,) = gradients(op, np.array(z), cotangent=np.ones(len(z)))
    assert_array_equal(dz, slopes)


def test_parametric_relu_learns_from_negative_inputs_only() -> None:
    a = np.array([2.0, 3.0, 4.0])
    dx, da = gradients(parametric_relu, x23, a, cotangent=np.ones((2, 3)))
    assert_array_equal(dx, [[1, 3, 1], [1, 1, 4]])
    assert_array_equal(da, [0, -1, -0.75])
    dx, da = gradients(parametric_relu, np.zeros((1, 3)), a, cotangent=np.ones((1, 3)))
    assert_array_equal(dx, [a])
    assert_array_equal(da, np.zeros(3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("op", [logistic, tanh, hard_tanh, relu, leaky_relu, softmax, l2_penalty])
def test_finite_at_extremes(op: Any, dtype: Any) -> None:
    z = np.array(EXTREMES, dtype)
    with np.errstate(all="raise", under="ignore"):
        out = op(z)
        (dz,) = gradients(op, z)
    assert np.isfinite(out).all()
    assert np.isfinite(dz).all()
    assert out.dtype == dz.dtype == dtype


def test_slopes_in_the_far_tails() -> None:
    """Where s (1 - s) and 1 - tanh^2 are exactly 0, the slopes are exp(-|z|) and 4 exp(-2|z|)."""
    z = np.array([-100.0, -50.0, 50.0, 100.0])
    ones = np.ones(4)
    assert_allclose(gradients(logistic, z, cotangent=ones)[0], np.exp(-np.abs(z)), rtol=1e-14)
    assert_allclose(gradients(tanh, z, cotangent=ones)[0], 4 * np.exp(-2 * np.abs(z)), rtol=1e-14)


# -- softmax, losses, reductions ----------------------------------------------------------------


def test_softmax_values() -> None:
    assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[0.125, 0.25, 0.625]], rtol=1e-15)
    assert_allclose(softmax(x23 + 1000), softmax(x23), rtol=1e-12)
    assert_allclose(np.sum(softmax(x23), axis=-1), [1, 1], rtol=1e-15)
    two = np.array([[0.0, 1.5], [0.0, -3.0]])
    assert_allclose(softmax(two)[:, 1], logistic(two[:, 1]), rtol=1e-15)


def test_softmax_gradient_is_orthogonal_to_constants_and_right_when_saturated() -> None:
    (dz,) = gradients(softmax, x23)
    assert_allclose(np.sum(dz, axis=-1), [0, 0], atol=1e-16)
    (dz,) = gradients(softmax, np.array([50.0, 0.0]), cotangent=np.array([1.0, 3.0]))
    assert_allclose(dz, [-2 * np.exp(-50), 2 * np.exp(-50)], rtol=1e-14)


def test_cross_entropy_gradient_is_softmax_minus_onehot() -> None:
    y = np.array([2, 0])
    loss = softmax_cross_entropy(x23, y)
    assert_allclose(loss, -np.mean(np.log(softmax(x23)[[0, 1], y])), rtol=1e-15)
    dlogits, dy = gradients(softmax_cross_entropy, x23, y, cotangent=np.float64(3.0))
    assert_allclose(dlogits, 3 * (softmax(x23) - np.eye(3)[y]) / 2, rtol=1e-14)
    assert dy is None


def test_cross_entropy_of_uniform_scores_is_log_c() -> None:
    y = np.array([0, 1, 3])
    assert_allclose(softmax_cross_entropy(np.zeros((3, 4)), y), np.log(4), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cross_entropy_extremes(dtype: Any) -> None:
    logits, y = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]], dtype), np.array([0, 0])
    assert softmax_cross_entropy(logits, y) == 1000  # 0 for the first row, 2000 for the second
    one = dtype(1)
    assert_array_equal(
        gradients(softmax_cross_entropy, logits, y, cotangent=one)[0], [[0, 0], [-0.5, 0.5]]
    )
    sure = np.array([[50.0, 0.0]], dtype)
    (dsure, _) = gradients(softmax_cross_entropy, sure, np.array([0]), cotangent=one)
    assert_allclose(dsure, [[-np.exp(-50), np.exp(-50)]], rtol=1e-6)


def test_l2_penalty_values() -> None:
    theta = np.array([[1.0, -2.0], [3.0, 0.0]])
    assert l2_penalty(theta, lam=0.5) == 7
    assert_array_equal(gradients(l2_penalty, theta, lam=0.5, cotangent=np.float64(2))[0], 2 * theta)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, -2, (0, 1), ()])
def test_sum_and_mean(axis: Any, keepdims: bool) -> None:
    kind: Any = {"axis": axis, "keepdims": keepdims}
    assert_array_equal(sum_(x23, **kind), np.sum(x23, **kind))
    assert_allclose(mean(x23, **kind), np.mean(x23, **kind), rtol=1e-15)
    count = x23.size // np.size(np.sum(x23, **kind))
    cotangent = np.full(np.shape(np.sum(x23, **kind)), 1.5)
    assert_array_equal(gradients(sum_, x23, cotangent=cotangent, **kind)[0], np.full((2, 3), 1.5))
    assert_array_equal(
        gradients(mean, x23, cotangent=cotangent, **kind)[0], np.full((2, 3), 1.5 / count)
    )


def test_sum_hands_each_row_its_own_cotangent() -> None:
    (dx,) = gradients(sum_, x23, axis=1, cotangent=np.array([1.0, -2.0]))
    assert_array_equal(dx, [[1, 1, 1], [-2, -2, -2]])


# -- words --------------------------------------------------------------------------------------


def test_embedding_sums_repeated_words_and_leaves_unused_ones_at_zero() -> None:
    table, idx = np.arange(10.0).reshape(5, 2), np.array([3, 0, 3])
    assert_array_equal(embedding(table, idx), [[6, 7], [0, 1], [6, 7]])
    cotangent = np.array([[1.0, 2.0], [0.5, 0.25], [10.0, 20.0]])
    dtable, didx = gradients(embedding, table, idx, cotangent=cotangent)
    assert_array_equal(dtable, [[0.5, 0.25], [0, 0], [0, 0], [11, 22], [0, 0]])
    assert didx is None


def test_window_concat_pads_with_zeros() -> None:
    x = np.array([[1.0], [2.0], [3.0]])
    assert_array_equal(window_concat(x, window=1), [[0, 1, 2], [1, 2, 3], [2, 3, 0]])
    assert_array_equal(window_concat(x, window=0), x)
    assert window_concat(x).shape == (3, 5)


def test_window_gradient_splits_per_word_and_sums_over_windows() -> None:
    cotangent = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0], [64.0, 128.0, 256.0]])
    (dx,) = gradients(window_concat, np.zeros((3, 1)), window=1, cotangent=cotangent)
    assert_array_equal(dx, [[2 + 8], [4 + 16 + 64], [32 + 128]])


# -- what is refused ----------------------------------------------------------------------------

ROW = r"b \(k,\) or \(\.\.\. 1, k\)"


@pytest.mark.parametrize(
    ("op", "primals", "attributes", "message"),
    [
        (affine, (x23, W43, np.zeros(1)), {}, rf"{ROW}, got \(2, 3\), \(4, 3\), \(1,\)"),
        (affine, (x23[:1], W43, np.zeros((5, 4))), {}, rf"{ROW}, got \(1, 3\), \(4, 3\), \(5, 4\)"),
        (affine, (x23[0], W43, np.zeros(4)), {}, rf"x \(\.\.\. n, d\), .*{ROW}, got \(3,\)"),
        (matvec, (W43, np.zeros(4)), {}, r"x \(d,\), got \(4, 3\), \(4,\)"),
        (vecmat, (np.zeros(3), W43), {}, r"got \(3,\), \(4, 3\)"),
        (matmul, (x23, W43), {}, r"got \(2, 3\), \(4, 3\)"),
        (dot, (np.zeros(3), np.zeros(1)), {}, r"got \(3,\), \(1,\)"),
        (softmax, (np.array(1.0),), {}, "class axis"),
        (softmax, (np.zeros((2, 0)),), {}, "class axis"),
        (softmax_cross_entropy, (np.zeros((0, 3)), np.zeros(0, int)), {}, "no mean of no losses"),
        (softmax_cross_entropy, (x23, np.array([0, 3])), {}, "below 3, got 0 to 3"),
        (softmax_cross_entropy, (x23, np.array([0.0, 1.0])), {}, "integers, got float64"),
        (mean, (np.zeros(0),), {}, "mean of no numbers"),
        (sum_, (x23,), {"axis": 2}, "out of bounds"),
        (embedding, (W43, np.array([-1])), {}, "at least 0 and below 4, got -1 to -1"),
        (embedding, (W43, np.array([True])), {}, "integers, got bool"),
        (embedding, (np.array(1.0), np.array([0])), {}, "rows"),
        (window_concat, (x23[0],), {}, r"\(t, d\), got \(3,\)"),
        (window_concat, (x23,), {"window": -1}, "at least 0, got -1"),
    ],
)
def test_refused_with_the_reason(
    op: Any, primals: tuple[Array, ...], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        op(*primals, **attributes)

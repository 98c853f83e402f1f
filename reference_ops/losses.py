"""Losses: cross-entropies, regression, margins, and the L2 penalty.

Those with a `reduction` give the mean of the single losses, their sum, or each of them ("none").
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._losses import (
    correct,
    per_loss,
    reduced,
    require_labels,
    require_same,
    softmax_less,
    targets,
    weighted,
)
from reference_ops._shapes import Array, require, unbroadcast
from reference_ops.activations import softplus
from reference_ops.nonlinear import logistic
from reference_ops.probabilities import log_softmax, softmax


@gradcheck.register("logits[n c], y:int[n]<c", scope="forward")
def softmax_cross_entropy(logits: Array, y: Array) -> Any:
    """J = mean over n of -log softmax(f)_y; df = (softmax(f) - onehot(y)) dJ / n.

    CS224N lecture 4, tip 3, class by class: p_c where c is wrong, p_y - 1 where it is correct. The
    latter keeps its digits when p_y is close to 1. Refused: other shapes, labels that are no class
    and no examples.

    >>> softmax_cross_entropy(np.array([[0.0, 0.0], [-1000.0, 1000.0]]), np.array([0, 0])).round(4)
    np.float64(1000.3466)
    """
    require_labels(logits, y)
    return reduced(-log_softmax(logits)[correct(y)], "mean")


@softmax_cross_entropy.def_vjp
def _(dJ: Array, logits: Array, y: Array) -> tuple[Any, ...]:
    p, right = softmax(logits), correct(y)
    p[right] = 0
    p[right] = -np.sum(p, axis=1)
    return p * (dJ / len(logits)), None


@gradcheck.register(
    "logits[n c], y:int[n]<c, ignore_index=-100|0|1, label_smoothing=0.0|0.1, "
    "reduction='mean'|'sum'|'none'",
    scope="forward",
    valid=lambda logits, y, ignore_index, label_smoothing, reduction: (
        reduction != "mean" or bool(np.any(y != ignore_index))
    ),
)
def cross_entropy(
    logits: Array,
    y: Array,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """J_i = -sum_k t_ik log softmax(f_i)_k with t = (1 - e) onehot(y) + e / c, e = label_smoothing.

    df = (softmax(f) - t) dJ_i (PyTorch's ``cross_entropy``). Where y is `ignore_index`, J_i and df
    are 0, and the mean is over the others. Refused: other shapes, labels that are no class, e not
    in 0 ... 1, and the mean of no losses, also because all are ignored.

    >>> logits, y = np.array([[0.0, 0.0], [5.0, 0.0]]), np.array([0, -100])
    >>> cross_entropy(logits, y).round(4)
    np.float64(0.6931)
    """
    require_labels(logits, y, ignore_index)
    require(0 <= label_smoothing <= 1, f"label_smoothing must be in 0 ... 1, got {label_smoothing}")
    t = targets(logits, y, ignore_index, label_smoothing)
    count = int(np.count_nonzero(y != ignore_index))
    return reduced(-np.sum(weighted(t, log_softmax(logits)), axis=1), reduction, count)


@cross_entropy.def_vjp
def _(
    dJ: Array,
    logits: Array,
    y: Array,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[Any, ...]:
    each = per_loss(dJ, reduction, int(np.count_nonzero(y != ignore_index)))
    t = targets(logits, y, ignore_index, label_smoothing)
    return softmax_less(logits, t) * np.expand_dims(each, -1), None


@gradcheck.register("logits[n c], t[n c], reduction='mean'|'sum'|'none'", scope="forward")
def soft_cross_entropy(logits: Array, t: Array, reduction: str = "mean") -> Any:
    """J_i = -sum_k t_ik log softmax(f_i)_k; df = (softmax(f) sum_k t_k - t) dJ_i, dt = -log p dJ_i.

    PyTorch's ``cross_entropy`` with probabilities as targets. Rows of t may have any sum. Refused:
    other shapes, no classes, and the mean of no losses.

    >>> soft_cross_entropy(np.array([[0.0, 0.0]]), np.array([[0.25, 0.75]])).round(4)
    np.float64(0.6931)
    """
    fits = np.ndim(logits) == 2 and np.shape(t) == np.shape(logits) and logits.shape[1] > 0
    shapes = f"got {np.shape(logits)} and {np.shape(t)}"
    require(fits, f"logits and t must both be (n, c), with c at least 1, {shapes}")
    return reduced(-np.sum(weighted(t, log_softmax(logits)), axis=1), reduction)


@soft_cross_entropy.def_vjp
def _(dJ: Array, logits: Array, t: Array, reduction: str = "mean") -> tuple[Any, ...]:
    each = np.expand_dims(per_loss(dJ, reduction, len(logits)), -1)
    return softmax_less(logits, t) * each, -log_softmax(logits) * each


@gradcheck.register("log_p[n c], y:int[n]<c, reduction='mean'|'sum'|'none'", scope="forward")
def nll_loss(log_p: Array, y: Array, reduction: str = "mean") -> Any:
    """J_i = -log p_iy, the log-probabilities given; dlog_p = -onehot(y) dJ_i (PyTorch).

    Refused: other shapes, labels that are no class, and the mean of no losses.

    >>> nll_loss(np.array([[-0.5, -1.0], [-2.0, -0.1]]), np.array([0, 0]))
    np.float64(1.25)
    """
    require_labels(log_p, y)
    return reduced(-log_p[correct(y)], reduction)


@nll_loss.def_vjp
def _(dJ: Array, log_p: Array, y: Array, reduction: str = "mean") -> tuple[Any, ...]:
    dlog_p = np.zeros_like(log_p)
    dlog_p[correct(y)] = -per_loss(dJ, reduction, len(y))
    return dlog_p, None


@gradcheck.register("x[...], target[...], reduction='mean'|'sum'|'none'", scope="forward")
def mse_loss(x: Array, target: Array, reduction: str = "mean") -> Any:
    """J_i = (x_i - t_i)^2; dx = 2 (x - t) dJ_i, dt = -dx (PyTorch). Other shapes are refused.

    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """
    require_same(x, target)
    return reduced(np.square(x - target), reduction)


@mse_loss.def_vjp
def _(dJ: Array, x: Array, target: Array, reduction: str = "mean") -> tuple[Any, ...]:
    dx = 2 * (x - target) * per_loss(dJ, reduction, np.size(x))
    return dx, -dx


@gradcheck.register(
    "x[...], target[...], delta=1.0|0.5, reduction='mean'|'sum'|'none'", scope="forward"
)
def huber_loss(x: Array, target: Array, delta: float = 1.0, reduction: str = "mean") -> Any:
    """J_i = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = x_i - t_i.

    dx = clip(d, -delta, delta) dJ_i, dt = -dx (Huber 1964; PyTorch). Refused: other shapes, and
    delta <= 0.

    >>> huber_loss(np.array([1.0, 5.0]), np.array([0.0, 0.0]), reduction="none")
    array([0.5, 4.5])
    """
    require_same(x, target)
    require(delta > 0, f"delta must be positive, got {delta}")
    d = np.abs(x - target)
    near = np.minimum(d, delta)
    return reduced(near * (d - near / 2), reduction)


@huber_loss.def_vjp
def _(
    dJ: Array, x: Array, target: Array, delta: float = 1.0, reduction: str = "mean"
) -> tuple[Any, ...]:
    dx = np.clip(x - target, -delta, delta) * per_loss(dJ, reduction, np.size(x))
    return dx, -dx


@gradcheck.register(
    "scores[n c], y:int[n]<c, margin=1.0|0.5, reduction='mean'|'sum'|'none'", scope="forward"
)
def hinge_loss(scores: Array, y: Array, margin: float = 1.0, reduction: str = "mean") -> Any:
    """J_i = 1/c sum_(j != y) max(0, margin - s_y + s_j), of c classes (``multi_margin_loss``).

    ds_j = 1(margin - s_y + s_j > 0) dJ_i / c for each wrong j, ds_y = -(sum of those). At the kink:
    slope 0. Refused: other shapes, labels that are no class, and the mean of no losses.

    >>> hinge_loss(np.array([[1.0, 0.5, -2.0]]), np.array([0])).round(4)
    np.float64(0.1667)
    """
    require_labels(scores, y)
    return reduced(np.sum(_shortfalls(scores, y, margin), axis=1) / scores.shape[1], reduction)


def _shortfalls(scores: Array, y: Array, margin: float) -> Array:
    """By how much each wrong class comes too close; 0 at the correct one."""
    short = np.maximum(margin - scores[correct(y)][:, np.newaxis] + scores, 0)
    short[correct(y)] = 0
    return short


@hinge_loss.def_vjp
def _(
    dJ: Array, scores: Array, y: Array, margin: float = 1.0, reduction: str = "mean"
) -> tuple[Any, ...]:
    each = np.expand_dims(per_loss(dJ, reduction, len(y)) / scores.shape[1], -1)
    dscores = np.where(_shortfalls(scores, y, margin) > 0, each, 0)
    dscores[correct(y)] = -np.sum(dscores, axis=1)
    return dscores, None


@gradcheck.register(
    "s[...], s_c[...]", scope="forward", conventions={"s": {"tie": 0}, "s_c": {"tie": 0}}
)
def margin_loss(s: Array, s_c: Array) -> Any:
    """J = max(0, 1 - s + s_c), s of the true window and s_c of a corrupt one (CS224N lecture 4).

    ds = -1(1 - s + s_c > 0) dJ, ds_c = -ds. At the kink: slope 0. s and s_c broadcast.

    >>> margin_loss(np.array([3.0, 0.5]), np.array([1.0, 0.0]))
    array([0. , 0.5])
    """
    return np.maximum(1 - s + s_c, 0)


@margin_loss.def_vjp
def _(dJ: Array, s: Array, s_c: Array) -> tuple[Any, ...]:
    dJ = np.where(np.greater(1 - s + s_c, 0), dJ, 0)
    return -unbroadcast(dJ, np.shape(s)), unbroadcast(dJ, np.shape(s_c))


@gradcheck.register(
    "log_q[...], p:nonnegative[...], reduction='mean'|'sum'|'none'", scope="forward"
)
def kl_divergence(log_q: Array, p: Array, reduction: str = "mean") -> Any:
    """J_i = p_i (log p_i - log q_i), log q given; dlog_q = -p dJ_i, dp = (log p + 1 - log q) dJ_i.

    PyTorch's ``kl_div``: the sum is the divergence, "mean" is over all entries. At p = 0: J_i = 0,
    as 0 log 0 = 0, and dp = 0, where the slope is -infinity. Refused: other shapes, and p < 0.

    >>> kl_divergence(np.log([0.5, 0.5]), np.array([1.0, 0.0]), reduction="sum").round(4)
    np.float64(0.6931)
    """
    require_same(log_q, p)
    require(bool(np.all(np.greater_equal(p, 0))), "p must not be negative")
    return reduced(weighted(p, np.log(np.where(np.equal(p, 0), 1, p)) - log_q), reduction)


@kl_divergence.def_vjp
def _(dJ: Array, log_q: Array, p: Array, reduction: str = "mean") -> tuple[Any, ...]:
    each, some = per_loss(dJ, reduction, np.size(p)), np.greater(p, 0)
    return -p * each, np.where(some, (np.log(np.where(some, p, 1)) + 1 - log_q) * each, 0)


@gradcheck.register(
    "z[...], t[...], pos_weight=1.0|3.0, reduction='mean'|'sum'|'none'", scope="forward"
)
def bce_with_logits(z: Array, t: Array, pos_weight: float = 1.0, reduction: str = "mean") -> Any:
    """J_i = w t softplus(-z) + (1 - t) softplus(z), w = pos_weight: -log of the right probability.

    dz = ((1 - t) logistic(z) - w t logistic(-z)) dJ_i, dt = (w softplus(-z) - softplus(z)) dJ_i
    (PyTorch's ``binary_cross_entropy_with_logits``). t may be any number. Other shapes are refused.

    >>> bce_with_logits(np.array([0.0, 1000.0]), np.array([1.0, 1.0]), reduction="none").round(4)
    array([0.6931, 0.    ])
    """
    require_same(z, t)
    return reduced(pos_weight * t * softplus(-z) + (1 - t) * softplus(z), reduction)


@bce_with_logits.def_vjp
def _(
    dJ: Array, z: Array, t: Array, pos_weight: float = 1.0, reduction: str = "mean"
) -> tuple[Any, ...]:
    each = per_loss(dJ, reduction, np.size(z))
    dz = (1 - t) * logistic(z) - pos_weight * t * logistic(-z)
    # softplus(-z) is softplus(z) - z; with w = 1 only the z is left, and keeps its digits.
    return dz * each, ((pos_weight - 1) * softplus(z) - pos_weight * z) * each


@gradcheck.register("theta[...], lam=0.01|0.5", scope="forward")
def l2_penalty(theta: Array, lam: float = 0.01) -> Any:
    """R = lam sum theta^2; dtheta = 2 lam theta dR (CS224N lecture 4, regularization).

    >>> l2_penalty(np.array([3.0, 4.0]), lam=0.5)
    np.float64(12.5)
    """
    return lam * np.vdot(theta, theta)


@l2_penalty.def_vjp
def _(dR: Array, theta: Array, lam: float = 0.01) -> tuple[Any, ...]:
    return (2 * lam * dR * theta,)

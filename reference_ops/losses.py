"""From scores to one number: softmax, cross-entropy, the L2 penalty, and reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, kept_shape, require, require_indices

Axis = int | tuple[int, ...] | None


@gradcheck.register("z[... c]", scope="forward")
def softmax(z: Array) -> Any:
    """y_i = exp(z_i) / sum_j exp(z_j) over the last axis; dz_i = y_i (dy_i - sum_j y_j dy_j).

    Unchanged by adding a constant to a row, so the largest z is taken off first: no overflow.
    """
    classes = np.shape(z)[-1:]
    require(classes != () and classes[0] > 0, f"softmax needs a class axis, got {np.shape(z)}")
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    y = softmax(z)
    # A constant added to a row of dy changes nothing either. With dy = 0 at the largest y, a
    # saturated row loses no digits to dy_i - sum_j y_j dy_j.
    dy = dy - np.take_along_axis(dy, np.argmax(y, axis=-1, keepdims=True), axis=-1)
    return (y * (dy - np.sum(y * dy, axis=-1, keepdims=True)),)


@gradcheck.register("logits[n c], y:int[n]<c", scope="forward")
def softmax_cross_entropy(logits: Array, y: Array) -> Any:
    """J = mean over n of -log softmax(f)_y; df = (softmax(f) - onehot(y)) dJ / n.

    CS224N lecture 4, tip 3, class by class: p_c where c is wrong, p_y - 1 where it is correct. The
    latter is written -(sum of the wrong p_c), which keeps its digits when p_y is close to 1.
    """
    fits = np.ndim(logits) == 2 and np.shape(y) == np.shape(logits)[:1] and np.size(logits) > 0
    shapes = f"got {np.shape(logits)} and {np.shape(y)}"
    require(fits, f"logits must be (n, c) and y (n,), with n and c at least 1, {shapes}")
    require_indices("y", y, logits.shape[1])
    f = logits - np.max(logits, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(f), axis=1)) - f[np.arange(len(f)), y])


@softmax_cross_entropy.def_vjp
def _(dJ: Array, logits: Array, y: Array) -> tuple[Any, ...]:
    p, correct = softmax(logits), (np.arange(len(logits)), y)
    p[correct] = 0
    p[correct] = -np.sum(p, axis=1)
    return p * (dJ / len(logits)), None


@gradcheck.register("theta[...], lam=0.01|0.5", scope="forward")
def l2_penalty(theta: Array, lam: float = 0.01) -> Any:
    """R = lam sum theta^2; dtheta = 2 lam theta dR (CS224N lecture 4, regularization)."""
    return lam * np.sum(np.square(theta))


@l2_penalty.def_vjp
def _(dR: Array, theta: Array, lam: float = 0.01) -> tuple[Any, ...]:
    return (2 * lam * theta * dR,)


@gradcheck.register("x[...], axis=None|0|-1, keepdims=False|True", scope="forward")
def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = sum of x over `axis`; each summand gets dy: + distributes (CS224N lecture 4)."""
    return np.sum(x, axis=axis, keepdims=keepdims)


@sum.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    return (np.full(np.shape(x), np.reshape(dy, kept_shape(x, axis))),)


@gradcheck.register("x[...], axis=None|0|-1, keepdims=False|True", scope="forward")
def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """y = mean of x over `axis`; each of the m summands gets dy / m. Of no numbers: refused."""
    y = np.sum(x, axis=axis, keepdims=keepdims)
    require(np.size(x) > 0 or np.size(y) == 0, f"mean of no numbers: shape {np.shape(x)}")
    return y / (np.size(x) // max(np.size(y), 1))


@mean.def_vjp
def _(dy: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Any, ...]:
    m = np.size(x) // max(np.size(dy), 1)
    return (np.full(np.shape(x), np.reshape(dy, kept_shape(x, axis)) / m),)

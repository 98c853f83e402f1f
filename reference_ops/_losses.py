"""What losses share: the reduction over single losses, what they refuse, and softmax - target."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference_ops._shapes import Array, require, require_indices
from reference_ops.probabilities import softmax

REDUCTIONS = ("mean", "sum", "none")


def reduced(losses: Array, reduction: str, count: int | None = None) -> Any:
    """One number, or each; the mean is over `count` of them."""
    require(reduction in REDUCTIONS, f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    if reduction == "none":
        return losses
    count = np.size(losses) if count is None else count
    require(reduction == "sum" or count > 0, "there is no mean of no losses")
    return np.sum(losses) / (count if reduction == "mean" else 1)


def per_loss(dJ: Array, reduction: str, count: int) -> Any:
    """The gradient that each single loss gets: an array of them, or one number for all."""
    return dJ / count if reduction == "mean" else dJ


def require_same(x: Array, target: Array) -> None:
    # (n, 1) against (n,) would broadcast to n^2 losses, which nobody means.
    same = np.shape(x) == np.shape(target)
    require(same, f"x and target must have the same shape, got {np.shape(x)}, {np.shape(target)}")


def require_labels(scores: Array, y: Array, ignore: int | None = None) -> None:
    fits = np.ndim(scores) == 2 and np.shape(y) == np.shape(scores)[:1] and scores.shape[1] > 0
    shapes = f"got {np.shape(scores)} and {np.shape(y)}"
    require(fits, f"scores must be (n, c) and labels (n,), with c at least 1, {shapes}")
    require_indices("y", y if ignore is None else y[y != ignore], scores.shape[1])


def correct(y: Array) -> tuple[Array, Array]:
    """Where in (n, c) scores the correct classes are."""
    return np.arange(len(y)), y


def targets(logits: Array, y: Array, ignore_index: int, label_smoothing: float) -> Array:
    """Rows that sum to 1, most of it at the correct class; of zeros where y is ignored."""
    kept = np.flatnonzero(y != ignore_index)
    t = np.zeros_like(logits)
    t[kept] = label_smoothing / logits.shape[1]
    t[kept, y[kept]] += 1 - label_smoothing
    return t


def weighted(t: Array, log_p: Array) -> Array:
    """t log p, and 0 where t is 0, also where p is: 0 log 0 = 0."""
    return np.asarray(np.where(np.equal(t, 0), 0, t) * np.where(np.equal(t, 0), 0, log_p))


def softmax_less(logits: Array, t: Array) -> Any:
    """softmax(f) sum t - t by row, the gradient of -sum t log softmax(f).

    Its rows sum to 0, so the entry of the largest class is written -(sum of the others): it keeps
    its digits where that class is certain, and right.
    """
    largest = np.argmax(logits, axis=1, keepdims=True)
    g = softmax(logits) * np.sum(t, axis=1, keepdims=True) - t
    np.put_along_axis(g, largest, 0, axis=1)
    np.put_along_axis(g, largest, -np.sum(g, axis=1, keepdims=True), axis=1)
    return g

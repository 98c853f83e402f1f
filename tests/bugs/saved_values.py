"""The wrong saved array, or the formula of a neighbouring function."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import log_softmax, sigmoid, softmax
from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="saved values")


def prelu(x: Array, a: Array) -> Array:
    return np.where(x > 0, x, a * x)


def prelu_backward(dz: Array, x: Array, a: Array, sign_of: Array) -> tuple[Array, Array]:
    dx = dz * np.where(sign_of > 0, np.ones_like(a), a)
    return dx, (dz * np.where(x > 0, 0, x)).sum(axis=0).astype(a.dtype)


def tanh_gelu_slope(x: Array) -> Array:
    """Of x (1 + tanh(c (x + 0.044715 x^3))) / 2 with c = sqrt(2 / pi)."""
    c = 0.7978845608
    t = np.tanh(c * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2) / 2


BUGS = (
    bug(
        name="PReLU with a slope per channel",
        source="apache/mxnet#3277",
        mistake="asks the output for the sign of the input: they differ where a slope is negative",
        forward=prelu,
        right=lambda dz, x, a: prelu_backward(dz, x, a, x),
        wrong=lambda dz, x, a: prelu_backward(dz, x, a, prelu(x, a)),
        plain=lambda draw: call(draw(3, 4), np.array([0.3, 1.2, -0.4, 0.8])),
        generic=lambda draw: (lambda n, c: call(draw(n, c), (1 + draw(c)) / 4))(*draw.sizes(2)),
        trigger=lambda draw: call(draw(5, 4), np.array([0.25, -0.5, 0.1, -0.2])),
    ),
    bug(
        name="log sigmoid",
        source="apache/mxnet#20372",
        mistake="uses the output where the formula 1 / (1 + exp(x)) wants the input",
        forward=lambda x: -np.logaddexp(0, -x),
        right=lambda dz, x: dz * sigmoid(-x),
        wrong=lambda dz, x: dz * sigmoid(np.logaddexp(0, -x)),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape())),
    ),
    bug(
        name="log softmax",
        source="uxlfoundation/oneDNN#616",
        mistake="takes the pattern of softmax: dz - sum(dz y) instead of dz - exp(y) sum(dz)",
        forward=log_softmax,
        right=lambda dz, x: dz - softmax(x) * dz.sum(axis=-1, keepdims=True),
        wrong=lambda dz, x: dz - (dz * log_softmax(x)).sum(axis=-1, keepdims=True),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape(low=2))),
    ),
    bug(
        name="GELU by a sigmoid",
        source="harvard-edge/cs249r_book#1399",
        mistake="forward is x sigmoid(1.702 x), backward differentiates the tanh approximation",
        forward=lambda x: x * sigmoid(1.702 * x),
        right=lambda dz, x: dz * sigmoid(1.702 * x) * (1 + 1.702 * x * sigmoid(-1.702 * x)),
        wrong=lambda dz, x: dz * tanh_gelu_slope(x),
        plain=lambda draw: call(draw(3, 4)),
        further=True,
    ),
)

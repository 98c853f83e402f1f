"""Networks as a user composes them from the ops: a formula is a graph, and a graph is an op.

Only forward passes stand here; the backward pass of each is made of those of its ops. The lecture's
window classifier (a tagger of named entities) is `graphs.window_classifier`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops.activations import gelu
from reference_ops.arithmetic import maximum
from reference_ops.attention import scaled_dot_product_attention
from reference_ops.convolution import conv2d
from reference_ops.graphs import window_score
from reference_ops.linear import affine
from reference_ops.losses import l2_penalty, softmax_cross_entropy
from reference_ops.nonlinear import relu, tanh
from reference_ops.normalisation import rms_norm
from reference_ops.pooling import max_pool2d
from reference_ops.recurrent import lstm_cell, rnn_cell
from reference_ops.words import embedding


def _penalised(data: Any, *parameters: Any, lam: float) -> Any:
    """The lecture's full loss: a data term and lam sum theta^2 over all parameters."""
    for theta in parameters:
        data = data + l2_penalty(theta, lam=lam)
    return data


@gradcheck.graph("x[n d], W[c d], b[c], labels:int[n]<c, lam=0.01|0.0")
def softmax_classifier(x: Any, W: Any, b: Any, labels: Any, lam: float = 0.01) -> Any:
    """J = mean cross-entropy of softmax(x W' + b) + lam (|W|^2 + |b|^2) (CS224N lecture 4).

    >>> x, W, b = np.array([[1.0, 2.0]]), np.array([[0.0, 0.0], [0.0, 1.0]]), np.zeros(2)
    >>> softmax_classifier(x, W, b, np.array([1])).round(4)
    np.float64(0.1369)
    """
    logits = affine(x, W, b)
    data = softmax_cross_entropy(logits, labels)
    return _penalised(data, W, b, lam=lam)


@gradcheck.graph(
    "x[n 2], W[k 2], b[k], U[c k], a[c], labels:int[n]<c, lam=0.01|0.0, nonlinearity='tanh'|'relu'"
)
def two_layer_net(
    x: Any,
    W: Any,
    b: Any,
    U: Any,
    a: Any,
    labels: Any,
    lam: float = 0.01,
    nonlinearity: str = "tanh",
) -> Any:
    """J = mean cross-entropy of softmax(h U' + a) + lam (|W|^2 + |b|^2 + |U|^2 + |a|^2),
    h = f(x W' + b) with tanh or relu as f (CS224N lecture 4).

    >>> x, W, b = np.array([[1.0, 2.0]]), np.array([[1.0, -1.0]]), np.array([3.0])
    >>> U, a, labels = np.array([[1.0], [0.0]]), np.zeros(2), np.array([0])
    >>> two_layer_net(x, W, b, U, a, labels, lam=0.0, nonlinearity="relu").round(4)
    np.float64(0.1269)
    """
    z = affine(x, W, b)
    h = tanh(z) if nonlinearity == "tanh" else relu(z)
    logits = affine(h, U, a)
    data = softmax_cross_entropy(logits, labels)
    return _penalised(data, W, b, U, a, lam=lam)


@gradcheck.graph("table[v 1], words:int[3]<v, corrupt:int[3]<v, W[2 3], b[2], u[2]")
def max_margin_window(table: Any, words: Any, corrupt: Any, W: Any, b: Any, u: Any) -> Any:
    """J = max(0, 1 - s + s_c), s = u'tanh(W x + b) of a true window of words, s_c of a corrupt one.

    Both use the same table and parameters, whose gradients add up (CS224N lecture 4).

    >>> table, W = np.array([[0.0, 1.0], [2.0, 3.0]]), np.eye(2, 6)
    >>> words, corrupt = np.array([0, 1, 1]), np.array([1, 1, 1])
    >>> max_margin_window(table, words, corrupt, W, np.zeros(2), np.ones(2)).round(4)
    np.float64(2.1975)
    """
    s = window_score(embedding(table, words).reshape(-1), W, b, u)
    s_c = window_score(embedding(table, corrupt).reshape(-1), W, b, u)
    return maximum(1 - s + s_c, 0)


@gradcheck.graph(
    "table[v 2], words:int[3]<v, W_ih[k 2], W_hh[k k], b_ih[k], b_hh[k], U[2 k], a[2], "
    "labels:int[3]<2"
)
def recurrent_net(
    table: Any,
    words: Any,
    W_ih: Any,
    W_hh: Any,
    b_ih: Any,
    b_hh: Any,
    U: Any,
    a: Any,
    labels: Any,
) -> Any:
    """J = mean over the words of the cross-entropy of softmax(h_t U' + a), h_t a step of `rnn_cell`
    from h_t-1 and word t. The steps share their weights, whose gradients add up over time.

    >>> table, words, labels = np.array([[1.0, 2.0]]), np.array([0, 0]), np.array([1, 1])
    >>> W, zero = np.eye(2), np.zeros(2)
    >>> recurrent_net(table, words, W, W, zero, zero, W, zero, labels).round(4)
    np.float64(0.6323)
    """
    x = embedding(table, words)
    h = np.zeros((1, len(W_hh)), x.dtype)
    states = []
    for t in range(len(x)):
        h = rnn_cell(x[t : t + 1], h, W_ih, W_hh, b_ih, b_hh)
        states.append(h)
    logits = affine(np.concatenate(states, axis=0), U, a)
    return softmax_cross_entropy(logits, labels)


@gradcheck.graph("x[3 n 1], W_ih[4 1], W_hh[4 1], b_ih[4], b_hh[4], U[2 1], a[2], labels:int[n]<2")
def lstm_classifier(
    x: Any, W_ih: Any, W_hh: Any, b_ih: Any, b_hh: Any, U: Any, a: Any, labels: Any
) -> Any:
    """J = mean cross-entropy of softmax(h_t U' + a) after the last step of `lstm_cell` over time.

    >>> x, W_ih, W_hh, b = np.ones((3, 1, 1)), np.ones((8, 1)), np.ones((8, 2)), np.zeros(8)
    >>> lstm_classifier(x, W_ih, W_hh, b, b, np.eye(2), np.zeros(2), np.array([0])).round(4)
    np.float64(0.6931)
    """
    h = c = np.zeros((x.shape[1], W_hh.shape[1]), x.dtype)
    for x_t in x:
        h, c = lstm_cell(x_t, h, c, W_ih, W_hh, b_ih, b_hh)
    return softmax_cross_entropy(affine(h, U, a), labels)


@gradcheck.graph(
    "x[2 2], gamma[2], W_qkv[2 6], W_o[2 2], gamma2[2], W[2 k], U[k 2], heads=2|1, "
    "causal=True|False"
)
def transformer_block(
    x: Any,
    gamma: Any,
    W_qkv: Any,
    W_o: Any,
    gamma2: Any,
    W: Any,
    U: Any,
    heads: int = 2,
    causal: bool = True,
) -> Any:
    """y = x + attention(norm x) W_o, out = y + gelu(norm y W) U for one sequence x (t, d).

    The norms stand before (Xiong et al. 2020), and are by root mean square, as in Llama (Touvron et
    al. 2023): `layer_norm` of rows of two numbers, which is what is checked, would be +-1.

    >>> x, one, W_qkv, W = np.array([[1.0, -1.0]]), np.ones(2), np.eye(2, 6, 4), np.eye(2)
    >>> transformer_block(x, one, W_qkv, W, one, W, W).round(3)
    array([[ 2.841, -2.159]])
    """
    y = x + _self_attention(rms_norm(x, gamma), W_qkv, heads, causal) @ W_o
    hidden = gelu(rms_norm(y, gamma2) @ W)
    return y + hidden @ U


def _self_attention(z: Any, W_qkv: Any, heads: int, causal: bool) -> Any:
    """Each head attends with its own part of every row; their results stand side by side."""
    t, d = z.shape
    rows = (z @ W_qkv).reshape((t, 3, heads, d // heads))
    q, k, v = rows.transpose((1, 2, 0, 3))
    mixed = scaled_dot_product_attention(q, k, v, causal=causal)
    return mixed.transpose((1, 0, 2)).reshape((t, d))


@gradcheck.graph("x[n 1 2 2], K[k 1 2 2], b[k], U[3 k], a[3], labels:int[n]<3")
def conv_net(x: Any, K: Any, b: Any, U: Any, a: Any, labels: Any) -> Any:
    """J = mean cross-entropy of softmax(f U' + a), f = relu of the pooled convolutions of images x.

    Images are (n, channels, rows, columns), padded with one line of zeros (LeCun et al. 1998).

    >>> x, K, U = np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 2)), np.array([[1.0, 0.0], [0.0, 0.0]])
    >>> conv_net(x, K, np.zeros(1), U, np.zeros(2), np.array([0])).round(4)
    np.float64(0.0181)
    """
    maps = conv2d(x, K, b, padding=1)
    h = relu(max_pool2d(maps, kernel=2))  # as relu before pooling, but without its ties at 0
    features = h.reshape((len(x), -1))
    logits = affine(features, U, a)
    return softmax_cross_entropy(logits, labels)

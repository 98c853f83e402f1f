"""The lecture's graphs, written as formulas: tracing one records the graph, and a graph is an op.

``worked_example`` is built node by node instead, as one draws it.
"""

from __future__ import annotations

from typing import Any

import gradcheck
from reference_ops.arithmetic import maximum
from reference_ops.linear import affine, dot
from reference_ops.losses import l2_penalty, softmax_cross_entropy
from reference_ops.nonlinear import tanh
from reference_ops.words import embedding, window_concat


def _worked_example() -> gradcheck.Graph:
    """f(x, y, z) = (x + y) max(y, z): at (1, 2, 0) f = 6 and the gradient is (2, 5, 0).

    >>> output, pullback = worked_example.vjp(1.0, 2.0, 0.0)
    >>> output, pullback((1.0,))
    (array(6.), [array(2.), array(5.), array(0.)])
    """
    graph = gradcheck.Graph("f")
    x, y, z = graph.input("x"), graph.input("y"), graph.input("z")
    a = x + y
    b = maximum(y, z)
    f = a * b
    graph.output(f)
    graph.example = (1.0, 2.0, 0.0)
    return graph


worked_example = _worked_example().op()


@gradcheck.graph("x[d], W[k d], b[k], u[k]")
def window_score(x: Any, W: Any, b: Any, u: Any) -> Any:
    """s = u'h, h = tanh(z), z = Wx + b: the lecture's neural net for one window (CS224N lecture 4).

    >>> x, W, b, u = np.array([1.0, 2.0]), np.array([[1.0, -1.0]]), np.array([1.5]), np.array([2.0])
    >>> window_score(x, W, b, u).round(4)
    np.float64(0.9242)
    """
    z = W @ x + b
    h = tanh(z)
    return dot(u, h)


@gradcheck.graph
def window_scores(table: Any, words: Any, W: Any, b: Any, U: Any, c: Any) -> Any:
    """Scores of each word's classes: tanh(windows W' + b) U' + c, from it and its two neighbours.

    Words are looked up in a table and concatenated with their neighbours, so that one word
    vector is used in several windows and its gradients add up (CS224N lecture 4).

    >>> table, W, U = np.array([[0.0, 1.0], [2.0, 3.0]]), np.eye(2, 6), np.eye(2)
    >>> window_scores(table, np.array([0, 1]), W, np.zeros(2), U, np.zeros(2)).round(4)
    array([[0.    , 0.    ],
           [0.    , 0.7616]])
    """
    vectors = embedding(table, words)
    windows = window_concat(vectors, window=1)
    h = tanh(affine(windows, W, b))
    return affine(h, U, c)


@gradcheck.graph(
    "table[v 2], words:int[t]<v, W[k 6], b[k], U[c k], c[c], labels:int[t]<c, lam=0.01|0.0"
)
def window_classifier(
    table: Any, words: Any, W: Any, b: Any, U: Any, c: Any, labels: Any, lam: float = 0.01
) -> Any:
    """J = mean cross-entropy of softmax(window_scores) + lam (|W|^2 + |U|^2).

    ``lam=0`` is the data term alone: a penalty cannot hide a wrong gradient of the data (CS224N
    lecture 4).

    >>> table, W, U = np.array([[0.0, 1.0], [2.0, 3.0]]), np.eye(2, 6), np.eye(2)
    >>> words, labels = np.array([0, 1]), np.array([0, 1])
    >>> window_classifier(table, words, W, np.zeros(2), U, np.zeros(2), labels).round(4)
    np.float64(0.5782)
    """
    logits = window_scores(table, words, W, b, U, c)
    data = softmax_cross_entropy(logits, labels)
    penalty = l2_penalty(W, lam=lam) + l2_penalty(U, lam=lam)
    return data + penalty

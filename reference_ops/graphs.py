"""The lecture's graphs, built node by node: a graph is an op and is checked like one."""

from __future__ import annotations

from gradcheck import Graph
from reference_ops.arithmetic import add, maximum, multiply
from reference_ops.linear import affine, dot, matvec
from reference_ops.losses import l2_penalty, softmax_cross_entropy
from reference_ops.nonlinear import tanh
from reference_ops.words import embedding, window_concat


def _worked_example() -> Graph:
    """f(x, y, z) = (x + y) max(y, z): at (1, 2, 0) f = 6 and the gradient is (2, 5, 0)."""
    graph = Graph("f")
    x, y, z = graph.input("x"), graph.input("y"), graph.input("z")
    a = graph.apply(add, x, y, name="a")
    b = graph.apply(maximum, y, z, name="b")
    graph.output(graph.apply(multiply, a, b, name="f"))
    graph.example = (1.0, 2.0, 0.0)
    return graph


def _window_score() -> Graph:
    """s = u . tanh(W x + b), the lecture's neural net for one window."""
    graph = Graph("s")
    x, W, b, u = (graph.input(n) for n in ("x", "W", "b", "u"))
    z = graph.apply(add, graph.apply(matvec, W, x), b, name="z")
    graph.output(graph.apply(dot, u, graph.apply(tanh, z, name="h"), name="s"))
    return graph


def _window_classifier() -> Graph:
    """J = mean cross-entropy of softmax(tanh(windows W' + b) U' + c) + lambda (|W|^2 + |U|^2).

    Words are looked up in a table and concatenated with their neighbours, so that one word
    vector is used in several windows and its gradients add up.
    """
    graph = Graph("J")
    names = ("table", "words", "W", "b", "U", "c", "labels")
    table, words, W, b, U, c, labels = (graph.input(n) for n in names)
    windows = graph.apply(window_concat, graph.apply(embedding, table, words), window=1)
    hidden = graph.apply(tanh, graph.apply(affine, windows, W, b), name="h")
    logits = graph.apply(affine, hidden, U, c, name="logits")
    loss = graph.apply(softmax_cross_entropy, logits, labels, name="data")
    weights = graph.apply(l2_penalty, W), graph.apply(l2_penalty, U)
    penalty = graph.apply(add, *weights, name="penalty")
    graph.output(graph.apply(add, loss, penalty, name="J"))
    return graph


worked_example = _worked_example().op()
window_score = _window_score().op("x[d], W[k d], b[k], u[k]")
window_classifier = _window_classifier().op(
    "table[v 2], words:int[t]<v, W[k 6], b[k], U[c k], c[c], labels:int[t]<c"
)

"""The checks of an engine: each a small graph, and a sentence where its gradients are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.arrays import Array
from gradcheck.plain import told
from gradcheck.tapes.laboratory import Laboratory, apart

FEW, MANY, GROWTH = 5, 9, 4
"""Doublings at which the calls of backward are counted, and how much more the larger may need."""
SHAPES = (((2, 3), (3,)), ((2, 1), (1, 3)), ((2, 3), ()), ((3,), (2, 1, 3)))
DEPTHS = (10, 30, 100, 300, 1000, 3000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One check of an engine."""

    code: str
    what: str
    look: Callable[[Laboratory], str]
    """A sentence where it is wrong, else empty."""
    sums: bool = False
    """Rests on gradients that add up: of several such only the first is told."""
    applies: Callable[[Laboratory], bool] = lambda lab: True
    missing: str = ""
    """What has to be given for it to apply."""


def same_leaf(lab: Laboratory) -> str:
    (got,) = lab.gradients(lambda x: x * x, [lab.x])
    where = apart(("x", got, 2 * lab.x * lab.cotangent))
    return where and f"y = x * x: {where}; gradients of one leaf add up (+=)"


def diamond(lab: Laboratory) -> str:
    def graph(x: Any, w: Any, u: Any, v: Any) -> Any:
        h = x * w
        return h * u + h * v

    got = lab.gradients(graph, [lab.x, lab.w, lab.u, lab.v])
    factor = (lab.u + lab.v) * lab.cotangent
    where = apart(("x", got[0], lab.w * factor), ("w", got[1], lab.x * factor))
    return where and (
        f"h = x * w, y = h * u + h * v: {where}; backward of h runs once, after both of its uses"
    )


def unequal_depths(lab: Laboratory) -> str:
    def first(x: Any, w: Any, u: Any, v: Any) -> Any:
        h = x * w
        return h * u + h * v * v * v

    def last(x: Any, w: Any, u: Any, v: Any) -> Any:
        h = x * w
        return h * v * v * v + h * u

    factor = (lab.u + lab.v**3) * lab.cotangent
    for graph, formula in ((first, "h * u + h * v * v * v"), (last, "h * v * v * v + h * u")):
        got = lab.gradients(graph, [lab.x, lab.w, lab.u, lab.v])
        if where := apart(("x", got[0], lab.w * factor), ("w", got[1], lab.x * factor)):
            return (
                f"h = x * w, y = {formula}: {where}; backward of h runs after all of its uses, "
                "those far away too: a topological order"
            )
    return ""


def _doubled(times: int) -> Callable[[Any], Any]:
    def graph(x: Any) -> Any:
        for _ in range(times):
            x = x + x
        return x

    return graph


def many_uses(lab: Laboratory) -> str:
    (got,) = lab.gradients(_doubled(MANY), [lab.x])
    if where := apart(("x", got, 2.0**MANY * lab.cotangent)):
        return f"x = x + x, {MANY} times: {where}"
    few, many = (lab.calls(_doubled(n), [lab.x]) for n in (FEW, MANY))
    if many <= GROWTH * few:
        return ""
    return (
        f"x = x + x, {FEW} times and {MANY} times: backward makes {few} and {many} calls; it "
        "follows every path from the output, and their number doubles with each use"
    )


def prefilled(lab: Laboratory) -> str:
    return second_graph(lab)[0]


def second_graph(lab: Laboratory) -> tuple[str, str]:
    """What is wrong after two graphs of the same leaf, and what is done with its gradient."""
    assert lab.recorded is not None
    got = lab.gradients(lambda x, w: x + w + w, [lab.x, lab.w])
    if where := apart(("x", got[0], lab.cotangent), ("w", got[1], 2 * lab.cotangent)):
        return f"h = x + w, y = h + w: {where}; gradients share memory", ""
    x, w, c = lab.leaf(lab.x), lab.leaf(lab.w), lab.cotangent
    lab.recorded.pull(x + w, [c.copy()])
    lab.recorded.pull(x * lab.constant(lab.v), [c.copy()])
    got, other = lab.recorded.gradient(x), lab.recorded.gradient(w)
    graphs = "y = x + w, then y = x * v of the same x"
    for summed, said in (((1 + lab.v) * c, "adds to"), (lab.v * c, "replaces")):
        if not apart(("x", got, summed)):
            there = other is not None and np.any(np.asarray(other) != 0)
            where = apart(("w", other, c)) if there else ""
            return where and (
                f"{graphs}: {where}, though w is not in the second graph; gradients share memory"
            ), said
    where = apart(("x", got, (1 + lab.v) * c))
    return f"{graphs}: {where}; what is in a gradient before backward is added to, once", ""


def twice(lab: Laboratory) -> str:
    return second_backward(lab)[0]


def second_backward(lab: Laboratory) -> tuple[str, str]:
    """What is wrong after backward was called twice, and what a second call does."""
    right, c = lab.w * lab.u * lab.cotangent, lab.cotangent
    if lab.recorded is None:
        _, pull = lab.library.vjp(lambda x: x * lab.w * lab.u, [lab.x.copy()], (True,), {})
        pull((c.copy(),))
        where = apart(("x", pull((c.copy(),))[0], right))
        return where and f"y = x * w * u: a second call of the pullback: {where}", "is the same"
    x = lab.leaf(lab.x)
    y = x * lab.constant(lab.w) * lab.constant(lab.u)
    lab.recorded.pull(y, [c.copy()])
    try:
        lab.recorded.pull(y, [c.copy()])
    except Exception as error:
        where = apart(("x", lab.recorded.gradient(x), right))
        said = f"is refused ({type(error).__name__}: {told(error)[:60]})"
        return where and f"y = x * w * u: a second backward {said}, and yet {where}", said
    got = lab.recorded.gradient(x)
    for known, said in ((2 * right, "adds to the gradient"), (right, "changes nothing")):
        if not apart(("x", got, known)):
            return "", said
    where = apart(("x", got, 2 * right))
    return (
        f"y = x * w * u: after a second backward of the same y {where} (or {right[0]:g}, or an "
        "error); gradients of nodes between are kept from the first one"
    ), ""


def detached(lab: Laboratory) -> str:
    (got,) = lab.gradients(lambda x: x * lab.detached(x * x), [lab.x])
    where = apart(("x", got, lab.x**2 * lab.cotangent))
    return where and f"y = x * detach(x * x): {where}; no gradient flows through what is detached"


def deep(lab: Laboratory) -> str:
    _chain(lab, 2)  # where that raises nothing is said of length
    try:
        where = _chain(lab, lab.nodes)
    except Exception as error:
        limit = max((n for n in DEPTHS if n < lab.nodes and _holds(lab, n)), default=0)
        why = "it goes down a Python call for each node; " * isinstance(error, RecursionError)
        return (
            f"a chain of {lab.nodes:,} nodes raises {type(error).__name__}; {why}"
            f"{limit:,} nodes are fine"
        )
    return where and f"a chain of {lab.nodes:,} nodes: {where}"


def _chain(lab: Laboratory, nodes: int) -> str:
    one = lab.array(1.0)

    def graph(x: Any) -> Any:
        for _ in range(nodes):
            x = x + (one if lab.recorded is None else lab.constant(one))
        return x

    (got,) = lab.gradients(graph, [lab.array(2.0)], lab.array(3.0))
    return apart(("x", got, lab.array(3.0)))


def _holds(lab: Laboratory, nodes: int) -> bool:
    try:
        return not _chain(lab, nodes)
    except Exception:
        return False


def constant(lab: Laboratory) -> str:
    assert lab.recorded is not None
    x, k = lab.leaf(lab.x), lab.constant(lab.w)
    lab.recorded.pull(x * k, [lab.cotangent.copy()])
    if where := apart(("x", lab.recorded.gradient(x), lab.w * lab.cotangent)):
        return f"y = x * k with k = constant(...): {where}"
    try:
        got = lab.recorded.gradient(k)
    except Exception:
        return ""  # it has none, and says so
    if got is None or not np.any(np.asarray(got) != 0):
        return ""
    return "y = x * k with k = constant(...): k needs no gradient, and gets one"


def broadcast(lab: Laboratory) -> str:
    for left, right in SHAPES:
        x, w = (_counted(lab, s) for s in (left, right))
        cotangent = _counted(lab, np.broadcast_shapes(left, right))
        try:
            lab.library.run(lambda a, b: a * b, [x.copy(), w.copy()], {})
        except Exception:
            continue  # it does not broadcast so, and says so
        got = lab.gradients(lambda a, b: a * b, [x, w], cotangent)
        expected = _summed(cotangent * w, left), _summed(cotangent * x, right)
        if where := apart(("x", got[0], expected[0]), ("w", got[1], expected[1])):
            return (
                f"x{list(left)} * w{list(right)}: {where}; what was stretched in forward is summed "
                "in backward"
            )
    return ""


def _counted(lab: Laboratory, shape: tuple[int, ...]) -> Array:
    return np.arange(1, np.prod(shape, dtype=int) + 1).reshape(shape).astype(lab.dtype)


def _summed(array: Array, shape: tuple[int, ...]) -> Array:
    extra = array.ndim - len(shape)
    axes = (*range(extra), *(k + extra for k, n in enumerate(shape) if n == 1))
    return np.asarray(array.sum(axis=axes, keepdims=True)).reshape(shape)


def value_changed(lab: Laboratory) -> str:
    assert lab.recorded is not None
    given = lab.x.copy()
    x, w, c = lab.recorded.made(given), lab.leaf(lab.w), lab.cotangent.copy()
    lab.recorded.pull(x * w, [c])
    for name, now, before in (
        ("x", lab.recorded.array(x), lab.x),
        ("w", lab.recorded.array(w), lab.w),
        ("the array that x was made of", given, lab.x),
        ("the upstream gradient", c, lab.cotangent),
    ):
        if not np.array_equal(now, before):
            return f"y = x * w: backward changes {name}: {now.flat[0]:g} instead of {before[0]:g}"
    return ""

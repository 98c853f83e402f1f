"""What backprop costs: backward beside forward, all gradients at once, products instead of loops.

    python benchmarks/backprop_cost.py [--quick] [--output reports/backprop.md]

The lecture's three claims about efficiency (CS224N lecture 4), on its own neural net
s = u'h, h = tanh(Wx + b), made deeper and wider. Calls of nodes are counted, and do not depend on
the machine; times are medians with one BLAS thread, and it is their ratios that last.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck import Graph
from gradcheck.arrays import Array
from gradcheck.environment import environment
from gradcheck.graphs.calls import as_op
from gradcheck.graphs.reverse import backward
from gradcheck.graphs.tape import Tape
from gradcheck.guards import one_blas_thread
from gradcheck.model import Op
from reference_ops.linear import affine
from reference_ops.nonlinear import tanh
from reference_ops.reductions import sum as total

REPORT = Path(__file__).parent.parent / "reports" / "backprop.md"
ROWS = 16
"""Examples in a batch."""
MOST_PARAMETERS = 2**24
"""Larger networks are left out: their weights and gradients fill the memory, 128 MB each."""
STEP = 1e-4
"""The lecture's h."""
SLOT = 0.3
"""Seconds of repeats for one time, after the first two."""
ONE = (np.array(1.0),)
"""Bprop: initialise output gradient = 1."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    depths: tuple[int, ...] = (1, 4, 16, 64, 256)
    widths: tuple[int, ...] = (16, 64, 256, 1024)
    compared: tuple[tuple[int, int], ...] = ((1, 32), (4, 32), (16, 32), (64, 32), (16, 128))
    """(depth, width) of the networks whose gradients are computed in three ways."""
    entries: int = 100
    """Parameters whose numeric gradient is timed; the rest are extrapolated."""
    repeats: int = 9


QUICK = Sizes(depths=(1, 4), widths=(16,), compared=((1, 4), (3, 4)), entries=10, repeats=3)


# --- the network ----------------------------------------------------------------------------------
def counted(op: Any, calls: Counter[str]) -> Op:
    """The op, its forward and its pullback calls counted."""
    inner = as_op(op)

    def forward(*primals: Any, **attributes: Any) -> Any:
        calls["forward"] += 1
        return inner.forward(*primals, **attributes)

    def vjp(*primals: Any, **attributes: Any) -> Any:
        calls["forward"] += 1
        output, pullback = inner.vjp(*primals, **attributes)

        def pull(cotangents: Any) -> Any:
            calls["pullback"] += 1
            return pullback(cotangents)

        return output, pull

    return replace(inner, forward=forward, vjp=vjp)


def network(depth: int, calls: Counter[str] | None = None) -> Graph:
    """``depth`` layers h = tanh(h W' + b), and the sum of the last one; with counted nodes or not.

    The parameters are W1, b1, W2, ...: all sources but the first.
    """
    linear, squash, add_up = (
        op if calls is None else counted(op, calls) for op in (affine, tanh, total)
    )
    graph = Graph(f"{depth} layers")
    h = graph.input("x")
    for layer in range(1, depth + 1):
        W, b = graph.input(f"W{layer}"), graph.input(f"b{layer}")
        z = graph.apply(linear, h, W, b, name=f"z{layer}")
        h = graph.apply(squash, z, name=f"h{layer}")
    graph.output(graph.apply(add_up, h, name="s"))
    return graph


def values_of(depth: int, width: int) -> list[Array]:
    """Inputs and parameters, of a size at which no tanh is flat."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal((ROWS, width))]
    for _ in range(depth):
        values += [rng.standard_normal((width, width)) / np.sqrt(width), rng.random(width) / 10]
    return values


def parameters_of(values: Sequence[Array]) -> int:
    return sum(v.size for v in values[1:])


# --- bprop beside fprop ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Passes:
    """Fprop and bprop of one network."""

    depth: int
    width: int
    nodes: int
    forwards: int
    """Calls of nodes' forward passes in fprop."""
    pullbacks: int
    """Calls of nodes' pullbacks in bprop."""
    ratio: float
    """Seconds of bprop over seconds of fprop."""


def passes(depth: int, width: int, repeats: int) -> Passes:
    """Count on counted nodes; time on plain ones."""
    values, calls = values_of(depth, width), Counter[str]()
    tape = network(depth, calls).run(values)
    backward(tape, ONE, kept=False)
    graph = network(depth)
    plain = graph.run(values)
    ratio = timed_ratio(lambda: backward(plain, ONE), lambda: graph.run(values), repeats)
    return Passes(depth, width, len(tape.steps), calls["forward"], calls["pullback"], ratio)


def all_passes(sizes: Sizes) -> list[Passes]:
    return [
        passes(depth, width, sizes.repeats)
        for width in sizes.widths
        for depth in sizes.depths
        if depth * width * width <= MOST_PARAMETERS
    ]


# --- all gradients at once ------------------------------------------------------------------------
@dataclass(frozen=True)
class Way:
    """One way to all parameters' gradients."""

    depth: int
    width: int
    parameters: int
    way: str
    forwards: int
    pullbacks: int
    times: float
    """Its time as a multiple of all at once."""
    extrapolated: bool
    error: float
    """The largest difference from the gradients of all at once, relative to the largest one."""


def own_pass(tape: Tape, parameter: int) -> Array:
    """One array's gradient by a backward pass for it alone: through the nodes that depend on it.

    No node is visited in vain; what the passes of two parameters have in common, the lecture's
    delta, is computed in both.
    """
    depends, steps = {parameter}, []
    for step in tape.steps:
        if depends & set(step.parents):
            depends |= set(step.outputs)
            steps.append(step)
    alone = copy.copy(tape)
    alone.steps = steps
    return backward(alone, ONE).upstream[parameter]


def at_once(tape: Tape) -> list[Array]:
    """All parameters' gradients by one backward pass."""
    upstream = backward(tape, ONE, kept=False).upstream
    return [upstream[source] for source in tape.sources[1:]]


def one_by_one(tape: Tape) -> list[Array]:
    return [own_pass(tape, source) for source in tape.sources[1:]]


def central(graph: Graph, values: Sequence[Array], entries: Iterable[tuple[int, int]]) -> Array:
    """(s(p + h) - s(p - h)) / 2h for some entries of parameters: two fprops for each."""
    found = []
    for k, entry in entries:
        flat = values[k].reshape(-1)
        kept = flat[entry]
        sides = []
        for moved in (kept + STEP, kept - STEP):
            flat[entry] = moved
            sides.append(float(graph.forward(*values)))
        flat[entry] = kept
        found.append((sides[0] - sides[1]) / (2 * STEP))
    return np.array(found)


def ways(depth: int, width: int, sizes: Sizes) -> Iterator[Way]:
    """Three ways to the same gradients, counted and timed."""
    values = values_of(depth, width)
    count = parameters_of(values)
    every = [(k, e) for k in range(1, len(values)) for e in range(values[k].size)]
    some = every[:: max(1, len(every) // sizes.entries)]
    calls: Counter[str] = Counter()
    graph, watched = network(depth), network(depth, calls)
    plain, tape = graph.run(values), watched.run(values)
    nodes = calls["forward"]

    calls.clear()
    right = at_once(tape)
    yield Way(depth, width, count, "all at once", nodes, calls["pullback"], 1.0, False, 0.0)

    calls.clear()
    alone = one_by_one(tape)
    worst = max(relative(a, r) for a, r in zip(alone, right, strict=True))
    times = timed_ratio(lambda: one_by_one(plain), lambda: at_once(plain), sizes.repeats)
    way = "one array at a time"
    yield Way(depth, width, count, way, nodes, calls["pullback"], times, False, worst)

    calls.clear()
    numeric = central(watched, values, some)
    exact = np.array([right[k - 1].reshape(-1)[e] for k, e in some])
    forwards = calls["forward"] // len(some) * len(every)
    share = timed_ratio(lambda: central(graph, values, some), lambda: at_once(plain), 3)
    times = share * len(every) / len(some)
    guessed = len(some) < len(every)
    worst = relative(numeric, exact)
    yield Way(depth, width, count, "numeric gradient", forwards, 0, times, guessed, worst)


def relative(got: Array, right: Array) -> float:
    return float(np.abs(got - right).max() / np.abs(right).max())


# --- loops and products ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Loop:
    """The same numbers by a loop and by one product."""

    what: str
    loop: float
    """Seconds."""
    product: float
    ratio: float
    error: float


def loops(repeats: int, N: int = 500, d: int = 300, C: int = 5) -> Iterator[Loop]:
    """The lecture's classifier: N windows of dimension d, C classes."""
    rng = np.random.default_rng(0)
    W = rng.random((C, d))
    windows = [rng.random((d, 1)) for _ in range(N)]
    deltas = [rng.random((C, 1)) for _ in range(N)]
    X, D = np.hstack(windows), np.hstack(deltas)

    def summed() -> Array:
        dW = np.zeros((C, d))
        for delta, x in zip(deltas, windows, strict=True):
            dW += np.outer(delta, x)
        return dW

    yield beside("forward: W x", lambda: np.hstack([W.dot(x) for x in windows]),
                 lambda: [W.dot(x) for x in windows], lambda: W.dot(X), repeats)  # fmt: skip
    yield beside("backward: dW = sum of δ x'", summed, summed, lambda: D.dot(X.T), repeats)
    yield beside("backward: dx = W'δ", lambda: np.hstack([W.T.dot(v) for v in deltas]),
                 lambda: [W.T.dot(v) for v in deltas], lambda: W.T.dot(D), repeats)  # fmt: skip


def beside(
    what: str,
    joined: Callable[[], Array],
    loop: Callable[[], Any],
    product: Callable[[], Array],
    repeats: int,
) -> Loop:
    seconds = timed_pairs(loop, product, repeats)
    a, b = (statistics.median(pair[k] for pair in seconds) for k in (0, 1))
    ratio = statistics.median(pair[0] / pair[1] for pair in seconds)
    return Loop(what, a, b, ratio, relative(joined(), product()))


# --- time -----------------------------------------------------------------------------------------
def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def timed_pairs(
    work: Callable[[], Any], other: Callable[[], Any], repeats: int
) -> list[tuple[float, float]]:
    """Seconds of both, alternating; the first runs only warm up."""
    work(), other()
    pairs: list[tuple[float, float]] = []
    began = time.perf_counter()
    while len(pairs) < 2 or (len(pairs) < repeats and time.perf_counter() - began < SLOT):
        pairs.append((timed(work), timed(other)))
    return pairs


def timed_ratio(work: Callable[[], Any], other: Callable[[], Any], repeats: int) -> float:
    """The median of work over other."""
    return statistics.median(a / b for a, b in timed_pairs(work, other, repeats))


# --- the page -------------------------------------------------------------------------------------
INTRODUCTION = f"""# What backprop costs

Written by `python benchmarks/backprop_cost.py`: the efficiency that the lecture promises, measured
on `affine` and `tanh` of `reference_ops/`, {ROWS} examples in a batch. Calls of nodes are counted
and the same on every machine; times are medians with one BLAS thread, alternating with what they
are compared with, and only ratios are meant to last.
"""
PASSES = """## Fprop and bprop

"Done correctly, big O() complexity of fprop and bprop is **the same**." A network of so many layers
has two nodes a layer and one for the sum; fprop calls each node's forward once, bprop each
pullback once, however deep. The ratio is that of the seconds of bprop to those of fprop: an
`affine` is one product forwards and two backwards, and bprop writes gradients of the weights' size
where fprop reads the weights.
"""
WAYS = f"""## All gradients at once

One bprop gives the gradients of all parameters. *One array at a time* is the lecture's incorrect
way: a backward pass for each W and b by itself, through the nodes that depend on it and no others;
all share one fprop, and still the upper layers are passed again and again. The *numeric gradient*
takes two fprops for each single parameter, h = {STEP:g}. Times are multiples of one bprop without
its fprop; where there is a ≈, a hundred parameters or so were computed, and time and calls are
extrapolated from them. "Difference" is the largest from the gradients of all at once, over the
largest gradient.
"""
LOOPS = """## Products instead of loops

The lecture's example at its sizes: N = 500 windows, d = 300, C = 5. It measured 639 µs for the loop
and 53.8 µs for the product, 12 times, and says "10x".
"""


def passes_section(found: Sequence[Passes]) -> str:
    head = ("width", "layers", "nodes", "forward calls", "pullback calls", "bprop / fprop")
    rows = [(f.width, f.depth, f.nodes, f.forwards, f.pullbacks, f"{f.ratio:.2f}") for f in found]
    ratios = [f.ratio for f in found]
    said = (
        f"From {min(ratios):.2f} to {max(ratios):.2f} over {len(found)} networks. Those of more "
        f"than {MOST_PARAMETERS:,} weights are left out.\n"
    )
    return f"{PASSES}\n{table(head, rows)}\n{said}"


def ways_section(found: Sequence[Way]) -> str:
    head = ("layers", "width", "parameters", "way", "forward calls", "pullback calls", "time",
            "difference")  # fmt: skip
    rows = [
        (
            w.depth,
            w.width,
            f"{w.parameters:,}",
            w.way,
            f"{w.forwards:,}",
            f"{w.pullbacks:,}",
            "≈ " * w.extrapolated + (f"{w.times:.1f}" if w.times < 100 else f"{w.times:,.0f}"),
            f"{w.error:.0e}" if w.error else "0",
        )
        for w in found
    ]
    return f"{WAYS}\n{table(head, rows)}"


def loops_section(found: Sequence[Loop]) -> str:
    head = ("what", "loop of 500", "one product", "ratio", "difference")
    rows = [
        (f.what, f"{f.loop * 1e6:.0f} µs", f"{f.product * 1e6:.1f} µs", f"{f.ratio:.1f}",
         f"{f.error:.0e}" if f.error else "0") for f in found
    ]  # fmt: skip
    said = ", ".join(f"{f.ratio:.1f} ({f.what})" for f in found)
    return f"{LOOPS}Here: {said}.\n\n{table(head, rows)}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def page(sizes: Sizes) -> str:
    """All three, measured and as Markdown."""
    started = time.perf_counter()
    with one_blas_thread():
        sections = [
            passes_section(all_passes(sizes)),
            ways_section([w for d, n in sizes.compared for w in ways(d, n, sizes)]),
            loops_section(list(loops(10 * sizes.repeats))),
        ]
    made = environment()
    where = f"Python {made['python']}, NumPy {made['numpy']}, {made['platform']}"
    seconds = time.perf_counter() - started
    return "\n".join([INTRODUCTION, *sections, f"{where}, {seconds:.0f} s.\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small networks, nothing written")
    parser.add_argument("--output", type=Path, default=None, help=f"default {REPORT}")
    arguments = parser.parse_args()
    text = page(QUICK if arguments.quick else Sizes())
    print(text)
    if arguments.output or not arguments.quick:
        (arguments.output or REPORT).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

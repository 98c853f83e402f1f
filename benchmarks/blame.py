"""Who is blamed when a random graph has one wrong node? And when it has two that cancel?

    python benchmarks/blame.py [--graphs 500] [--pairs 50] [--large 50] [--seed 0]

Random graphs of the reference ops; in each, one node gets a mistake of the self-test's tables that
moves the gradient of a source at the graph's own values. *Right*: the finding names that node.
*Innocent*: it names another one. Pairs: every gradient of one node times 2, and what its only
reader passes to it times 1/2, so that the graph as a whole is right.

Evaluations are calls of the nodes' own forward functions at one case, in the wrong graph and in
the right one: of the check "nodes", all included, of a check of every node by itself, and of the
check of the graph's own entries.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import gradcheck
import reference_ops
from gradcheck import targets
from gradcheck.checks import nodes
from gradcheck.cotangents import random_like
from gradcheck.evaluation import Evaluator
from gradcheck.graphs.composing import compose
from gradcheck.graphs.composition import Composition
from gradcheck.graphs.ingredients import usable
from gradcheck.graphs.reverse import backward
from gradcheck.guards import GlobalRandom, one_blas_thread, quiet
from gradcheck.model import Op
from gradcheck.mutants import Mutant, numbers, saved, upstream
from gradcheck.preparing import prepare
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import convert

REPORT = Path(__file__).parent.parent / "reports" / "blame.md"
SETTINGS = convert({"profile": "fast", "max-cases": 12, "dtypes": ["float64"]}, "benchmark")
PLANTED = (*numbers.KINDS, *upstream.KINDS, *saved.KINDS)
LEAST = 1e-3
"""A planted mistake moves some gradient entry of a source by this share of the largest one."""


@dataclass(frozen=True)
class Verdict:
    """What the check said of one graph."""

    planted: frozenset[str]
    named: frozenset[str]
    mistake: str
    size: int
    calls: tuple[int, ...] = ()
    """Of the check of nodes, of every node by itself, of the entries; then in the right graph."""
    composed: bool = True
    """The graph's own entries were right, where the errors cancel."""

    @property
    def right(self) -> bool:
        return self.planted <= self.named

    @property
    def innocent(self) -> bool:
        return bool(self.named - self.planted)


def ingredients() -> list[Op]:
    """The reference ops that can take part in a random graph."""
    ops, _ = usable(targets.load(reference_ops.__name__))
    return ops


# --- planting -------------------------------------------------------------------------------------
def gradients(made: Composition) -> list[Any]:
    """Of the sources, at the graph's own values, for a random upstream gradient."""
    tape = made.graph().run(made.values)
    cotangents = random_like(tuple(tape.values[r] for r in tape.results), 3)
    upstream = backward(tape, cotangents).upstream
    return [upstream.get(s) for s in tape.sources]


def moves(right: Sequence[Any], wrong: Sequence[Any]) -> bool:
    """Some entry is off by more than `LEAST` of the largest."""
    pairs = [(a, b) for a, b in zip(right, wrong, strict=True) if a is not None]
    largest = max((float(np.abs(a).max(initial=0.0)) for a, _ in pairs), default=0.0)
    return any(b is None or not bool((np.abs(a - b) <= LEAST * largest).all()) for a, b in pairs)


def planted(made: Composition, rng: random.Random) -> tuple[Composition, int, str] | None:
    """One node with a mistake that shows; None where none of some tried ones does."""
    right = gradients(made)
    for _ in range(60):
        number = rng.randrange(len(made.nodes))
        op = made.nodes[number].op
        kind = rng.choice([k for k in PLANTED if k.spots(op) and not k.hidden])
        mutant = Mutant(kind, rng.choice(kind.spots(op)), kind.name)
        wrong = made.with_op(number, mutant.of(op))
        try:
            if moves(right, gradients(wrong)):
                return wrong, number, kind.name
        except Exception:  # a mistake of shape: loud in any graph
            continue
    return None


def cancelling(made: Composition, rng: random.Random) -> tuple[Composition, int, int] | None:
    """Two nodes whose errors cancel; None where no node has one reader only."""
    numbers_of = {made.place(n): n for n in range(len(made.nodes))}
    chances = []
    for place, first in numbers_of.items():
        readers = [n for n, m in enumerate(made.nodes) for p in m.parents if p[0] == place]
        alone = len(readers) == 1 and all(r[0] != place for r in made.results)
        if alone and len(made.nodes[first].values) == 1:
            chances.append((first, readers[0], place))
    right = gradients(made)
    rng.shuffle(chances)
    for first, second, place in chances:
        one, other = made.nodes[first].op, made.nodes[second].op
        slot = next(k for k, p in enumerate(made.nodes[second].parents) if p[0] == place)
        doubled = made.with_op(first, _times(one, 2.0, range(len(one.inputs))))
        both = doubled.with_op(second, _times(other, 0.5, [slot]))
        if moves(right, gradients(doubled)):
            return both, first, second
    return None


def _times(op: Op, factor: float, slots: Sequence[int]) -> Op:
    """The op with some gradients multiplied."""

    def vjp(*primals: Any, **attributes: Any) -> Any:
        output, pullback = op.vjp(*primals, **attributes)

        def pull(cotangents: Any) -> Any:
            own = Evaluator(op, GlobalRandom(0)).align(pullback(cotangents)) or ()
            return [g if g is None or k not in slots else factor * g for k, g in enumerate(own)]

        return output, pull

    return replace(op, vjp=vjp, session=None)


# --- measuring ------------------------------------------------------------------------------------
def graphs(ops: list[Op], seed: int, part: tuple[int, int], size: int | None) -> Iterator[Any]:
    """Graphs of a part of all numbers; each depends on its own number alone."""
    for k in range(part[0], sum(part)):
        made = compose(ops, random.Random(f"{seed}:{size}:{k}"), nodes=size)
        if made is not None:
            yield k, made


def named(result: OpResult) -> frozenset[str]:
    return frozenset(n for f in result.findings if f.severity == "fail" for n in f.nodes)


def counted(made: Composition) -> tuple[int, int, int]:
    """Calls of nodes' forward functions at one case, for three ways to look for the mistake."""
    calls = Counter[str]()
    for number, node in enumerate(made.nodes):
        made = made.with_op(number, _counting(node.op, calls))
    return _three_ways(made.to_op(), calls)


def layers(width: int, depth: int) -> tuple[int, int, int]:
    """The same for a right network of affine and tanh, with arrays of a usual size."""
    calls, rng = Counter[str](), np.random.default_rng(0)
    one = _counting(reference_ops.linear.affine.__gradcheck_op__, calls)
    other = _counting(reference_ops.nonlinear.tanh.__gradcheck_op__, calls)

    def network(x: Any, weights: list[Any], biases: list[Any]) -> Any:
        for W, b in zip(weights, biases, strict=True):
            x = other(one(x, W, b))
        return x

    weights = [rng.normal(size=(width, width)) / width**0.5 for _ in range(depth)]
    biases = [np.zeros(width) + 0.1 * k for k in range(depth)]
    example = (rng.normal(size=(4, width)), weights, biases)
    return _three_ways(gradcheck.op(gradcheck.graph(network), *example), calls)


def _counting(op: Op, calls: Counter[str]) -> Op:
    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*primals: Any, **attributes: Any) -> Any:
            calls["all"] += 1
            return function(*primals, **attributes)

        return call

    return replace(op, forward=counting(op.forward), vjp=counting(op.vjp))


def _three_ways(op: Op, calls: Counter[str]) -> tuple[int, int, int]:
    ready = prepare(Evaluator(op, GlobalRandom(0)), SETTINGS)
    own = next(d.value for d in ready.drawn if d.value.regime == "example")
    before = calls["all"]
    facts = ready.bench.run(own, ("nodes",)).facts
    screened = calls["all"] - before
    assert facts is not None
    before = calls["all"]
    nodes.everyone(facts)
    every = calls["all"] - before
    before = calls["all"]
    ready.bench.run(own, ("values",))
    return screened, every, calls["all"] - before


def judged(right: Composition, made: Composition, guilty: Sequence[int], mistake: str) -> Verdict:
    op = made.to_op()
    result = run_one(op, SETTINGS, fixed={"checks": ["contract", "nodes", "values"]})
    entries = run_one(op, SETTINGS, fixed={"checks": ["values"]}) if len(guilty) > 1 else None
    return Verdict(
        frozenset(f"h{n}" for n in guilty),
        named(result),
        mistake,
        len(made.nodes),
        (*counted(made), *counted(right)),
        entries is None or entries.verdict != "fail",
    )


@dataclass(frozen=True)
class Plan:
    """Which graphs, and what is planted."""

    seed: int
    pairs: bool = False
    size: int | None = None
    """Nodes aimed at; 3 to 8 without."""


def measure(plan: Plan, part: tuple[int, int]) -> list[Verdict]:
    """The verdicts on some graphs."""
    ops, verdicts = ingredients(), []
    with quiet(), one_blas_thread():
        for number, made in graphs(ops, plan.seed, part, plan.size):
            rng = random.Random(f"plant:{plan.seed}:{number}")
            if plan.pairs:
                two = cancelling(made, rng)
                if two is not None:
                    verdicts.append(judged(made, two[0], two[1:], "cancelling"))
                continue
            one = planted(made, rng)
            if one is not None:
                verdicts.append(judged(made, one[0], [one[1]], one[2]))
    return verdicts


def enough(plan: Plan, count: int, jobs: int) -> list[Verdict]:
    """So many verdicts; graphs where nothing can be planted are passed over."""
    chunk, first, found = max(1, min(25, count)), 0, list[Verdict]()
    with ProcessPoolExecutor(jobs) as pool:
        while len(found) < count and first < 40 * count:
            parts = [(first + k * chunk, chunk) for k in range(jobs)]
            first += jobs * chunk
            for verdicts in pool.map(partial(measure, plan), parts):
                found += verdicts
    return found[:count]


# --- the report -----------------------------------------------------------------------------------
def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "0 of 0"


def summary(what: str, verdicts: Sequence[Verdict]) -> str:
    right = sum(v.right for v in verdicts)
    innocent = sum(v.innocent for v in verdicts)
    calls = [f"{statistics.median(v.calls[k] for v in verdicts):,g}" for k in range(6)]
    wrong, fine = " / ".join(calls[:3]), " / ".join(calls[3:])
    size = statistics.median(v.size for v in verdicts)
    return (
        f"| {what} | {len(verdicts)} | {size:g} | {share(right, len(verdicts))} | "
        f"{share(innocent, len(verdicts))} | {wrong} | {fine} |"
    )


def report(
    single: Sequence[Verdict], large: Sequence[Verdict], pairs: Sequence[Verdict], seed: int
) -> str:
    head = [
        "# Which node is blamed",
        "",
        "Written by `python benchmarks/blame.py`, whose first lines say how it is measured: random",
        f"graphs of the reference ops (seed {seed}), a mistake planted into one node, or two that",
        "cancel. Evaluations are calls of nodes' forward functions at one case, medians: of the",
        "check of nodes / of checking every node by itself / of checking the graph's entries.",
        "",
        "| planted | graphs | nodes | named | an innocent | evaluations | in the right graph |",
        "|---|---|---|---|---|---|---|",
        *(
            summary(what, some)
            for what, some in (
                ("one mistake", single),
                ("one in a larger graph", large),
                ("two that cancel", pairs),
            )
            if some
        ),
    ]
    whole = sum(v.composed for v in pairs)
    wide = " / ".join(f"{c:,}" for c in layers(16, 6))
    head += [
        "",
        "The larger the arrays, the more is saved: for six right layers of 16 units (`affine`,",
        f"`tanh`, 12 nodes, 4 examples) it is {wide}.",
        "",
        f"Of the pairs, {share(whole, len(pairs))} are right as a whole: a check of the graph's",
        "entries does not find them.",
    ]
    missed = [v for v in (*single, *large, *pairs) if not v.right or v.innocent]
    if missed:
        head += ["", "| mistake | planted at | named |", "|---|---|---|"]
        head += [
            f"| {v.mistake} | {', '.join(sorted(v.planted))} | {', '.join(sorted(v.named))} |"
            for v in missed
        ]
    return "\n".join(head) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--large", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=REPORT)
    given = parser.parse_args()
    started = time.perf_counter()
    single = enough(Plan(given.seed), given.graphs, given.jobs)
    large = enough(Plan(given.seed, size=20), given.large, given.jobs)
    pairs = enough(Plan(given.seed, pairs=True), given.pairs, given.jobs)
    text = report(single, large, pairs, given.seed)
    given.output.write_text(text)
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()

"""One `values` check of ours beside HIPS autograd's `check_grads`, on the same ops and inputs.

    pip install -e '.[dev]' && python benchmarks/beside_autograd.py [--repeat 15]

Ours compares every entry of every gradient, each with a bound; theirs one random direction, with a
constant tolerance. Medians of alternating runs in one process; the ratio is what lasts.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.test_util import check_grads

from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom, one_blas_thread
from gradcheck.model import Recipe
from gradcheck.registry import make
from gradcheck.settings import Settings
from gradcheck.trial import Bench

rng = np.random.default_rng(0)


def softmax_ce(np_: Any, z: Any) -> Any:
    shifted = z - np_.max(z, axis=1, keepdims=True)
    logsum = np_.log(np_.sum(np_.exp(shifted), axis=1))
    return np_.mean(logsum - shifted[np.arange(len(z)), LABELS[: len(z)]])


def softmax_ce_backward(dout: Any, z: Any) -> Any:
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(z)), LABELS[: len(z)]] -= 1
    return (dout * p / len(z),)


LABELS = np.arange(1000) % 5
WORK: dict[str, tuple[Any, Any, Any, tuple[Any, ...]]] = {
    "tanh 3x4": (
        np.tanh,
        lambda d, x: (d * (1 - np.tanh(x) ** 2),),
        anp.tanh,
        (rng.standard_normal((3, 4)),),
    ),
    "product 4x5 by 5x3": (
        np.matmul,
        lambda d, a, b: (d @ b.T, a.T @ d),
        anp.matmul,
        (rng.standard_normal((4, 5)), rng.standard_normal((5, 3))),
    ),
    "softmax cross-entropy 4x5": (
        lambda z: softmax_ce(np, z),
        softmax_ce_backward,
        lambda z: softmax_ce(anp, z),
        (rng.standard_normal((4, 5)),),
    ),
    "tanh 32x32": (
        np.tanh,
        lambda d, x: (d * (1 - np.tanh(x) ** 2),),
        anp.tanh,
        (rng.standard_normal((32, 32)),),
    ),
}


def ours(forward: Any, backward: Any, inputs: tuple[Any, ...]) -> tuple[Callable[[], None], Bench]:
    op = make([lambda *x: forward(*x), backward, *inputs], {}, {"name": "op"})
    evaluator = Evaluator(op, GlobalRandom(0))
    bench = Bench(op, evaluator, Settings(time_limit=0), {"float64": "float64"})
    recipe = Recipe(regime="example")

    def run() -> None:
        trial = bench.run(recipe, ("values",))
        assert trial.judged, "nothing was judged"
        assert not trial.failed, "a right op failed"

    return run, bench


def timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15)
    repeat = parser.parse_args().repeat
    heads = ("ours", "autograd", "ratio", "entries", "forwards")
    print(f"{'op':28s} {{:>10s}} {{:>10s}} {{:>7s}} {{:>8s}} {{:>9s}}".format(*heads))
    with one_blas_thread(), np.errstate(all="ignore"):
        for name, (forward, backward, traced, inputs) in WORK.items():
            mine, bench = ours(forward, backward, inputs)
            every = tuple(range(len(inputs)))  # without it only the first input is looked at
            check = check_grads(traced, argnum=every, modes=["rev"], order=1)
            theirs = functools.partial(check, *inputs)
            mine()
            bench.evaluator.random.observe()  # as a run does after its first case
            theirs()
            before = bench.evaluator.counters.forward_points
            mine()
            calls = bench.evaluator.counters.forward_points - before
            pairs = [(timed(mine), timed(theirs)) for _ in range(repeat)]
            a, b = (statistics.median(p[k] for p in pairs) for k in (0, 1))
            ratio = statistics.median(p[0] / p[1] for p in pairs)
            entries = sum(x.size for x in inputs)
            times = f"{a * 1e3:8.2f} ms {b * 1e3:8.2f} ms {ratio:7.2f}"
            print(f"{name:28s} {times} {entries:8d} {calls:9d}")


if __name__ == "__main__":
    main()

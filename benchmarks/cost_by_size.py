"""What a check of one case costs by the number of inputs: time, calls, points and memory.

    python benchmarks/cost_by_size.py
    python benchmarks/cost_by_size.py --most 1e4    # smaller, only printed

Five kinds of op with 10^2 to 10^6 inputs, checked as a run checks them: every entry within the
budget, beyond it along directions. Time is the median of a few runs; memory is traced in a run of
its own. Writes reports/cost.md, cost.json and cost.svg; `--render` makes the first and the last
again. Ends with 1 where a check of the largest size holds ten times the input's own memory or more.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import loglog
import one_case
from gradcheck.arrays import Array
from gradcheck.model import Op
from gradcheck.registry import make
from measuring import (
    REPORTS,
    Patience,
    bullets,
    duration,
    interleaved,
    machine,
    median_seconds,
    peak_bytes,
    quiet_machine,
    rounded,
    table,
)
from workloads import matmul_backward, tanh_backward, window_graph

SIZES = tuple(10**k for k in range(2, 7))
MOST_MEMORY = 10
"""Times the input's own memory, the input itself counted in."""
PATIENCE = Patience(turns=5, seconds=1.0)
Inputs = tuple[Array, ...]


@dataclass(frozen=True)
class Kind:
    """An op of any size."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Inputs] | None
    """None: forward is a graph."""
    inputs: Callable[[int, np.random.Generator], Inputs]
    """Of about so many entries."""

    def op(self, inputs: Inputs) -> Op:
        functions = [self.forward, self.backward] if self.backward else [self.forward]
        return make([*functions, *inputs], {}, {"name": "op"})


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def softmax_backward(dy: Array, z: Array) -> Inputs:
    y = softmax(z)
    return (y * (dy - (dy * y).sum(axis=1, keepdims=True)),)


def mean_square(x: Array) -> Any:
    return np.mean(np.sin(x) ** 2)


def mean_square_backward(dy: Array, x: Array) -> Inputs:
    return (dy * np.sin(2 * x) / x.size,)


def _matrices(count: int, rng: np.random.Generator) -> Inputs:
    n = max(2, round(math.sqrt(count / 2)))
    return rng.standard_normal((n, n)), rng.standard_normal((n, n)) / math.sqrt(n)


def _window(count: int, rng: np.random.Generator) -> Inputs:
    """Rows, numbers in a window and hidden units in the proportions of 16, 250 and 100."""
    scale = math.sqrt(count / 29_200)
    d, hidden = max(2, round(250 * scale)), max(2, round(100 * scale))
    W, u = rng.standard_normal((hidden, d)), rng.standard_normal(hidden)
    x, b = rng.standard_normal((max(2, round(16 * scale)), d)), 0.1 * rng.standard_normal(hidden)
    return x, W / math.sqrt(d), b, u / math.sqrt(hidden)


KINDS = (
    Kind("tanh", lambda x: np.tanh(x), tanh_backward, lambda n, rng: (rng.standard_normal(n),)),
    Kind("softmax of rows of ten", softmax, softmax_backward,
         lambda n, rng: (rng.standard_normal((n // 10, 10)),)),
    Kind("product of two square matrices", lambda A, B: A @ B, matmul_backward, _matrices),
    Kind("mean of sin² (one number)", mean_square, mean_square_backward,
         lambda n, rng: (rng.standard_normal(n),)),
    Kind("window net, a graph", window_graph(), None, _window),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One kind of op at one size."""

    kind: str
    inputs: int
    seconds: float
    forward_seconds: float
    """Of one forward pass."""
    calls: int
    points: int
    memory: float
    """The most that was held, the input itself counted in, in multiples of the input."""
    modes: Mapping[str, int]
    comparisons: int


def row(kind: Kind, count: int, patience: Patience) -> Row:
    """Measure one.

    Raises
    ------
    RuntimeError
        The right gradient does not pass.
    """
    inputs = kind.inputs(count, np.random.default_rng(count))
    op = kind.op(inputs)
    case = one_case.at(op, inputs, one_case.AS_USUAL)
    did = case.count()
    if did.failed or not did.judged:
        raise RuntimeError(f"{kind.name}, {count} inputs: a right gradient does not pass")
    own = sum(x.nbytes for x in inputs)
    memory = (own + peak_bytes(case.run)) / own
    return Row(
        kind=kind.name,
        inputs=sum(x.size for x in inputs),
        seconds=statistics.median(interleaved({"": case.run}, patience)[""]),  # it has run before
        forward_seconds=median_seconds(lambda: op.forward(*inputs), patience),
        calls=did.forward_calls,
        points=did.forward_points,
        memory=memory,
        modes=did.modes,
        comparisons=did.comparisons,
    )


def measure(
    sizes: Sequence[int], kinds: Iterable[Kind] = KINDS, patience: Patience = PATIENCE
) -> list[Row]:
    """All kinds at all sizes."""
    with quiet_machine():
        return [row(kind, size, patience) for kind in kinds for size in sizes]


HEAD = """# Cost by the number of inputs

Written by `{command}`: a check of `values` of one case (for the graph `nodes` too), as a run does
it with the default budget of {budget:,} points, in one thread. *Memory* is the most that was held
in Python and NumPy during a check, the input itself counted in, in multiples of the input. A *call*
of forward may evaluate several points. *Forward* is one forward pass.

{verdict}

![time, points and memory by the number of inputs](cost.svg)

"""


def largest(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The checks of a million inputs, or about so many."""
    return [r for r in rows if r["inputs"] > SIZES[-1] / 2]


def over(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Kinds whose check of a million inputs holds too much memory."""
    return [r["kind"] for r in largest(rows) if r["memory"] >= MOST_MEMORY]


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the largest checks say of the limit."""
    if not largest(rows):
        return "No check of a million inputs was made."
    worst = max(r["memory"] for r in largest(rows))
    about = f"at most {rounded(worst)} times the input's own memory, the limit being {MOST_MEMORY}"
    if bad := over(rows):
        return f"**Too much memory at a million inputs**: {', '.join(bad)} ({about})."
    return f"A check of a million inputs holds {about}."


def page(results: Mapping[str, Any]) -> str:
    """The report."""
    rows = results["rows"]
    said = {"command": results["command"], "budget": one_case.UNLIMITED.budget}
    head = ("op", "inputs", "time", "forward", "calls", "points", "points / 2N", "memory",
            "comparisons")  # fmt: skip
    lines = [
        [
            r["kind"],
            f"{r['inputs']:,}",
            duration(r["seconds"]),
            duration(r["forward_seconds"]),
            f"{r['calls']:,}",
            f"{r['points']:,}",
            rounded(r["points"] / (2 * r["inputs"])),
            f"{rounded(r['memory'])}×",
            ", ".join(f"{mode} {n:,}" for mode, n in r["modes"].items()),
        ]
        for r in rows
    ]
    busy = "The machine was not idle: times are above what they could be. " * _was_busy(results)
    made = f"\n{busy}Measured in {results['seconds']} s on:\n\n{bullets(results['environment'])}"
    return HEAD.format(verdict=verdict(rows), **said) + table(head, lines) + made


def _was_busy(results: Mapping[str, Any]) -> bool:
    """Something else ran in the minute before."""
    load = str(results["environment"].get("load average (1, 5, 15 minutes)", "?"))
    first = load.partition(",")[0]
    return first != "?" and float(first) >= 1


def picture(rows: Sequence[Mapping[str, Any]]) -> str:
    """Three panels over the number of inputs."""
    kinds = list(dict.fromkeys(r["kind"] for r in rows))

    def panel(title: str, what: str, lines: Sequence[loglog.Series] = ()) -> loglog.Panel:
        drawn = [
            loglog.Series(k, tuple((r["inputs"], r[what]) for r in rows if r["kind"] == k))
            for k in kinds
        ]
        return loglog.Panel(title, (*drawn, *lines))

    ends = [min(r["inputs"] for r in rows), max(r["inputs"] for r in rows)]
    twice = loglog.Series("2N: central differences", tuple((n, 2 * n) for n in ends), dashed=True)
    limit = loglog.Series(
        f"{MOST_MEMORY} times the input", tuple((n, MOST_MEMORY) for n in ends), dashed=True
    )
    return loglog.svg(
        "What a check of one case costs, by the number of inputs",
        (
            panel("seconds", "seconds"),
            panel("points", "points", (twice,)),
            panel("memory, in inputs", "memory", (limit,)),
        ),
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=float, default=SIZES[-1], help="inputs; only printed")
    parser.add_argument("--render", action="store_true", help="only write cost.md and cost.svg")
    options = parser.parse_args()
    where = REPORTS / "cost.json"
    if options.render:
        results = json.loads(where.read_text(encoding="utf-8"))
    else:
        started, busy = time.perf_counter(), machine()
        rows = measure([n for n in SIZES if n <= options.most])
        results = {
            "command": "python benchmarks/" + " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "seconds": round(time.perf_counter() - started),
            "environment": busy,
            "rows": [asdict(r) for r in rows],
        }
    print(page(results))
    if options.most >= SIZES[-1]:
        if not options.render:
            where.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        where.with_suffix(".md").write_text(page(results), encoding="utf-8")
        where.with_suffix(".svg").write_text(picture(results["rows"]), encoding="utf-8")
    return 1 if over(results["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())

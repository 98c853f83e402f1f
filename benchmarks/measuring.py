"""What the benchmarks of time share: one thread, runs in turn, memory, the machine, a table."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from gradcheck.environment import environment
from gradcheck.guards import GlobalRandom, one_blas_thread

REPORTS = Path(__file__).parent.parent / "reports"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""Read by PyTorch and JAX when they are imported; NumPy's BLAS is limited by threadpoolctl."""
LEAST = 3
"""Runs of everything that does not take `LONG`."""
LONG = 8.0
"""Seconds of a run above which one is enough."""
SLOT, IN_A_SLOT = 0.02, 5
"""Seconds and runs that a fast side gets in its turn."""
Run = Callable[[], object]


@contextlib.contextmanager
def quiet_machine() -> Iterator[None]:
    """One BLAS thread, no floating-point warnings, the caller's global random state given back."""
    with one_blas_thread(), np.errstate(all="ignore"), GlobalRandom(0).restored():
        yield


@dataclass(frozen=True)
class Patience:
    """How long to measure: at most so many turns, and for each side about so many seconds."""

    turns: int = 25
    seconds: float = 2.0


def interleaved(
    sides: Mapping[str, Run],
    patience: Patience,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each run of each side, in turns; each turn begins with another side.

    Every side has run before (compilers, caches). What exists by then is left out of the garbage
    collector's sight, so that no side pays for what the others' packages hold.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    gc.collect()
    gc.freeze()
    try:
        for turn in range(patience.turns):
            first = turn % max(1, len(names))
            for name in names[first:] + names[:first]:
                if _goes_on(taken[name], patience.seconds):
                    taken[name] += _slot(sides[name], clock)
    finally:
        gc.unfreeze()
    return taken


def _goes_on(taken: Sequence[float], seconds: float) -> bool:
    if not taken or sum(taken) < seconds:
        return True
    return len(taken) < LEAST and taken[0] < LONG


def _slot(run: Run, clock: Callable[[], float]) -> list[float]:
    found: list[float] = []
    while not found or (sum(found) + found[-1] < SLOT and len(found) < IN_A_SLOT):
        started = clock()
        run()
        found.append(clock() - started)
    return found


def median_seconds(run: Run, patience: Patience) -> float:
    """Of one thing by itself, after a run that warms up."""
    run()
    return statistics.median(interleaved({"": run}, patience)[""])


def peak_bytes(run: Run) -> int:
    """The most memory that Python and NumPy held during a run beyond what they held before it."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def machine(packages: Iterable[str] = ()) -> dict[str, str]:
    """What the figures were measured on, how busy it was, and the packages that took part."""
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    found = {**environment(), "processor": processor(), "cores": str(os.cpu_count())}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "load average (1, 5, 15 minutes)": load}


def processor() -> str:
    """The model of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A Markdown table; all columns but the first ones are numbers."""
    marks = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [head, marks, *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def bullets(facts: Mapping[str, str]) -> str:
    return "".join(f"- {name}: {said}\n" for name, said in facts.items())


def duration(seconds: float) -> str:
    """Three digits, in s, ms or µs."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{rounded(seconds / size)} {unit}"
    raise AssertionError("unreachable")


def rounded(value: float) -> str:
    """Three digits; whole numbers from a hundred on, with separators."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.3g}"

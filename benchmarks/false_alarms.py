"""How often right gradients are called wrong: reference ops and suite under many seeds.

    python benchmarks/false_alarms.py [--comparisons 250000] [--first-seed 1] [--jobs 2]

For float64 and float32, in the default mode and in strict mode (signif = 0): seed after seed until
so many gradient entries were compared; the default makes a million in all. Each seed draws 100
cases of every reference op, as `gradcheck run` does, and 18 points of each of the 45 ops of
`suite`, kinks and ties and points beside them included. All checks run, not values alone. A fail is
a false alarm: the reference ops are checked against closed forms in the tests, the suite's
gradients by hand. The counts do not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from gradcheck import targets
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from suite import SUITE, recipes

Task = tuple[str, float | None, int]
"""dtype, signif, seed."""


def one_seed(task: Task) -> tuple[Counter[str], list[str]]:
    """Every op under one seed: what was counted, and a line for each false alarm."""
    total: Counter[str] = Counter()
    alarms: list[str] = []
    for result in _results(task):
        values = result.checks["values"]
        total["comparisons"] += values.comparisons
        total["inconclusive"] += values.inconclusive
        total["conventions"] += values.conventions
        total["rejected cases"] += result.cases_rejected
        total["cases"] += result.cases
        total["warnings"] += sum(f.severity == "warning" for f in result.findings)
        total["ops not judged"] += result.verdict == "inconclusive"
        for finding in result.findings:
            if finding.severity == "fail" or finding.code == "slightly-off":
                total[f"{finding.severity}s: {finding.code}"] += 1
                alarms.append(f"  {task} {result.op}: {finding.severity}: {finding.message}")
                alarms.append(f"    {finding.recipe}")
    total["false alarms"] += sum(n for name, n in total.items() if name.startswith("fails"))
    return total, alarms


def _results(task: Task) -> Iterator[OpResult]:
    dtype, signif, seed = task
    settings = Settings(seed=seed, profile="ci", dtypes=(dtype,), signif=signif)
    for op in targets.load("reference_ops"):
        yield run_one(op, settings)
    for own in SUITE:
        yield run_one(own.op, settings, only=recipes(own, dtype, seed))


def count(options: argparse.Namespace, of: tuple[str, float | None], run: Any) -> Counter[str]:
    """Seed after seed until enough entries were compared; ``run`` maps over a few at once."""
    total: Counter[str] = Counter()
    for start in itertools.count(options.first_seed, step=options.jobs):
        batch = [(*of, seed) for seed in range(start, start + options.jobs)]
        for one, alarms in run(one_seed, batch):
            total.update(one)
            total["seeds"] += 1
            print("\n".join(alarms), end="\n" if alarms else "", flush=True)
            if total["comparisons"] >= options.comparisons:
                return total
    raise AssertionError("unreachable")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--comparisons", type=int, default=250_000, help="for each dtype in each mode"
    )
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    started = time.perf_counter()
    everything: Counter[str] = Counter()
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for dtype, signif in itertools.product(("float64", "float32"), (None, 0.0)):
            run = pool.imap if options.jobs > 1 else map
            total = count(options, (dtype, signif), run)
            everything.update(total)
            mode = "default" if signif is None else "strict"
            counts = ", ".join(f"{v:,} {k}" for k, v in total.items())
            print(f"{dtype} {mode}: {counts}", flush=True)
    print(
        f"in all: {everything['false alarms']:,} false alarms in {everything['comparisons']:,} "
        f"comparisons, seeds from {options.first_seed}, {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()

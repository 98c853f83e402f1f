"""How often right gradients are called wrong: the reference ops under many seeds.

    python benchmarks/false_alarms.py [--comparisons 100000] [--first-seed 1]

Every dtype gets its own count, in the default mode and in strict mode (signif = 0). A fail of a
reference op is a false alarm: they are checked against closed forms in the tests.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter

from gradcheck import targets
from gradcheck.runner import run_one
from gradcheck.settings import Settings


def count(dtype: str, wanted: int, first_seed: int, signif: float | None) -> Counter[str]:
    """Run seed after seed until so many values were compared."""
    ops = targets.load("reference_ops")
    total: Counter[str] = Counter()
    for seed in itertools.count(first_seed):
        for op in ops:
            settings = Settings(seed=seed, profile="ci", dtypes=(dtype,), signif=signif)
            result = run_one(op, settings)
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
                    print(f"  seed {seed} {op.id}: {finding.severity}: {finding.message}")
                    print(f"    {finding.recipe}")
        total["seeds"] = seed - first_seed + 1
        if total["comparisons"] >= wanted:
            return total
    raise AssertionError("unreachable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--comparisons", type=int, default=100_000)
    parser.add_argument("--first-seed", type=int, default=1)
    arguments = parser.parse_args()
    for dtype, signif in itertools.product(("float64", "float32"), (None, 0.0)):
        total = count(dtype, arguments.comparisons, arguments.first_seed, signif)
        mode = "default" if signif is None else "strict"
        print(f"{dtype} {mode}: " + ", ".join(f"{v:,} {k}" for k, v in total.items()), flush=True)


if __name__ == "__main__":
    main()

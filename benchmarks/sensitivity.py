"""The smallest error of one gradient entry that is found without a false alarm, ours and others'.

    pip install -e '.[bench]' && python benchmarks/sensitivity.py --jobs 2
    python benchmarks/sensitivity.py --quick            # a few points, nothing is written

On every op of `suite`, in float64 and in float32, one entry of a right gradient (at least a tenth
of the largest) is multiplied by 1 +- eta. Strict mode: a difference of any size is a fail if it can
be proved. A check *finds* eta if it flags that entry at eta and at the larger errors of the grid,
ten a decade; eta95 is the smallest error that 95 % of all checks find. Writes
`reports/sensitivity.json`, and from it `sensitivity.md` and `sensitivity.svg`; `--render` makes
those two again from the first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import peers
import render
from gradcheck.guards import GlobalRandom, one_blas_thread
from gradcheck.runner import environment
from measuring import processor
from schemes import OURS, Reading, Subject, read
from suite import GENERIC, POINTS, SUITE, SuiteOp, recipes

ETAS = [10 ** (-k / 10) for k in range(10, 121)]
"""From 1e-1 to 1e-12."""
DTYPES = ("float64", "float32")
REPORTS = Path(__file__).parent.parent / "reports"


@dataclass(frozen=True)
class Row:
    """One case under one scheme."""

    dtype: str
    group: str
    scheme: str
    kind: str
    """"ours", "published" (constants as released) or "best case" (threshold tuned here)."""
    derivatives: int
    false_alarms: int = 0
    inconclusive: int = 0
    evaluations: float = np.nan
    found: int = 0
    """How many errors of the grid, from the largest on, were found."""
    distances: tuple[float, ...] = ()
    """Best case: relative errors seen for the right gradient, then for each error of the grid."""


def rows_of(task: tuple[str, str, int, int]) -> list[Row]:
    """All schemes on all points of one op in one dtype."""
    name, dtype, seed, points = task
    op = next(o for o in SUITE if o.name == name)
    with warnings.catch_warnings(), np.errstate(all="ignore"), GlobalRandom(0).restored():
        warnings.simplefilter("ignore")
        with one_blas_thread():
            return [r for recipe in recipes(op, dtype, seed, points) for r in _case(op, recipe)]


def _case(op: SuiteOp, recipe: Any) -> Iterable[Row]:
    group = op.kind if recipe.regime == GENERIC else recipe.regime
    subject = Subject.of(op, recipe)
    subject.facts.evaluator.random.observe()
    for name, way in OURS.items():
        yield _row((recipe.dtype, group, name, "ours"), read(way, subject))
    for name, rule in peers.installed().items():
        yield _row((recipe.dtype, group, name, "published"), rule(subject))
    for name, prepare in peers.BEST.items():
        distance = prepare(subject)
        distances = tuple(distance(eta) for eta in (0.0, *ETAS))
        yield Row(recipe.dtype, group, name, "best case", subject.size, distances=distances)


def _row(which: tuple[str, str, str, str], reading: Reading) -> Row:
    said = (reading.derivatives, reading.false_alarms, reading.inconclusive, reading.evaluations)
    return Row(*which, *said, found_by(reading.flags))


def found_by(flags: Callable[[float], bool]) -> int:
    """How many errors are flagged: decade by decade, then one by one within the first missed."""
    decades = _run(flags(eta) for eta in ETAS[::10])
    if not decades:
        return 0
    start = 10 * (decades - 1) + 1
    return start + _run(flags(eta) for eta in ETAS[start : start + 9])


def curve(rows: list[Row]) -> dict[str, Any]:
    """Rows of one dtype, group and scheme, added up."""
    first, checks = rows[0], len(rows)
    derivatives = sum(r.derivatives for r in rows)
    made: dict[str, Any] = {
        "dtype": first.dtype,
        "group": first.group,
        "scheme": first.scheme,
        "kind": first.kind,
        "checks": checks,
        "derivatives": derivatives,
    }
    if first.kind == "best case":
        threshold = max(r.distances[0] for r in rows)
        found = [_run(d > threshold for d in r.distances[1:]) for r in rows]
        made["threshold"] = threshold if np.isfinite(threshold) else None
    else:
        found = [r.found for r in rows]
        made["evaluations_per_derivative"] = sum(r.evaluations for r in rows) / derivatives
        made["inconclusive_derivatives"] = sum(r.inconclusive for r in rows)
        made["inconclusive_checks"] = sum(r.inconclusive > 0 for r in rows)
    made["false_alarm_checks"] = sum(r.false_alarms > 0 for r in rows)
    made["false_alarm_derivatives"] = sum(r.false_alarms for r in rows)
    made["detection"] = [sum(f > k for f in found) / checks for k in range(len(ETAS))]
    made["eta50"], made["eta95"] = (smallest(made["detection"], share) for share in (0.5, 0.95))
    return made


def _run(flags: Iterable[bool]) -> int:
    return sum(1 for _ in itertools.takewhile(bool, flags))


def smallest(detection: list[float], share: float) -> float | None:
    """The smallest error of the grid that this share of the checks finds; None if none."""
    enough = _run(d >= share for d in detection)
    return ETAS[enough - 1] if enough else None


def curves(rows: list[Row]) -> list[dict[str, Any]]:
    """A curve for each dtype, group and scheme, and one for all groups together."""
    grouped: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        for group in (row.group, "all"):
            grouped.setdefault((row.dtype, group, row.kind, row.scheme), []).append(row)
    made = []
    for (_, group, _, _), members in grouped.items():
        made.append({**curve(members), "group": group})
    return made


def measure(seed: int, points: int, jobs: int = 1, ops: Iterable[SuiteOp] = SUITE) -> list[Row]:
    """All rows, op by op, in some processes; the same rows whatever their number."""
    tasks = [(op.name, dtype, seed, points) for dtype in DTYPES for op in ops]
    if jobs == 1:
        return [row for task in tasks for row in rows_of(task)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return [row for rows in pool.imap(rows_of, tasks) for row in rows]


def versions() -> dict[str, str]:
    """The machine and the packages that took part."""
    found = {**environment(), "processor": processor(), "cores": str(os.cpu_count())}
    for package in peers.PACKAGES.values():
        try:
            found[package] = version(package)
        except Exception:
            found[package] = "not installed: its published rule is left out"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--points", type=int, default=POINTS, help="points of each op")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--quick", action="store_true", help="3 points of each op, only printed")
    parser.add_argument("--render", action="store_true", help="only rewrite .md and .svg")
    options = parser.parse_args()
    where = REPORTS / "sensitivity.json"
    if options.render:
        results = json.loads(where.read_text(encoding="utf-8"))
    else:
        points = 3 if options.quick else options.points
        started = time.perf_counter()
        rows = measure(options.seed, points, options.jobs)
        results = {
            "command": "python benchmarks/" + " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "seed": options.seed,
            "points": points,
            "ops": len(SUITE),
            "seconds": round(time.perf_counter() - started),
            "environment": versions(),
            "etas": ETAS,
            "curves": curves(rows),
        }
    if options.quick:
        print(render.markdown(results))
        return
    if not options.render:
        where.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    where.with_suffix(".md").write_text(render.markdown(results), encoding="utf-8")
    where.with_suffix(".svg").write_text(render.svg(results), encoding="utf-8")
    print(f"wrote {where.with_suffix('.md')} from {results['command']}")


if __name__ == "__main__":
    main()

"""How long a check of one gradient takes: ours, fully and along directions, beside five others.

    pip install -e '.[bench]' && python benchmarks/speed.py
    python benchmarks/speed.py --runs 2             # the whole table twice
    python benchmarks/speed.py --only tanh,matmul   # printed, not written

One process, one thread, float64, six pieces of work (`workloads`). Every side runs in turn, again
and again; the medians are compared. Before anything is timed, a planted wrong entry must be found
by both of our modes, and the right gradient must pass. Writes reports/speed.md and speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import frameworks
import one_case
import speed_report
from measuring import ONE_THREAD, REPORTS, Patience, interleaved, machine, quiet_machine
from speed_report import FULL, OURS, PROJECTED
from workloads import Work, works

HOW = {FULL: one_case.FULL, PROJECTED: one_case.PROJECTED}
PACKAGES = ("torch", "jax", "autograd")


@dataclass(frozen=True)
class Measured:
    """One side on one piece of work."""

    work: str
    entries: int
    side: str
    seconds: float
    """Median of the runs."""
    runs: int
    passes: bool
    """What it says of the right gradient."""
    count: Mapping[str, Any] | None = None
    """Of ours, what a check does."""


def demand_that_it_works(work: Work) -> None:
    """A planted wrong entry is found by both of our modes, or there is nothing to time.

    Raises
    ------
    RuntimeError
        It is not found: the figures would be those of a check that does not check.
    """
    for name, how in HOW.items():
        if not one_case.finds(work.planted(), work.inputs, how):
            raise RuntimeError(
                f"{work.name}: one wrong entry is not found by {name}: nothing is timed"
            )


def ours(work: Work) -> dict[str, tuple[one_case.OneCase, one_case.Count]]:
    """Both of our modes, ready to be timed, with what a check does.

    Raises
    ------
    RuntimeError
        The right gradient does not pass, or another mode was chosen than is said in the table.
    """
    found = {}
    for name, how in HOW.items():
        case = one_case.at(work.op(), work.inputs, how)
        count = case.count()
        if count.failed or not count.judged:
            said = "called wrong" if count.failed else "not judged"
            raise RuntimeError(f"{work.name}: the right gradient is {said} by {name}")
        if not one_case.is_what_was_asked(count, along_directions=name == PROJECTED):
            raise RuntimeError(f"{work.name}: {name} compares by {dict(count.modes)}")
        found[name] = (case, count)
    return found


def measure(
    work: Work, patience: Patience, clock: Callable[[], float] = time.perf_counter
) -> list[Measured]:
    """Every side on one piece of work, all in turn."""
    demand_that_it_works(work)
    own, others = ours(work), frameworks.sides(work)
    passes = {name: check() for name, check in others.items()}
    sides: dict[str, Callable[[], object]] = {n: case.run for n, (case, _) in own.items()}
    taken = interleaved({**sides, **others}, patience, clock)
    return [
        Measured(
            work.name,
            work.entries,
            side,
            statistics.median(seconds),
            len(seconds),
            passes.get(side, True),
            asdict(own[side][1]) if side in OURS else None,
        )
        for side, seconds in taken.items()
    ]


def one_run(chosen: Sequence[Work], patience: Patience) -> dict[str, Any]:
    """The whole table once, as plain data."""
    started, busy, found = time.perf_counter(), machine(PACKAGES), []
    with quiet_machine():
        for work in chosen:
            print(f"{work.name} ...", file=sys.stderr, flush=True)
            found += [asdict(m) for m in measure(work, patience)]
    seconds = round(time.perf_counter() - started)
    return {"seconds": seconds, "environment": busy, "measured": found}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1, help="measure all of it so often")
    parser.add_argument("--seconds", type=float, default=Patience.seconds,
                        help="for each side on each piece of work")  # fmt: skip
    parser.add_argument("--only", default="", help="begin with one of these words; only printed")
    parser.add_argument("--render", action="store_true", help="only write speed.md again")
    options = parser.parse_args()
    where = REPORTS / "speed.json"
    if options.render:
        results = json.loads(where.read_text(encoding="utf-8"))
    else:
        os.environ.update(ONE_THREAD)
        words = tuple(w for w in options.only.split(",") if w)
        chosen = [w for w in works() if not words or w.name.startswith(words)]
        patience = Patience(seconds=options.seconds)
        runs = [one_run(chosen, patience) for _ in range(options.runs)]
        command = "python benchmarks/" + " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        results = {"command": command, "runs": runs}
    text = speed_report.page(results)
    print(text)
    if options.only:
        return
    if not options.render:
        where.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    where.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""What `speed` measured as a page: ratios beside those wanted, seconds, and what each verifies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from frameworks import FAST, FULL_SIDES, HIPS, JAX, NAIVE, PROJECTED_SIDES, SLOW, VERIFIES
from measuring import bullets, duration, rounded, table
from workloads import OFF_BY

FULL, PROJECTED = "ours, full", "ours, projected"
OURS = (FULL, PROJECTED)
BESIDE = {**dict.fromkeys(FULL_SIDES, FULL), **dict.fromkeys(PROJECTED_SIDES, PROJECTED)}
"""Which of ours each is compared with."""
WANTED: dict[str, dict[str, float]] = {
    "tanh": {NAIVE: 20, SLOW: 500, FAST: 3, JAX: 5, HIPS: 1 / 1.5},
    "matmul": {NAIVE: 4, SLOW: 100, FAST: 3, JAX: 10, HIPS: 1 / 1.5},
    "layer norm": {NAIVE: 10, SLOW: 100, FAST: 3, JAX: 10, HIPS: 1},
    "softmax cross-entropy": {NAIVE: 2, SLOW: 4, FAST: 2, JAX: 10, HIPS: 1},
    "window net, 2,880": {NAIVE: 10, SLOW: 25, FAST: 3, JAX: 10, HIPS: 1},
    "window net, 29,200": {NAIVE: 20, FAST: 2, JAX: 10, HIPS: 1},
}
"""How many times faster ours shall be, by the beginning of the work's name."""
Row = Mapping[str, Any]

HEAD = f"""# How long a check of one gradient takes

Written by `{{command}}`: one process, one thread, float64, the same formula and inputs for all,
every side in turn and again, medians. A ratio is the other's time over ours: above 1 ours is
faster. In brackets stands what is wanted; a ratio that reaches it is **bold**. The sides that
verify every entry are compared with ours that does, those that look along directions with ours that
does.

Ours is all that the check `values` does with one given case: building it, a forward pass, drawing
the upstream gradient, the backward pass, and every comparison with its bound and its test for
kinks; for the window net, a graph, also the check `nodes`. A backward pass with one entry of
median size wrong by {100 * OFF_BY:g} % was found by both of our modes on each piece of work before
anything was timed, and the right one passed. The first run of each side, with compilation and cold
caches, is not counted.
"""
OURS_SAY = {
    FULL: "every entry of the gradients, for one upstream gradient: by itself, in a group that is "
    "moved at once and read one by one, or, where forward mixes all inputs, in blocks (see *made "
    "by* below). Each comparison has its own bound on the truncation and round-off error and a "
    "test for kinks; a fail is confirmed with other steps",
    PROJECTED: "all entries together along a random signed direction, or each input along several, "
    "with bound and test for kinks as above; a failing direction is narrowed to an entry. What it "
    "can miss: errors that cancel along the directions, and one that is smaller than *shows from* "
    "below",
}
OURS_MADE = """A call of forward that evaluates forty points at once is one call and forty points.
2N is what central differences of every entry take. *Shows from*: the smallest error of a single
entry that lies outside the bound of the coarsest comparison, relative to its input's largest entry
(none where every entry was looked at by itself). *Made by*: *quick*, an entry by itself; *grouped*,
entries that no output follows together, moved at once and read one by one; *blocks*, some sixteen
entries along a signed direction, entry by entry where that leaves it open; *ladder*, an entry with
many steps; *projected*, a random direction, counted for each input that it moves.
"""


def page(results: Mapping[str, Any]) -> str:
    """The report."""
    parts = [HEAD.format(command=results["command"])]
    runs = results["runs"]
    for number, run in enumerate(runs, 1):
        rows = run["measured"]
        title = "" if len(runs) == 1 else f", run {number} of {len(runs)}"
        parts += [
            f"## Ratios{title}\n\n{ratios(rows)}",
            f"## Seconds{title}\n\n{seconds(rows)}",
            f"## Ours{title}\n\n{OURS_MADE}\n{own_counts(rows)}",
            f"Measured in {run['seconds']} s on:\n\n{bullets(run['environment'])}",
        ]
    said = {**OURS_SAY, **VERIFIES}
    parts.insert(1, f"## What each verifies\n\n{bullets({f'**{k}**': v for k, v in said.items()})}")
    return "\n".join(parts)


def by_work(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """Rows by work and side, in the order in which they were measured."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["work"], {})[row["side"]] = row
    return found


def wanted(work: str, side: str) -> float | None:
    for start, wishes in WANTED.items():
        if work.startswith(start):
            return wishes.get(side)
    return None


def ratio(sides: Mapping[str, Row], side: str) -> float | None:
    """How many times longer this side takes than ours that does as much; None if one is missing."""
    mine = BESIDE[side]
    if side not in sides or mine not in sides:
        return None
    theirs, own = float(sides[side]["seconds"]), float(sides[mine]["seconds"])
    return theirs / own


def ratios(rows: Iterable[Row]) -> str:
    """The table with what is wanted beside what was measured."""
    head = ["work", "inputs", *(f"full: {s}" for s in FULL_SIDES)]
    head += [f"projected: {s}" for s in PROJECTED_SIDES]
    lines = []
    for work, sides in by_work(rows).items():
        entries = next(iter(sides.values()))["entries"]
        cells = [_ratio(ratio(sides, s), wanted(work, s)) for s in BESIDE]
        lines.append([work, f"{entries:,}", *cells])
    return table(head, lines)


def _ratio(value: float | None, wish: float | None) -> str:
    if value is None:
        return "-"
    said = f"{rounded(value)}×"
    if wish is None:
        return said
    reached = f"**{said}**" if value >= wish else said
    return f"{reached} (≥ {wish:.3g})"


def seconds(rows: Iterable[Row]) -> str:
    """Medians of all sides; in brackets how many runs, where they were few."""
    head = ["work", *OURS, *BESIDE]
    lines = [
        [work, *(_seconds(sides.get(side)) for side in head[1:])]
        for work, sides in by_work(rows).items()
    ]
    few = "In brackets the number of runs where it is below five"
    return f"{table(head, lines)}\n{few}; *: calls the right gradient wrong.\n"


def _seconds(row: Row | None) -> str:
    if row is None:
        return "-"
    few = f" ({row['runs']})" if row["runs"] < 5 else ""
    return duration(row["seconds"]) + few + "*" * (not row["passes"])


def own_counts(rows: Iterable[Row]) -> str:
    """What our checks did: comparisons and how they were made, calls and points."""
    head = ["work", "mode", "2N", "forward calls", "points", "backward", "comparisons"]
    head += ["shows from", "made by"]
    lines: list[Sequence[object]] = []
    for row in rows:
        count = row["count"]
        if count is None:
            continue
        made = ", ".join(f"{mode} {n:,}" for mode, n in count["modes"].items())
        numbers = (2 * count["entries"], count["forward_calls"], count["forward_points"],
                   count["backward_calls"], count["comparisons"])  # fmt: skip
        mode = row["side"].removeprefix("ours, ")
        shows = f"{count['shows_from']:.0e}" if count["shows_from"] else "-"
        lines.append([row["work"], mode, *(f"{n:,}" for n in numbers), shows, made])
    return table(head, lines, left=2)

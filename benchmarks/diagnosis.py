"""Does the report name the mistake that was planted? A confusion table over all planted bugs.

    python benchmarks/diagnosis.py [--every N] [--only WORD] [--show wrong|silent|all]

Each bug goes through `gradcheck.check` with one example call, profile dev. Named *right*: the
finding's `likely` (or a part of it, as in attribute/sign) is a planted kind. Named *wrong*: it is
another. *Silent*: no diagnosis. *Not found*: the check passed, or failed without a finding on a
gradient's value or shape. The whole table is written to reports/diagnosis.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import gradcheck
from benchmarks.planted import Planted, bugs
from gradcheck.results import Finding, OpResult

REPORT = Path(__file__).parent.parent / "reports" / "diagnosis.md"
DIAGNOSED = ("wrong-gradient", "wrong-shape", "slightly-off")


@dataclass(frozen=True)
class Named:
    """What the check said of one planted bug."""

    bug: Planted
    outcome: str
    """"right", "wrong", "silent" or "not found"."""
    name: str
    text: str
    result: OpResult | None


def name_of(bug: Planted) -> Named:
    """Check one bug; the best of what its findings are called counts against the worst."""
    forward, backward = bug.functions()
    try:
        gradcheck.check(forward, backward, *bug.example, profile="dev", **bug.attributes)
    except gradcheck.GradientError as error:
        return _judged(bug, error.result)
    return Named(bug, "not found", "", "", None)


def _judged(bug: Planted, result: OpResult) -> Named:
    """A wrong name of any finding makes the bug wrong; one right name makes it right."""
    found = [f for f in result.findings if f.severity == "fail" and f.code in DIAGNOSED]
    if not found:
        return Named(bug, "not found", "", "", result)
    named = [f for f in found if f.likely]
    wrong = [f for f in named if not set(f.likely.split("/")) & set(bug.kinds)]
    shown: Finding = (wrong or named or found)[0]
    outcome = "wrong" if wrong else "right" if named else "silent"
    return Named(bug, outcome, shown.likely, shown.diagnosis, result)


def totals(named: Iterable[Named]) -> Counter[str]:
    """How many bugs had each outcome."""
    return Counter(n.outcome for n in named)


def table(named: list[Named]) -> str:
    """Planted kind by what it was called, as Markdown."""
    columns = sorted({n.name for n in named if n.name})
    kinds = sorted({n.bug.kinds[0] for n in named})
    head = ["planted", "bugs", "right", "wrong", "silent", "not found", *columns]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for kind in kinds:
        own = [n for n in named if n.bug.kinds[0] == kind]
        count = totals(own)
        called = Counter(n.name for n in own)
        cells = [len(own), *(count[o] for o in ("right", "wrong", "silent", "not found"))]
        cells += [called[c] for c in columns]
        lines.append(f"| {kind} | " + " | ".join(str(c or "") for c in cells) + " |")
    return "\n".join(lines)


def sentence(named: list[Named]) -> str:
    """The totals in one line."""
    count, all_ = totals(named), len(named)
    parts = [f"{count[o]} {o} ({count[o] / all_:.1%})" for o in ("right", "wrong", "silent")]
    return f"{all_} planted bugs: {', '.join(parts)}, {count['not found']} not found"


def report(named: list[Named]) -> str:
    """The whole report."""
    ops = len({n.bug.op for n in named})
    lines = [
        "# Is the planted mistake named?",
        "",
        f"{sentence(named)}; {ops} ops, `benchmarks/diagnosis.py`, profile dev.",
        "",
        "A bug that the numbers allow two names for is listed under its first one, and either is",
        "right; right, wrong and silent count bugs, the columns after them what was said.",
        "",
        table(named),
    ]
    for outcome in ("wrong", "silent", "not found"):
        those = [n for n in named if n.outcome == outcome]
        lines += ["", f"## {outcome.capitalize()} ({len(those)})", ""]
        lines += [
            f"- {'/'.join(n.bug.kinds)}: {n.bug.op}: `{n.bug.edit}`"
            + (f": named {n.name}: {n.text}" if n.name else "")
            for n in those
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="only every n-th bug")
    parser.add_argument("--only", default="", help="bugs with this word in kind or op")
    parser.add_argument("--show", default="", help="print bugs with this outcome, or all")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    chosen = [b for b in bugs() if arguments.only in f"{'/'.join(b.kinds)} {b.id}"]
    started = time.perf_counter()
    named = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for last in pool.map(name_of, chosen[:: arguments.every], chunksize=4):
            named.append(last)
            if arguments.show in (last.outcome, "all"):
                print(f"{last.outcome}: {'/'.join(last.bug.kinds)}: {last.bug.id}")
                print(f"    {last.name}: {last.text}", flush=True)
    print(table(named))
    print(f"{sentence(named)}; {time.perf_counter() - started:.0f} s")
    if arguments.every == 1 and not arguments.only:
        REPORT.write_text(report(named), encoding="utf-8")


if __name__ == "__main__":
    main()

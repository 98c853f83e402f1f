"""Wrong gradients that public projects shipped: which are found from one plain call, and how.

    python benchmarks/real_bugs.py [--seed 0]

Prints the tables and writes them to reports/real_bugs.md (about two minutes). The wrong backward is
checked at the default profile under scope="forward", from the call that an author would pass; the
right one from that, from a generic call and from the one that triggers the bug, in both dtypes.
What is said of the right one too is no evidence against the wrong one, and not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import gradcheck  # noqa: E402
from gradcheck import GradientError  # noqa: E402
from gradcheck.results import Finding, OpResult  # noqa: E402
from tests.bugs import ALL, BUGS, FURTHER  # noqa: E402
from tests.bugs.record import Bug  # noqa: E402

REPORT = ROOT / "reports" / "real_bugs.md"
FOUND_HEAD = ("bug", "class", "source", "found by", "cases", "in which", "said")
CALLS = ("plain", "generic", "trigger")
DTYPES = ("float64", "float32")
PROFILE, CASES = "dev", 50
INTRODUCTION = f"""\
# Wrong gradients that public projects shipped

Written by `python benchmarks/real_bugs.py`. Each bug is re-created in `tests/bugs/`, beside the
right backward and with its source. The wrong one is checked from one plain call, which does not
show the bug on purpose: `gradcheck.check(forward, wrong, *plain, scope="forward")`. "cases" is
after how many of {CASES} a fail was there. What is said of the right backward too does not count.
"""
LEARNT = """\
## What the bugs that were looked up afterwards teach

- Most are found at the first plain cases: a random upstream gradient, values of all signs and
  repeated indices are enough. That is what the tests of these projects lacked, too.
- Ties, an upstream gradient with zeros in it, other axes, a strided or expanded upstream gradient
  and a second call find one each: none of these is superfluous.
- Linear upsampling: wrong only for a scale of 5 or more, a row of 2 and aligned corners at once.
  Attributes are varied to near values (a scale of 2 becomes 1, 3, 4) and in pairs, so that 5 is
  not met: larger values of those that change the size of the output would be the method.
- Layer normalisation: wrong only for more than two dimensions of one input, where the others keep
  theirs. One more dimension for all inputs at once does not reach it. One more for one input would;
  but right layers written for two dimensions would be red too, so it stays out.
- PReLU (above) is found because the example's slopes have both signs. Where all are positive, as in
  every test of it, positive slopes are taken for the domain, and the wrong rule passes.
- Three reports were no wrong gradients: hardswish at its kinks (pytorch/pytorch#147801,
  BobMcDear/attorch#16) and atan2 at the origin (pytorch/pytorch#165427) are conventions, or points
  without a derivative. A checker must not call them wrong.
"""

Row = tuple[str, ...]


def checked(bug: Bug, which: str, call: str, dtypes: tuple[str, ...], **settings: Any) -> OpResult:
    """The result for the ``wrong`` or the ``right`` backward."""
    if bug.reset is not None:
        bug.reset()
    example = bug.example(call, dtypes[0])
    options = {**example.attributes, "profile": PROFILE, "dtypes": dtypes, **settings}
    backward = getattr(bug, which)
    try:
        return gradcheck.check(bug.forward, backward, *example.primals, scope="forward", **options)
    except GradientError as error:
        return error.result


def fails(result: OpResult) -> list[Finding]:
    return [f for f in result.findings if f.severity == "fail"]


def found_row(bug: Bug, seed: int) -> Row:
    """How the wrong backward was found: the gravest finding that the right one does not show."""
    right = checked(bug, "right", "plain", DTYPES, seed=seed)
    alarms = {(f.code, f.input, f.regime) for f in fails(right)}

    def evidence(cases: int) -> list[Finding]:
        result = checked(bug, "wrong", "plain", DTYPES, seed=seed, max_cases=cases)
        return [f for f in fails(result) if (f.code, f.input, f.regime) not in alarms]

    head, found = (bug.name, bug.kind, bug.source), evidence(CASES)
    if not found:
        return (
            *head,
            "**not found**",
            str(CASES),
            "",
            "only what the right one shows too" * bool(alarms),
        )
    needed = next((n for n in range(1, CASES) if evidence(n)), CASES)
    first = found[0]
    said = first.diagnosis or first.message.rpartition("backward is wrong for it: ")[2]
    return (*head, f"{first.check}: {first.code}", str(needed), first.regime, said.split(" (")[0])


def alarm_rows(bugs: Iterable[Bug], seed: int) -> Iterator[Row]:
    """Of each right backward that is called wrong: what was said, and from which call."""
    for bug in bugs:
        alarms: dict[str, list[str]] = {}
        for dtype in DTYPES:
            for call in CALLS:
                result = checked(bug, "right", call, (dtype,), seed=seed)
                said = [f"{f.code} ({f.regime})" for f in fails(result)]
                said += ["not judged"] if result.verdict == "inconclusive" else []
                for what in dict.fromkeys(said):
                    alarms.setdefault(what, []).append(f"{call} {dtype}")
        for what, where in alarms.items():
            everywhere = len(where) == len(DTYPES) * len(CALLS)
            yield bug.name, what, "all" if everywhere else ", ".join(where)


def table(head: Row, rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def found_section(title: str, bugs: tuple[Bug, ...], seed: int) -> str:
    rows = [found_row(bug, seed) for bug in bugs]
    by = Counter(row[3].partition(":")[0] for row in rows if "not found" not in row[3])
    checks = ", ".join(f"{check} {count}" for check, count in by.most_common())
    summary = f"{by.total()} of {len(rows)} found ({checks})."
    return f"## {title}\n\n{summary}\n\n{table(FOUND_HEAD, rows)}"


def alarm_section(seed: int) -> str:
    rows = list(alarm_rows(ALL, seed))
    wrongly = len({row[0] for row in rows if row[1] != "not judged"})
    title = "## Right backward passes called wrong\n\n"
    summary = f"{wrongly} of {len(ALL)}, over {len(CALLS)} calls in {len(DTYPES)} dtypes each.\n"
    return title + summary + ("\n" + table(("bug", "finding", "from"), rows) if rows else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=REPORT)
    arguments = parser.parse_args()
    started, seed = time.perf_counter(), arguments.seed
    parts = [
        INTRODUCTION,
        found_section("Known while the harness was written", BUGS, seed),
        found_section("Looked up afterwards; nothing was tuned to them", FURTHER, seed),
        LEARNT,
        alarm_section(seed),
    ]
    text = "\n".join([*parts, f"Seed {seed}, {time.perf_counter() - started:.0f} s.\n"])
    print(text)
    arguments.output.write_text(text)


if __name__ == "__main__":
    main()

"""Points at which forward is evaluated for a full check of each reference op, beside 2N.

    python benchmarks/points.py
    python benchmarks/points.py softmax conv    # some ops, only printed

2N is what central differences of every entry take, and bound nothing. Each op is checked once in
float64, every entry of every gradient, at the largest case that its signature allows of those that
are tried here. Writes reports/points.md; counts, no times: the same on every machine.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import one_case
from gradcheck.arrays import Array
from gradcheck.corners import Plan, shapes_for
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom
from gradcheck.model import Op, Recipe
from gradcheck.preparing import prepare
from gradcheck.settings import Settings
from gradcheck.targets import load
from measuring import REPORTS, quiet_machine, rounded, table

BASES = (24, 16, 12, 9, 7, 5, 4, 3)
"""Sizes to try, the largest first: dimensions get distinct sizes from there on."""
MOST = 1500
"""Entries of all inputs, at most."""
FELL_BACK = "**no**"


@dataclass(frozen=True)
class Row:
    """One op at one case."""

    op: str
    shapes: tuple[tuple[int, ...], ...]
    entries: int
    """Of the gradients that are compared."""
    calls: int
    points: int
    backward: int
    modes: Mapping[str, int]

    @property
    def share(self) -> float:
        """Points over 2N."""
        return self.points / (2 * self.entries)

    @property
    def saved(self) -> bool:
        return self.share < 1


def sizes_of(plan: Plan) -> Iterator[dict[str, int]]:
    """Distinct sizes for the named dimensions, falling and rising: a kernel is the smaller one."""
    names = list(plan.sizes)
    for base in BASES:
        for step in (-1, 1):
            yield {name: max(2, base + step * k) for k, name in enumerate(names)}


def recipes(plan: Plan) -> Iterator[Recipe]:
    """Cases of the op's own kind that are larger than those of a run."""
    seen = set()
    for sizes in sizes_of(plan):
        top = max(sizes.values(), default=0)
        for batch in ((24, 16), (16, 9), (9, 7), (7, 5), (4, 3)):
            if any(b > top > 0 for b in batch):
                continue
            shapes = shapes_for(plan.op, sizes, batch)
            if shapes not in seen and count(shapes) <= MOST:
                seen.add(shapes)
                grids = tuple(f"seed:{k + 1}" for k in range(len(shapes)))
                yield Recipe(regime="generic", shapes=shapes, grids=grids, cotangent_seed=1)


def count(shapes: Iterable[Sequence[int]]) -> int:
    total = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= length
        total += size
    return total


def size_of(recipe: Recipe) -> int:
    """Entries of all inputs of a case; those that a strategy drew are kept by value."""
    by_value = [v[1] for v in recipe.values or () if v is not None]
    return count(by_value or recipe.shapes)


def row(op: Op) -> Row | None:
    """An op at its largest case that forward takes and backward is right at; None if there is none.

    The reference ops are right: a case that fails or cannot be judged lies where digits are lost.
    """
    settings = Settings(profile="fast", dtypes=("float64",), time_limit=0, op_time_limit=0)
    ready = prepare(Evaluator(op, GlobalRandom(0)), settings)
    own = any(i.strategy is not None for i in op.inputs)  # then sizes are what it draws
    tried = [] if own else sorted(recipes(ready.made), key=size_of, reverse=True)
    drawn = [d.value for d in ready.drawn if not d.value.beyond and not d.value.refusable]
    plain = [r for r in drawn if r.regime == "generic"]
    for recipe in [*tried, *sorted(plain, key=size_of, reverse=True), *drawn]:
        case = one_case.OneCase(ready.bench.op, recipe, one_case.FULL)
        did = case.count()
        if did.judged and not did.failed and did.entries:
            return Row(
                op.name,
                _shapes(case, recipe),
                did.entries,
                did.forward_calls,
                did.forward_points,
                did.backward_calls,
                did.modes,
            )
    return None


def _shapes(case: one_case.OneCase, recipe: Recipe) -> tuple[tuple[int, ...], ...]:
    """Of the case's inputs, also where an example or a strategy gives them."""
    facts = case.bench.run(recipe, ("contract",)).facts
    primals: tuple[Array, ...] = facts.case.primals if facts else ()
    return tuple(p.shape for p in primals)


HEAD = """# Points of a full check

Written by `{command}`: every entry of every gradient of each reference op at one case in float64,
by the check `values`, for graphs by `nodes` too. 2N is what central differences of all N entries
take, without a bound. A point is one evaluation of forward, a call may evaluate several; both count
the evaluations at the case itself, those that look for the structure of forward, and all that
judging takes. The best savings come first. **no** marks what saved nothing: forward mixes all its
inputs, the case is so small that looking for structure costs more than it saves, or entries were
judged one by one.

{total}

"""


def page(rows: Sequence[Row], command: str) -> str:
    """The report."""
    ordered = sorted(rows, key=lambda r: (r.share, r.op))
    head = ("op", "inputs", "N", "2N", "points", "calls", "points / 2N", "saved", "made by")
    lines = [
        [
            r.op,
            " ".join("×".join(map(str, s)) or "1" for s in r.shapes),
            f"{r.entries:,}",
            f"{2 * r.entries:,}",
            f"{r.points:,}",
            f"{r.calls:,}",
            rounded(r.share),
            "yes" if r.saved else FELL_BACK,
            ", ".join(f"{mode} {n:,}" for mode, n in r.modes.items()),
        ]
        for r in ordered
    ]
    return HEAD.format(command=command, total=total(rows)) + table(head, lines, left=2)


def total(rows: Sequence[Row]) -> str:
    """All of them in a sentence."""
    if not rows:
        return "No op was checked."
    points, twice = sum(r.points for r in rows), sum(2 * r.entries for r in rows)
    middle = statistics.median(r.share for r in rows)
    fewer = sum(r.saved for r in rows)
    return (
        f"{fewer} of {len(rows)} ops take fewer points than 2N; half of them at most "
        f"{rounded(middle)} of 2N. All together {points:,} points, 2N being {twice:,}."
    )


def measure(ops: Iterable[Op]) -> list[Row]:
    """All that can be checked, in turn.

    Raises
    ------
    RuntimeError
        An op has no case that could be judged.
    """
    found = []
    with quiet_machine():
        for op in ops:
            made = row(op)
            if made is None:
                raise RuntimeError(f"{op.name}: no case of it could be judged")
            found.append(made)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="in the names of ops; only printed")
    words = parser.parse_args().words
    chosen = [o for o in load("reference_ops") if not words or any(w in o.name for w in words)]
    text = page(measure(chosen), "python benchmarks/points.py")
    print(text)
    if not words:
        (REPORTS / "points.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The reference ops in one table: what the harness, PyTorch and planted mistakes say of each.

    gradcheck selftest --json scores.json       # or one file per module, in parallel
    python benchmarks/reference_table.py scores.json

Writes reports/reference_ops.md (some ten minutes; needs PyTorch: pip install -e '.[bench]').
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from gradcheck.model import Op  # noqa: E402
from gradcheck.records import unnum  # noqa: E402
from gradcheck.results import Convention, OpResult  # noqa: E402
from gradcheck.runner import run_one  # noqa: E402
from gradcheck.scores import Score  # noqa: E402
from gradcheck.settings import Settings  # noqa: E402
from gradcheck.targets import load  # noqa: E402
from kill_scores import joined  # noqa: E402
from tests import oracles  # noqa: E402
from tests.oracles.record import Agreement, beside  # noqa: E402

REPORT = ROOT / "reports" / "reference_ops.md"
DTYPES = ("float64", "float32")
HEAD = """# The reference ops

Each op at the profile `{profile}` (`ci` is the default: 100 cases), both dtypes, `scope="forward"`.

- **worst**: the largest relative error of an entry against its finite difference, by dtype. It is
  what rounding leaves where an entry is small beside the others, or the difference quotient's own
  error; the verdict is the bound's.
- **PyTorch**: backward passes at the harness's own inputs and upstream gradients that were compared
  with `torch.autograd` (values too, by `reference=`), and the largest difference in float64, of the
  largest entry of a gradient; *equal*: none above 1e-13 of the upstream gradient. *Others*: passes
  that differ, at kinks or ties alone, where the oracle says that PyTorch chooses another slope.
  *Refused*: passes at inputs that PyTorch does not take.
- **caught**: planted mistakes that a check catches, of those that are mistakes (`selftest.md`).
- **choices**: at kinks and ties, the share of the larger one-sided slope that backward takes.

"""
COLUMNS = (
    "op",
    "verdict",
    "worst, float64",
    "float32",
    "PyTorch",
    "caught",
    "choices at kinks and ties",
    "s",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One op in the table."""

    op: Op
    result: OpResult
    worst: tuple[float, ...]
    """The largest relative error, by dtype."""
    agrees: str
    """The verdict with PyTorch as the reference."""
    seen: Agreement
    score: Score | None


def measured(op: Op, score: Score | None, own: Settings) -> Row:
    """Check an op as users do, in each dtype alone, and beside PyTorch."""
    alone = [run_one(op, msgspec.structs.replace(own, dtypes=(d,))).worst for d in DTYPES]
    worst = tuple(unnum(w.relative_error) if w else 0.0 for w in alone)
    compared, seen = beside(op, oracles.known()[oracles.place(op)])
    return Row(op, run_one(op, own), worst, run_one(compared, own).verdict, seen, score)


# -- as text -------------------------------------------------------------------------------------
def cells(row: Row) -> list[str]:
    """A row of the table."""
    score = row.score
    caught = f"{score.killed} of {score.telling}" if score and not score.reason else "no score"
    return [
        f"`{row.op.name}`",
        row.result.verdict,
        *(f"{w:.1g}" for w in row.worst),
        agreement(row),
        caught,
        choices(row.result.conventions),
        f"{row.result.seconds:.1f}",
    ]


def agreement(row: Row) -> str:
    """What PyTorch says."""
    seen = row.seen
    if row.agrees != "pass" or seen.differ:
        return f"{row.agrees}, {len(seen.differ)} differ"
    refused = sum(seen.refused.values())
    parts = [f"{seen.gradients}: {seen.worst:.0e}" if seen.worst else f"{seen.gradients}: equal"]
    parts += [f"{seen.conventions} others"] if seen.conventions else []
    parts += [f"{refused} refused"] if refused else []
    return ", ".join(parts)


def choices(conventions: Iterable[Convention]) -> str:
    """Shares by place, the commonest first."""
    found: dict[str, set[str]] = {}
    for made in conventions:
        tie = made.where.startswith("a ")
        place = made.where.removeprefix("a ") if tie else f"{made.input} = {made.where}"
        found.setdefault(place, set()).add(f"{made.normalised()[2]:g}")
    texts = [f"{place}: {', '.join(sorted(shares)[:3])}" for place, shares in found.items()]
    return "; ".join(texts[:3]) + ("; ..." if len(texts) > 3 else "")


def lines_of(path: Path) -> tuple[int, int]:
    """Lines of a file, and those that are neither blank, comment nor docstring."""
    text = path.read_text(encoding="utf-8")
    words: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            words |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    plain = [line.strip() for line in text.splitlines()]
    code = [k for k, line in enumerate(plain, 1) if line and not line.startswith("#")]
    return len(plain), len(set(code) - words)


def sizes(rows: list[Row]) -> list[str]:
    """Lines by family."""
    texts = [
        "",
        "## Lines",
        "",
        "| family | ops | lines | code | code per op |",
        "|---|---|---|---|---|",
    ]
    totals = [0, 0, 0]
    for family in dict.fromkeys(oracles.place(r.op)[0] for r in rows):
        count = sum(oracles.place(r.op)[0] == family for r in rows)
        whole, code = lines_of(ROOT / "reference_ops" / f"{family}.py")
        totals = [t + n for t, n in zip(totals, (count, whole, code), strict=True)]
        texts.append(f"| {family} | {count} | {whole} | {code} | {code / count:.1f} |")
    whole, code = (sum(n) for n in zip(*map(lines_of, shared()), strict=True))
    texts.append(f"| shared (`_*.py`) |  | {whole} | {code} |  |")
    count, lines, own = totals
    texts.append(f"| all | {count} | {lines + whole} | {own + code} | {(own + code) / count:.1f} |")
    return texts


def shared() -> list[Path]:
    return sorted((ROOT / "reference_ops").glob("_[a-z]*.py"))


def page(rows: list[Row], environment: dict[str, str], profile: str) -> str:
    """The report."""
    texts = [
        HEAD.replace("{profile}", profile) + "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
    ]
    family = ""
    for row in rows:
        if oracles.place(row.op)[0] != family:
            family = oracles.place(row.op)[0]
            texts.append(f"| **{family}** |" + " |" * (len(COLUMNS) - 1))
        texts.append("| " + " | ".join(cells(row)) + " |")
    return "\n".join([*texts, "", total(rows), *sizes(rows), "", made(environment)]) + "\n"


def total(rows: list[Row]) -> str:
    """The table in a sentence."""
    passed = sum(r.result.verdict == "pass" for r in rows)
    agreed = sum(r.agrees == "pass" and not r.seen.differ for r in rows)
    compared = sum(r.seen.gradients for r in rows)
    killed = sum(r.score.killed for r in rows if r.score)
    telling = sum(r.score.telling for r in rows if r.score)
    return (
        f"{len(rows)} ops: {passed} pass; {agreed} agree with PyTorch in {compared:,} backward "
        f"passes; {killed:,} of {telling:,} planted mistakes are caught."
    )


def made(environment: dict[str, str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in environment.items())
    return f"Made by `python benchmarks/reference_table.py` with {versions}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", nargs="+")
    parser.add_argument("--profile", choices=("fast", "dev", "ci", "thorough"), default="ci")
    given = parser.parse_args()
    scores, own = joined(given.scores), Settings(profile=given.profile)
    known = {s.op: s for s in scores.scores}
    rows = []
    for op in load("reference_ops"):
        rows.append(measured(op, known.get(op.id), own))
        print(*cells(rows[-1]), sep="  ", file=sys.stderr)
    REPORT.write_text(page(rows, scores.environment, given.profile), encoding="utf-8")


if __name__ == "__main__":
    main()

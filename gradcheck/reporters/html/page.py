"""What the template shows: each op's row, its details, and the pictures of those that failed."""

from __future__ import annotations

import base64
import json
import re
import shlex
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from gradcheck.figures import Cost
from gradcheck.plain import one_line
from gradcheck.records import unnum
from gradcheck.reporters.html import graphs, plots, tables
from gradcheck.reporters.html.packing import Packed, packed
from gradcheck.reporters.html.telling import Told, told, why
from gradcheck.reporters.standing import Standing, is_right, problems, standing, worst_first
from gradcheck.reporters.text import convention, error_and_limit, tolerance, totals
from gradcheck.results import OpResult, Report, Waived

FULL = 40
"""Ops that did not pass are shown in full up to here, the worst first; the others unfold like
those that passed."""
MESSAGE = 600
"""Characters of what is wrong with the run."""
MOST = 12
"""Conventions and refusals that are listed."""
WORDS = {"failed": "✗ FAIL", "not judged": "? not judged", "waived": "⚑ waived", "passed": "✓ pass"}
CLASSES = {"failed": "f", "not judged": "n", "waived": "w", "passed": "p"}
PICTURES: dict[str, tuple[str, Callable[[Any], str], Callable[[Any], str]]] = {
    "curve": ("Error against step size", plots.curve, tables.curve),
    "heat": ("Relative error by entry", plots.heat, tables.heat),
    "spread": ("Relative errors over the cases", plots.spread, tables.spread),
    "graph": ("Graph", graphs.graph, tables.graph),
}
"""Their titles, and what draws them from packed data."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One op on the page."""

    result: OpResult
    slug: str
    standing: Standing
    full: bool
    name: str
    module: str
    error: str
    limit: str
    what: str
    likely: str
    findings: list[Told]
    facts: list[tuple[str, str]]
    data: Packed = field(repr=False)

    @property
    def word(self) -> str:
        """The verdict, never by colour alone."""
        return WORDS[self.standing]

    @property
    def classes(self) -> str:
        """For the style sheet and the filters."""
        warned = any(f.severity == "warning" for f in self.result.findings)
        return CLASSES[self.standing] + " a" * warned

    @property
    def lesser(self) -> dict[str, int]:
        """How many warnings and notes there are."""
        severities = [f.severity for f in self.result.findings]
        return {w: severities.count(w) for w in ("warning", "note") if w in severities}

    @property
    def pictures(self) -> list[tuple[str, str, Markup, Markup]]:
        """Key, title, picture and table of each."""
        return [
            (key, title, Markup(draw(self.data[key])), Markup(table(self.data[key])))
            for key, (title, draw, table) in PICTURES.items()
            if key in self.data
        ]

    @property
    def met(self) -> Markup:
        """The coverage as a table."""
        return Markup(tables.met(self.data["met"])) if "met" in self.data else Markup()

    @property
    def code(self) -> list[tuple[int, str]]:
        """The source, with the number of each line."""
        first, text = self.data.get("code", (0, ""))
        return list(enumerate(text.splitlines(), first))


def shown(report: Report) -> list[Shown]:
    """All ops, the worst first."""
    slugs, made, left = set[str](), list[Shown](), FULL
    for result in worst_first(report.results):
        stands = standing(result)
        full = stands != "passed" and left > 0
        left -= full
        module, _, name = result.op.rpartition("::")
        what, likely = why(result) if stands != "passed" else ("", "")
        error, limit = error_and_limit(result.worst)
        made.append(
            Shown(
                result=result,
                slug=_slug(name, slugs),
                standing=stands,
                full=full,
                name=one_line(name, 120) or "(no name)",
                module=one_line(module, 120),
                error=error,
                limit=limit,
                what=what,
                likely=likely,
                findings=[told(report, result, f) for f in result.findings],
                facts=_facts(result, full=full),
                data=packed(result.figures, exact=stands != "passed"),
            )
        )
    return made


def island(ops: Iterable[Shown]) -> str:
    """What the script draws, compressed: for each op that is not drawn here, its packed figures."""
    data: dict[str, Any] = {op.slug: op.data for op in ops if not op.full and op.data}
    if not data:
        return ""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def verdict(report: Report) -> tuple[str, str]:
    """The page's first line, and whether it is good ("p") or bad ("f")."""
    s, stands = report.summary, [standing(r) for r in report.results]
    bad = {w: stands.count(w) for w in ("failed", "not judged") if w in stands}
    if bad:
        (word, count), *rest = bad.items()
        more = "".join(f", {n} {other}" for other, n in rest)
        return f"✗ {count} of {s.ops} op{'s' * (s.ops != 1)} {word}{more}", "f"
    if not is_right(report):
        return f"✗ not a pass: {problems(report)[0].title}", "f"
    waived = stands.count("waived")
    if waived:
        return f"✓ {s.ops - waived} of {s.ops} ops passed, {waived} waived", "p"
    return ("✓ the op passed" if s.ops == 1 else f"✓ all {s.ops} ops passed"), "p"


def context(report: Report) -> dict[str, Any]:
    """Everything that the template names."""
    ops = shown(report)
    line, state = verdict(report)
    filters = [("all", "", len(ops))]
    filters += [
        (word, c, sum(c in op.classes.split() for op in ops))
        for word, c in (*CLASSES.items(), ("with warnings", "a"))
    ]
    settings = {"seed": report.seed, "profile": report.profile, **report.settings}
    return {
        "report": report,
        "ops": ops,
        "full": [op for op in ops if op.full],
        "brief": [op for op in ops if not op.full],
        "line": line,
        "state": state,
        "totals": totals(report),
        "problems": [(p.title, one_line(p.message, MESSAGE)) for p in problems(report)],
        "waivers": [_waiver(w) for w in report.waivers],
        "filters": [(word, c, n) for word, c, n in filters if n],
        "about": [
            (one_line(str(label), 60), one_line(str(words), 200))
            for label, words in {**settings, **report.environment}.items()
        ],
        "island": island(ops),
    }


def _waiver(waived: Waived) -> list[str]:
    """One entry of the waiver file as a row."""
    mark = "⚑" if waived.state == "met" else "✗"
    about = f"{waived.code} {waived.input}"
    return [
        f"{mark} {waived.state}",
        *(one_line(words, 200) for words in (waived.op, about, waived.reason, waived.expires)),
    ]


def _slug(name: str, taken: set[str]) -> str:
    """An anchor of its own for each op: ``op-affine``, then ``op-affine-2``."""
    plain = "op-" + re.sub(r"[^A-Za-z0-9_.]+", "-", name)[:60]
    slug, k = plain, 1
    while slug in taken:
        k += 1
        slug = f"{plain}-{k}"
    taken.add(slug)
    return slug


def _facts(result: OpResult, *, full: bool) -> list[tuple[str, str]]:
    """What else is known, with its label; all of it in words, for those without scripts."""
    most = MOST if full else 3
    facts = [("op", f"{one_line(result.op)} ({one_line(result.kind, 40)}), {_source(result)}")]
    facts.append(("checks", "; ".join(_check(result, name) for name in result.checks)))
    if not full:
        facts.append(("covered", _covered(result)))
    kept = [one_line(convention(c)) for c in result.conventions[:most]]
    facts.append(("conventions", "; ".join(kept) + _more(len(result.conventions), most)))
    assumed = [one_line(a, 400) for a in result.assumptions]
    facts.append(("assumed", "; ".join(assumed)))
    refused = [f"{one_line(what)} ({n})" for what, n in list(result.rejected.items())[:most]]
    facts.append(("refused", "; ".join(refused) + _more(len(result.rejected), most)))
    if result.tolerance is not None:
        facts.append(("tolerance", tolerance(result.tolerance)))
    facts.append(("cost", "; ".join(map(_cost, result.cost))))
    if result.waived:
        facts.append(("waived", one_line(result.waived, 1000)))
    if result.target and (not full or not any(f.replay for f in result.findings)):
        facts.append(("again", f"gradcheck run {shlex.quote(one_line(result.target))}"))
    return [(label, words) for label, words in facts if words]


def _source(result: OpResult) -> str:
    return one_line(str(result.source))


def _check(result: OpResult, name: str) -> str:
    check = result.checks[name]
    word = {"pass": "✓", "fail": "✗ fail:", "inconclusive": "? not judged:"}[check.verdict]
    count = f" {check.comparisons:,}" if check.comparisons else ""
    open_ = f" ({check.inconclusive} not judged)" if check.inconclusive else ""
    return f"{word} {one_line(name, 40)}{count}{open_}"


def _covered(result: OpResult) -> str:
    """How many cases of each shape, dtype and upstream gradient, and how many kinds of values."""
    met, parts = result.figures.met, []
    for what in ("shapes", "dtype", "layout"):
        counts: dict[str, int] = {}
        for m in met:
            counts[getattr(m, what)] = counts.get(getattr(m, what), 0) + m.cases
        parts.append(", ".join(f"{one_line(k, 40)} {n}" for k, n in counts.items()))
    regimes = len(result.coverage)
    parts.append(f"{regimes} kinds of values" if regimes else "")
    return "; ".join(p for p in parts if p)


def _cost(cost: Cost) -> str:
    """Both passes beside forward alone, from the shorter to the longer size."""
    ratios = " to ".join(f"{ratio:.1f}" for ratio in cost.time_ratios)
    said = [f"both passes take {ratios} times forward" if ratios else "", one_line(cost.note)]
    said.append(f"grows faster than forward in {' and '.join(cost.steep)}" if cost.steep else "")
    along = f"along {one_line(cost.along, 40)}: " if cost.along else ""
    return along + ", ".join(words for words in said if words)


def _more(count: int, most: int) -> str:
    return f"; and {count - most} more" if count > most else ""


def health(result: OpResult) -> list[tuple[str, ...]]:
    """The nodes of a graph as texts, the deepest first."""
    return [
        (
            one_line(n.node, 60),
            one_line(n.op, 60),
            str(n.depth),
            f"{unnum(n.value_rms):.2g}",
            f"{unnum(n.gradient_rms):.2g}",
            "-" if n.dead is None else f"{n.dead:.0%}",
            "-" if n.saturated is None else f"{n.saturated:.0%}",
        )
        for n in result.health
    ]

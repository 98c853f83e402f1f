"""The results of `sensitivity` as text and as a picture; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

Results = dict[str, Any]
Curve = dict[str, Any]

TITLES = {"ours": "gradcheck", "published": "as published", "best case": "best threshold"}
WORDS = {
    "smooth": "smooth ops",
    "kinked": "kinked ops, away from the kinks",
    "on a kink": "kinked ops, exactly on a kink or tie",
    "near a kink": "kinked ops, 1e-8 to 1e-2 from a kink",
    "ill-conditioned": "ill-conditioned ops",
    "all": "all",
}
PREAMBLE = """\
# Sensitivity: the smallest error of one gradient entry that is found without a false alarm

{checks:,} checks ({derivatives:,} derivatives) in each dtype: {ops} right ops (20 smooth, 10
kinked, 15 ill-conditioned; `benchmarks/suite.py`), {points} points each, native float64 and
float32, backward passes written by hand. In each check one entry of the right gradient, at least
a tenth of the largest, is multiplied by 1 + eta or 1 - eta. **Found** means that this entry is a
fail at eta and at the larger errors of a grid, ten a decade from 1e-1 to 1e-12 (looked for decade
by decade, then one by one within the first decade that is missed); **eta95** (eta50) is the
smallest eta that 95 % (50 %) of the checks find. Strict mode (`signif = 0`). A false alarm is a
fail of the right gradient; in the tables checks first, derivatives in brackets.

![share of checks that find an error of this size](sensitivity.svg)

- **quick path alone**: three evaluations, x +- h and x + 2h; a fail is what lies outside its own
  bound. Shown to see what the ladder adds: no check judges so.
- **quick, then ladder**: what every check does. What the three evaluations leave open is asked once
  more at a shorter step, where one would do, and climbs else.
- **ladder for all**: nothing is settled by the quick path (its three evaluations are counted).
- **as published**: the released package's function with the constants it ships, on the same NumPy
  functions; it flags a gradient as a whole, with cotangents of its own. JAX through
  `jax.test_util.check_vjp`, which is `check_grads` in reverse mode, autograd's in reverse mode. For
  the lecture, the relative errors named in the CS231n notes at h = 1e-4. Where a rule has false
  alarms, what it finds means little: it flags right gradients too.
- **best threshold**: the same steps or direction, contracted in float64, flagged above the smallest
  relative error that raises no false alarm on these very data, chosen for each row afterwards. No
  constant that one could ship does as well. "-" under eta: no error up to 10 % is found so often.

Evaluations are forward passes for each derivative of a right gradient; the noise of the backward
pass is measured besides, by 14 backward passes a check, where the ladder is climbed.
"""
MADE = """\
## How this was measured

    {command}

Seed {seed}, {seconds} s. Another seed draws other points, other wrong entries and other cotangents.
The curves are in `sensitivity.json`; `python benchmarks/sensitivity.py --render` writes this text
and the picture from it.

{versions}
"""


def markdown(results: Results) -> str:
    """The report: what was measured, a table for each dtype and kind of op, and how."""
    overall = _pick(results["curves"], "float64", "all")[0]
    counts = {k: overall[k] for k in ("checks", "derivatives")}
    parts = [PREAMBLE.format(ops=results["ops"], points=results["points"], **counts)]
    for dtype in ("float64", "float32"):
        parts.append(f"## {dtype}\n")
        for group in WORDS:
            chosen = _pick(results["curves"], dtype, group)
            if chosen:
                parts.append(f"### {dtype}, {WORDS[group]}: {chosen[0]['checks']} checks\n")
                parts.append(_table(chosen, results["etas"]))
    versions = "\n".join(f"- {k}: {v}" for k, v in results["environment"].items())
    parts.append(MADE.format(versions=versions, **results))
    return "\n".join(parts)


def _pick(curves: Iterable[Curve], dtype: str, group: str) -> list[Curve]:
    order = list(TITLES)
    found = [c for c in curves if c["dtype"] == dtype and c["group"] == group]
    return sorted(found, key=lambda c: order.index(c["kind"]))


def _table(curves: list[Curve], etas: list[float]) -> str:
    """One row a scheme; detection at whole decades."""
    decades = [k for k, eta in enumerate(etas) if abs(math.log10(eta) % 1) < 1e-9]
    heads = ["", "scheme", "false alarms", "inconclusive", "evaluations", "eta50", "eta95"]
    heads += [f"{etas[k]:.0e}" for k in decades]
    lines = [_cells(heads), _cells(["---"] * 2 + ["---:"] * (len(heads) - 2))]
    lines += [_cells([*_row(c), *(_percent(c["detection"][k]) for k in decades)]) for c in curves]
    return "\n".join(lines) + "\n"


def _row(curve: Curve) -> list[str]:
    name = curve["scheme"]
    if curve["kind"] == "ours":
        name = f"**{name}**"
    alarms = f"{curve['false_alarm_checks']} ({curve['false_alarm_derivatives']})"
    inconclusive = "-"
    if curve["kind"] == "ours":
        inconclusive = f"{curve['inconclusive_checks']} ({curve['inconclusive_derivatives']})"
    elif curve["kind"] == "best case":
        alarms = "0 by choice"
    elif curve["scheme"].endswith(("gradcheck", "check_grads")):
        alarms = str(curve["false_alarm_checks"])
    cost = curve.get("evaluations_per_derivative")
    evaluations = "-" if cost is None else f"{cost:.1f}"
    etas = [_eta(curve["eta50"]), _eta(curve["eta95"])]
    return [TITLES[curve["kind"]], name, alarms, inconclusive, evaluations, *etas]


def _cells(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _eta(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _percent(share: float) -> str:
    """100 and 0 only where it is all and none."""
    if 0 < share < 0.005:
        return "<1"
    return ">99" if 0.995 <= share < 1 else f"{100 * share:.0f}"


WIDTH, HEIGHT, LEFT, TOP = 420, 260, 56, 40
"""Of one panel, and its margins."""
PANELS = [("float64", "smooth"), ("float32", "smooth")]
PANELS += [("float64", "ill-conditioned"), ("float32", "ill-conditioned")]
DRAWN = {
    ("ours", "quick path alone"): ("#7fb3d5", ""),
    ("ours", "quick, then ladder"): ("#1f77b4", ""),
    ("ours", "ladder for all"): ("#0b3c5d", ""),
    ("published", "torch.autograd.gradcheck"): ("#d62728", ""),
    ("published", "jax.test_util.check_grads"): ("#9467bd", ""),
    ("published", "autograd.test_util.check_grads"): ("#8c564b", ""),
    ("published", "lecture: h = 1e-4, error > 1e-4"): ("#7f7f7f", ""),
    ("best case", "PyTorch's steps (h = 1e-6)"): ("#d62728", "5 4"),
    ("best case", "JAX's steps (one direction, h = 1e-4)"): ("#9467bd", "5 4"),
    ("best case", "autograd's steps (one direction, h = 5e-7)"): ("#8c564b", "5 4"),
    ("best case", "the lecture's steps (h = 1e-4)"): ("#7f7f7f", "5 4"),
}
"""Colour and dashes by kind and scheme: dashed is the best threshold, one colour a package."""


def svg(results: Results) -> str:
    """Detection against eta: a panel for each dtype, smooth ops above ill-conditioned ones."""
    width, key = 2 * (WIDTH + LEFT) + 30, 20 * ((len(DRAWN) + 1) // 2) + 30
    height = 2 * (HEIGHT + TOP + 40) + key
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        "<title>Share of checks that find an error of one gradient entry, by its size</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (dtype, group) in enumerate(PANELS):
        x = LEFT + (number % 2) * (WIDTH + LEFT)
        y = TOP + (number // 2) * (HEIGHT + TOP + 40)
        curves = _pick(results["curves"], dtype, group)
        parts.append(f'<g transform="translate({x},{y})">')
        parts += [*_axes(f"{dtype}, {WORDS[group]}"), *_lines(curves, results["etas"]), "</g>"]
    parts += [*_key(height - key), "</svg>", ""]
    return "\n".join(parts)


def _at(eta: float) -> float:
    """Horizontal place of an error between 1e-1 and 1e-12."""
    return WIDTH * (-math.log10(eta) - 1) / 11


def _axes(title: str) -> list[str]:
    parts = [f'<text x="0" y="-12" font-weight="bold">{title}</text>']
    for percent in range(0, 101, 25):
        y = HEIGHT * (1 - percent / 100)
        parts.append(f'<line x1="0" x2="{WIDTH}" y1="{y:g}" y2="{y:g}" stroke="#dddddd"/>')
        parts.append(f'<text x="-8" y="{y + 4:g}" text-anchor="end">{percent} %</text>')
    for decade in range(1, 13):
        x = _at(10.0**-decade)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}" stroke="#eeeeee"/>')
        label = f"1e-{decade}"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT + 18}" text-anchor="middle">{label}</text>')
    return parts


def _lines(curves: list[Curve], etas: list[float]) -> list[str]:
    parts = []
    for curve in curves:
        style = DRAWN.get((curve["kind"], curve["scheme"]))
        if style is None:
            continue
        places = [
            f"{_at(eta):.1f},{HEIGHT * (1 - share):.1f}"
            for eta, share in zip(etas, curve["detection"], strict=True)
        ]
        wide = 2.5 if curve["kind"] == "ours" else 1.5
        parts.append(
            f'<polyline points="{" ".join(places)}" fill="none" stroke="{style[0]}" '
            f'stroke-width="{wide}" stroke-dasharray="{style[1]}"/>'
        )
        if curve["false_alarm_checks"]:
            end = places[-1].split(",")
            share = 100 * curve["false_alarm_checks"] / curve["checks"]
            parts.append(
                f'<circle cx="{end[0]}" cy="{end[1]}" r="4" fill="{style[0]}">'
                f"<title>{curve['scheme']}: {share:.0f} % false alarms</title></circle>"
            )
    return parts


def _key(y: float) -> list[str]:
    parts = [
        f'<text x="{LEFT}" y="{y}">Relative error of one entry, growing to the left. Dashed: best '
        "threshold, chosen afterwards. A dot: this rule calls right gradients wrong.</text>"
    ]
    for number, ((kind, scheme), (colour, dashes)) in enumerate(DRAWN.items()):
        x, row = LEFT + (number % 2) * (WIDTH + LEFT), y + 22 + 20 * (number // 2)
        parts.append(
            f'<line x1="{x}" x2="{x + 30}" y1="{row - 4}" y2="{row - 4}" stroke="{colour}" '
            f'stroke-width="2.5" stroke-dasharray="{dashes}"/>'
        )
        parts.append(f'<text x="{x + 38}" y="{row}">{TITLES[kind]}: {_escaped(scheme)}</text>')
    return parts


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

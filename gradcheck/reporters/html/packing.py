"""Figures as small integers and letters: what the page's pictures are drawn from, twice.

The server draws the ops that did not pass from this, the page's script draws the others from the
same, so both must give the same picture; a test in a browser compares them. Sizes are common
logarithms in thousandths (-12000 is 1e-12), with None for zero and "inf" for what is not finite.
"""

from __future__ import annotations

import math
from typing import Any

from gradcheck.figures import Curve, Figures, Heat, Met, Spread
from gradcheck.plain import cut, one_line, visible
from gradcheck.records import Number, unnum
from gradcheck.reporters.html.graphs import laid_out
from gradcheck.reporters.text import place

Size = int | str | None
Packed = dict[str, Any]
NAME = 60
"""Characters of a name in a picture."""
LINE = 240
"""Characters of a line of source."""
LOWEST = -20
"""The smallest power of ten of a distribution."""
COARSEST, FINEST = 3, -18
"""Powers of ten that a cell of a map can have; beyond, the nearest."""


def packed(figures: Figures, *, exact: bool) -> Packed:
    """Everything that is drawn of one op.

    Parameters
    ----------
    figures : Figures
    exact : bool
        Maps with two digits of each error, not only its power of ten; values at each node of a
        graph. A passing op goes without, to stay small.
    """
    found: Packed = {}
    if figures.curve is not None:
        found["curve"] = _curve(figures.curve)
    if figures.heat is not None and figures.heat.errors:
        found["heat"] = _heat(figures.heat, exact=exact)
    if figures.spread is not None and (figures.spread.errors or figures.spread.limits):
        found["spread"] = _spread(figures.spread)
    if figures.graph:
        found["graph"] = laid_out(figures.graph, figures.path, exact=exact)
    if figures.met:
        found["met"] = _met(figures.met)
    if figures.code:
        lines = [cut(visible(line), LINE) for line in figures.code.splitlines()]
        found["code"] = [figures.code_line, "\n".join(lines)]
    return found


def size(value: Number) -> Size:
    """How large a number is."""
    number = abs(unnum(value))
    if not math.isfinite(number):
        return "inf"
    return round(1000 * math.log10(number)) if number else None


def _curve(curve: Curve) -> Packed:
    backward, value = unnum(curve.backward), unnum(curve.value)
    slopes = [unnum(s) for s in curve.slopes]
    wrong = not abs(backward - value) <= unnum(curve.bound)
    found: Packed = {
        "of": f"{one_line(curve.input, NAME)}, entry {place(curve.entry)}",
        "w": int(wrong),
        "h": [size(h) for h in curve.steps],
        "e": [size(backward - s) for s in slopes],
        "t": [size(t) for t in curve.truncation],
        "r": [size(r) for r in curve.roundoff],
        "b": size(curve.bound),
        "c": [size(h) for h in curve.chosen],
    }
    if wrong:
        found["o"] = [size(value - s) for s in slopes]
    return found


def _heat(heat: Heat, *, exact: bool) -> Packed:
    found: Packed = {
        "of": f"{one_line(heat.input, NAME)}, shape {place(heat.shape)}",
        "n": [heat.rows, heat.columns, *heat.block],
        "e": "".join(letter(error) for error in heat.errors),
        "w": list(heat.wrong),
    }
    if exact:
        found["v"] = [size(error) for error in heat.errors]
    return found


def letter(error: Number) -> str:
    """A power of ten as one character: "a" is 1e-18, "s" 1, "0" zero, "!" not finite."""
    number = abs(unnum(error))
    if not math.isfinite(number):
        return "!"
    if not number:
        return "0"
    return chr(ord("a") - FINEST + min(max(math.floor(math.log10(number)), FINEST), COARSEST))


def _spread(spread: Spread) -> list[list[int | str]]:
    """By power of ten, from the smallest: [power, errors, limits]."""
    powers: list[int | str] = []
    errors, limits = _binned(spread.errors), _binned(spread.limits)
    both = {**errors, **limits}
    if numbers := [key for key in both if isinstance(key, int)]:
        powers += range(min(numbers), max(numbers) + 1)
    powers = ["zero"] * ("zero" in both) + powers + ["inf"] * ("inf" in both)
    return [[p, errors.get(p, 0), limits.get(p, 0)] for p in powers]


def _binned(counts: dict[str, int]) -> dict[int | str, int]:
    """By power; from 1 upwards in one bin, since there nothing is seen of an entry."""
    found: dict[int | str, int] = {}
    for key, count in counts.items():
        bin_ = key if key in ("zero", "inf") else min(max(int(key), LOWEST), 0)
        found[bin_] = found.get(bin_, 0) + count
    return found


def _met(met: list[Met]) -> Packed:
    """Cases by values and by upstream gradient, each over shapes and dtypes."""
    order = list(dict.fromkeys(m.dtype for m in met))
    columns = sorted({(m.dtype, m.shapes): 0 for m in met}, key=lambda c: order.index(c[0]))
    return {
        "c": [[one_line(d, NAME), one_line(s, NAME)] for d, s in columns],
        "r": _counted(met, columns, "regime"),
        "l": _counted(met, columns, "layout"),
    }


def _counted(met: list[Met], columns: list[tuple[str, str]], what: str) -> list[list[Any]]:
    rows: dict[str, list[int]] = {}
    for m in met:
        row = rows.setdefault(getattr(m, what), [0] * len(columns))
        row[columns.index((m.dtype, m.shapes))] += m.cases
    return [[one_line(name, NAME), *counts] for name, counts in rows.items()]

"""The tables behind the pictures, and the coverage; `report.js` makes the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from gradcheck.reporters.html.graphs import MARKS
from gradcheck.reporters.html.packing import Packed
from gradcheck.reporters.html.plots import decade, power
from gradcheck.reporters.html.shapes import number


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of texts, the first of each its header."""
    out = "<table><thead><tr>" + "".join(f"<th scope=col>{escape(h)}" for h in head) + "<tbody>"
    for first, *others in rows:
        out += f"<tr><th scope=row>{escape(first)}"
        out += "".join(f"<td>{escape(cell)}" for cell in others)
    return out + "</table>"


def curve(c: Packed) -> str:
    """Step by step."""
    head = ["h", "backward − difference", "truncation", "round-off"]
    columns = [c["h"], c["e"], c["t"], c["r"]]
    if "o" in c:
        head.append("difference's own error")
        columns.append(c["o"])
    return _table(head, ([number(v) for v in row] for row in zip(*columns, strict=True)))


def heat(m: Packed) -> str:
    """Entry by entry, wrong ones with a cross."""
    _, columns, down, along = m["n"]
    wrong, cells = set(m["w"]), m.get("v")
    words = [power(e) if cells is None else number(cells[k]) for k, e in enumerate(m["e"])]
    words = [w + " ✗" * (k in wrong) for k, w in enumerate(words)]
    head = ["row", *(str(k * along) for k in range(columns))]
    lines = range(0, len(words), columns)
    return _table(head, ([str(k // columns * down), *words[k : k + columns]] for k in lines))


def spread(bins: Sequence[Sequence[int | str]]) -> str:
    """Bin by bin."""
    head = ("from", "errors", "would have been seen")
    return _table(head, ((decade(name), str(e), str(n)) for name, e, n in bins))


def graph(g: Packed) -> str:
    """Node by node."""
    exact = any(n["said"] for n in g["nodes"])
    head = ["value", "made by", "shape", "verdict", *("its numbers", "its gradient") * exact]
    rows = ([n["name"], n["by"], n["shape"], MARKS[n["v"]], *n["said"]] for n in g["nodes"])
    return _table(head, rows)


def met(m: Packed) -> str:
    """Cases by kind of values and of upstream gradient, over dtypes and shapes."""
    out = "<table><thead><tr><td>"
    dtypes = [d for d, _ in m["c"]]
    for dtype in dict.fromkeys(dtypes):
        out += f"<th scope=colgroup colspan={dtypes.count(dtype)}>{escape(dtype)}"
    out += "<tr><th scope=col>values"
    out += "".join(f"<th scope=col>{escape(shape)}" for _, shape in m["c"])
    return (
        out
        + _counts(m["r"])
        + f"<tr><th scope=col>upstream{'<td>' * len(m['c'])}"
        + _counts(m["l"])
        + "</table>"
    )


def _counts(rows: list[list[Any]]) -> str:
    out = "<tbody>"
    for name, *counts in rows:
        out += f"<tr><th scope=row>{escape(name)}"
        out += "".join(f"<td>{count or '·'}" for count in counts)
    return out

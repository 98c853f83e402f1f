"""The graph of an op: boxes with what was found of each node, the way of a mistake marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

from gradcheck.figures import GraphNode
from gradcheck.layout import Box, Layout, Wire, arrange
from gradcheck.plain import one_line
from gradcheck.reporters.html.shapes import (
    INK,
    MUTED,
    PAPER,
    WRONG,
    nearest,
    path,
    solid,
    svg,
    text,
)
from gradcheck.reporters.text import place

TALL, CHANNEL, EDGE, LETTER = 40, 44, 10, 7
"""Height of a box, room between layers, the margin, the width of a letter."""
NAME, NUMBERS = 20, 60
"""Characters of a name, and of a node's numbers."""
VERDICTS = ("", "right", "spoilt", "wrong")
MARKS = ("", "✓ right", "~ spoilt", "✗ wrong")
Packed = dict[str, Any]


def laid_out(nodes: Sequence[GraphNode], guilty: Sequence[str], *, exact: bool) -> Packed:
    """A graph as boxes and wires with places.

    Parameters
    ----------
    nodes : sequence of GraphNode
        In topological order.
    guilty : sequence of str
        Names from the wrong node to the result.
    exact : bool
        With each node's value and gradient.
    """
    wires = [
        Wire(parent, 0, head, k)
        for head, node in enumerate(nodes)
        for k, parent in enumerate(node.parents)
        if 0 <= parent < head
    ]
    made = arrange([_box(node) for node in nodes], wires, gap=16.0, dummy=Box(0, 8, (4.0,), (4.0,)))
    left = _lefts(made)
    steps = set(pairwise(guilty))
    boxes = [
        _packed(node, [left[b], EDGE + nearest(made.top[b]), nearest(made.boxes[b].width)], exact)
        for b, node in enumerate(nodes)
    ]
    lines = []
    for wire, route in zip(wires, made.routes, strict=True):
        marked = (nodes[wire.tail].name, nodes[wire.head].name) in steps
        lines.append([_way(made, route, left), int(marked)])
    low = max((made.top[b] + made.boxes[b].height for b in range(len(made.boxes))), default=0.0)
    wide = max(box["at"][0] + box["at"][2] for box in boxes)
    size = [max(wide + EDGE + 44, 460), 2 * EDGE + nearest(low) + 24]
    return {"size": size, "nodes": boxes, "wires": lines}


def _packed(node: GraphNode, at: list[int], exact: bool) -> Packed:
    """One node, whose box is ``at``: left, top, width."""
    kind = "input" if not node.op else "constant" if node.op == "constant" else ""
    return {
        "at": at,
        "name": _short(node.name),
        "by": kind or _short(node.op),
        "kind": kind,
        "v": VERDICTS.index(node.verdict),
        "result": int(node.result),
        "shape": place(node.shape),
        "said": [one_line(words, NUMBERS) for words in (node.value, node.gradient) if exact],
    }


def _short(name: str) -> str:
    """A name that fits into a box."""
    shown = one_line(name, 4 * NAME)
    return shown if len(shown) <= NAME else shown[: NAME - 1] + "…"


def _box(node: GraphNode) -> Box:
    count = len(node.parents)
    ins = tuple((k + 1) * TALL / (count + 1) for k in range(count))
    longest = max(len(_short(node.name)) + 3, len(_short(node.op)))
    return Box(LETTER * longest + 16.0, TALL, ins, (TALL / 2,), loose=not node.parents)


def _lefts(made: Layout) -> list[int]:
    left, at = [0] * len(made.boxes), EDGE
    for layer in made.layers:
        for b in layer:
            left[b] = at
        at += nearest(max((made.boxes[b].width for b in layer), default=0.0)) + CHANNEL
    return left


def _way(made: Layout, route: Sequence[int], left: Sequence[int]) -> str:
    """A smooth line from box to box, level where it passes a layer."""
    hops = [made.hops[k] for k in route]
    d = ""
    for hop in hops:
        x = left[hop.tail] + nearest(made.boxes[hop.tail].width)
        y, end = EDGE + nearest(made.begins(hop)), EDGE + nearest(made.ends(hop))
        to = left[hop.head]
        bend = min(to - CHANNEL // 2, to)
        d += f"{'L' if d else 'M'}{x} {y}H{to - CHANNEL}"
        d += f"C{bend} {y} {bend} {end} {to} {end}"
    return d


def graph(g: Packed) -> str:
    """The picture."""
    nodes, wires = g["nodes"], g["wires"]
    out = "".join(path(d, MUTED) for d, marked in wires if not marked)
    out += "".join(path(d, WRONG, 3) for d, marked in wires if marked)
    for d, marked in wires:
        x, y = map(int, d.split("C")[-1].split()[-2:])
        out += solid(f"M{x} {y}l-8 -4v8z", WRONG if marked else MUTED)
    out += "".join(map(_node, nodes))
    wrong = [n["name"] for n in nodes if n["v"] == 3]
    spoilt = [n["name"] for n in nodes if n["v"] == 2]
    desc = f"{len(nodes)} values"
    desc += f"; wrong: {', '.join(wrong)}" if wrong else ""
    desc += f"; spoilt by it: {', '.join(spoilt)}" if spoilt else ""
    wide, tall = g["size"]
    out += text(EDGE, tall - 6, _key(g), MUTED)
    return svg(wide, tall, "Graph", desc + ".", out)


def _key(g: Packed) -> str:
    """What the marks are."""
    said = [m for k, m in enumerate(MARKS) if k and any(n["v"] == k for n in g["nodes"])]
    marked = any(marked for _, marked in g["wires"])
    return " · ".join(said + ["thick: from the mistake to the result"] * marked)


def _node(n: Packed) -> str:
    (x, y, wide), verdict = n["at"], n["v"]
    ink = WRONG if verdict > 1 else MUTED
    width, dash = (3, "none") if verdict == 3 else (2, "5 3") if verdict == 2 else (1, "none")
    corner = 18 if n["kind"] == "input" else 3
    out = (
        f'<g><rect x="{x}" y="{y}" width="{wide}" height="{TALL}" rx="{corner}" fill="{PAPER}" '
        f'stroke="{ink}" stroke-width="{width}" stroke-dasharray="{dash}"/>'
    )
    out += text(x + 8, y + 17, n["name"], INK)
    out += text(x + wide - 6, y + 17, MARKS[verdict][:1], ink, "end")
    out += text(x + 8, y + 32, n["by"], MUTED)
    if n["result"]:
        edge = x + wide
        out += path(f"M{edge} {y + TALL // 2}h8", MUTED)
        out += text(edge + 10, y + TALL // 2 + 4, "result", MUTED)
    said = zip(("value", "gradient"), n["said"], strict=False)
    words = [f"{n['name']}: {n['by']}", f"shape {n['shape']}", *(f"{w} {v}" for w, v in said)]
    return f"{out}<title>{escape('; '.join([*words, MARKS[verdict]]))}</title></g>"

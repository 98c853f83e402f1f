"""What `gradcheck run -v` prints of a graph's gradients: a row for each node, by depth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradcheck.figures import NodeHealth
from gradcheck.plain import NAME, clean
from gradcheck.records import unnum

SHORT = 20
"""Nodes up to which each has a row."""
_COLUMNS = ("depth", "node", "values", "gradient", "of result's", "dead", "saturated")


def table(nodes: Sequence[NodeHealth]) -> list[str]:
    """Lines: depth, node, root mean square of values and gradient, dead and saturated shares."""
    if not nodes:
        return []
    shown = list(nodes) if len(nodes) <= SHORT else chosen(nodes)
    rows = [_COLUMNS, *map(_row, shown)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_COLUMNS))]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    few = "" if len(shown) == len(nodes) else f", {len(shown)} of {len(nodes)} nodes"
    return [
        f"  gradient by depth (rms, median of generic cases{few}):",
        *("    " + w for w in lines),
    ]


def chosen(nodes: Sequence[NodeHealth]) -> list[NodeHealth]:
    """Of many nodes: the deepest, the median, the weakest and the strongest; blocked ones."""
    ordered = sorted(nodes, key=_strength)
    picked = [nodes[0], ordered[len(ordered) // 2], ordered[0], ordered[-1]]
    picked.append(max(nodes, key=lambda n: (n.dead or 0) + (n.saturated or 0)))
    return sorted({n.node: n for n in picked}.values(), key=lambda n: -n.depth)


def _strength(node: NodeHealth) -> float:
    relative = unnum(node.relative)
    return math.inf if math.isnan(relative) else relative


def _row(node: NodeHealth) -> tuple[str, ...]:
    name = node.node if node.op in ("input", node.node) else f"{node.node} = {node.op}"
    name = clean(name, NAME)
    sizes = (f"{unnum(v):.2g}" for v in (node.value_rms, node.gradient_rms, node.relative))
    shares = ("-" if s is None else f"{s:.0%}" for s in (node.dead, node.saturated))
    return str(node.depth), name, *sizes, *shares


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [
        cell.ljust(width) if k == 1 else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]

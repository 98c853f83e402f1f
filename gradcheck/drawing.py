"""A graph drawn with characters, and the words and boxes that all its pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from rich.cells import cell_len, set_cell_size

from gradcheck.arrays import is_real
from gradcheck.explained import JACOBIAN, Explained, NodeSeen, Passed, Value
from gradcheck.layout import Box, Layout, Wire, arrange
from gradcheck.plain import clean

NODES = 12
"""More are not drawn in the terminal, nor more than twice so many boxes: sources are boxes too."""
TEXT = 26
"""Columns for one line in a box."""
_LINES = {3: "─", 12: "│", 10: "┌", 9: "┐", 6: "└", 5: "┘", 14: "├", 13: "┤", 11: "┬", 7: "┴"}
"""By the sides that a line leaves a cell through: 1 left, 2 right, 4 up, 8 down."""
_PLAIN = str.maketrans("─│┌┐└┘├┤┬┴┼▶", "-|+++++++++>")


# --- words ----------------------------------------------------------------------------------------
def cut(text: object, cells: int) -> str:
    """Cleaned, and not wider than so many columns."""
    whole, most = clean(text), 4 * cells  # accents take no column
    if len(whole) <= most and cell_len(whole) <= cells:
        return whole
    return set_cell_size(whole[:most], cells - 2).rstrip() + ".."


def numbers(value: Any, most: int = 8, digits: int = 4) -> str:
    """A number, an array of few entries, or a shape."""
    array = np.asarray(value)
    if array.size > most and array.ndim:
        return f"array {array.shape}"
    return _nested(array.astype(np.float64).tolist(), digits)


def _nested(value: Any, digits: int) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_nested(v, digits) for v in value)}]"
    if value.is_integer() and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def gradient(value: Value, cells: int, entries: int = 3, digits: int = 3) -> str:
    """``grad 2 + 3 = 5``: the gradients that come back to a value, and their sum."""
    if value.gradient is None:
        return "not used" if is_real(value.value) else "integers, no gradient"
    total = numbers(value.gradient, entries, digits).removeprefix("array ")
    if len(value.parts) < 2:
        return cut(f"grad {total}", cells)
    if value.gradient.size <= entries and len(value.parts) < cells:
        parts = [numbers(p.gradient, entries, digits) for p in value.parts]
        said = f"grad {' + '.join(parts)} = {total}"
        if cell_len(said) <= cells:
            return said
    return cut(f"grad {total}, sum of {len(value.parts):,}", cells)


def local(passed: Passed, most: int = JACOBIAN, digits: int = 4) -> str:
    """A local gradient: a number, a small Jacobian, or its size."""
    array = passed.local
    size = f"{passed.size[0]} x {passed.size[1]}"
    if array is None:
        return f"Jacobian {size}"
    if array.shape == passed.size and passed.size[0] == passed.size[1] > 1:
        diagonal = np.diagonal(array)
        if not np.any(array - np.diag(diagonal)):
            few = diagonal.size <= most
            return f"diagonal {numbers(diagonal, most, digits) if few else size}"
    if array.size > most and array.shape == passed.size:
        return f"Jacobian {size}"
    return numbers(array, most, digits)


# --- boxes ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Piece:
    """One box of a picture: a source or constant, or a node with all its outputs."""

    outputs: tuple[int, ...]
    node: NodeSeen | None = None
    constant: bool = False


def pieces(seen: Explained) -> tuple[list[Piece], list[Wire]]:
    """The boxes of a graph in topological order, and the wires between them."""
    made = [Piece((s,)) for s in seen.sources]
    made += [Piece((c,), constant=True) for c in seen.constants]
    made += [Piece(n.outputs, n) for n in seen.nodes if n.outputs]
    made.sort(key=lambda p: p.outputs[0])
    place = {o: (b, k) for b, piece in enumerate(made) for k, o in enumerate(piece.outputs)}
    wires = [
        Wire(*place[passed.parent], b, k)
        for b, piece in enumerate(made)
        if piece.node is not None
        for k, passed in enumerate(piece.node.parents)
    ]
    return made, wires


def title(seen: Explained, piece: Piece, cells: int = TEXT) -> str:
    """``a = add``, or a source's name."""
    node = piece.node
    name = clean(seen.values[piece.outputs[0]].name if node is None else node.name)
    if node is None or name == clean(node.op):
        return cut(name, cells)
    op = cut(node.op, max(cells // 2, cells - 3 - cell_len(name)))
    return f"{cut(name, cells - cell_len(op) - 3)} = {op}"


def spread(count: int, room: int) -> list[int]:
    """Rows of ports, from 1, evenly in a box with so much room."""
    apart = 2 if 2 * count - 1 <= room else 1
    first = 1 + max(0, (room - apart * (count - 1) - 1) // 2)
    return [first + apart * k for k in range(count)]


# --- characters -----------------------------------------------------------------------------------
def draw(seen: Explained, width: int, *, plain: bool = False) -> str:
    """The graph from left to right; empty where it is too large to be read.

    Parameters
    ----------
    seen : Explained
    width : int
        Columns of the terminal.
    plain : bool
        With ASCII characters only.
    """
    made, wires = pieces(seen)
    if len(seen.nodes) > NODES or len(made) > 2 * NODES:
        return ""
    for entries, gap in ((3, 1), (1, 1), (3, 2), (1, 2)):
        shown = [_said(seen, piece, entries) for piece in made]
        layout = _laid_out(made, shown, wires, gap)
        channels = [_tracks(layout, k) for k in range(len(layout.layers) - 1)]
        free = [c for c in channels if c is not None]
        if len(free) < len(channels):
            continue  # two wires would have to run over each other
        canvas = _Canvas(layout, free)
        if canvas.width <= width:
            ends = {b for b, p in enumerate(made) if set(p.outputs) & set(seen.results)}
            drawn = canvas.drawn(shown, ends)
            return drawn.translate(_PLAIN) if plain else drawn
    return ""


def _said(seen: Explained, piece: Piece, entries: int) -> list[str]:
    """The lines in a box."""
    lines = [title(seen, piece)]
    several = len(piece.outputs) > 1
    for k, place in enumerate(piece.outputs):
        value = seen.values[place]
        lines.append(cut(f"[{k}] " * several + numbers(value.value, entries, 3), TEXT))
        lines.append("constant" if piece.constant else gradient(value, TEXT, entries))
    return lines


def _laid_out(
    made: Sequence[Piece], shown: Sequence[list[str]], wires: Sequence[Wire], gap: int
) -> Layout:
    boxes = []
    for piece, lines in zip(made, shown, strict=True):
        entering = 0 if piece.node is None else len(piece.node.parents)
        room = max(len(lines), entering)
        width = max(10, *(cell_len(line) + 4 for line in lines))
        outs = tuple(2.0 + 2 * k for k in range(len(piece.outputs)))
        ins = tuple(map(float, spread(entering, room)))
        boxes.append(Box(width, room + 2, ins, outs, piece.constant))
    layout = arrange(boxes, wires, gap=gap, dummy=Box(0, 1, (0.0,), (0.0,)))
    layout.top[:] = [floor(t + 0.5) for t in layout.top]
    return layout


@dataclass(frozen=True, slots=True)
class _Net:
    """The wires of one output between two layers: one trunk, from a row on the left to others."""

    left: int
    rights: tuple[int, ...]
    track: int
    """Which column of the channel its trunk has; -1 where it runs straight."""


def _tracks(layout: Layout, layer: int) -> list[_Net] | None:
    """A column for each trunk, so that no two wires share a row; None where there is no way.

    A wire must have turned off its row before another one turns into it (Hashimoto and Stevens,
    Design Automation 1971).
    """
    rows: dict[int, list[int]] = {}
    for hop in layout.hops:
        if hop.tail in layout.layers[layer]:
            rows.setdefault(int(layout.begins(hop)), []).append(int(layout.ends(hop)))
    waiting = {left: rights for left, rights in rows.items() if set(rights) != {left}}
    nets = [_Net(left, tuple(r), -1) for left, r in rows.items() if left not in waiting]
    for track in range(len(waiting)):
        ready = [
            left
            for left, rights in waiting.items()
            if not any(r in waiting and r != left for r in rights)
        ]
        if not ready:
            return None
        falls = {left: sum(waiting[left]) > left * len(waiting[left]) for left in ready}
        first = min(ready, key=lambda left: (not falls[left], -left if falls[left] else left))
        nets.append(_Net(first, tuple(waiting.pop(first)), track))
    return nets


class _Canvas:
    """Cells, with the lines that run through them by wire."""

    def __init__(self, layout: Layout, channels: Sequence[list[_Net]]) -> None:
        self.layout = layout
        self.start: list[int] = []
        """By layer, its first column."""
        self.wide = [int(max(layout.boxes[b].width for b in layer)) for layer in layout.layers]
        self.cells: dict[tuple[int, int], dict[int, int]] = {}
        """By row and column, the sides that each wire leaves the cell through."""
        at = 0
        for k, wide in enumerate(self.wide):
            self.start.append(at)
            at += wide
            if k < len(channels):
                room = 3 + 2 * sum(net.track >= 0 for net in channels[k])
                for number, net in enumerate(channels[k]):
                    self._wire(number, net, at, at + room)
                at += room
        self.width = at

    def _wire(self, number: int, net: _Net, begin: int, end: int) -> None:
        turn = begin + 1 + 2 * net.track if net.track >= 0 else end
        self._line(number, net.left, begin, turn)
        for row in net.rights:
            if row == net.left:
                self._line(number, row, begin, end)
                continue
            self._line(number, row, turn, end)
            for at in range(min(row, net.left), max(row, net.left)):
                self._mark(number, at, turn, 8)
                self._mark(number, at + 1, turn, 4)
        self._mark(number, net.left, turn, 1)

    def _line(self, number: int, row: int, begin: int, end: int) -> None:
        for column in range(begin, end):
            self._mark(number, row, column, 2 if column == begin else 3)

    def _mark(self, number: int, row: int, column: int, sides: int) -> None:
        cell = self.cells.setdefault((row, column), {})
        cell[number] = cell.get(number, 0) | sides

    def drawn(self, shown: Sequence[list[str]], results: set[int]) -> str:
        """All lines, then the boxes."""
        boxes, top = self.layout.boxes, self.layout.top
        grid: dict[tuple[int, int], str] = {}
        for place, cell in self.cells.items():
            sides = max(cell.values(), key=lambda s: s & 12)  # where wires cross, one is broken
            grid[place] = _LINES.get(sides, "─" if sides < 4 else "┼")
        for k, layer in enumerate(self.layout.layers):
            for b in layer:
                left, wide, row = self.start[k], self.wide[k], int(top[b])
                if b >= len(shown):
                    grid |= {(row, left + c): "─" for c in range(wide)}
                    continue
                bottom = " result ".center(wide - 2, "─") if b in results else "─" * (wide - 2)
                texts = [f"┌{'─' * (wide - 2)}┐"]
                lines = shown[b] + [""] * (int(boxes[b].height) - 2 - len(shown[b]))
                texts += [f"│ {set_cell_size(line, wide - 4)} │" for line in lines]
                texts.append(f"└{bottom}┘")
                for down, text in enumerate(texts):
                    grid |= {(row + down, left): text}
                    grid |= {(row + down, left + c): "" for c in range(1, wide)}
                for entry in boxes[b].ins:
                    grid[row + int(entry), left - 1] = "▶"
                for port in boxes[b].outs:
                    if (row + int(port), left + wide) in self.cells:
                        line = grid[row + int(port), left]
                        grid[row + int(port), left] = line[:-1] + "├"
        rows = range(max(r for r, _ in grid) + 1)
        lines = ["".join(grid.get((r, c), " ") for c in range(self.width)).rstrip() for r in rows]
        return "\n".join(lines)

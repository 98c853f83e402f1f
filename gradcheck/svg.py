"""A graph as a picture: values on the wires, gradients beneath them, local gradients in the boxes.

Colours are presentation attributes, so that a page that forbids styles shows them; what they say is
also said in words. Elements are made by ElementTree, which escapes what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from rich.cells import cell_len

from gradcheck.arrays import Array, is_real
from gradcheck.drawing import Piece, cut, gradient, local, numbers, pieces, title
from gradcheck.explained import Explained
from gradcheck.layout import Box, Wire, arrange

BOXES, WIRES = 200, 1000
"""More are not drawn."""
TEXT = 30
"""Columns for one line."""
SAID = 20
"""Sources that are put in words for those who do not see the picture."""
CELL, LINE, EDGE = 8.0, 18.0, 20.0
"""Width of a character, height of a line, and the margin, in pixels."""
PORT = 42.0
"""Two wires into one box are so far apart: a value stands above, a gradient below each."""
BEND = 56.0
"""Room for wires to bend between two layers."""
INK, LOCAL, GRAD, WIRE = "#1f2328", "#0b4f8a", "#9a3412", "#57606a"
FILLS = {"source": "#eaf3fc", "constant": "#f0f0ee", "node": "#fbfbf8"}
LEGEND = (
    "On a wire: the value above, the gradient passed downstream (grad) below. In a box: the value,",
    "grad = the gradient of the result with respect to it (upstream), da/dx = a local gradient.",
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A box with its lines, each with what it is; a result has one line and no frame."""

    kind: str
    lines: tuple[tuple[str, str], ...]
    result: bool = False


def svg(seen: Explained) -> str:
    """The picture as a document of its own; empty where there is too much to be looked at."""
    made, wires = pieces(seen)
    if max(len(made), len(seen.results)) > BOXES or len(wires) > WIRES:
        return ""
    shapes = [_shape(seen, piece) for piece in made]
    labels = [_label(seen, made, wire) for wire in wires]
    place = {o: (b, k) for b, piece in enumerate(made) for k, o in enumerate(piece.outputs)}
    for result in seen.results:
        value = seen.values[result]
        wires.append(Wire(*place[result], len(shapes), 0))
        ones = next(p.gradient for p in value.parts if not p.by)
        labels.append((_short(value.value), f"grad {_short(ones)}"))
        shapes.append(_Shape("result", (("name", cut(f"result {value.name}", TEXT)),)))
    return _Picture(seen, shapes, wires, labels).written()


def _short(array: Array) -> str:
    return cut(numbers(array, 3, 4), TEXT)


def _shape(seen: Explained, piece: Piece) -> _Shape:
    lines = [("name", title(seen, piece, TEXT))]
    several = len(piece.outputs) > 1
    for k, place in enumerate(piece.outputs):
        value = seen.values[place]
        lines.append(("value", cut(f"[{k}] " * several + _short(value.value), TEXT)))
        if not piece.constant:
            lines.append(("grad", gradient(value, TEXT, digits=4)))
    if piece.node is None:
        kind = "constant" if piece.constant else "source"
        return _Shape(kind, (*lines, ("kind", kind)) if piece.constant else tuple(lines))
    for passed in piece.node.parents if piece.node.upstream is not None else ():
        parent = seen.values[passed.parent]
        if is_real(parent.value):
            ratio = f"d{cut(piece.node.name, 18)}/d{cut(parent.name, 18)}"
            lines.append(("local", cut(f"{ratio} = {local(passed, 3, 4)}", TEXT + 10)))
    return _Shape("node", tuple(lines), any(o in seen.results for o in piece.outputs))


def _label(seen: Explained, made: Sequence[Piece], wire: Wire) -> tuple[str, str]:
    """What stands above and below a wire."""
    node = made[wire.head].node
    assert node is not None
    passed = node.parents[wire.into]
    value = seen.values[passed.parent].value
    if passed.downstream is not None:
        back = f"grad {_short(passed.downstream).removeprefix('array ')}"
    else:
        back = "no gradient" if is_real(value) else "integers"
    return _short(value), back


class _Picture:
    """Shapes and wires, placed."""

    def __init__(
        self,
        seen: Explained,
        shapes: Sequence[_Shape],
        wires: Sequence[Wire],
        labels: Sequence[tuple[str, str]],
    ) -> None:
        self.seen, self.shapes = seen, shapes
        self.layout = arrange(
            _boxes(shapes, wires), wires, gap=24.0, dummy=Box(0, 0, (0.0,), (0.0,))
        )
        self.labels = {
            self.layout.hops[route[-1]]: label
            for route, label in zip(self.layout.routes, labels, strict=True)
        }
        self.layer = {b: k for k, layer in enumerate(self.layout.layers) for b in layer}
        self.left, self.wide, self.room = list[float](), list[float](), list[float]()
        """By layer: where it begins, how wide it is, and the room for labels before it."""
        said: list[list[str]] = [[] for _ in self.layout.layers]
        for hop, label in self.labels.items():
            said[self.layer[hop.head]] += label
        at = EDGE
        for layer, words in zip(self.layout.layers, said, strict=True):
            room = max((cell_len(w) * CELL + 24 for w in words), default=0.0)
            at += (BEND if self.left else 0.0) + room
            self.left.append(at)
            self.room.append(room)
            self.wide.append(max(self.layout.boxes[b].width for b in layer))
            at += self.wide[-1]
        self.top = EDGE + 2 * LINE
        self.low = self.top + max(
            t + b.height for t, b in zip(self.layout.top, self.layout.boxes, strict=True)
        )
        self.width = max(at, max(map(len, LEGEND)) * CELL * 0.85 + EDGE) + EDGE
        self.height = self.low + 3 * LINE + EDGE

    def written(self) -> str:
        """The document."""
        size = {"width": f"{self.width:g}", "height": f"{self.height:g}"}
        root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                **size,
                "viewBox": f"0 0 {self.width:g} {self.height:g}",
                "role": "img",
                "font-family": "DejaVu Sans Mono, Menlo, Consolas, monospace",
                "font-size": "13",
            },
        )
        name = cut(self.seen.name, 60)
        heading = f"{name}: values and gradients"
        ET.SubElement(root, "title").text = heading
        ET.SubElement(root, "desc").text = f"{_sentence(self.seen)} {' '.join(LEGEND)}"
        ET.SubElement(root, "rect", {**size, "fill": "#ffffff"})
        _text(root, EDGE, EDGE + 12, heading, kind="heading")
        for hop in self.layout.hops:
            self._wire(root, hop)
        for b, shape in enumerate(self.shapes):
            self._shape(root, b, shape)
        for k, line in enumerate(LEGEND):
            _text(root, EDGE, self.low + (2 + k) * LINE, line, kind="legend")
        ET.indent(root)
        return ET.tostring(root, encoding="unicode") + "\n"

    def _wire(self, root: ET.Element, hop: Wire) -> None:
        """A curve to the next layer, and straight on under its labels or through the layer."""
        k = self.layer[hop.head]
        begin, end = self.left[k - 1] + self.wide[k - 1], self.left[k]
        first, last = self.top + self.layout.begins(hop), self.top + self.layout.ends(hop)
        turn = end - self.room[k]
        middle = (begin + turn) / 2
        through = hop.head >= len(self.shapes)
        stop = end + self.wide[k] if through else end
        way = f"M{begin:.1f} {first:.1f}C{middle:.1f} {first:.1f} {middle:.1f} {last:.1f}"
        drawn = {"d": f"{way} {turn:.1f} {last:.1f}H{stop:.1f}", "fill": "none", "stroke": WIRE}
        ET.SubElement(root, "path", {"class": "wire", **drawn})
        if through:
            return
        points = f"{end:.1f},{last:.1f} {end - 8:.1f},{last - 4:.1f} {end - 8:.1f},{last + 4:.1f}"
        ET.SubElement(root, "polygon", {"points": points, "fill": WIRE})
        value, back = self.labels[hop]
        centre = turn + (self.room[k] - 8) / 2
        _text(root, centre, last - 5, value, kind="value", anchor="middle")
        _text(root, centre, last + 15, back, kind="grad", anchor="middle")

    def _shape(self, root: ET.Element, number: int, shape: _Shape) -> None:
        k, box = self.layer[number], self.layout.boxes[number]
        x, y = self.left[k], self.top + self.layout.top[number]
        group = ET.SubElement(root, "g", {"class": shape.kind})
        if shape.kind != "result":
            frame = {"x": x, "y": y, "width": self.wide[k], "height": box.height, "rx": 8}
            ET.SubElement(
                group,
                "rect",
                {
                    **{key: f"{v:.1f}" for key, v in frame.items()},
                    "fill": FILLS[shape.kind],
                    "stroke": INK if shape.result else WIRE,
                    "stroke-width": "2.5" if shape.result else "1",
                },
            )
        first = y + (box.height - LINE * len(shape.lines)) / 2 + 13
        for line, (kind, said) in enumerate(shape.lines):
            _text(group, x + 10, first + line * LINE, said, kind=kind)


def _boxes(shapes: Sequence[_Shape], wires: Sequence[Wire]) -> list[Box]:
    made = []
    for b, shape in enumerate(shapes):
        entering = sum(w.head == b for w in wires)
        leaving = 1 + max((w.out for w in wires if w.tail == b), default=0)
        height = max(LINE * len(shape.lines) + 12, PORT * max(entering, leaving))
        width = max(cell_len(said) for _, said in shape.lines) * CELL + 20
        ins = tuple((k + 0.5) * height / entering for k in range(entering))
        outs = tuple((k + 0.5) * height / leaving for k in range(leaving))
        made.append(Box(width, height, ins, outs, shape.kind == "constant"))
    return made


def _text(
    parent: ET.Element, x: float, y: float, said: str, *, kind: str, anchor: str = "start"
) -> None:
    colours = {"grad": GRAD, "local": LOCAL, "legend": WIRE, "kind": WIRE}
    style = {"font-weight": "bold"} if kind in ("name", "heading") else {}
    style |= {"font-size": "11"} if kind == "legend" else {}
    style |= {"text-anchor": anchor} if anchor != "start" else {}
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "fill": colours.get(kind, INK)}
    ET.SubElement(parent, "text", {"class": kind, **place, **style}).text = said


def _sentence(seen: Explained) -> str:
    """What a reader who does not see the picture needs."""
    results = [
        f"{cut(seen.values[r].name, 2 * TEXT)} = {_short(seen.values[r].value)}"
        for r in seen.results[:SAID]
    ]
    sources = [seen.values[s] for s in seen.sources]
    sums = [f"of {cut(s.name, 2 * TEXT)}: {gradient(s, 2 * TEXT)}" for s in sources[:SAID]]
    more = f"; {len(sources) - SAID:,} more" if len(sources) > SAID else ""
    return f"{', '.join(results)}. Gradients {'; '.join(sums)}{more}."

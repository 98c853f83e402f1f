"""Curves over logarithmic axes as SVG: panels side by side, one key below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BELOW = 300, 240, 62, 44, 34
"""Of one panel, and its margins."""
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2")
GREY = "#555555"
NEAR = 0.02
"""Of a decade: 98 begins at a hundred."""
SHAPES = ("circle", "square", "diamond")
"""Of the points, so that no curve is told by its colour alone."""


@dataclass(frozen=True)
class Series:
    """One curve; the dashed ones are lines to compare with."""

    name: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves with axes of their own."""

    title: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Scale:
    """From numbers to pixels, over whole decades."""

    low: int
    high: int
    length: float

    @staticmethod
    def over(values: Iterable[float], length: float) -> Scale:
        logs = [math.log10(v) for v in values if v > 0]
        low, high = (math.floor(min(logs) + NEAR), math.ceil(max(logs) - NEAR)) if logs else (0, 1)
        return Scale(low, max(high, low + 1), length)

    def at(self, value: float) -> float:
        log = math.log10(value) if value > 0 else self.low
        return self.length * (log - self.low) / (self.high - self.low)

    @property
    def decades(self) -> range:
        return range(self.low, self.high + 1)


def svg(title: str, panels: Sequence[Panel]) -> str:
    """The picture as a document of its own."""
    names = list(dict.fromkeys(s.name for p in panels for s in p.series))
    dashed = {s.name for p in panels for s in p.series if s.dashed}
    styles = _styles(names, dashed)
    width = len(panels) * (WIDTH + LEFT) + 24
    height = TOP + HEIGHT + BELOW + 22 * ((len(names) + 1) // 2) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        x = LEFT + number * (WIDTH + LEFT)
        parts.append(f'<g transform="translate({x},{TOP})">')
        parts += [*_panel(panel, styles), "</g>"]
    parts += [*_key(names, styles, TOP + HEIGHT + BELOW + 20), "</svg>", ""]
    return "\n".join(parts)


Style = tuple[str, str, str]
"""Colour, dashes, and the shape of the points."""


def _styles(names: Sequence[str], dashed: set[str]) -> dict[str, Style]:
    styles, number = {}, 0
    for name in names:
        if name in dashed:
            styles[name] = (GREY, "6 4", "")
        else:
            styles[name] = (COLOURS[number % len(COLOURS)], "", SHAPES[number % len(SHAPES)])
            number += 1
    return styles


def _panel(panel: Panel, styles: dict[str, Style]) -> list[str]:
    points = [p for s in panel.series for p in s.points]
    across = Scale.over((x for x, _ in points), WIDTH)
    up = Scale.over((y for _, y in points), HEIGHT)
    parts = [f'<text x="0" y="-16" font-weight="bold">{escape(panel.title)}</text>']
    for decade in across.decades:
        x = across.at(10.0**decade)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}" stroke="#eeeeee"/>')
        parts.append(_label(x, HEIGHT + 18, decade, "middle"))
    for decade in up.decades:
        y = HEIGHT - up.at(10.0**decade)
        parts.append(f'<line x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(_label(-6, y + 4, decade, "end"))
    for series in panel.series:
        places = [(across.at(x), HEIGHT - up.at(y)) for x, y in series.points]
        parts += _curve(series.name, places, styles[series.name])
    return parts


def _label(x: float, y: float, decade: int, anchor: str) -> str:
    power = f'10<tspan dy="-4" font-size="9">{decade}</tspan>'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{power}</text>'


def _curve(name: str, places: Sequence[tuple[float, float]], style: Style) -> list[str]:
    colour, dashes, shape = style
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"><title>{escape(name)}</title></polyline>'
    ]
    return parts + [_mark(x, y, colour, shape) for x, y in places if shape]


def _mark(x: float, y: float, colour: str, shape: str) -> str:
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if shape == "diamond" else ""
    place = f'x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"'
    return f'<rect {place} fill="{colour}"{turned}/>'


def _key(names: Sequence[str], styles: dict[str, Style], top: float) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x, y = LEFT + (number % 2) * (WIDTH + LEFT), top + 22 * (number // 2)
        parts += _curve(name, [(x, y), (x + 34, y)], styles[name])
        parts.append(f'<text x="{x + 44}" y="{y + 4}">{escape(name)}</text>')
    return parts

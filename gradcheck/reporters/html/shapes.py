"""The pieces of a picture: SVG elements whose colours are attributes, not styles.

A page that forbids styles still shows them; the style sheet only replaces colours in the dark.
`report.js` has the same functions.
"""

from __future__ import annotations

import math
from html import escape

INK, MUTED, GRID, PAPER = "#1f2328", "#57606a", "#d0d7de", "#fff"
WRONG, RIGHT, OTHER, THIRD = "#d55e00", "#0072b2", "#00805d", "#a8518a"
"""After Okabe and Ito's palette, whose hues the colour-blind tell apart."""
LEVELS = ("#f3f0e3", "#dbe4d2", "#b0d2c8", "#7db3ba", "#4e86a3", "#2f5a86", "#1d2f5e")
"""Of a map, from small errors to large ones."""


def nearest(value: float) -> int:
    """The nearest integer, a half upwards: as JavaScript has it."""
    return math.floor(value + 0.5)


def svg(width: int, height: int, title: str, desc: str, body: str) -> str:
    """A picture with words for those who do not see it."""
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui,sans-serif" font-size="11"><title>{escape(title)}</title>'
        f"<desc>{escape(desc)}</desc>{body}</svg>"
    )


def text(x: int, y: int, words: str, fill: str = INK, anchor: str = "start") -> str:
    """Words on one line."""
    return f'<text x="{x}" y="{y}" fill="{fill}" text-anchor="{anchor}">{escape(words)}</text>'


def path(d: str, stroke: str, width: float = 1, dash: str = "none") -> str:
    """A line."""
    return (
        f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width}" '
        f'stroke-dasharray="{dash}"/>'
    )


def solid(d: str, fill: str) -> str:
    """A filled outline without a line."""
    return f'<path d="{d}" fill="{fill}"/>'


def box(at: tuple[int, int, int, int], fill: str, stroke: str = "none") -> str:
    """A rectangle: left, top, width, height."""
    x, y, w, h = at
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{fill}" stroke="{stroke}"/>'


def dot(x: int, y: int, stroke: str, fill: str) -> str:
    """A point of a curve."""
    return f'<circle cx="{x}" cy="{y}" r="2.5" fill="{fill}" stroke="{stroke}"/>'


def number(size: int | str | None) -> str:
    """A size as two digits and an exponent."""
    if size is None:
        return "0"
    if isinstance(size, str):
        return "not finite"
    power, digits = size // 1000, nearest(10 ** (1 + size % 1000 / 1000))
    if digits == 100:
        power, digits = power + 1, 10
    return f"{digits // 10}.{digits % 10}e{exponent(power)}"


def exponent(power: int) -> str:
    """As Python prints it: two digits and a sign."""
    return f"{'-' if power < 0 else '+'}{abs(power):02d}"

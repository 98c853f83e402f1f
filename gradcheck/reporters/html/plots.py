"""Three pictures of an op: error against step size, error by entry, errors over the cases."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.reporters.html.packing import Packed, Size
from gradcheck.reporters.html.shapes import (
    GRID,
    INK,
    LEVELS,
    MUTED,
    OTHER,
    PAPER,
    RIGHT,
    THIRD,
    WRONG,
    box,
    dot,
    exponent,
    nearest,
    number,
    path,
    solid,
    svg,
    text,
)

LEFT, RIGHTMOST, TOP, BOTTOM = 52, 440, 10, 210
"""Where the axes of a curve are."""
DEEPEST = 24
"""Powers of ten that a curve's axis can have."""


class _Axes:
    """Two logarithmic axes, drawn."""

    def __init__(self, steps: Sequence[int], low: int, high: int) -> None:
        self.first, self.last = min(steps) // 1000, -(-max(steps) // 1000)
        self.low, self.high = low, max(high, low + 1)

    def x(self, step: int) -> int:
        wide = 1000 * max(self.last - self.first, 1)
        return nearest(LEFT + (step - 1000 * self.first) * (RIGHTMOST - LEFT) / wide)

    def y(self, error: int) -> int:
        tall = 1000 * (self.high - self.low)
        return nearest(BOTTOM - (error - 1000 * self.low) * (BOTTOM - TOP) / tall)

    def drawn(self) -> str:
        out, apart = "", -(-(self.high - self.low) // 7)
        for power in range(self.low, self.high + 1, apart):
            y = self.y(1000 * power)
            out += path(f"M{LEFT} {y}H{RIGHTMOST}", GRID)
            out += text(LEFT - 6, y + 4, f"1e{exponent(power)}", MUTED, "end")
        for power in range(self.first, self.last + 1, 2):
            x = self.x(1000 * power)
            out += path(f"M{x} {BOTTOM}v4", MUTED)
            out += text(x, BOTTOM + 16, f"1e{exponent(power)}", MUTED, "middle")
        out += path(f"M{LEFT} {TOP}V{BOTTOM}H{RIGHTMOST}", MUTED)
        return out + text(RIGHTMOST, BOTTOM + 30, "step size h", MUTED, "end")

    def line(self, steps: Sequence[int], errors: Sequence[Size]) -> str:
        """Through all errors that are on the picture."""
        d, pen = "", "M"
        for step, error in zip(steps, errors, strict=True):
            if isinstance(error, int) and error >= 1000 * self.low:
                d += f"{pen}{self.x(step)} {self.y(error)}"
                pen = "L"
            else:
                pen = "M"
        return d or "M0 0"


def curve(c: Packed) -> str:
    """The error against the step size, with truncation, round-off and the chosen steps."""
    h, own, ink = c["h"], c.get("o", []), WRONG if c["w"] else RIGHT
    seen = [v for v in (*c["e"], *own, c["b"]) if isinstance(v, int)] or [-16000]
    every = seen + [v for v in (*c["t"], *c["r"]) if isinstance(v, int)]
    high = -(-max(every) // 1000)
    axes = _Axes(h, max(min(seen) // 1000, high - DEEPEST), high)
    out = axes.drawn()
    for step in c["c"]:
        x = axes.x(min(max(step, min(h)), max(h)))
        out += path(f"M{x} {TOP}V{BOTTOM}", INK, 1, "1 3")
        out += solid(f"M{x} {BOTTOM - 7}l4 7h-8z", INK)
    out += path(axes.line(h, c["t"]), OTHER, 1.5, "6 3")
    out += path(axes.line(h, c["r"]), THIRD, 1.5, "2 3")
    if isinstance(c["b"], int):
        out += path(f"M{LEFT} {axes.y(c['b'])}H{RIGHTMOST}", MUTED, 1, "10 3 2 3")
    if own:
        out += path(axes.line(h, own), MUTED, 1.5)
    out += path(axes.line(h, c["e"]), ink, 2)
    for step, error in zip(h, c["e"], strict=True):
        if isinstance(error, int) and error >= 1000 * axes.low:
            out += dot(axes.x(step), axes.y(error), ink, ink)
        elif error is None:
            out += dot(axes.x(step), BOTTOM, ink, PAPER)
    if "inf" in c["e"]:
        out += text(LEFT + 10, TOP + 14, "not finite", ink)
    return svg(460, 292, f"Error against step size: gradient of {c['of']}", _said(c), out + _key(c))


def _said(c: Packed) -> str:
    finite = [v for v in c["e"] if isinstance(v, int)]
    least = number(min(finite)) if finite and None not in c["e"] else number(c["e"][0])
    if None in c["e"]:
        least = "0"
    if c["w"]:
        return (
            f"The backward pass is off by at least {least} at every step; "
            f"an error of {number(c['b'])} would have been seen."
        )
    return (
        f"Backward pass and finite difference agree to {least} at the best step; "
        f"the bound of the comparison is {number(c['b'])}."
    )


def _key(c: Packed) -> str:
    """What each line is."""
    lines = [
        ("backward − difference", WRONG if c["w"] else RIGHT, 2, "none"),
        ("truncation", OTHER, 1.5, "6 3"),
        ("bound", MUTED, 1, "10 3 2 3"),
        ("difference's own error", MUTED, 1.5, "none"),
        ("round-off", THIRD, 1.5, "2 3"),
        ("chosen steps", INK, 1, "1 3"),
    ]
    out = ""
    for k, (words, ink, width, dash) in enumerate(lines):
        if k == 3 and not c["w"]:
            continue
        x, y = (LEFT, 238, 350)[k % 3], 260 + 20 * (k // 3)
        out += path(f"M{x} {y - 4}h24", ink, width, dash) + text(x + 30, y, words, MUTED)
    return out


def heat(m: Packed) -> str:
    """The relative error of each entry, the wrong ones crossed."""
    rows, columns, down, along = m["n"]
    cell = max(min(34, 400 // columns, 238 // rows), 6)
    right, low = 46 + columns * cell, 14 + rows * cell
    out, wrong = "", set(m["w"])
    for k, letter in enumerate(m["e"]):
        x, y = 46 + k % columns * cell, 14 + k // columns * cell
        level = _level(letter)
        out += box((x, y, cell, cell), PAPER if level < 0 else LEVELS[level], GRID)
        if k in wrong:
            cross = _cross(x, y, cell)
            out += path(cross, PAPER, 4) + path(cross, WRONG, 2)
        if cell >= 30:
            y += 24 if k in wrong else 21
            ink = PAPER if level > 3 else INK
            out += text(x + cell // 2, y, power(letter), ink, "middle")
    for k in (0, rows - 1) if rows > 1 else (0,):
        out += text(40, 18 + k * cell + cell // 2, str(k * down), MUTED, "end")
    for k in (0, columns - 1) if columns > 1 else (0,):
        out += text(46 + k * cell + cell // 2, 10, str(k * along), MUTED, "middle")
    of = f"{len(wrong)} of {len(m['e'])} {'entries' if down * along == 1 else 'blocks'} are wrong."
    title = f"Relative error by entry: gradient of {m['of']}"
    return svg(max(right + 10, 460), low + 46, title, of, out + _scale(low + 14))


def _cross(x: int, y: int, cell: int) -> str:
    """In a cell with a number it stands small above it."""
    if cell >= 30:
        return f"M{x + cell // 2 - 4} {y + 4}l8 8m0 -8l-8 8"
    inner = cell - 4
    return f"M{x + 2} {y + 2}l{inner} {inner}m0 {-inner}l{-inner} {inner}"


def _level(letter: str) -> int:
    """Of a cell's colour; below 0 where the entries agree exactly."""
    if letter == "0":
        return -1
    if letter == "!":
        return 6
    found = ord(letter) - ord("a") - 18
    return sum(found >= least for least in (-12, -9, -6, -3, -2, 0))


def power(letter: str) -> str:
    """A cell in words."""
    if letter in "0!":
        return "0" if letter == "0" else "inf"
    return f"e{exponent(ord(letter) - ord('a') - 18)}"


def _scale(y: int) -> str:
    words = ("0", "<e-12", "e-12", "e-09", "e-06", "e-03", "e-02", "from 1")
    out = ""
    for k, word in enumerate(words):
        x = (46, 76, 132, 186, 240, 294, 348, 402)[k]
        out += box((x, y, 12, 12), PAPER if k == 0 else LEVELS[k - 1], GRID)
        out += text(x + 16, y + 10, word, MUTED)
    out += path(f"M48 {y + 20}l8 8m0 -8l-8 8", WRONG, 2)
    return out + text(62, y + 28, "beyond its bound: wrong", MUTED)


def spread(bins: Sequence[Sequence[int | str]]) -> str:
    """How many inputs and cases had which error, above what would have been seen."""
    wide = max(min(30, 400 // len(bins)), 6)
    most = max(max(int(b[1]), int(b[2])) for b in bins)
    out, middle, tall = "", 118, 84
    apart = -(-44 // wide)
    for k, (name, errors, limits) in enumerate(bins):
        x, up = 46 + k * wide, nearest(int(errors) * tall / most)
        low = nearest(int(limits) * tall / most)
        if errors:
            out += box((x + 2, middle - up, wide - 4, up), RIGHT)
            out += text(x + wide // 2, middle - up - 4, str(errors), MUTED, "middle")
        if limits:
            out += box((x + 2, middle, wide - 4, low), PAPER, MUTED)
            out += text(x + wide // 2, middle + low + 12, str(limits), MUTED, "middle")
        if k % apart == 0 or isinstance(name, str):
            clash = isinstance(name, int) and k + 1 < len(bins) and isinstance(bins[k + 1][0], str)
            near = k > 0 and isinstance(bins[k - 1][0], str) and wide < 30
            if not clash and not near:
                out += text(x + wide // 2, 236, decade(name), MUTED, "middle")
    right = 46 + len(bins) * wide
    out += path(f"M46 {middle}H{right}", INK)
    out += text(
        46, 254, "above: errors; below: the smallest errors that would have been seen", MUTED
    )
    cases = sum(int(b[1]) for b in bins)
    desc = f"{cases} inputs and cases, by the power of ten of the largest error; a table follows."
    return svg(max(right + 10, 460), 262, "Relative errors over the cases", desc, out)


def decade(name: int | str) -> str:
    """The name of a bin."""
    if isinstance(name, str):
        return {"zero": "0", "inf": "inf"}[name]
    return f"1e{exponent(name)}" if name else "from 1"

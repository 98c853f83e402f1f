"""The error of plain central differences by step size in one line of bars, for a failure.

Bars are on a logarithmic scale that also holds the error of the backward pass, so that a reader
sees the finite difference settle while backward stays away.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from gradcheck.figures import Curve
from gradcheck.records import unnum

BARS = "▁▂▃▄▅▆▇█"
"""From the smallest error to the largest; `plain.ascii_only` has a character for each."""
MARK = "▲"
LABEL = "error by step size"


def lines(curve: Curve, room: int) -> list[str]:
    """Bars, marks below the steps that were used, and what they say in words.

    Parameters
    ----------
    curve : Curve
    room : int
        Columns of a line.

    Returns
    -------
    list of str
        Two lines where there is room, more where there is not; empty where there is no finite
        difference that an error could be told from.
    """
    value, bound = unnum(curve.value), unnum(curve.bound)
    if not (math.isfinite(value) and math.isfinite(bound)):
        return []
    errors = [abs(unnum(slope) - value) for slope in curve.slopes]
    off = abs(unnum(curve.backward) - value)
    *steps, backward = bars([*errors, off], bound)
    head = f"{''.join(steps)}  {backward} backward"
    scale = f"h = {curve.steps[0]:.2g} to {curve.steps[-1]:.1g}, log scale"
    how = "combined" if len(curve.chosen) > 1 else "used"
    away = f"by {off:.2g}" if math.isfinite(off) else f"is {curve.backward}"
    words = f"{how}: off by {bound:.1g} at most, backward {away}"
    marked = marks(curve)
    whole = [f"{head}  {scale}", f"{marked} {words}" if marked else words]
    if max(map(len, whole)) <= room:
        return whole
    folded = f"{scale}; {f'{MARK} ' * bool(marked)}{words}"
    return [head, *[marked] * bool(marked), *textwrap.wrap(folded, max(room, 20))]


def bars(errors: Sequence[float], bound: float) -> list[str]:
    """A bar for each error; what is below the bound is not told apart, what is not finite is full.

    The scale goes from the smallest error, or the bound where that is larger, to the largest.
    """
    sizes = [max(e, bound) if math.isfinite(e) else math.inf for e in errors]
    scale = [math.log(s) for s in sizes if 0 < s < math.inf]
    low, high = min(scale, default=0.0), max(scale, default=0.0)
    if low == high and 0.0 in sizes:
        low -= 1.0  # exact, or not
    return [_bar(size, low, high) for size in sizes]


def _bar(size: float, low: float, high: float) -> str:
    if math.isinf(size):
        return BARS[-1]
    if size == 0 or low == high:
        return BARS[0]
    return BARS[round((math.log(size) - low) / (high - low) * (len(BARS) - 1))]


def marks(curve: Curve) -> str:
    """A mark below the bar that is nearest to each step that was used; empty where none is known.

    The steps of the bars are a factor apart, the steps that were used stand anywhere between.
    """
    used = {_nearest(curve.steps, h) for h in curve.chosen if h > 0}
    if not used:
        return ""
    return "".join(MARK if k in used else " " for k in range(max(used) + 1))


def _nearest(steps: Sequence[float], step: float) -> int:
    return min(range(len(steps)), key=lambda k: abs(math.log(steps[k] / step)))

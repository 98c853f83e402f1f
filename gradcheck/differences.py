"""Derivatives of a computed function: three evaluations each, with a bound.

``phi(t) = cotangent . forward(primals + t * move)`` is differenced at x +- h, just below 1e-4, and
a third evaluation at x + 2h says what the central difference had wrong. That settles nearly every
derivative; `ladder` takes the rest, `compare` judges. Differences are taken per output and
contracted afterwards, in float64, so that a large output that does not move adds no round-off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradcheck import streaming
from gradcheck.arrays import Array, Float
from gradcheck.batching import Replaced, displaced, moved
from gradcheck.estimate import Samples
from gradcheck.floats import HALF
from gradcheck.point import Entries, Move, Point, Rows
from gradcheck.quotients import (
    Quick,
    QuickEstimates,
    Sums,
    finish,
    finish_one,
    joined,
    stacked,
    weighed,
)

QUICK_EXPONENT = {"float64": 15, "float32": 5, "float16": 3, "bfloat16": 2}
"""The step is 2**-this times the input's scale: 3.1e-5 (and 6.1e-5), 0.031 (0.0625), ...

Between eps**(1/4), the optimum of the third-order value, and eps**(1/3), that of its bound, which
is the error of the second-order one: at half the step the bound is four times tighter. Powers of
two, so that x +- h is exact.
"""
_MANY = 8
"""Entries of a direction from which on its steps are shorter."""
_EXACT = 2.0**1000
"""Sizes below which the nearest power of two is a number; infinity and NaN are not below it."""
_CHUNK = 2**18
"""Numbers of an input, or of the outputs, that are held at a time."""
_EXPONENT = 0x7FF << 52
"""The bits of a float64 that are its exponent."""
_CARRIED = math.sqrt(2)
"""The first number whose nearest power of two is 2: halfway, by the logarithm."""
_CARRY = (1 << 52) - (int(np.float64(_CARRIED).view(np.int64)) & ~_EXPONENT)
"""From there on, adding this to the bits of a float64 adds one to its exponent."""


class PointLine:
    """`Line` through a point; see `estimate.Line` for what each attribute is."""

    def __init__(self, point: Point, move: Move) -> None:
        self._point, self._move = point, move
        self.here, self.cotangent = point.here, point.cotangent
        self.eps, self.tiny = point.eps, point.tiny
        self.size = point.size_of(move)

    @property
    def typical(self) -> float:
        """Median |x| of the tensor that moves."""
        around = np.abs(self._point.primals[self._move.parts[0][0]]).astype(np.float64)
        return float(np.median(around)) if around.size else 0.0

    def sample(self, steps: Float) -> Samples:
        rows = None if self._move.whole else Rows.of([self._move])
        if rows is None or 2 * len(steps) * rows.flat.size > _CHUNK:
            return _one_by_one(self._point, self._move, steps)
        up, down, above, below = _sample(self._point, rows, steps[None, :])
        return Samples(up[0], down[0], above[0], below[0])


def _sample(point: Point, rows: Rows, steps: Float) -> tuple[Float, Float, Float, Float]:
    """Outputs on both sides along n moves, and the steps really taken after rounding.

    Parameters
    ----------
    point : Point
    rows : Rows
    steps : (n, L) array

    Returns
    -------
    up, down : (n, L) arrays
    above, below : (n, L, m) arrays
    """
    n, count = steps.shape
    size = rows.flat.shape[1]
    x = point.entries(rows.k, rows.flat)
    reach = steps[:, :, None] * rows.speeds[:, None, :]
    plus, minus = point.rounded(x[:, None, :] + reach), point.rounded(x[:, None, :] - reach)
    values = np.stack([plus, minus], axis=1).reshape(2 * n * count, size)
    flat = np.repeat(rows.flat, 2 * count, axis=0)
    outputs = displaced(point, rows.k, Replaced(flat, values)).reshape(n, 2, count, -1)
    up, down, exact = steps.copy(), steps.copy(), _tied(rows, x)
    up[exact] = plus[exact, :, 0] - x[exact, :1]
    down[exact] = x[exact, :1] - minus[exact, :, 0]
    return up, down, outputs[:, 0], outputs[:, 1]


def _tied(rows: Rows, x: Float) -> Array:
    """Which moves round all their entries alike: along the others the steps are nominal."""
    return np.asarray((rows.speeds == 1).all(axis=1) & (x == x[:, :1]).all(axis=1))


def _one_by_one(point: Point, move: Move, steps: Float) -> Samples:
    """Outputs along a move of several inputs, or of many entries."""
    above = np.stack([point.displaced(move, h) for h in steps])
    below = np.stack([point.displaced(move, -h) for h in steps])
    return Samples(*_taken(point, move, steps), above, below)


def _taken(point: Point, move: Move, steps: Float) -> tuple[Float, Float]:
    """Steps after rounding: along a tie all entries round alike, elsewhere they are nominal."""
    if move.whole:  # at speeds of their own
        return steps, steps
    first = {float(point.entries(k, e[:1])[0]) for k, e, _ in move.parts if len(e)}
    tied = len(first) == 1 and all((s == 1).all() for _, _, s in move.parts)
    x = first.pop() if tied else 0.0
    if not tied or any((point.entries(k, e) != x).any() for k, e, _ in move.parts):
        return steps.copy(), steps.copy()
    return point.rounded(x + steps) - x, x - point.rounded(x - steps)


def _shorter(point: Point, entries: int) -> float:
    """Steps along many entries at once are shorter: the third derivative grows with them."""
    if point.precision in HALF or entries < _MANY:
        return 1.0
    return float(2.0 ** -round(math.log2(entries) / 4))


def step_of(point: Point) -> float:
    """h of the quick path, relative to the scale of what is moved."""
    exponent = QUICK_EXPONENT[point.precision] if point.exponent is None else point.exponent
    return float(2.0**-exponent)


def scale_of(sizes: Float) -> Float:
    """The power of two nearest max(|x|, 1): steps are taken in proportion to it.

    Of a float64 the exponent alone, rounded up from sqrt(2) on; a third of the time of log2.
    """
    made = np.array(sizes, np.float64)
    bits = np.fmax(made, 1.0, out=made).view(np.int64)
    bits += _CARRY
    bits &= _EXPONENT
    return made


def _power_near(size: float) -> float:
    """`scale_of` one size, without arrays of one number."""
    if not size < _EXACT:
        return float(scale_of(np.array(size)))
    rest, exponent = math.frexp(max(size, 1.0))  # size = rest * 2**exponent, 0.5 <= rest < 1
    return math.ldexp(1.0, exponent - (rest < _CARRIED / 2))


def away(x: Float) -> Float:
    """On which side of each x the third point lies: away from 0, where kinks and domains end."""
    return np.where(x < 0, -1.0, 1.0)


def quick(point: Point, moves: Sequence[Move], stretch: Float | None = None) -> Quick:
    """Three evaluations for each move: x + h, x - h and x + 2h; ``stretch`` multiplies its h.

    With the outputs at x itself the third difference E = phi(x + 2h) - 3 phi(x + h) + 3 phi(x)
    - phi(x - h) is h^3 times the third derivative, so T = D(h) - E / 6h is of third order, with
    |T - phi'| <= 2 |T - D(h)| + 6 sigma a / h: the first term over-estimates what E has left, the
    second is round-off, sigma = eps/2 times the size of the outputs that move, and of |x phi'|, a
    product that may have cancelled on the way to a small output (Numerical Recipes 5.7; Curtis and
    Reid 1974 for balancing the two). At a kink E is h times the jump of the slope.
    """
    parts, start = list[Quick](), 0
    stretch = np.ones(len(moves)) if stretch is None else stretch
    while start < len(moves):
        widest = max([1, point.here.size, *(len(e) for _, e, _ in moves[start].parts)])
        part = _alike(moves[start : start + max(1, _CHUNK // (3 * widest))])
        parts.append(_quick_chunk(point, part, stretch[start : start + len(part)]))
        start += len(part)
    return joined(parts)


def _alike(moves: Sequence[Move]) -> Sequence[Move]:
    """The first of some moves, as far as they are of one size."""
    if isinstance(moves, (Entries, Rows)):
        return moves
    sizes = [[len(e) for _, e, _ in m.parts] for m in moves]
    return moves[: next((i for i, s in enumerate(sizes) if s != sizes[0]), len(moves))]


def _quick_chunk(point: Point, moves: Sequence[Move], stretch: Float) -> Quick:
    rows = Rows.of(moves)
    if rows is None or 3 * max(point.here.size, rows.flat.shape[1]) > _CHUNK:
        pairs = zip(moves, stretch.tolist(), strict=True)
        return stacked([quick_one(point, m, times) for m, times in pairs])
    x, entries = point.entries(rows.k, rows.flat), rows.flat.shape[1]
    sizes = np.abs(x).max(axis=1)
    h = scale_of(sizes) * (step_of(point) * _shorter(point, entries)) * stretch
    if entries == 1:
        h = h * away(x[:, 0])
    reach = h[:, None] * rows.speeds
    values = np.stack([point.rounded(x + times * reach) for times in (1, -1, 2)], axis=1)
    width, exact = 2 * h, _tied(rows, x)
    width[exact] = values[exact, 0, 0] - values[exact, 1, 0]
    flat = np.repeat(rows.flat, 3, axis=0)
    with np.errstate(all="ignore"):
        found = moved(point, rows.k, Replaced(flat, values.reshape(-1, entries)))
        return _combine(point, found.reshape(len(h), 3, -1), width, sizes, entries)


def quick_one(point: Point, move: Move, stretch: float = 1.0) -> QuickEstimates[float]:
    """`quick` for one move, two evaluations held at a time and no arrays of one number."""
    size = point.size_of(move)
    entries = sum(len(e) for _, e, _ in move.parts)
    h = step_of(point) * _power_near(size) * _shorter(point, entries) * stretch
    if entries == 1:
        k, place, _ = move.parts[0]
        h *= float(away(point.entries(k, place))[0])
    made, touched = streaming.sums(point, move, h, root=entries >= _MANY)
    width = 2 * h
    if not move.whole:
        up, down = _taken(point, move, np.array([h]))
        width = float(up[0] + down[0])
    return finish_one(point, made, width, size, touched=touched)


def _combine(point: Point, found: Float, width: Float, inputs: Float, entries: int) -> Quick:
    """The estimates of n moves of so many entries, by how outputs move: (n, 3, m)."""
    w = point.cotangent
    ahead, behind, far = (found.reshape(3 * len(found), w.size) @ w).reshape(-1, 3).T
    touched = (found != 0).any(axis=1)
    side = np.abs(found[:, 0]) + np.abs(found[:, 1])
    sides = side @ np.abs(w)
    sums = Sums(
        first=ahead - behind,
        third=far - 3 * ahead - behind,
        sides=sides,
        spread=np.linalg.norm(side * w, axis=1) if entries >= _MANY else sides,
        own=touched @ weighed(point) ** 2,
    )
    return finish(point, sums, touched.any(axis=1), width, inputs)

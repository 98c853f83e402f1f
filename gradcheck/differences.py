"""Derivatives of a computed function: four evaluations each, with a bound.

``phi(t) = cotangent . forward(primals + t * move)`` is differenced at h and 2h, just below 1e-4:
a fourth-order value, and an estimate of what the second-order one had wrong. That settles nearly
every derivative; `ladder` takes the rest, `compare` judges. Differences are taken per output and
contracted afterwards, in float64, so that a large output that does not move adds no round-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.arrays import Array, Float, copy_tuple, flatten
from gradcheck.estimate import Samples
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import FORMATS, dtype_of
from gradcheck.ladder import KAPPA, SAFE

QUICK_EXPONENT = {"float64": 15, "float32": 5, "float16": 3, "bfloat16": 2}
"""The smaller step is 2**-this times the input's scale: 3.1e-5 (and 6.1e-5), 0.031 (0.0625), ...

Between eps**(1/5), the optimum of the fourth-order value, and eps**(1/3), that of its bound, which
is the error of the second-order one: at half the step the bound is four times tighter. Powers of
two, so that x +- h is exact.
"""
_NOISE_OF_RICHARDSON = np.sqrt(((4 / 3) ** 2 + (1 / 6) ** 2) / 2)
"""Standard deviation of (4 D(h) - D(2h)) / 3 for unit noise in phi, times h."""
_NOISE_OF_JUMP = np.sqrt(2 * (2.0**2 + 0.5**2) + 3.0**2)
"""The same for 2 S(h) - S(2h), S(h) = (phi(h) - 2 phi(0) + phi(-h)) / h."""


@dataclass(frozen=True, slots=True)
class Move:
    """A direction in the space of all inputs: which entries move, and how fast."""

    parts: tuple[tuple[int, Array, Array], ...]
    """(input, flat entries, speeds) for each input that moves."""
    single: tuple[int, int] | None = None
    """(input, flat entry) where one entry moves alone at speed 1, as nearly always."""

    @staticmethod
    def entry(input: int, flat: int) -> Move:
        return Move(((input, np.array([flat]), np.ones(1)),), (input, flat))

    def slope(self, gradients: Sequence[Float | None]) -> float:
        """The derivative along this move that the gradients claim."""
        total = 0.0
        for k, entries, speeds in self.parts:
            gradient = gradients[k]
            assert gradient is not None
            total += float(np.dot(gradient.reshape(-1)[entries], speeds))
        return total


@dataclass(slots=True)
class Point:
    """One case with its outputs and one cotangent: where derivatives are taken."""

    evaluator: Evaluator
    primals: tuple[Array, ...]
    attributes: dict[str, object]
    here: Float
    """(m,) real outputs at the primals, flattened."""
    cotangent: Float
    """(m,) float64."""
    precision: str
    """The precision forward really computes in, one of `FORMATS`."""
    exponent: int | None = None
    """Overrides `QUICK_EXPONENT` (the ``--step`` option)."""
    in_place: bool = False
    """Forward writes into its inputs: every evaluation gets its own copies."""
    _work: tuple[Array, ...] = field(init=False)
    _flat: tuple[Any, ...] = field(init=False)
    """Each working array as something that a flat position indexes."""

    def __post_init__(self) -> None:
        self._work = copy_tuple(self.primals)
        self._flat = tuple(w.reshape(-1) if w.flags.c_contiguous else w.flat for w in self._work)

    @property
    def eps(self) -> float:
        return FORMATS[self.precision].eps

    @property
    def tiny(self) -> float:
        return FORMATS[self.precision].tiny

    def line(self, move: Move) -> PointLine:
        """The line through the point along a move."""
        return PointLine(self, move)

    def displaced(self, move: Move, step: float) -> Float:
        """Outputs at primals + step * move; NaN where forward refuses or changes shape."""
        saved = []
        for k, entries, speeds in move.parts:
            target = self._flat[k]
            old = target[entries]
            saved.append((target, entries, old))
            target[entries] = self.rounded(old.astype(np.float64) + step * speeds)
        try:
            return self._outputs()
        finally:
            for target, entries, old in saved:
                target[entries] = old

    def with_entry(self, k: int, flat: int, value: float) -> Float:
        """Outputs with one entry replaced: `displaced` for the usual case, without its overhead."""
        target = self._flat[k]
        old = target[flat]
        target[flat] = value
        try:
            return self._outputs()
        finally:
            target[flat] = old

    def _outputs(self) -> Float:
        try:
            given = copy_tuple(self._work) if self.in_place else self._work
            outputs = flatten(self.evaluator.forward_in_place(given, self.attributes))
            if outputs.shape == self.here.shape:
                return outputs.copy()
        except UserCodeRaised:
            pass
        return np.full(self.here.shape, np.nan)

    def rounded(self, values: Float) -> Float:
        """What the values become in the precision that forward computes in."""
        if self.precision == "float64":
            return values
        return values.astype(dtype_of(self.precision)).astype(np.float64)

    def entries(self, k: int, flat: Array) -> Float:
        """Values of some entries of input ``k``, as float64."""
        return np.asarray(self.primals[k].reshape(-1)[flat], dtype=np.float64)


class PointLine:
    """`Line` through a point; see `estimate.Line` for what each attribute is."""

    def __init__(self, point: Point, move: Move) -> None:
        self._point, self._move = point, move
        self.here, self.cotangent = point.here, point.cotangent
        self.eps, self.tiny = point.eps, point.tiny
        moved = np.concatenate([np.abs(point.entries(k, e)) for k, e, _ in move.parts])
        self.size = float(moved.max(initial=0.0))
        around = np.abs(point.primals[move.parts[0][0]]).astype(np.float64)
        self.typical = float(np.median(around)) if around.size else 0.0

    def sample(self, steps: Float) -> Samples:
        point, move = self._point, self._move
        if move.single is not None:
            up, down, above, below = _sample_entries(point, [move.single], steps[None, :])
            return Samples(up[0], down[0], above[0], below[0])
        above = np.stack([point.displaced(move, h) for h in steps])
        below = np.stack([point.displaced(move, -h) for h in steps])
        up, down = self._steps_taken(steps)
        return Samples(up, down, above, below)

    def _steps_taken(self, steps: Float) -> tuple[Float, Float]:
        """Along a tie all entries round alike; elsewhere the steps are nominal."""
        moved = [self._point.entries(k, e) for k, e, _ in self._move.parts]
        values = np.concatenate(moved)
        speeds = np.concatenate([s for _, _, s in self._move.parts])
        if np.ptp(values) > 0 or (speeds != 1).any():
            return steps.copy(), steps.copy()
        x, rounded = values[0], self._point.rounded
        return rounded(x + steps) - x, x - rounded(x - steps)


def _sample_entries(
    point: Point, entries: Sequence[tuple[int, int]], steps: Float
) -> tuple[Float, Float, Float, Float]:
    """Outputs on both sides of single entries, and the steps really taken after rounding.

    Parameters
    ----------
    point : Point
    entries : sequence of (input, flat)
        n entries.
    steps : (n, L) array

    Returns
    -------
    up, down : (n, L) arrays
    above, below : (n, L, m) arrays
    """
    n, count = steps.shape
    x = np.array([float(point.primals[k].reshape(-1)[i]) for k, i in entries])[:, None]
    plus, minus = point.rounded(x + steps), point.rounded(x - steps)
    above, below = (np.empty((n, count, point.here.size)) for _ in range(2))
    for row, (k, flat) in enumerate(entries):
        for column in range(count):
            above[row, column] = point.with_entry(k, flat, plus[row, column])
            below[row, column] = point.with_entry(k, flat, minus[row, column])
    return plus - x, x - minus, above, below


def scale_of(sizes: Float) -> Float:
    """The power of two nearest max(|x|, 1): steps are taken in proportion to it."""
    return np.asarray(2.0 ** np.round(np.log2(np.maximum(sizes, 1.0))))


@dataclass(frozen=True, slots=True)
class QuickEstimates:
    """Derivatives along n moves, each array (n,); see `Estimate` for the words."""

    value: Float
    bound: Float
    truncation: Float
    roundoff: Float
    step: Float
    scale: Float
    jump: Float
    """How much the slope may jump at the point, beyond noise; 0 where the function is smooth."""


def quick(point: Point, moves: Sequence[Move]) -> QuickEstimates:
    """Four evaluations for each move: x +- h and x +- 2h.

    Fourth-order central difference, T = D(h) + (D(h) - D(2h)) / 3, with
    |T - phi'| <= 2 |T - D(h)| + 6 sigma a / h: the first term over-estimates what Richardson's
    extrapolation left, the second is round-off, sigma = eps/2 times the size of the outputs that
    move, and of |x phi'|, a product that may have cancelled on the way to a small output
    (Numerical Recipes 5.7; Curtis and Reid 1974 for balancing the two).
    """
    count = len(moves)
    columns = [np.empty(count) for _ in range(7)]
    chunk = max(1, 1_000_000 // max(1, point.here.size))
    for start in range(0, count, chunk):
        part = _quick_chunk(point, moves[start : start + chunk])
        for column, values in zip(columns, part, strict=True):
            column[start : start + chunk] = values
    return QuickEstimates(*columns)


def _quick_chunk(point: Point, moves: Sequence[Move]) -> tuple[Float, ...]:
    exponent = QUICK_EXPONENT[point.precision] if point.exponent is None else point.exponent
    ratios = 2.0 ** -np.array([exponent - 1.0, exponent])  # 2h, h
    singles = [m.single for m in moves if m.single is not None]
    if len(singles) == len(moves):
        sizes = np.array([abs(float(point.primals[k].reshape(-1)[i])) for k, i in singles])
        up, down, above, below = _sample_entries(point, singles, scale_of(sizes)[:, None] * ratios)
    else:
        lines = [point.line(m) for m in moves]
        sizes = np.array([line.size for line in lines])
        steps = scale_of(sizes)[:, None] * ratios
        samples = [line.sample(h) for line, h in zip(lines, steps, strict=True)]
        up, down = (np.stack([getattr(s, n) for s in samples]) for n in ("up", "down"))
        above, below = (np.stack([getattr(s, n) for s in samples]) for n in ("above", "below"))
    with np.errstate(all="ignore"):
        return _combine(point, (above, below), up + down, sizes)


def _combine(
    point: Point, outputs: tuple[Float, Float], width: Float, inputs: Float
) -> tuple[Float, ...]:
    (above, below), w, here = outputs, point.cotangent, point.here
    moved = above - below
    slopes = (moved @ w) / width
    coarse, fine = slopes[:, 0], slopes[:, 1]
    value = fine + (fine - coarse) / ((width[:, 0] / width[:, 1]) ** 2 - 1)
    h = width[:, 1] / 2
    touched = ((above != here) | (below != here)).any(axis=1)
    size = np.maximum(np.maximum(np.abs(above), np.abs(below)).max(axis=1), point.tiny)
    # the slopes of both sides without cancellation: even at the bottom of x^2 there is a scale
    sides = np.abs((above - here) * w) + np.abs((here - below) * w)
    scale = (sides.sum(axis=2) / width).max(axis=1)
    own = (np.where(touched, w * size, 0.0) ** 2).sum(axis=1)
    sigma = 0.5 * point.eps * np.sqrt(own + (inputs * scale) ** 2)
    truncation = SAFE * np.abs(value - fine)
    roundoff = KAPPA * sigma * _NOISE_OF_RICHARDSON / h
    hidden = 0.5 * point.eps * float(np.linalg.norm(w * here)) / h  # where no output moves at all
    known = touched.any(axis=1) | (hidden <= 1e-2 * float(np.linalg.norm(w)))
    bound = truncation + roundoff + np.where(known, 0.0, KAPPA * hidden)
    bound = np.where(np.isfinite(value), bound, np.inf)
    second = ((above - here) + (below - here)) @ w / (width / 2)
    jump = np.abs(2 * second[:, 1] - second[:, 0]) - KAPPA * sigma * _NOISE_OF_JUMP / h
    return value, bound, truncation, roundoff, h, scale, np.maximum(jump, 0.0)

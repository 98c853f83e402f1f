"""What backward says at a point: slopes along moves, and how far rounding may have spoilt them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from gradcheck import compare
from gradcheck.arrays import Float, largest
from gradcheck.compare import Rules
from gradcheck.ladder import KAPPA
from gradcheck.point import Entries, Move, Rows

Size = TypeVar("Size", float, Float)


class Claims(msgspec.Struct, frozen=True):
    """The gradients under test."""

    gradients: Sequence[Float | None]
    """Per input."""
    eps: Callable[[int], float]
    """Spacing of the precision in which input ``k``'s gradient was returned."""
    noise: Callable[[], tuple[Float, ...]]
    """The rounding noise of the gradients, per input, measured when it is asked for."""
    pull: Callable[[Float], Sequence[Float | None]]
    """The gradients for another cotangent of the point, by another backward pass."""
    _largest: dict[int, float] = msgspec.field(default_factory=dict)

    def slope(self, move: Move) -> float:
        """The slope along a move."""
        if move.single is None:
            return move.slope(self.gradients)
        return float(self._of(move.single[0]).reshape(-1)[move.single[1]])

    def told(self, move: Move, rules: Rules) -> tuple[float, float]:
        """`slope` along a move, and its `rounding`."""
        if move.single is not None:
            claimed = self.slope(move)
            return claimed, self.rounding(move, claimed, rules)
        claimed, squares = 0.0, 0.0
        for k, entries, speeds in move.parts:
            flat = self._of(k).reshape(-1)
            chosen = flat if move.whole else flat[entries]
            claimed += float(chosen.dot(speeds))
            terms = chosen * speeds
            squares += rounding(math.sqrt(terms.dot(terms)), self.eps(k)) ** 2
        return claimed, math.sqrt(squares) + _explained(claimed, rules)

    def slopes(self, along: Sequence[Move]) -> Float:
        """(n,) the slope along each move."""
        if isinstance(along, Rows):
            return np.asarray(self._terms(along).sum(axis=1))
        if not isinstance(along, Entries):
            return np.array([self.slope(m) for m in along])
        return self._of(along.input).reshape(-1)[along.flat].astype(np.float64)

    def rounding(self, move: Move, claimed: float, rules: Rules) -> float:
        """A-priori noise of a slope, in the gradient's own precision."""
        if move.single is not None:
            return rounding(claimed, self.eps(move.single[0])) + _explained(claimed, rules)
        return self.told(move, rules)[1]

    def roundings(self, along: Sequence[Move], claimed: Float, rules: Rules) -> Float:
        """(n,) `rounding` of each."""
        if isinstance(along, Rows):
            size, k = np.linalg.norm(self._terms(along), axis=1), along.k
        elif isinstance(along, Entries):
            size, k = claimed, along.input
        else:
            pairs = zip(along, claimed, strict=True)
            return np.array([self.rounding(m, float(a), rules) for m, a in pairs])
        noise = rounding(size, self.eps(k))
        if rules.explained:
            noise = noise + np.where((claimed != 0) | (not lossy(rules)), rules.explained, 0.0)
        return np.asarray(noise)

    def measured(self, move: Move, noise: Sequence[Float], rules: Rules) -> float:
        """Noise of a slope as measured on the backward pass, and no less than a-priori."""
        parts = [(noise[k].reshape(-1)[e] * s) ** 2 for k, e, s in move.parts]
        own = float(np.sqrt(sum(float(p.sum()) for p in parts)))
        return max(own, self.rounding(move, self.slope(move), rules))

    def largest(self) -> float:
        """The largest finite entry of all gradients."""
        known = (k for k, g in enumerate(self.gradients) if g is not None)
        return max(map(self.largest_of, known), default=0.0)

    def largest_of(self, k: int) -> float:
        """The largest finite entry of input ``k``'s gradient; looked for once."""
        if k not in self._largest:
            self._largest[k] = largest(self._of(k))
        return self._largest[k]

    def is_zero(self, k: int) -> bool:
        """All entries of input ``k``'s gradient are exactly 0."""
        return not (self.largest_of(k) or np.any(self._of(k)))

    def _terms(self, along: Rows) -> Float:
        """(n, s) what each entry adds to the slope of its move."""
        return np.asarray(self._of(along.k).reshape(-1)[along.flat] * along.speeds)

    def _of(self, k: int) -> Float:
        gradient = self.gradients[k]
        assert gradient is not None
        return gradient


def rounding(analytic: Size, eps: float) -> Size:
    """A-priori rounding noise of analytic slopes: half a unit in the last place, six times."""
    return KAPPA * 0.5 * eps * abs(analytic)


def _explained(claimed: float, rules: Rules) -> float:
    """What the rounding of forward may have done to a slope; nothing to a lost tail."""
    return rules.explained if claimed or not lossy(rules) else 0.0


def lossy(rules: Rules) -> bool:
    """A gradient of exactly 0 is a lost tail there; in half precision terms may have cancelled."""
    return rules.resolution <= compare.RESOLUTION["float32"]

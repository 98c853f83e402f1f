"""Whether outputs follow an input along lines: then no difference of it is off by a third order."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gradcheck.arrays import Array, Float, freeze
from gradcheck.differences import step_of
from gradcheck.ladder import KAPPA
from gradcheck.point import Point
from gradcheck.quotients import sigma_of


class Line:
    """Where outputs must lie if they follow all entries of an input along lines.

    All groups move at once, each by many steps of its own, up or down; one step of each by itself
    has told how far that moves the outputs. A third order, or a slope that another group changes,
    shows there: of many steps it makes much more than they add to the rounding. Outputs are
    contracted as far as those of one entry are, and all numbers are those of contracted outputs.

    Parameters
    ----------
    groups, outputs : int
        How many there are.
    """

    def __init__(self, groups: int, outputs: int) -> None:
        self.times = _many_steps(groups)
        """(groups,) steps that each moves by."""
        self._led, self._sides = np.zeros(outputs), np.zeros(outputs)

    def pass_by(self, groups: Array, first: Float, sides: Float) -> None:
        """Note what some groups do by a step: (g, ...) ahead less behind, and both sizes."""
        self._led += self.times[groups] / 2 @ first.reshape(len(groups), -1)
        self._sides += sides.reshape(len(groups), -1).sum(axis=0)

    def leads_to(self, point: Point, moves: Float, own: Float) -> bool:
        """Outputs that moved by so much, by the many steps of all groups, are where it leads.

        ``own``: their squares, as `Sums.own`.
        """
        ratio = math.sqrt(0.5) / step_of(point)  # |x| / 2h at most: h is in proportion to |x|
        noise = sigma_of(point, own.reshape(-1), self._sides, ratio)
        rounding = KAPPA * noise * math.sqrt(2 + self.times @ self.times / 2)
        return bool((np.abs(moves - self._led) <= rounding).all())


@lru_cache(maxsize=8)
def _many_steps(count: int) -> Float:
    """16 to 32 of them, with so few digits that x and h times them add up without rounding."""
    rng = np.random.default_rng(count)
    return freeze(rng.choice([-16.0, 16.0], count) * (1 + rng.integers(0, 64, count) / 64))

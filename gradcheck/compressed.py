"""The quick path for all entries of an input at once, where no output follows two of a group.

`probing` finds the groups, `grouped` evaluates them; where the structure turns out not to hold,
entries are moved one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from gradcheck import probing
from gradcheck.arrays import Array, Float, freeze
from gradcheck.batching import BLOCK, Replaced, displaced
from gradcheck.compare import RESOLUTION
from gradcheck.differences import scale_of, step_of
from gradcheck.grouped import Groups
from gradcheck.point import Point
from gradcheck.quotients import Quick
from gradcheck.structure import Structure

FEWEST = 24
"""Entries of an input from which on a structure is looked for: before, it costs what it saves."""
MOST = 2**17
"""Entries of an input up to which each is told apart: the estimates take some 20 numbers each."""


def find(point: Point, k: int, signs: Sequence[int] = (1,)) -> Structure | None:
    """Groups of entries of input ``k`` that no output follows together; None where not worth it."""
    primal = point.primals[k]
    if not FEWEST <= primal.size <= MOST or point.here.size < 2:
        return None
    return probing.find(primal.shape, point.here, _Moved(point, k), signs)


@lru_cache(maxsize=1000)
def probes(shape: tuple[int, ...]) -> int:
    """How many evaluations `find` takes for an input of this shape, those apart that confirm that
    forward takes a stack."""
    return 2 * sum(max(1, (n - 1).bit_length()) for n in shape)


def quick(point: Point, k: int, found: Structure) -> Quick | None:
    """Derivatives along every entry of input ``k``, three evaluations for each group.

    Returns
    -------
    QuickEstimates or None
        None where the structure does not hold.
    """
    made = Groups(point, k, found).estimates()
    if made is not None and not (made.truncation > RESOLUTION[point.precision] * made.scale).any():
        return made
    # an output may have been counted for one entry that another moves too, downwards alone
    again = find(point, k, (1, -1))
    if again is None or (made is not None and again.same(found)):
        return made
    return Groups(point, k, again).estimates()


class _Moved:
    """Outputs with the entries of each mask moved, each by an amount of its own."""

    def __init__(self, point: Point, k: int) -> None:
        self._point, self._k = point, k
        x = point.entries(k, np.arange(point.primals[k].size))
        self._x, self._by = x, scale_of(np.abs(x)) * 2 * step_of(point) * _amounts(x.size)

    def __call__(self, masks: Sequence[Array]) -> Iterator[Float]:
        most = max(1, BLOCK // max(self._x.size, self._point.here.size))
        yield from map(self._moved, _in_parts(masks, most))

    def _moved(self, masks: Sequence[Array]) -> Float:
        shape = self._point.primals[self._k].shape
        values, by = np.empty((sum(map(len, masks)), *shape)), self._by.reshape(shape)
        done = 0
        for several in masks:
            part = values[done : done + len(several)]
            np.multiply(by, several.astype(np.float64), out=part)
            done += len(several)
        flat = values.reshape(len(values), -1)
        flat += self._x
        return displaced(self._point, self._k, Replaced(None, self._point.rounded(flat)))


def _in_parts(several: Sequence[Array], most: int) -> Iterator[list[Array]]:
    """The rows of some arrays, so many at a time."""
    part, left = list[Array](), most
    for rows in several:
        while len(rows):
            part.append(rows[:left])
            rows, left = rows[left:], left - len(part[-1])
            if not left:
                yield part
                part, left = [], most
    if part:
        yield part


@lru_cache(maxsize=8)
def _amounts(count: int) -> Float:
    """Random numbers from 0.5 to 1: in no sum does one entry's cancel another's."""
    return freeze(0.5 + 0.5 * np.random.default_rng(count).random(count))

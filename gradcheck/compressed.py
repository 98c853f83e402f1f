"""The quick path for all entries of an input at once, where no output follows two of a group.

`probing` finds the groups; three evaluations of each give what `differences.quick` needs 3 N for:
every output is counted for the one entry of the group that it follows, so the bound and the noise
rule stay those of each entry. In every evaluation the outputs that follow none of the group must
not change by a bit; where one does, the structure is not what it seemed, and entries are moved one
by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from gradcheck import probing
from gradcheck.arrays import Array, Float, freeze
from gradcheck.batching import BLOCK, Replaced, displaced, moved
from gradcheck.compare import RESOLUTION
from gradcheck.differences import away, scale_of, step_of
from gradcheck.point import Point
from gradcheck.quotients import Quick, Sums, finish, weighed
from gradcheck.structure import NOBODY, Structure, bits_of

FEWEST = 24
"""Entries of an input from which on a structure is looked for: before, it costs what it saves."""
MOST = 2**17
"""Entries of an input up to which each is told apart: the estimates take some 20 numbers each."""
_CHUNK = 2**17
"""Outputs of all groups that are held at a time."""


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
    return 2 * sum(map(bits_of, shape))


def quick(point: Point, k: int, found: Structure) -> Quick | None:
    """Derivatives along every entry of input ``k``, three evaluations for each group.

    Returns
    -------
    QuickEstimates or None
        None where the structure does not hold.
    """
    made = _Groups(point, k, found).estimates()
    if made is not None and not (made.truncation > RESOLUTION[point.precision] * made.scale).any():
        return made
    # an output may have been counted for one entry that another moves too, downwards alone
    again = find(point, k, (1, -1))
    if again is None or (made is not None and again.same(found)):
        return made
    return _Groups(point, k, again).estimates()


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


class _Memory(threading.local):
    """What outputs are written into, by each thread again and again.

    Memory that is given back and asked for anew took a fifth of a check's time, page by page.
    """

    def __init__(self) -> None:
        self._numbers: Float | None = np.empty(_CHUNK)

    @contextmanager
    def lent(self, count: int, outputs: int) -> Iterator[Float]:
        """(count, outputs); fresh where that is too much, or forward itself checks a gradient."""
        kept, self._numbers, wanted = self._numbers, None, count * outputs
        numbers = np.empty(wanted) if kept is None or wanted > len(kept) else kept[:wanted]
        try:
            yield numbers.reshape(count, outputs)
        finally:
            self._numbers = kept


_MEMORY = _Memory()


class _Groups:
    """Evaluates group by group, and adds up for each entry what the outputs that follow it say."""

    def __init__(self, point: Point, k: int, found: Structure) -> None:
        self._point, self._k, self._found = point, k, found
        x = point.entries(k, np.arange(point.primals[k].size))
        self._sizes = np.abs(x)
        reach = scale_of(self._sizes) * step_of(point) * away(x)
        self._moved = np.stack([point.rounded(x + times * reach) for times in (1, -1, 2)])
        self._width = self._moved[0] - self._moved[1]
        self._members = found.members()
        self._layout = found.layout()
        self._first = found if self._layout[1] == 1 else found.at(self._first_rows())
        """The structure of the first row of outputs of each block: the others follow the same."""
        self._cotangent = point.cotangent.reshape(self._layout)
        self._squares = weighed(point).reshape(self._layout) ** 2
        self._sums = np.zeros((4, x.size + 1))
        """The columns of `Sums`; what follows no entry of its group goes to the last place."""

    def _first_rows(self) -> Array:
        """Places of the outputs of the first row of each block."""
        places = np.arange(self._point.here.size).reshape(self._layout)
        return places[:, 0, :].reshape(-1)

    def estimates(self) -> Quick | None:
        """None where an output changes that should not."""
        waiting = [(np.arange(self._found.groups), self._members)]
        outputs = self._point.here.size
        chunk = max(1, _CHUNK // (3 * outputs))
        while waiting:
            groups, members = waiting.pop()
            for start in range(0, len(groups), chunk):
                part = slice(start, start + chunk)
                size = 3 * len(groups[part])
                with np.errstate(all="ignore"), _MEMORY.lent(size, outputs) as memory:
                    refused = self._tried(groups[part], members[part], memory)
                if refused is None:
                    return None
                waiting += [
                    (groups[part][i : i + 1], half[None, :])
                    for i in refused
                    for half in np.array_split(np.unique(members[part][i]), 2)
                ]
        first, third, sides, own = self._sums[:, :-1]
        made, touched = Sums(first, third, sides, sides, own), (sides != 0) | (own != 0)
        with np.errstate(all="ignore"):
            return finish(self._point, made, touched, self._width, self._sizes)

    def _tried(self, groups: Array, members: Array, memory: Float) -> list[int] | None:
        """Evaluate and count; which forward refused, to be halved. None: the structure is wrong."""
        found = self._evaluated(members, memory)
        owners = self._first.owners(groups)
        if members.shape[1] < self._members.shape[1]:  # part of a group: the others of it stay
            part = np.zeros(len(self._sizes) + 1, bool)
            part[members[0]] = True
            owners = np.where(part[owners], owners, NOBODY)
        if not np.isnan(found[:, :, 0]).any():  # a glance at one output
            return [] if self._add(found, owners) else None
        refused = np.any(np.isnan(found).all(axis=2), axis=1)
        refused &= members.min(axis=1) < members.max(axis=1)
        kept = ~refused
        if not self._add(found[kept], owners[kept]):
            return None
        return [int(i) for i in np.flatnonzero(refused)]

    def _evaluated(self, members: Array, memory: Float) -> Float:
        """(g, 3, m) outputs ahead, behind and far, less those here."""
        groups, size = members.shape
        values = self._moved[:, members].swapaxes(0, 1).reshape(3 * groups, size)
        rows = Replaced(np.repeat(members, 3, axis=0), values)
        return moved(self._point, self._k, rows, memory).reshape(groups, 3, -1)

    def _add(self, found: Float, owners: Array) -> bool:
        """Count how outputs of some groups move; False where one follows what it should not.

        Works in place, also on what it is given: fresh memory costs more than the sums.
        """
        found = found.reshape(*found.shape[:2], *self._layout)
        touched = found != 0
        if owners.min(initial=0) < 0:
            alone = owners < 0
            refused = np.any(np.isnan(found).all(axis=(2, 3, 4)), axis=1)
            follows = np.logical_or.reduce(touched, axis=(1, 3)).reshape(owners.shape)
            if (follows & alone)[~refused].any():
                return False
            owners = np.where(alone, self._sums.shape[1] - 1, owners)
        columns = self._columns(found, touched)
        self._count(owners.reshape(-1), columns.reshape(len(columns), -1))
        return True

    def _columns(self, found: Float, touched: Array) -> Float:
        """The columns of `Sums` over the outputs that stand together: (4, g, blocks, apart)."""
        blocks, alike, apart = self._layout
        columns, w = np.empty((4, len(found), blocks, apart)), self._cotangent
        first, third, sides, own = columns
        if alike == 1:
            found *= w
            ahead, behind, far = found[:, :, :, 0].swapaxes(0, 1)
        else:
            ahead, behind, far = np.einsum("gjban,ban->jgbn", found, w)
        np.subtract(ahead, behind, out=first)
        np.multiply(ahead, -3, out=third)
        third -= behind
        third += far
        side = np.abs(found[:, :2], out=found[:, :2])
        if alike == 1:
            np.add(side[:, 0, :, 0], side[:, 1, :, 0], out=sides)
        else:
            np.einsum("gjban,ban->gbn", side, np.abs(w), out=sides)
        if np.all(touched):
            own[...] = self._squares.sum(axis=1)
        else:
            moves = np.logical_or.reduce(touched, axis=1).astype(float)
            np.einsum("gban,ban->gbn", moves, self._squares, out=own)
        return columns

    def _count(self, places: Array, columns: Float) -> None:
        """Add columns to the sums, first within the runs of one place."""
        starts = np.append(0, np.flatnonzero(places[1:] != places[:-1]) + 1)
        if 2 * len(starts) < len(places):
            columns, places = np.add.reduceat(columns, starts, axis=1), places[starts]
        for total, column in zip(self._sums, columns, strict=True):
            total += np.bincount(places, column, minlength=len(total))

"""Evaluates an input group by group, where no output follows two entries of one.

Three evaluations of a group give what `differences.quick` needs three of each entry for: every
output is counted for the one entry of the group that it follows, so the bound and the noise rule
stay those of each entry. In every evaluation the outputs that follow none of the group must not
change by a bit. Where outputs follow the input along lines, as those of a product of matrices do,
two evaluations of a group are enough (`straight`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from gradcheck.arrays import Array, Float, largest
from gradcheck.batching import Replaced, moved
from gradcheck.differences import away, scale_of, step_of
from gradcheck.floats import HALF
from gradcheck.ladder import KAPPA
from gradcheck.point import Point
from gradcheck.quotients import Quick, Sums, finish, weighed
from gradcheck.straight import Line
from gradcheck.structure import NOBODY, Structure

_CHUNK = 2**17
"""Outputs of all groups that are held at a time."""
_FEW = 8
"""Groups from which on it is asked first if outputs follow the input along lines."""
_ALL = _AHEAD, _BEHIND, _BEYOND = (0, 1, 2)
"""Evaluations of each group: at x + h, x - h and x + 2h."""
_NEAR = (_AHEAD, _BEHIND)


class _Memory(threading.local):
    """What outputs are written into, by each thread again and again.

    Memory that is given back and asked for anew took a fifth of a check's time, page by page.
    """

    def __init__(self) -> None:
        np.empty(4 * _CHUNK)  # from now on glibc keeps freed blocks up to that size, users' too
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


class Groups:
    """Evaluates group by group, and adds up for each entry what the outputs that follow it say."""

    def __init__(self, point: Point, k: int, found: Structure) -> None:
        self._point, self._k, self._found = point, k, found
        x = point.entries(k, np.arange(point.primals[k].size))
        self._x, self._sizes = x, np.abs(x)
        self._reach = scale_of(self._sizes) * step_of(point) * away(x)
        self._moved = np.stack([point.rounded(x + times * self._reach) for times in (1, -1, 2)])
        self._width = self._moved[0] - self._moved[1]
        self._members = found.members()
        self._layout = found.layout()
        self._first = found if self._layout[1] == 1 else found.at(self._first_rows())
        """The structure of the first row of outputs of each block: the others follow the same."""
        self._cotangent = point.cotangent.reshape(self._layout)
        self._squares = weighed(point).reshape(self._layout) ** 2
        self._sums = np.zeros((4, x.size + 1))
        """The columns of `Sums`; what follows no entry of its group goes to the last place."""
        self._line: Line | None = None

    def _first_rows(self) -> Array:
        """Places of the outputs of the first row of each block."""
        places = np.arange(self._point.here.size).reshape(self._layout)
        return places[:, 0, :].reshape(-1)

    def estimates(self) -> Quick | None:
        """None where an output changes that should not."""
        if self._seems_straight():
            self._line = Line(self._found.groups, self._cotangent[:, 0].size)
            if not self._evaluate(_NEAR):
                return None
            if not self._is_led_by(self._line):
                self._line = None
                self._sums[:] = 0
        if self._line is None and not self._evaluate(_ALL):
            return None
        first, sides, own, third = self._sums[:, :-1]
        made, touched = Sums(first, third, sides, sides, own), (sides != 0) | (own != 0)
        with np.errstate(all="ignore"):
            return finish(self._point, made, touched, self._width, self._sizes)

    def _seems_straight(self) -> bool:
        """As far as the second differences of one group say, where there are many to be saved."""
        if self._found.groups < _FEW or self._point.precision in HALF:
            return False
        point, one = self._point, self._members[0]
        with np.errstate(all="ignore"):
            near = [point.with_entries(self._k, one, self._moved[j, one]) for j in _NEAR]
            ahead, behind = near[0] - point.here, near[1] - point.here
            size = largest(point.here) + largest(ahead) / step_of(point)
            return float(np.abs(ahead + behind).max()) <= 2 * KAPPA * point.eps * size

    def _is_led_by(self, line: Line) -> bool:
        """Moved by many steps at once, the outputs are where the line leads."""
        times = np.empty(len(self._x))
        times[self._members] = line.times[:, None]
        there = self._point.rounded(self._x + times * self._reach)
        moves = self._point.with_entries(self._k, slice(None), there) - self._point.here
        together = np.einsum("ban,ban->bn", moves.reshape(self._layout), self._cotangent)
        with np.errstate(all="ignore"):
            return line.leads_to(self._point, together.reshape(-1), self._squares.sum(axis=1))

    def _evaluate(self, which: Sequence[int]) -> bool:
        """Evaluate `_ALL` of each group, or `_NEAR`; False where the structure does not hold."""
        waiting = [(np.arange(self._found.groups), self._members)]
        outputs = self._point.here.size
        chunk = max(1, _CHUNK // (len(which) * outputs))
        while waiting:
            groups, members = waiting.pop()
            for start in range(0, len(groups), chunk):
                part = slice(start, start + chunk)
                size = len(which) * len(groups[part])
                with np.errstate(all="ignore"), _MEMORY.lent(size, outputs) as memory:
                    refused = self._tried(groups[part], members[part], which, memory)
                if refused is None:
                    return False
                waiting += [
                    (groups[part][i : i + 1], half[None, :])
                    for i in refused
                    for half in np.array_split(np.unique(members[part][i]), 2)
                ]
        return True

    def _tried(
        self, groups: Array, members: Array, which: Sequence[int], memory: Float
    ) -> list[int] | None:
        """Evaluate and count; which forward refused, to be halved. None: the structure is wrong."""
        found = self._outputs(members, which, memory)
        owners = self._first.owners(groups)
        if members.shape[1] < self._members.shape[1]:  # part of a group: the others of it stay
            part = np.zeros(len(self._sizes) + 1, bool)
            part[members[0]] = True
            owners = np.where(part[owners], owners, NOBODY)
        refused = np.zeros(0, bool)
        if np.isnan(found[:, :, 0]).any():  # a glance at one output
            refused = np.any(np.isnan(found).all(axis=2), axis=1)
            refused &= members.min(axis=1) < members.max(axis=1)
            groups, found, owners = groups[~refused], found[~refused], owners[~refused]
        if not self._add(groups, found, owners, which):
            return None
        return [int(i) for i in np.flatnonzero(refused)]

    def _outputs(self, members: Array, which: Sequence[int], memory: Float) -> Float:
        """(g, j, m) outputs of some of `_ALL`, less those here."""
        groups, size = members.shape
        values = self._moved[which, :][:, members].swapaxes(0, 1).reshape(-1, size)
        rows = Replaced(np.repeat(members, len(which), axis=0), values)
        return moved(self._point, self._k, rows, memory).reshape(groups, len(which), -1)

    def _add(self, groups: Array, found: Float, owners: Array, which: Sequence[int]) -> bool:
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
        columns = self._columns(groups, found, touched, which)
        self._count(owners.reshape(-1), columns.reshape(len(columns), -1))
        return True

    def _columns(self, groups: Array, found: Float, touched: Array, which: Sequence[int]) -> Float:
        """The columns of `Sums` over the outputs that stand together: (4, g, blocks, apart).

        Near by, along a line, twice the second difference stands for the third: both are rounding,
        and of about the same size.
        """
        blocks, alike, apart = self._layout
        columns, w = np.empty((4, len(found), blocks, apart)), self._cotangent
        first, sides, own, third = columns
        if alike == 1:
            found *= w
            each = found[:, :, :, 0].swapaxes(0, 1)
        else:
            each = np.einsum("gjban,ban->jgbn", found, w)
        np.subtract(each[_AHEAD], each[_BEHIND], out=first)
        if which == _NEAR:
            np.add(each[_AHEAD], each[_BEHIND], out=third)
            third *= 2
        else:
            np.multiply(each[_AHEAD], -3, out=third)
            third -= each[_BEHIND]
            third += each[_BEYOND]
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
        if self._line is not None:
            self._line.pass_by(groups, first, sides)
        return columns

    def _count(self, places: Array, columns: Float) -> None:
        """Add columns to the sums, first within the runs of one place."""
        starts = np.append(0, np.flatnonzero(places[1:] != places[:-1]) + 1)
        if 2 * len(starts) < len(places):
            columns, places = np.add.reduceat(columns, starts, axis=1), places[starts]
        for total, column in zip(self._sums, columns, strict=True):
            total += np.bincount(places, column, minlength=len(total))

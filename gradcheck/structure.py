"""Which entries of an input each output follows, axis by axis, and which may move together for it.

Entries that no output follows together can be perturbed at once, and the derivatives of all read
from the same evaluations (Curtis, Powell and Reid 1974). `probing` finds it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import Array

NOBODY = -1
_WIDEST = 4096
"""Indices of an axis that are told apart; a longer one is dense unless all bits are known."""
MOST = 20_000_000
"""Entries of a table of outputs and groups, at most."""


@dataclass(frozen=True, slots=True)
class Axis:
    """How the outputs follow one axis of the input."""

    colours: Array
    """(d,) for each index its colour: no output follows two indices of one colour."""
    count: int
    """How many colours there are."""
    table: Array
    """(p, count): for each pattern, which index of each colour is followed, or `NOBODY`."""
    pattern: Array
    """(m,) the pattern of each output: a row of ``table``."""
    alike: bool
    """All outputs have one pattern."""

    @staticmethod
    def dense(length: int, seen: Array) -> Axis:
        """Every output follows every index, but for outputs that follow none: (m,) ``seen``."""
        table = np.full((2, length), NOBODY)
        table[0] = np.arange(length)
        return Axis(np.arange(length), length, table, np.where(seen, 0, 1), bool(seen.all()))

    @staticmethod
    def apart(code: Array, followed: Array) -> Axis:
        """Each output follows one index, whose code is given, or none: a number beyond all codes.

        ``code``: (d,) of each index, of `bits_of` so many bits; ``followed``: (m,).
        """
        decoded = np.full((1 << bits_of(len(code))) + 1, NOBODY)
        decoded[code] = np.arange(len(code))
        return Axis(np.zeros(len(code), np.intp), 1, decoded[:, None], followed, alike=False)

    @staticmethod
    def coloured(code: Array, value: Array, open_: Array, seen: Array) -> Axis:
        """Each output follows the indices whose codes have some bits, and any others.

        ``value``: (m,) the bits; ``open_``: (m,) the bits that may be either.
        """
        length = len(code)
        if not open_[seen].any():
            return Axis.apart(code, np.where(seen, value, 1 << bits_of(length)))
        if length > _WIDEST:
            return Axis.dense(length, seen)
        keys = np.where(seen, value & ~open_ | open_ << 32, -1)
        patterns, pattern = np.unique(keys, return_inverse=True)
        known, bits = ~(patterns >> 32), patterns & 0xFFFFFFFF
        followed = ((code[None, :] ^ bits[:, None]) & known[:, None] & 0xFFFFFFFF) == 0
        followed &= (patterns >= 0)[:, None]
        if followed.size > MOST:
            return Axis.dense(length, seen)
        colours = _greedy(followed)
        count = int(colours.max(initial=0)) + 1
        table = np.full((len(patterns), count), NOBODY)
        rows, indices = np.nonzero(followed)
        table[rows, colours[indices]] = indices
        return Axis(colours, count, table, pattern.reshape(-1), len(patterns) == 1)


@dataclass(frozen=True, slots=True)
class Structure:
    """Groups of entries that may move together: one colour of each axis."""

    shape: tuple[int, ...]
    axes: tuple[Axis, ...]
    groups: int

    @property
    def size(self) -> int:
        """How many entries there are."""
        return math.prod(self.shape)

    def same(self, other: Structure) -> bool:
        """Every output follows the same entries."""
        return all(
            np.array_equal(getattr(a, name), getattr(b, name))
            for a, b in zip(self.axes, other.axes, strict=True)
            for name in ("colours", "pattern", "table")
        )

    def members(self) -> Array:
        """(groups, s): the flat entries of each group; a shorter one repeats its first."""
        if all(a.count in (1, n) for a, n in zip(self.axes, self.shape, strict=True)):
            apart = [k for k, axis in enumerate(self.axes) if axis.count > 1]
            together = [k for k, axis in enumerate(self.axes) if axis.count == 1]
            flat = np.arange(self.size).reshape(self.shape)
            return flat.transpose(apart + together).reshape(self.groups, -1)
        group = np.zeros(self.shape, np.intp)
        for place, axis in enumerate(self.axes):
            along = axis.colours.reshape([-1 if i == place else 1 for i in range(len(self.shape))])
            group = group * axis.count + along
        flat = group.reshape(-1)
        order, counts = np.argsort(flat, kind="stable"), np.bincount(flat, minlength=self.groups)
        starts, most = np.cumsum(counts) - counts, int(counts.max(initial=0))
        within = np.arange(most)
        return np.asarray(order[starts[:, None] + np.where(within < counts[:, None], within, 0)])

    def layout(self) -> tuple[int, int, int]:
        """How outputs that follow the same entries stand: as (blocks, alike, apart).

        In each block they are ``alike`` rows of ``apart``, and the outputs of a column have one
        pattern; (1, 1, m) where they stand in no such way.
        """
        key = np.zeros(len(self.axes[0].pattern), np.intp)
        for axis in self.axes:
            if not axis.alike:
                key = key * len(axis.table) + axis.pattern
        same = np.flatnonzero(key == key[0])
        apart = int(same[1]) if len(same) > 1 else len(key)
        wrong = np.flatnonzero(same != apart * np.arange(len(same)))
        alike = int(wrong[0]) if len(wrong) else len(same)
        blocks, rest = divmod(len(key), alike * apart)
        if alike > 1 and not rest:
            columns = key.reshape(blocks, alike, apart)
            if not (columns != columns[:, :1]).any():
                return blocks, alike, apart
        return 1, 1, len(key)

    def at(self, outputs: Array) -> Structure:
        """The structure of some outputs alone."""
        axes = tuple(replace(a, pattern=a.pattern[outputs]) for a in self.axes)
        return replace(self, axes=axes)

    def owners(self, groups: Array) -> Array:
        """(g, m): the flat entry that each output follows in each of some groups, or `NOBODY`."""
        colours = np.unravel_index(groups, [a.count for a in self.axes])
        owner, alone = np.zeros((1, 1), np.intp), np.zeros((1, 1), bool)
        for axis, length, chosen in zip(self.axes, self.shape, colours, strict=True):
            if axis.alike:
                index = axis.table[axis.pattern[0], chosen][:, None]
            elif axis.count == 1:
                index = axis.table[axis.pattern, 0][None, :]
            else:
                index = axis.table.T[chosen[:, None], axis.pattern[None, :]]
            if index.min(initial=0) < 0:
                alone = alone | (index < 0)
            owner = owner * length + index
        owner = np.broadcast_to(owner, (len(groups), len(self.axes[0].pattern)))
        return np.where(alone, NOBODY, owner) if alone.any() else owner


def bits_of(length: int) -> int:
    """How many bits the indices of an axis have."""
    return max(1, (length - 1).bit_length())


def _greedy(followed: Array) -> Array:
    """Colours such that no pattern follows two indices of one colour: (d,) from (p, d)."""
    length = followed.shape[1]
    colours = np.full(length, NOBODY)
    for index in range(length):
        near = followed[followed[:, index]].any(axis=0)
        taken = colours[near]
        free = np.ones(length + 1, bool)
        free[taken[taken >= 0]] = False
        colours[index] = int(np.argmax(free))
    return colours

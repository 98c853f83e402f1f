"""Which entries of an input each output follows, found by moving sets of them.

Entries that no output follows together can be perturbed at once, and the derivatives of all read
from the same evaluations (Curtis, Powell and Reid 1974). Nobody declares such a structure: for each
axis and each bit of its index, the slices whose index has the bit are moved, then those that have
it not, and the outputs that change tell the bit of what they follow. Indices are written in Gray
code, in which neighbours differ in one bit, so that a window that slides over an axis leaves few
bits open. What is found is a superset as long as forward behaves as it did here; whoever uses it
confirms in each evaluation that no other output changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from gradcheck.arrays import Array, Float, freeze

NOBODY = -1
_FIRST = 2
"""Bits of each axis that are asked for first."""
_WIDEST = 4096
"""Indices of an axis that are told apart; a longer one is dense unless all bits are known."""
_MOST = 20_000_000
"""Entries of a table of outputs and groups, at most."""
Evaluate = Callable[[Sequence[Array]], Iterator[Float]]
"""Outputs after moving the entries of each of some masks, each by its own step: (b, m) for some b
masks at a time, in their order. Masks come several in an array, (n, ...) of which each is broadcast
to the input's shape, and hold 1 or -1 where an entry moves, up or down, and else 0."""


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


def find(
    shape: Sequence[int], here: Float, evaluate: Evaluate, signs: Sequence[int] = (1,)
) -> Structure | None:
    """The structure of forward in one input, by 2 evaluations a bit of each axis' index.

    Parameters
    ----------
    shape : sequence of int
        Of the input.
    here : (m,) array
        Outputs at the point.
    evaluate : callable
        ``evaluate(masks)``: outputs with the entries of each mask moved, up or down.
    signs : sequence of int, optional
        Which ways entries are moved: one shows all but what is flat on that side.

    Returns
    -------
    Structure or None
        None where every output follows every entry, or forward refuses such perturbations.
    """
    probes = [_Probe.of(shape, place, len(here)) for place in range(len(shape))]
    evaluated = partial(_look, here, evaluate, signs)
    if not evaluated(probes, slice(_FIRST)):
        return None
    dense = [probe.dense() for probe in probes]
    left = [probe for probe, found in zip(probes, dense, strict=True) if found is None]
    if not evaluated(left, slice(_FIRST, None)):
        return None
    axes = [found or probe.axis() for probe, found in zip(probes, dense, strict=True)]
    groups = math.prod(axis.count for axis in axes)
    if groups * 2 > math.prod(shape) or groups * here.size > _MOST:
        return None
    return Structure(tuple(shape), tuple(axes), groups)


@dataclass(slots=True)
class _Probe:
    """What is known of one axis: which outputs follow the indices that have a bit, or lack it."""

    place: int
    rank: int
    length: int
    found: Array
    """(2, bits, m) flags: which outputs follow the indices that have each bit, that lack it."""

    @staticmethod
    def of(shape: Sequence[int], place: int, outputs: int) -> _Probe:
        """Of one axis of an input of this shape, before anything is known."""
        length = shape[place]
        return _Probe(place, len(shape), length, np.zeros((2, _bits(length), outputs), bool))

    def masks(self, bits: slice, signs: Sequence[int]) -> Array:
        """(2 * bits * signs, ...) of the input's rank: 1 at the indices that have each bit and else
        0, then at those that lack it, each by every sign.
        """
        made = _sides(self.length)[:, bits].reshape(-1, self.length)
        if len(signs) > 1:
            made = (made[:, None] * np.array(signs, np.int8)[:, None]).reshape(-1, self.length)
        around = (1,) * self.place, (1,) * (self.rank - self.place - 1)
        return made.reshape(len(made), *around[0], self.length, *around[1])

    def dense(self) -> Axis | None:
        """Where every output follows both sides of two bits: as if it followed every index."""
        if self.found.shape[1] < _FIRST:
            return None
        having, lacking = self.found[:, :_FIRST]
        both = having & lacking
        if both.all():
            return _all(self.length, both[0])
        seen = np.logical_or.reduce(having | lacking, axis=0)
        return None if np.any(seen & ~both) else _all(self.length, seen)

    def axis(self) -> Axis:
        """What all bits say."""
        (having, lacking), code = self.found, _gray(self.length)
        if np.all(having != lacking):
            return _apart(code, _numbers(having))
        seen = np.logical_or.reduce(having | lacking, axis=0)
        followed = _numbers(having & ~lacking), _numbers(having == lacking)
        return _coloured(code, *followed, seen, self.length)


def _bits(length: int) -> int:
    """How many bits the indices of an axis have."""
    return max(1, (length - 1).bit_length())


@lru_cache(maxsize=8)
def _gray(length: int) -> Array:
    """(d,) each index in Gray code, whose highest bit is asked for first."""
    index, bits = np.arange(length), _bits(length)
    code = index ^ (index >> 1)
    return freeze((code << 1) % (1 << bits) | code >> (bits - 1))


@lru_cache(maxsize=8)
def _sides(length: int) -> Array:
    """(2, bits, d) 1 at the indices that have each bit of the code, then at those that lack it."""
    has = (_gray(length) >> np.arange(_bits(length))[:, None] & 1).astype(np.int8)
    return freeze(np.stack([has, 1 - has]))


def _look(
    here: Float,
    evaluate: Evaluate,
    signs: Sequence[int],
    probes: Sequence[_Probe],
    bits: slice,
) -> bool:
    """Move the slices that have some bits, or lack them; False where forward refuses one."""
    masks = [probe.masks(bits, signs) for probe in probes]
    changed, done = np.empty((sum(map(len, masks)), len(here)), bool), 0
    for outputs in evaluate(masks):
        if np.isnan(outputs[:, 0]).any() and np.isnan(outputs).all(axis=1).any():
            return False
        np.not_equal(outputs, here, out=changed[done : done + len(outputs)])
        done += len(outputs)
    for probe, made in zip(probes, masks, strict=True):
        own, changed = changed[: len(made)], changed[len(made) :]
        found = probe.found[:, bits]
        for sign in range(len(signs)):
            found |= own[sign :: len(signs)].reshape(found.shape)
    return True


def _numbers(bits: Array) -> Array:
    """(m,) the numbers that have these bits, the lowest in the first of (b, m) rows."""
    return np.asarray(np.einsum("b,bm->m", 1 << np.arange(len(bits)), bits))


def _all(length: int, seen: Array) -> Axis:
    """Every output follows every index."""
    table = np.full((2, length), NOBODY)
    table[0] = np.arange(length)
    return Axis(np.arange(length), length, table, np.where(seen, 0, 1), bool(seen.all()))


def _apart(code: Array, followed: Array) -> Axis:
    """Each output follows one index, whose code is given, or none: a number beyond all codes."""
    decoded = np.full((1 << _bits(len(code))) + 1, NOBODY)
    decoded[code] = np.arange(len(code))
    return Axis(np.zeros(len(code), np.intp), 1, decoded[:, None], followed, alike=False)


def _coloured(code: Array, value: Array, open_: Array, seen: Array, length: int) -> Axis:
    """Colours for the indices of an axis, from the bits that the outputs follow."""
    if not open_[seen].any():
        return _apart(code, np.where(seen, value, 1 << _bits(length)))
    if length > _WIDEST:
        return _all(length, seen)
    keys = np.where(seen, value & ~open_ | open_ << 32, -1)
    patterns, pattern = np.unique(keys, return_inverse=True)
    known, bits = ~(patterns >> 32), patterns & 0xFFFFFFFF
    followed = ((code[None, :] ^ bits[:, None]) & known[:, None] & 0xFFFFFFFF) == 0
    followed &= (patterns >= 0)[:, None]
    if followed.size > _MOST:
        return _all(length, seen)
    colours = _greedy(followed)
    count = int(colours.max(initial=0)) + 1
    table = np.full((len(patterns), count), NOBODY)
    rows, indices = np.nonzero(followed)
    table[rows, colours[indices]] = indices
    return Axis(colours, count, table, pattern.reshape(-1), len(patterns) == 1)


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

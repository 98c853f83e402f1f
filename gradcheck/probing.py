"""Which entries of an input each output follows, found by moving sets of them.

Nobody declares it: for each axis and each bit of its index, the slices whose index has the bit are
moved, then those that have it not, and the outputs that change tell the bit of what they follow.
Indices are written in Gray code, in which neighbours differ in one bit, so that a window that
slides over an axis leaves few bits open. What is found is a superset as long as forward behaves as
it did here; whoever uses it confirms in each evaluation that no other output changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from gradcheck.arrays import Array, Float, freeze
from gradcheck.structure import MOST, Axis, Structure, bits_of

_FIRST = 2
"""Bits of each axis that are asked for first."""
Evaluate = Callable[[Sequence[Array]], Iterator[Float]]
"""Outputs after moving the entries of each of some masks, each by its own step: (b, m) for some b
masks at a time, in their order. Masks come several in an array, (n, ...) of which each is broadcast
to the input's shape, and hold 1 or -1 where an entry moves, up or down, and else 0."""


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
    if groups * 2 > math.prod(shape) or groups * here.size > MOST:
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
        return _Probe(place, len(shape), length, np.zeros((2, bits_of(length), outputs), bool))

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
            return Axis.dense(self.length, both[0])
        seen = np.logical_or.reduce(having | lacking, axis=0)
        return None if np.any(seen & ~both) else Axis.dense(self.length, seen)

    def axis(self) -> Axis:
        """What all bits say."""
        (having, lacking), code = self.found, _gray(self.length)
        if np.all(having != lacking):
            return Axis.apart(code, _numbers(having))
        seen = np.logical_or.reduce(having | lacking, axis=0)
        followed = _numbers(having & ~lacking), _numbers(having == lacking)
        return Axis.coloured(code, *followed, seen)


@lru_cache(maxsize=8)
def _gray(length: int) -> Array:
    """(d,) each index in Gray code, whose highest bit is asked for first."""
    index, bits = np.arange(length), bits_of(length)
    code = index ^ (index >> 1)
    return freeze((code << 1) % (1 << bits) | code >> (bits - 1))


@lru_cache(maxsize=8)
def _sides(length: int) -> Array:
    """(2, bits, d) 1 at the indices that have each bit of the code, then at those that lack it."""
    has = (_gray(length) >> np.arange(bits_of(length))[:, None] & 1).astype(np.int8)
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

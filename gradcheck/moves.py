"""Along which directions the derivatives of a case are taken.

Usually one entry at a time. A symmetric matrix is moved symmetrically, a simplex that forward
insists on along e_i - e_j, and beyond the budget random signed directions stand for blocks of
entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import overload

import numpy as np

from gradcheck.arrays import Array, Float, freeze, is_real
from gradcheck.draws import Table
from gradcheck.floats import HALF
from gradcheck.model import MIRRORED, SIMPLEX, Domain
from gradcheck.point import Entries, Move, Rows

_SHUFFLED = 2**17
"""Entries of an input up to which random directions are over scattered ones."""
LEVELS = 64
"""Random speeds differ in so many ways, but for their sign; in half precision in 8."""
_PLACES = freeze(np.arange(2**15, dtype=np.int32))
"""What the entries of small inputs are called in a direction over all of them."""
ORDERS = 72
"""Ways in which ties are broken, at most."""
RANKS = 24
"""Ranks of the entry in question among its equals, at most."""


def single(k: int, primal: Array, domain: Domain, *, constrained: bool) -> Sequence[Move]:
    """One move per entry of input ``k`` (per pair of entries where the domain demands it)."""
    square = primal.ndim >= 2 and primal.shape[-1] == primal.shape[-2]
    if domain.kind in MIRRORED and square:
        return _symmetric(k, primal.shape)
    if domain.kind == SIMPLEX and constrained and primal.ndim >= 1:
        return _exchange(k, primal.shape)
    return Entries(k, primal.size)


def _symmetric(k: int, shape: tuple[int, ...]) -> list[Move]:
    places = np.arange(int(np.prod(shape))).reshape(shape)
    mirrored = np.swapaxes(places, -1, -2)
    moves = []
    for a, b in zip(places.reshape(-1), mirrored.reshape(-1), strict=True):
        if a == b:
            moves.append(Move.entry(k, int(a)))
        elif a < b:
            moves.append(Move(((k, np.array([a, b]), np.ones(2)),)))
    return moves


def _exchange(k: int, shape: tuple[int, ...]) -> list[Move]:
    rows = np.arange(int(np.prod(shape))).reshape(-1, shape[-1])
    speeds = np.array([1.0, -1.0])
    return [Move(((k, row[i : i + 2], speeds),)) for row in rows for i in range(len(row) - 1)]


class Speeds:
    """Random speeds, sign * (1 + j/L) with j < L, by a seed.

    Few enough digits that x + t d stays exact for powers of two t. Whatever the errors of the
    entries of a direction are, they cancel in it by accident with a probability of some 1/(2L) or
    less: for given speeds of the others, one speed of an entry in error makes them cancel.
    """

    def __init__(self, seed: Sequence[int], precision: str) -> None:
        self._seed, self._precision = tuple(seed), precision
        self._levels = 8 if precision in HALF else LEVELS
        self._drawn = 0
        """How often speeds were drawn."""

    def of(self, number: int) -> Speeds:
        """Speeds of their own for one of several directions."""
        return Speeds((*self._seed, number), self._precision)

    def shuffled(self, count: int) -> Array:
        """The numbers below ``count`` in a random order."""
        return np.random.default_rng(self._seed).permutation(count)

    def draw(self, count: int) -> Float:
        """(count,) speeds, each chosen by a random byte."""
        self._drawn += 1
        table = _speeds_of_bytes(self._levels, short=count > _SHUFFLED)
        return table.draw((*self._seed, self._drawn), count)


@lru_cache(None)
def _speeds_of_bytes(levels: int, *, short: bool) -> Table:
    """The speed that each byte stands for; ``short``: in a quarter of the memory."""
    upwards = 1 + np.arange(levels) / levels  # exact in float16, too
    both = np.concatenate([upwards, -upwards]).astype(np.float16 if short else np.float64)
    return Table(np.tile(both, 256 // len(both)))


def blocks(k: int, size: int, count: int, speeds: Speeds) -> Sequence[Move]:
    """``count`` random signed directions that together move every entry of input ``k`` once."""
    if size == 0 or count == 1:
        return [whole({k: size}, speeds)] if size else []
    if size > _SHUFFLED:
        return _Stretches(k, np.linspace(0, size, count + 1).astype(int), speeds)
    return of(k, np.array_split(speeds.shuffled(size), min(count, size)), speeds)


class _Stretches(Sequence[Move]):
    """Random directions over stretches of a large input, drawn anew whenever one is asked for."""

    def __init__(self, k: int, ends: Array, speeds: Speeds) -> None:
        self._k, self._ends, self._speeds = k, ends, speeds

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Move: ...
    @overload
    def __getitem__(self, place: slice) -> list[Move]: ...
    def __getitem__(self, place: int | slice) -> Move | list[Move]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        entries = np.arange(self._ends[place], self._ends[place + 1], dtype=np.int32)
        return Move(((self._k, entries, self._speeds.of(place).draw(len(entries))),))


def of(k: int, parts: Sequence[Array], speeds: Speeds) -> list[Move]:
    """A random signed direction over each of some parts of input ``k``."""
    return [part(k, entries, speeds) for entries in parts]


def in_turn(k: int, size: int, each: int, speeds: Speeds) -> Rows:
    """A random signed direction over each of so many entries in turn; the last two may share some.

    All entries of input ``k`` are moved.
    """
    starts = np.minimum(np.arange(0, size, each), size - each)
    flat = starts[:, None] + np.arange(each)
    return Rows(k, flat, speeds.draw(flat.size).reshape(flat.shape))


def part(k: int, entries: Array, speeds: Speeds) -> Move:
    """A random signed direction over some entries; one entry alone moves at speed 1."""
    if len(entries) == 1:
        return Move.entry(k, int(entries[0]))
    return Move(((k, entries, speeds.draw(len(entries))),))


def whole(sizes: dict[int, int], speeds: Speeds) -> Move:
    """One random signed direction over all entries of some inputs."""
    drawn, start = speeds.draw(sum(sizes.values())), 0
    parts: list[tuple[int, Array, Array]] = []
    for k, count in sizes.items():
        if count:
            parts.append((k, _first(count), drawn[start : start + count]))
            start += count
    return Move(tuple(parts), whole=True)


def _first(count: int) -> Array:
    """The numbers below ``count``; read-only where they are few."""
    return _PLACES[:count] if count <= len(_PLACES) else np.arange(count, dtype=np.int32)


def tie_broken(
    primals: Sequence[Array], move: Move, spread: float
) -> Iterator[tuple[tuple[Array, ...], float]]:
    """The primals with every tie broken, in up to `ORDERS` orders.

    Only entries that are exactly equal to another one are moved. Among its equals, the entry that
    the move is about comes first, last and at every rank in between.

    Yields
    ------
    (primals, gap)
        ``gap`` is the smallest distance that was put between two entries. Nothing without ties.
    """
    tied = _tied(primals)
    places = [np.flatnonzero(mask) for mask in tied]
    k, entries, _ = move.parts[0]
    if not tied[k].reshape(-1)[int(entries[0])]:
        return
    starts = np.cumsum([0, *map(len, places)])
    own = int(starts[k] + np.searchsorted(places[k], int(entries[0])))
    gap = spread / int(starts[-1])
    flat = [p.reshape(-1) for p in primals]
    values = np.concatenate([f[at].astype(np.float64) for f, at in zip(flat, places, strict=True)])
    for ranks in _orders(values, own):
        broken = list(primals)
        for input, at in enumerate(places):
            if len(at):
                moved = flat[input].astype(np.float64)
                moved[at] += ranks[starts[input] : starts[input + 1]] * gap
                broken[input] = moved.reshape(primals[input].shape).astype(primals[input].dtype)
        yield tuple(broken), gap


def _orders(values: Array, own: int) -> Iterator[Array]:
    """Ranks of all tied entries: entry ``own`` at each rank among its equals, the others at random.

    The equals that matter may be few among many (those of its own row), so ranks are drawn evenly.
    """
    count = len(values)
    rng = np.random.default_rng(count)
    equals = np.flatnonzero((values == values[own]) & (np.arange(count) != own))
    different = min(len(equals) + 1, RANKS)
    for turn in range(ORDERS):
        others = (equals, equals[::-1])[turn % 2] if turn < 4 else rng.permutation(equals)
        share = 1 - (turn % different) / max(1, different - 1)
        order = np.insert(others, round(share * len(others)), own)
        ranks = rng.permutation(count)
        ranks[order] = np.arange(len(order))
        yield ranks


def _tied(primals: Sequence[Array]) -> list[Array]:
    """Which real entries are exactly equal to another real entry of any input."""
    real = [p.reshape(-1).astype(np.float64) for p in primals if is_real(p)]
    values, counts = np.unique(np.concatenate([*real, np.zeros(0)]), return_counts=True)
    repeated = values[counts > 1]
    return [
        np.isin(p.astype(np.float64), repeated) if is_real(p) else np.zeros(p.shape, bool)
        for p in primals
    ]


def is_tied(primals: Sequence[Array], move: Move) -> bool:
    """Some entry of the move is exactly equal to another entry."""
    tied = _tied(primals)
    return any(bool(tied[k].reshape(-1)[e].any()) for k, e, _ in move.parts)


def ties(primals: Sequence[Array], kinked: Sequence[tuple[int, int]]) -> list[Move]:
    """Moves along ties: all kinked entries of one value together.

    Entry by entry any split of max(y, z) at y = z lies between the one-sided slopes, but along
    the tie the function is smooth, so the *sum* of the gradients is determined.
    """
    groups: dict[float, dict[int, list[int]]] = {}
    for k, flat in kinked:
        value = float(primals[k].reshape(-1)[flat])
        groups.setdefault(value, {}).setdefault(k, []).append(flat)
    moves = []
    for members in groups.values():
        if sum(map(len, members.values())) > 1:
            parts = tuple((k, np.array(f), np.ones(len(f))) for k, f in members.items())
            moves.append(Move(parts))
    return moves

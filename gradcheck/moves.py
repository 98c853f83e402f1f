"""Along which directions the derivatives of a case are taken.

Usually one entry at a time. A symmetric matrix is moved symmetrically, a simplex that forward
insists on along e_i - e_j, and beyond the budget random signed directions stand for blocks of
entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.differences import Move
from gradcheck.model import SIMPLEX, SYMMETRIC, Domain

ORDERS = 72
"""Ways in which ties are broken, at most."""
RANKS = 24
"""Ranks of the entry in question among its equals, at most."""


def single(k: int, primal: Array, domain: Domain, *, constrained: bool) -> list[Move]:
    """One move per entry of input ``k`` (per pair of entries where the domain demands it)."""
    if domain.kind == SYMMETRIC and primal.ndim >= 2 and primal.shape[-1] == primal.shape[-2]:
        return _symmetric(k, primal.shape)
    if domain.kind == SIMPLEX and constrained and primal.ndim >= 1:
        return _exchange(k, primal.shape)
    return [Move.entry(k, i) for i in range(primal.size)]


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


def blocks(k: int, size: int, count: int, rng: np.random.Generator) -> list[Move]:
    """``count`` random signed directions that together move every entry of input ``k`` once.

    Speeds are sign * (1 + j/8): no atoms, so one wrong entry is never cancelled by its
    neighbours' rounding, and x + t d stays exact for powers of two t.
    """
    if size == 0:
        return []
    order = rng.permutation(size)
    return [direction(k, part, rng) for part in np.array_split(order, min(count, size))]


def direction(k: int, entries: Array, rng: np.random.Generator) -> Move:
    """A random signed direction over some entries of input ``k``."""
    sign = rng.choice([-1.0, 1.0], len(entries))
    return Move(((k, entries, sign * (1 + rng.integers(0, 8, len(entries)) / 8)),))


def part(k: int, entries: Array, rng: np.random.Generator) -> Move:
    """A random direction over some entries; one entry alone moves at speed 1."""
    return Move.entry(k, int(entries[0])) if len(entries) == 1 else direction(k, entries, rng)


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
    places = [(k, int(flat)) for k, mask in enumerate(tied) for flat in np.flatnonzero(mask)]
    k, entries, _ = move.parts[0]
    if (k, int(entries[0])) not in places:
        return
    own = places.index((k, int(entries[0])))
    gap = spread / len(places)
    values = np.array([float(primals[k].reshape(-1)[flat]) for k, flat in places])
    for ranks in _orders(values, own):
        moved = [
            np.asarray(p, np.float64).copy() if t.any() else p
            for p, t in zip(primals, tied, strict=True)
        ]
        for (input, flat), rank in zip(places, ranks, strict=True):
            moved[input].reshape(-1)[flat] += rank * gap
        back = (np.asarray(m).astype(p.dtype) for m, p in zip(moved, primals, strict=True))
        yield tuple(back), gap


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

"""Covering arrays: every pair of values of any two factors, in few rows.

Most faults need at most two conditions at once (Kuhn, Wallace and Gallo, Software fault
interactions, 2004). The rows are found greedily, one row after the other, without randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Pair = tuple[int, int, int, int]
"""(factor, value, other factor, value)."""


def pairwise(levels: Sequence[int]) -> list[tuple[int, ...]]:
    """Rows of values in which every pair of two factors' values occurs.

    Value 0 of a factor is its default; pairs with a default are those of cases that vary one
    factor alone, and are left to them.

    Parameters
    ----------
    levels : sequence of int
        How many values each factor has, the default included.

    Returns
    -------
    list of tuple
        Each with one value per factor.
    """
    open_: dict[Pair, None] = {
        (f, v, g, w): None
        for f, g in combinations(range(len(levels)), 2)
        for v in range(1, levels[f])
        for w in range(1, levels[g])
    }
    rows = []
    while open_:
        row = _row(levels, open_)
        rows.append(row)
        for f, g in combinations(range(len(levels)), 2):
            open_.pop((f, row[f], g, row[g]), None)
    return rows


def _row(levels: Sequence[int], open_: dict[Pair, None]) -> tuple[int, ...]:
    """The first open pair, then for each other factor the value that closes most pairs."""
    f, v, g, w = next(iter(open_))
    chosen = {f: v, g: w}
    for factor, count in enumerate(levels):
        if factor not in chosen:
            gains = [_gain(factor, value, chosen, open_) for value in range(count)]
            chosen[factor] = gains.index(max(gains))
    return tuple(chosen[k] for k in range(len(levels)))


def _gain(factor: int, value: int, chosen: dict[int, int], open_: dict[Pair, None]) -> int:
    pairs = (
        (other, own, factor, value) if other < factor else (factor, value, other, own)
        for other, own in chosen.items()
    )
    return sum(pair in open_ for pair in pairs)

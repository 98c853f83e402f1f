"""The smallest graph that still fails: fewest nodes, then fewest results and sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

from gradcheck.graphs.composition import Composition

TRIES = 80
"""Graphs that are tried; a number and no time, so that every machine finds the same."""


def reduced(
    composition: Composition, still: Callable[[Composition], bool], *, tries: int = TRIES
) -> Composition:
    """The smallest graph found that is ``still`` failing.

    Parameters
    ----------
    composition : Composition
        A graph that fails.
    still : callable
        Whether a smaller one fails in the same way.
    tries : int
        How often ``still`` may be asked.
    """
    best, found = composition, True
    asked: set[str] = set()
    while found:
        found = False
        for smaller in _smaller(best):
            key = _key(smaller)
            if _size(smaller) >= _size(best) or key in asked or not smaller.sources:
                continue
            if len(asked) >= tries:
                return best
            asked.add(key)
            if still(smaller):
                best, found = smaller, True
                break
    return best


def _smaller(composition: Composition) -> Iterator[Composition]:
    """One node, two nodes of one op, up to an earlier node, without one node, two results."""
    nodes = composition.nodes
    numbers = range(len(nodes))
    for number in numbers:
        yield composition.alone(number)
    pairs = list(combinations(numbers, 2))
    for a, b in pairs:
        if nodes[a].op is nodes[b].op:
            yield composition.alone(a, b)
    for number in numbers:
        yield composition.with_results((composition.place(number), 0))
    for number in numbers:
        yield composition.with_source(number)
    for pair in pairs:
        yield composition.with_results(*[(composition.place(n), 0) for n in pair])
    for source in composition.sources:
        yield composition.with_constant(source)


def _size(composition: Composition) -> tuple[int, int, int]:
    return len(composition.nodes), len(composition.results), len(composition.sources)


def _key(composition: Composition) -> str:
    """Equal for equal graphs."""
    items = tuple(
        (getattr(i, "parents", None), getattr(i, "constant", None), [v.tobytes() for v in i.values])
        for i in composition.items
    )
    return repr((items, composition.results))

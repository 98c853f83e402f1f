"""Whether two sets of gradients that should agree do: bytes first, arithmetic where they differ."""

from __future__ import annotations

from collections.abc import Callable

from gradcheck.arrays import Float, same_bits
from gradcheck.checks.facts import Facts, furthest

Gradients = tuple[Float | None, ...]


def apart(
    facts: Facts,
    got: Gradients,
    base: Gradients,
    noise: Callable[[], tuple[Float, ...]] | None = None,
) -> str:
    """`furthest`; nothing is measured where all is equal to the last bit, as it is mostly."""
    pairs = zip(got, base, strict=True)
    equal = all(a is None or b is None or same_bits(a, b) for a, b in pairs)
    return "" if equal else furthest(facts, got, base, noise)

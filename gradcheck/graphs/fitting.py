"""Which values inside a graph an op takes: of the right shape, and well within its domain."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.corners import size_of
from gradcheck.graphs.building import Graph
from gradcheck.graphs.tape import Tape
from gradcheck.guards import GlobalRandom
from gradcheck.model import NEGATIVE, NONNEGATIVE, NONZERO, POSITIVE, REAL, UNIT, Domain, Op

SIZES = (2, 3, 4)
BATCHES = ((3,), (2, 3), (), (4,), (2,))
MODERATE = 1e3
"""Larger values are left to the checks of single ops: sums with them lose digits."""
MARGIN = 0.05
"""How far a value stays away from where its domain ends."""
_KEPT = (REAL, POSITIVE, NONNEGATIVE, NEGATIVE, NONZERO, UNIT)
"""Domains that a value in their midst does not leave when it moves a little."""

Shape = tuple[int, ...]


@dataclass(slots=True)
class Sizes:
    """What the names of an op's dimensions stand for at one node."""

    named: dict[str, int] = field(default_factory=dict)
    batch: Shape | None = None

    def bound(self, dims: Sequence[str | int], shape: Shape) -> Sizes | None:
        """With an input of this shape beside those before; None where it does not fit."""
        rest = len(shape) - len(dims) + 1
        if "..." not in dims:
            return self._bound(dims, shape)
        if rest < 0:
            return None
        at = list(dims).index("...")
        batch = shape[at : at + rest]
        if self.batch is not None and self.batch != batch:
            return None
        flat = [*dims[:at], *dims[at + 1 :]]
        made = self._bound(flat, (*shape[:at], *shape[at + rest :]))
        return None if made is None else replace(made, batch=batch)

    def _bound(self, dims: Sequence[str | int], shape: Shape) -> Sizes | None:
        if len(dims) != len(shape):
            return None
        named = dict(self.named)
        for dim, size in zip(dims, shape, strict=True):
            factor, _, name = str(dim).rpartition("*")
            own = size // int(factor or 1)
            if isinstance(dim, int) or size % int(factor or 1):
                if dim != size:
                    return None
            elif named.setdefault(name, own) != own:
                return None
        return Sizes(named, self.batch)

    def shape(self, dims: Sequence[str | int], rng: random.Random) -> Shape:
        """A shape of these dimensions; what no other input settles is drawn."""
        made: list[int] = []
        for dim in dims:
            if dim == "...":
                self.batch = rng.choice(BATCHES) if self.batch is None else self.batch
                made += self.batch
                continue
            if isinstance(dim, str):
                self.named.setdefault(dim.rpartition("*")[2], rng.choice(SIZES))
            made.append(size_of(dim, self.named))
        return tuple(made)


def fits(domain: Domain, value: Array) -> bool:
    """A value may stand in an input of this domain, and may move a little there."""
    size = np.abs(value)
    if not is_real(value) or not np.isfinite(value).all() or not (size < MODERATE).all():
        return False
    if domain.size is not None and (size > 4 * domain.size).any():
        return False
    low, high = domain.low, domain.high
    if (low is not None and (value < low).any()) or (high is not None and (value > high).any()):
        return False
    inside: dict[str, Callable[[], Any]] = {
        REAL: lambda: True,
        POSITIVE: lambda: value >= MARGIN,
        NONNEGATIVE: lambda: (value == 0) | (value >= MARGIN),
        NEGATIVE: lambda: value <= -MARGIN,
        NONZERO: lambda: size >= MARGIN,
        UNIT: lambda: (value >= MARGIN) & (value <= 1 - MARGIN),
    }
    return domain.kind in inside and bool(np.all(inside[domain.kind]()))


def keeps(domain: Domain) -> bool:
    """Values that were computed may stand there, not only those that were drawn for it.

    Rows that sum to one, symmetric or one-hot arrays are left by the smallest step of one entry.
    """
    return domain.kind in _KEPT


def is_any(domain: Domain) -> bool:
    return domain.kind == REAL and domain.low is None and domain.high is None


def stays_within(graph: Graph, seed: int) -> Callable[..., bool]:
    """Whether no value inside a graph leaves the domain of an op that reads it."""
    state = GlobalRandom(seed)

    def valid(*primals: Array) -> bool:
        state.pin()
        tape = graph.run(primals, pullbacks=False)
        sources = set(tape.sources)
        return all(_step_within(tape, number, sources) for number in range(len(tape.steps)))

    return valid


def _step_within(tape: Tape, number: int, sources: set[int]) -> bool:
    step = tape.steps[number]
    for place, domain in _read(step.op, step.parents):
        if place not in sources and not fits(domain, tape.values[place]):
            return False
    valid = step.op.options.valid
    given = [tape.values[p] for p in step.parents]
    return valid is None or bool(valid(*given, **step.attributes))


def _read(op: Op, parents: Sequence[int]) -> Iterator[tuple[int, Domain]]:
    """The values that an op reads as real numbers with a gradient, with their domains."""
    for place, input in zip(parents, op.inputs, strict=True):
        if input.differentiable and keeps(input.domain):
            yield place, input.domain

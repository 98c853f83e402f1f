"""Random small graphs of some ops: each node is run when it is chosen, and kept where it fits.

Three sets of values are carried along. An op that takes all three and returns something that is
finite, of moderate size and different each time is likely to do so in other cases too; what one
set of values happens to fit says little.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.domains import decode, resolve
from gradcheck.graphs.composition import Composition, Given, Made, Ref, pruned
from gradcheck.graphs.fitting import Shape, Sizes, fits, keeps
from gradcheck.graphs.tape import Tape
from gradcheck.guards import GlobalRandom, within_limit
from gradcheck.model import Domain, Input, Op

SAMPLES = 3
NODES = (3, 8)
LARGEST = 60
"""Entries of one value: graphs stay quick to check."""
TRIES = 12
"""Ops that are tried for each node that is wanted."""
AGAIN = 8
"""Graphs that are tried, until one is of the wanted size without what its result does not need."""
FRESH = 0.15
"""How often an input is a new source where a known value would fit."""
SAME = 0.3
"""How often an input is a value that the node reads already, where no other fits."""
LEAST = 1e-3
"""A node whose largest entry is smaller tells nothing."""
SECONDS, LEAST_SECONDS = 5.0, 0.1
"""For one op at a node, however little time is left."""

Samples = tuple[Array, ...]
"""The same value in each of the samples."""


def compose(
    ops: Sequence[Op],
    rng: random.Random,
    *,
    nodes: int | None = None,
    twice: Op | None = None,
    until: float = math.inf,
) -> Composition | None:
    """A random graph of some ops.

    Parameters
    ----------
    ops : sequence of Op
        What to choose from; `ingredients.usable` says which of many ops can take part.
    rng : random.Random
        The only source of chance: the same state and ops give the same graph.
    nodes : int, optional
        How many nodes are aimed at; 3 to 8 without.
    twice : Op, optional
        This op stands at two nodes, which are both results, and nothing else does.
    until : float, optional
        When there is no time left (of ``time.perf_counter``); the graph is then as far as it is.

    Returns
    -------
    Composition or None
        None where no op takes any values that were tried.
    """
    if twice is not None:
        return _Composer(ops, rng, until).pair(twice)
    wanted, best = rng.randint(*NODES) if nodes is None else nodes, None
    for _ in range(AGAIN):
        made = _Composer(ops, rng, until).grown(wanted)
        if made is not None and (best is None or len(made.nodes) > len(best.nodes)):
            best = made
        if best is not None and len(best.nodes) >= max(min(NODES[0], wanted), wanted - 1):
            break
        if time.perf_counter() > until:
            break
    return best


class _Composer:
    """A graph in the making."""

    def __init__(self, ops: Sequence[Op], rng: random.Random, until: float) -> None:
        self.ops, self.rng, self.until = list(ops), rng, until
        self.items: list[Given | Made] = []
        self.samples: dict[Ref, Samples] = {}
        self.read: set[Ref] = set()
        self.single: set[int] = set()
        """Ops of one instance that stand at a node already."""
        self.fresh = FRESH
        self.random = GlobalRandom(0)

    @property
    def count(self) -> int:
        return sum(isinstance(i, Made) for i in self.items)

    def grown(self, wanted: int) -> Composition | None:
        """A graph of so many nodes, or of those that were found."""
        for _ in range(TRIES * wanted):
            if self.count < wanted and time.perf_counter() <= self.until:
                self.grow()
        return self.finished()

    # --- one node ---------------------------------------------------------------------------------
    def grow(self) -> bool:
        """Try one op at some of the values made so far."""
        free = [op for op in self.ops if not (op.one_instance and id(op) in self.single)]
        if not free:
            return False
        op = self.rng.choice(free)
        first = self._first(op)
        if first is None:
            return False
        return self._apply(op, first)

    def pair(self, op: Op) -> Composition | None:
        """One op at two nodes with values of their own."""
        self.fresh = 1.0
        for _ in range(TRIES):
            if self.count < 2:
                self._apply(op, {})
        made = [k for k, i in enumerate(self.items) if isinstance(i, Made)]
        return pruned(self.items, [(k, 0) for k in made]) if len(made) == 2 else None

    def _first(self, op: Op) -> dict[int, Ref] | None:
        """One input of the op with a known value, which begins the node; empty at the start."""
        known = [r for r in self.samples if self._is_open(r)]
        if not any(isinstance(self.items[r[0]], Made) for r in known):
            return {}
        ref = self._picked(known)
        places = [
            k
            for k, i in enumerate(op.inputs)
            if self._takes(i, ref) and Sizes().bound(i.dims, self._shape(ref))
        ]
        return {self.rng.choice(places): ref} if places else None

    def _picked(self, refs: Sequence[Ref]) -> Ref:
        """Rather a recent value, and rather one that nothing reads yet."""
        weights = [
            (1 + r[0]) * (1 if r in self.read else 4) * (isinstance(self.items[r[0]], Made) + 1)
            for r in refs
        ]
        return self.rng.choices(list(refs), weights)[0]

    def _apply(self, op: Op, first: Mapping[int, Ref]) -> bool:
        """A node of the op, with the other inputs chosen or drawn; whether it was kept."""
        before, parents = len(self.items), dict(first)
        sizes: Sizes | None = Sizes()
        for k, ref in first.items():
            sizes = sizes and sizes.bound(op.inputs[k].dims, self._shape(ref))
        for k in sorted(range(len(op.inputs)), key=lambda k: op.inputs[k].integer):
            if k not in parents:
                assert sizes is not None
                parents[k], sizes = self._parent(op.inputs[k], sizes, set(parents.values()))
        attributes = {a.name: self.rng.choice(a.values) for a in op.attributes}
        refs = tuple(parents[k] for k in range(len(op.inputs)))
        samples = self._run(op, refs, attributes)
        if samples is None:
            for place in range(before, len(self.items)):
                del self.samples[place, 0]
            del self.items[before:]
            return False
        made = Made(tuple(s[0] for s in samples), op, refs, attributes)
        self.items.append(made)
        self.samples.update({(len(self.items) - 1, k): s for k, s in enumerate(samples)})
        self.read |= set(refs)
        self.single |= {id(op)}
        return True

    def _parent(self, input: Input, sizes: Sizes, own: set[Ref]) -> tuple[Ref, Sizes]:
        """A known value that fits, rather another one than the node's own, or a new one."""
        found = {}
        for ref in self.samples:
            if self._takes(input, ref):
                bound = sizes.bound(input.dims, self._shape(ref))
                if bound is not None:
                    found[ref] = bound
        others = [r for r in found if r not in own]
        chance = self.rng.random()
        if found and chance < (1 - self.fresh if others else SAME):
            ref = self._picked(others or list(found))
            return ref, found[ref]
        return self._new(input, sizes), sizes

    def _new(self, input: Input, sizes: Sizes) -> Ref:
        """A source, or a constant where the input has no gradient."""
        shape = sizes.shape(input.dims, self.rng)
        domain = resolve(input.domain, sizes.named)
        constant = not input.differentiable
        drawn = [self._drawn(shape, domain) for _ in range(1 if constant else SAMPLES)]
        self.items.append(Given((drawn[0],), input.domain, constant))
        ref = (len(self.items) - 1, 0)
        self.samples[ref] = tuple(drawn * SAMPLES if constant else drawn)
        return ref

    def _drawn(self, shape: Shape, domain: Domain) -> Array:
        count = int(np.prod(shape))
        numbers = np.array([self.rng.randrange(65536) for _ in range(count)], np.int64)
        return decode(numbers, shape, domain, "generic")

    def _takes(self, input: Input, ref: Ref) -> bool:
        """A known value may stand at this input."""
        if not (input.differentiable and keeps(input.domain) and self._is_open(ref)):
            return False
        return all(fits(input.domain, s) for s in self.samples[ref])

    def _is_open(self, ref: Ref) -> bool:
        item = self.items[ref[0]]
        return isinstance(item, Made) or (not item.constant and keeps(item.domain))

    def _shape(self, ref: Ref) -> Shape:
        return self.samples[ref][0].shape

    def _run(
        self, op: Op, refs: Sequence[Ref], attributes: Mapping[str, Any]
    ) -> list[Samples] | None:
        """What the op returns in each sample, by output; None where it does not fit."""
        rows = []
        for k in range(SAMPLES):
            self.random.pin()
            given = [np.array(self.samples[r][k]) for r in refs]
            limit = min(SECONDS, max(self.until - time.perf_counter(), LEAST_SECONDS))
            made = within_limit(partial(applied, op, given, attributes), limit, None)
            if made is None or not all(_is_plain(v) for v in made):
                return None
            rows.append(made)
        columns = list(zip(*rows, strict=False))
        return columns if all(_tells(c) for c in columns) else None

    # --- the whole --------------------------------------------------------------------------------
    def finished(self) -> Composition | None:
        """The graph up to its last node, or that and another one that nothing reads."""
        made = [k for k, i in enumerate(self.items) if isinstance(i, Made)]
        if not made:
            return None
        last = [(made[-1], 0)]
        loose = [
            (k, part)
            for k in made[:-1]
            for part in range(len(self.items[k].values))
            if (k, part) not in self.read
        ]
        if loose and self.rng.random() < 0.5:
            last.append(self.rng.choice(loose))
        return pruned(self.items, last)


def applied(op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> Samples | None:
    """The outputs of one op as a graph sees them; None where it refuses."""
    tape, valid = Tape("composing", pullbacks=False), op.options.valid
    try:
        if valid is not None and not valid(*given, **attributes):
            return None
        nodes = tape.start([f"x{k}" for k in range(len(given))], given)
        tape.applied(op, nodes, dict(attributes))
    except Exception:
        return None
    return tuple(tape.values[o] for step in tape.steps for o in step.outputs)


def _tells(samples: Samples) -> bool:
    """It is not the same whatever the sources are, but for rounding."""
    first = samples[0]
    return any(
        first.shape == v.shape and np.abs(v - first).max() > LEAST * np.abs(first).max()
        for v in samples[1:]
    )


def _is_plain(value: Array) -> bool:
    """Real, finite, of moderate size, and not too long."""
    if not (is_real(value) and value.dtype == np.float64 and 0 < value.size <= LARGEST):
        return False
    return fits(Domain(), value) and float(np.abs(value).max()) >= LEAST

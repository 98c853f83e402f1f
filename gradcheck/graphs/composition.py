"""A graph as plain data: which ops, on which values, at which numbers. Random graphs are these.

Plain data can be changed and written down: another op at one node, one node less, Python code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, literal
from gradcheck.graphs.building import Graph
from gradcheck.graphs.fitting import MARGIN, is_any, stays_within
from gradcheck.model import REAL, Domain, Input, Op, Options
from gradcheck.node import Node

Ref = tuple[int, int]
"""A value: the place of the item that makes it, and which of its values."""

ANY = Domain()
KIND = "random graph"
MODULE = "random"
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Given:
    """Values from outside: a source of the graph, or a constant."""

    values: tuple[Array, ...]
    domain: Domain = ANY
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """One node: an op at values made before."""

    values: tuple[Array, ...]
    """What it was seen to return."""
    op: Op
    parents: tuple[Ref, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Composition:
    """A graph and one set of values for it. Items come after their parents."""

    items: tuple[Given | Made, ...]
    results: tuple[Ref, ...]

    # --- reading ----------------------------------------------------------------------------------
    @property
    def nodes(self) -> list[Made]:
        """The operations; a node's number is its place here, and its name ``h<number>``."""
        return [i for i in self.items if isinstance(i, Made)]

    @property
    def sources(self) -> list[Ref]:
        """What the graph takes, in order: ``x0``, ``x1``, ..."""
        return [r for r in self._used() if self._is_source(r)]

    @property
    def values(self) -> tuple[Array, ...]:
        """One array for each source."""
        return tuple(self.value(s) for s in self.sources)

    @property
    def names(self) -> dict[Ref, str]:
        """Sources, constants and the values of nodes by their names in `graph` and `code`."""
        named = {s: f"x{k}" for k, s in enumerate(self.sources)}
        number = constants = 0
        for place, item in enumerate(self.items):
            if isinstance(item, Made):
                for part in range(len(item.values)):
                    several = f"_{part}" if len(item.values) > 1 else ""
                    named[place, part] = f"h{number}{several}"
                number += 1
            elif item.constant:
                named[place, 0] = f"c{constants}"
                constants += 1
        return named

    def value(self, ref: Ref) -> Array:
        return self.items[ref[0]].values[ref[1]]

    def _is_source(self, ref: Ref) -> bool:
        item = self.items[ref[0]]
        return isinstance(item, Given) and not item.constant

    def _used(self) -> list[Ref]:
        """Every value that a node or the result reads, in order."""
        read = {p for n in self.nodes for p in n.parents} | set(self.results)
        return sorted(read)

    # --- changing ---------------------------------------------------------------------------------
    def with_op(self, number: int, op: Op) -> Composition:
        """The same graph with another op of the same inputs at one node."""
        place = self.place(number)
        changed = replace(self._node(place), op=op)
        return replace(self, items=(*self.items[:place], changed, *self.items[place + 1 :]))

    def with_results(self, *results: Ref) -> Composition:
        """The same graph up to other results; what they do not need is dropped."""
        return pruned(self.items, results)

    def with_source(self, number: int) -> Composition:
        """The same graph with sources of the same values instead of a node."""
        place = self.place(number)
        given = _readable(self._node(place).values)
        return pruned((*self.items[:place], given, *self.items[place + 1 :]), self.results)

    def alone(self, *numbers: int) -> Composition:
        """Some nodes only, all of them results, with sources for whatever else they read."""
        places = [self.place(n) for n in numbers]
        items = [
            _readable(i.values) if isinstance(i, Made) and k not in places else i
            for k, i in enumerate(self.items)
        ]
        results = [(p, k) for p in places for k in range(len(self.items[p].values))]
        return pruned(items, results)

    def with_constant(self, source: Ref) -> Composition:
        """The same graph with a source held still."""
        item = self.items[source[0]]
        assert isinstance(item, Given)
        held = replace(item, constant=True)
        return replace(self, items=(*self.items[: source[0]], held, *self.items[source[0] + 1 :]))

    def place(self, number: int) -> int:
        """Where a node is among the items."""
        return [k for k, i in enumerate(self.items) if isinstance(i, Made)][number]

    def _node(self, place: int) -> Made:
        item = self.items[place]
        assert isinstance(item, Made)
        return item

    # --- as a graph -------------------------------------------------------------------------------
    def graph(self, name: str = "graph") -> Graph:
        """The graph, built node by node."""
        made, names = Graph(name), self.names
        known: dict[Ref, Node] = {s: made.input(names[s]) for s in self.sources}
        for place, item in enumerate(self.items):
            if isinstance(item, Given):
                if item.constant:
                    known[place, 0] = made.constant(item.values[0], names[place, 0])
                continue
            count = len(item.values)
            own = names[place, 0].partition("_")[0]
            parents = [known[p] for p in item.parents]
            returned = made.apply(item.op, *parents, name=own, outputs=count, **item.attributes)
            parts = returned if count > 1 else (returned,)
            known.update({(place, k): node for k, node in enumerate(parts)})
        made.output(*[known[r] for r in self.results])
        return made

    def to_op(self, name: str = "graph", *, seed: int = 0) -> Op:
        """The graph as an op whose sources have the sizes and domains that its ops want.

        Cases at which a value inside leaves the domain of an op that reads it are not valid;
        ``seed`` is that of the run, which ops that draw from NumPy's global state depend on.
        """
        graph = self.graph(name)
        inputs = tuple(
            Input(self.names[s], tuple(map(int, self.value(s).shape)), self._domain(s))
            for s in self.sources
        )
        return Op(
            name=name,
            forward=graph.forward,
            vjp=graph.vjp,
            inputs=inputs,
            example=self.values,
            kind=KIND,
            module=MODULE,
            target=KIND,
            assumptions=("; ".join(self._lines(self.names)),),
            options=Options(valid=stays_within(graph, seed), dtypes=("float64",), strict=False),
            detail=graph,
        )

    def _domain(self, source: Ref) -> Domain:
        """What all readers of a source take."""
        item = self.items[source[0]]
        assert isinstance(item, Given)
        wanted = [
            i.domain
            for n in self.nodes
            for i, p in zip(n.op.inputs, n.parents, strict=True)
            if p == source
        ]
        narrow = list(dict.fromkeys(replace(d, size=None) for d in wanted if not is_any(d)))
        if not narrow:
            return item.domain
        if len(narrow) == 1:
            return next(d for d in wanted if replace(d, size=None) == narrow[0])
        value = self.value(source)
        low, high = float(value.min()), float(value.max())
        return Domain(REAL, low, high if high > low else low + MARGIN)

    # --- as text ----------------------------------------------------------------------------------
    def code(self, name: str = "graph") -> str:
        """Python code that builds the graph; ``g`` is it."""
        ops = {n.op.id: n.op for n in self.nodes}
        imports = [f"from {o.module} import {o.name}" for o in ops.values() if o.module]
        names = self.names
        sources = [f'{names[s]} = g.input("{names[s]}")' for s in self.sources]
        results = ", ".join(names[r] for r in self.results)
        lines = self._lines(names, graph="g")
        start = [*sorted(imports), f'g = gradcheck.Graph("{name}")']
        return "\n".join([*start, *sources, *lines, f"g.output({results})"])

    def _lines(self, names: Mapping[Ref, str], graph: str = "") -> list[str]:
        """``h0 = multiply(x0, x1)``, one for each node."""
        return [
            f"{', '.join(names[place, k] for k in range(len(item.values)))} = "
            + _call(item, [self._argument(p, names) for p in item.parents], graph)
            for place, item in enumerate(self.items)
            if isinstance(item, Made)
        ]

    def _argument(self, ref: Ref, names: Mapping[Ref, str]) -> str:
        item = self.items[ref[0]]
        constant = isinstance(item, Given) and item.constant
        return literal(item.values[ref[1]]) if constant else names[ref]


def _readable(values: tuple[Array, ...]) -> Given:
    """Sources of nearly these values, as short decimals."""
    rounded = (np.round(v, DIGITS) for v in values)
    kept = [
        r if np.array_equal(r == 0, v == 0) else v for r, v in zip(rounded, values, strict=True)
    ]
    return Given(tuple(map(np.asarray, kept)))


def _call(node: Made, arguments: list[str], graph: str) -> str:
    """A call as one writes it; on a graph ``apply``, where a call would not record one node."""
    given = [f"{k}={v!r}" for k, v in node.attributes.items()]
    several, fixed = len(node.values) > 1, [a.startswith("np.") for a in arguments]
    if not graph or not (several or node.op.kind == "gate class" or all(fixed)):
        return f"{node.op.name}({', '.join([*arguments, *given])})"
    held = [f"{graph}.constant({a})" if f else a for a, f in zip(arguments, fixed, strict=True)]
    given += [f"outputs={len(node.values)}"] if several else []
    return f"{graph}.apply({', '.join([node.op.name, *held, *given])})"


def pruned(items: Sequence[Given | Made], results: Sequence[Ref]) -> Composition:
    """The graph without what its results do not need."""
    needed = {r[0] for r in results}
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if place in needed and isinstance(item, Made):
            needed |= {p[0] for p in item.parents}
    order = {old: new for new, old in enumerate(sorted(needed))}
    kept: list[Given | Made] = []
    for place in sorted(needed):
        item = items[place]
        if isinstance(item, Made):
            item = replace(item, parents=tuple((order[p], k) for p, k in item.parents))
        kept.append(item)
    return Composition(tuple(kept), tuple((order[p], k) for p, k in results))

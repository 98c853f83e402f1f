"""Computation graphs: nodes, a topological forward pass, a reverse pass that sums at branches.

A graph is an op: `Graph.op` is checked end to end by the same checks as any gate. Built node by
node::

    g = Graph("f")
    x, y, z = g.input("x"), g.input("y"), g.input("z")
    g.output(g.apply(multiply, g.apply(add, x, y), g.apply(maximum, y, z)))

The lecture's words: each node multiplies its upstream gradient by its local gradient and passes
the product downstream; where a value is used twice, the gradients that come back add up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from gradcheck.adapters.source import short_path
from gradcheck.arrays import Array, as_outputs, is_real
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import Domain, Input, Op, Options, Outputs, Pullback
from gradcheck.results import Source
from gradcheck.signatures import parse

OPTIONS = tuple(f.name for f in fields(Options))


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value in a graph: a source, a constant, or an operation applied to other nodes."""

    graph: Graph = field(repr=False)
    index: int
    name: str
    op: Op | None = None
    parents: tuple[Node, ...] = field(default=(), repr=False)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None
    """A constant's value."""


@dataclass(slots=True)
class Pass:
    """One forward and backward pass, node by node: what `gradcheck explain` prints."""

    values: dict[int, Array] = field(default_factory=dict)
    upstream: dict[int, Array] = field(default_factory=dict)
    """Per node, the sum of the gradients that came back to it."""
    downstream: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """Per operation, the gradient it passes to each parent."""


class Graph:
    """A composed function. Nodes are made in topological order, because they need their parents.

    Parameters
    ----------
    name : str
        The op's name in reports.
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.sources: list[Node] = []
        self.result: Node | None = None
        self.example: tuple[Any, ...] = ()
        """Values of the sources that `gradcheck explain` shows."""

    def input(self, name: str) -> Node:
        """A source node.

        Raises
        ------
        UsageError
            There is an input of that name already.
        """
        if any(n.name == name for n in self.sources):
            raise UsageError(f"graph {self.name}: there are two inputs named {name!r}")
        node = self._node(Node(self, len(self.nodes), name))
        self.sources.append(node)
        return node

    def constant(self, value: Any, name: str = "") -> Node:
        """A node that is not differentiated."""
        index = len(self.nodes)
        return self._node(Node(self, index, name or f"c{index}", value=np.asarray(value)))

    def apply(self, op: Any, *parents: Node, name: str = "", **attributes: Any) -> Node:
        """An operation: a registered op, an `Op`, or another graph.

        Raises
        ------
        UsageError
            A parent is not a node of this graph, or their number is not the op's.
        """
        actual = as_op(op)
        for k, parent in enumerate(parents):
            if not isinstance(parent, Node):
                raise UsageError(
                    f"graph {self.name}: argument {k} of {actual.name} is {type(parent).__name__}, "
                    "not a node; wrap values in graph.constant(...)"
                )
            if parent.graph is not self:
                raise UsageError(
                    f"graph {self.name}: {parent.name} is a node of graph {parent.graph.name}"
                )
        if len(parents) != len(actual.inputs):
            names = ", ".join(i.name for i in actual.inputs)
            raise UsageError(
                f"graph {self.name}: {actual.name} takes {len(actual.inputs)} inputs ({names}), "
                f"not {len(parents)}"
            )
        index = len(self.nodes)
        own = name or f"{actual.name}{index}"
        return self._node(Node(self, index, own, actual, tuple(parents), dict(attributes)))

    def output(self, node: Node) -> None:
        """Name the node that is the graph's value."""
        if not isinstance(node, Node):
            raise UsageError(f"graph {self.name}: output() takes a node, not {type(node).__name__}")
        if node.graph is not self:
            raise UsageError(f"graph {self.name}: {node.name} is a node of another graph")
        self.result = node

    def _node(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def run(self, values: Sequence[Any]) -> tuple[Pass, dict[int, Pullback]]:
        """Fprop: every node in topological order, its pullback kept.

        Raises
        ------
        UsageError
            There is no output node, or the number of values is not that of the sources.
        """
        if self.result is None:
            raise UsageError(f"graph {self.name} has no output: call graph.output(node)")
        self._demand_values(values)
        record, pullbacks = Pass(), {}
        for source, value in zip(self.sources, values, strict=True):
            record.values[source.index] = _as_value(value)
        for node in self.nodes:
            if node.op is not None:
                given = [record.values[p.index] for p in node.parents]
                returned, pullbacks[node.index] = node.op.vjp(
                    *_handed(node.op, given), **node.attributes
                )
                outputs = as_outputs(returned)
                if len(outputs) != 1:
                    raise UsageError(f"node {node.name} has {len(outputs)} outputs; a node has one")
                record.values[node.index] = outputs[0]
            elif node.value is not None:
                record.values[node.index] = node.value
        return record, pullbacks

    def _demand_values(self, values: Sequence[Any]) -> None:
        if len(values) != len(self.sources):
            raise UsageError(
                f"graph {self.name} takes {len(self.sources)} inputs, not {len(values)}"
            )

    def backward(self, record: Pass, pullbacks: Mapping[int, Pullback], cotangent: Array) -> None:
        """Bprop: nodes in reverse order, each with the sum of its successors' gradients."""
        assert self.result is not None
        record.upstream[self.result.index] = np.array(cotangent)
        for node in reversed(self.nodes):
            if node.op is None or node.index not in record.upstream:
                continue
            returned = pullbacks[node.index]((record.upstream[node.index].copy(),))
            gradients = aligned(node.op, returned)
            record.downstream[node.index] = gradients
            for parent, gradient in zip(node.parents, gradients, strict=True):
                if gradient is None or not is_real(record.values[parent.index]):
                    continue
                before = record.upstream.get(parent.index)
                gradient = np.asarray(gradient)
                record.upstream[parent.index] = gradient if before is None else before + gradient

    def vjp(self, *values: Any) -> tuple[Any, Pullback]:
        """The graph as one vjp rule."""
        record, pullbacks = self.run(values)
        assert self.result is not None

        def pullback(cotangents: Outputs) -> list[Any]:
            fresh = Pass(record.values)
            self.backward(fresh, pullbacks, cotangents[0])
            return [
                fresh.upstream.get(s.index, _zeros(record.values[s.index])) for s in self.sources
            ]

        return record.values[self.result.index], pullback

    def forward(self, *values: Any) -> Any:
        """The graph's value: forward passes only."""
        if self.result is None:
            raise UsageError(f"graph {self.name} has no output: call graph.output(node)")
        self._demand_values(values)
        known: dict[int, Any] = {
            s.index: _as_value(v) for s, v in zip(self.sources, values, strict=True)
        }
        for node in self.nodes:
            if node.op is not None:
                given = [known[p.index] for p in node.parents]
                known[node.index] = as_outputs(
                    node.op.forward(*_handed(node.op, given), **node.attributes)
                )[0]
            elif node.value is not None:
                known[node.index] = node.value
        return known[self.result.index]

    def op(self, signature: str | None = None, **options: Any) -> Op:
        """The graph as an op; sources without a ``signature`` are 0-d real numbers.

        ``options`` as in `gradcheck.op`.
        """
        caller = sys._getframe(1)
        place = short_path(caller.f_code.co_filename)
        ours = str(caller.f_globals.get("__name__", "")).startswith("gradcheck.")
        names = [s.name for s in self.sources]
        if signature is None:
            inputs = tuple(Input(n, (), Domain(), scalar=True) for n in names)
        else:
            inputs, _ = parse(signature, names)
        ordered = {i.name: i for i in inputs}
        missing = [n for n in names if n not in ordered]
        if missing:
            raise UsageError(
                f"graph {self.name}: the signature leaves out {', '.join(missing)} of {names}"
            )
        unknown = [o for o in options if o not in OPTIONS]
        if unknown:
            raise UsageError(f"unknown option {unknown[0]!r}.{did_you_mean(unknown[0], OPTIONS)}")
        return Op(
            name=self.name,
            forward=self.forward,
            vjp=self.vjp,
            inputs=tuple(ordered[n] for n in names),
            kind="graph",
            source=Source() if ours else Source(file=place, line=caller.f_lineno),
            module="" if ours else str(caller.f_globals.get("__name__", "")),
            options=Options(**options),
            detail=self,
        )


def as_op(thing: Any) -> Op:
    """The `Op` of a registered function or class, of a graph, or itself.

    Raises
    ------
    UsageError
        It is none of these.
    """
    if isinstance(thing, Op):
        return thing
    if isinstance(thing, Graph):
        return thing.op()
    own = getattr(thing, "__gradcheck_op__", None)
    if isinstance(own, Op):
        return own
    name = getattr(thing, "__name__", repr(thing))
    raise UsageError(
        f"{name} is not a registered op: decorate it with @gradcheck.register, or make one with "
        "gradcheck.op(forward, backward, ...)"
    )


def aligned(op: Op, returned: Any) -> tuple[Any, ...]:
    """What a node's backward returned, one gradient per parent."""
    gradients = tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)
    if len(gradients) != len(op.inputs):
        raise ValueError(
            f"backward of {op.name} returned {len(gradients)} gradients for {len(op.inputs)} inputs"
        )
    return gradients


def _handed(op: Op, values: Sequence[Array]) -> list[Any]:
    if op.options.overwrites:  # other nodes may read them too
        values = [v.copy() for v in values]
    return [
        v[()] if i.scalar and v.ndim == 0 else v for v, i in zip(values, op.inputs, strict=True)
    ]


def _as_value(value: Any) -> Array:
    """A Python integer is a number here, as one writes it."""
    return np.asarray(float(value) if type(value) is int else value)


def _zeros(value: Array) -> Any:
    return np.zeros(value.shape, value.dtype) if is_real(value) else None

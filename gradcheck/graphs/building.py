"""Graphs built node by node, as one draws them.

::

    g = Graph("f")
    x, y, z = g.input("x"), g.input("y"), g.input("z")
    g.output(multiply(x + y, maximum(y, z)))

The nodes have no values until the graph runs; a function under `gradcheck.graph` is traced with
values instead, and may ask for shapes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import Any

from gradcheck.adapters.source import short_path
from gradcheck.errors import UsageError
from gradcheck.graphs.calls import Formulas, as_op, demand_parents
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.tape import Tape
from gradcheck.model import Op
from gradcheck.node import Node
from gradcheck.results import Source


@dataclass(frozen=True, slots=True)
class _Constant:
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class _Applied:
    name: str
    op: Op
    parents: tuple[int, ...]
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Graph(Composed, Formulas):
    """A composed function. Nodes are made in topological order, because they need their parents.

    Parameters
    ----------
    name : str
        The op's name in reports.
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = _printable(name)
        self.nodes: list[Node] = []
        self.sources: list[Node] = []
        self.results: tuple[Node, ...] = ()
        self.example: tuple[Any, ...] = ()
        """Values of the sources that `gradcheck explain` shows."""
        self._definitions: list[_Constant | _Applied] = []
        self._scopes: list[str] = []
        """Graph functions that are being recorded here."""
        self._constants: dict[int, int] = {}
        """Which node each constant is, by its place among the definitions."""

    @property
    def names(self) -> list[str]:
        return [s.name for s in self.sources]

    def input(self, name: str) -> Node:
        """A source node.

        Raises
        ------
        UsageError
            There is an input of that name already, or it is none that a signature can hold.
        """
        if not (isinstance(name, str) and name.isidentifier()) or iskeyword(name):
            raise UsageError(
                f"graph {self.name}: an input cannot be called {name!r}: signatures and reports "
                "name it, so give it a name as of a variable"
            )
        if any(n.name == name for n in self.sources):
            raise UsageError(f"graph {self.name}: there are two inputs named {name!r}")
        node = self._node(name)
        self.sources.append(node)
        return node

    def constant(self, value: Any, name: str = "") -> Node:
        """A node that is not differentiated. A Python float takes the precision of the sources."""
        node = self._node(_printable(name) or f"c{len(self.nodes)}")
        self._constants[len(self._definitions)] = node.index
        self._definitions.append(_Constant(node.name, value))
        return node

    def apply(
        self, op: Any, *parents: Node, name: str = "", outputs: int = 1, **attributes: Any
    ) -> Any:
        """An operation: a registered op, an `Op`, or another graph.

        Parameters
        ----------
        op
            What to apply.
        *parents : Node
            One per input of the op.
        name : str, optional
            The node's; its op's name and number without.
        outputs : int
            How many outputs the op has; with several, a tuple of nodes is returned.
        **attributes
            The op's own.

        Raises
        ------
        UsageError
            A parent is not a node of this graph, their number is not the op's, or the graph would
            contain itself.
        """
        actual = as_op(op).of(len(parents))
        demand_parents(self, actual, parents)
        if outputs < 1:
            raise UsageError(f"graph {self.name}: {actual.name} with outputs={outputs}: 1 or more")
        if _reaches(actual.detail, self):
            raise UsageError(f"graph {self.name} cannot be a node of itself: that is a cycle")
        own = _printable(name) or f"{actual.name}{len(self.nodes)}"
        own = ".".join([*self._scopes, own])
        made = [self._node(own if outputs == 1 else f"{own}[{k}]") for k in range(outputs)]
        places = tuple(p.index for p in parents), tuple(m.index for m in made)
        self._definitions.append(_Applied(own, actual, *places, dict(attributes)))
        return made[0] if outputs == 1 else tuple(made)

    def output(self, *nodes: Node) -> None:
        """Name the node, or the nodes, that are the graph's value."""
        if not nodes:
            raise UsageError(f"graph {self.name}: output() takes the node that is its value")
        for node in nodes:
            if type(node) is not Node:
                kind = type(node).__name__
                raise UsageError(f"graph {self.name}: output() takes a node, not {kind}")
            if node.graph is not self:
                raise UsageError(f"graph {self.name}: {node.name} is a node of another graph")
        self.results = nodes

    # --- what nodes ask of their graph ------------------------------------------------------------
    def applied(
        self, op: Op, parents: Sequence[Node], attributes: Mapping[str, Any], name: str
    ) -> Any:
        return self.apply(op, *parents, name=name, **attributes)

    def inline(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        attributes: Mapping[str, Any],
    ) -> Any:
        """Run a function on the nodes; those that it makes are named after it."""
        self._scopes.append(name)
        try:
            return function(*arguments, **attributes)
        finally:
            self._scopes.pop()

    def value_of(self, node: Node) -> Any:
        raise UsageError(
            f"node {node.name} of graph {self.name} has no value or shape until the graph runs; "
            "write the formula as a function under @gradcheck.graph, which is traced with values"
        )

    def _node(self, name: str) -> Node:
        self.nodes.append(Node(self, len(self.nodes), name))
        return self.nodes[-1]

    # --- running ----------------------------------------------------------------------------------
    def record(self, parents: Sequence[Node], attributes: Mapping[str, Any]) -> Any:
        """Apply the definitions in order."""
        if attributes:
            raise UsageError(
                f"graph {self.name} is built node by node: it has no attribute "
                f"{next(iter(attributes))!r}"
            )
        if not self.results:
            raise UsageError(f"graph {self.name} has no output: call graph.output(node)")
        recorder = parents[0].graph
        assert isinstance(recorder, Tape)
        known: dict[int, Node] = {s.index: p for s, p in zip(self.sources, parents, strict=True)}
        for place, made in enumerate(self._definitions):
            if isinstance(made, _Constant):
                known[self._constants[place]] = recorder.constant(made.value, made.name)
                continue
            given = [known[p] for p in made.parents]
            returned = recorder.applied(made.op, given, made.attributes, made.name)
            parts = returned if isinstance(returned, tuple) else (returned,)
            if len(parts) != len(made.outputs):
                raise UsageError(
                    f"node {made.name} has {len(parts)} outputs: write graph.apply(..., "
                    f"outputs={len(parts)}), which returns one node each"
                )
            known.update(zip(made.outputs, parts, strict=True))
        results = tuple(known[r.index] for r in self.results)
        return results if len(results) > 1 else results[0]

    def op(self, signature: str | None = None, **options: Any) -> Op:
        """The graph as an op; sources without a ``signature`` are 0-d real numbers.

        ``options`` as in `gradcheck.op`.
        """
        from gradcheck.registry import make  # which makes graphs, too

        caller = sys._getframe(1)
        ours = str(caller.f_globals.get("__name__", "")).startswith("gradcheck.")
        made = make([self, *([signature] if signature is not None else [])], {}, options)
        if ours:
            return made
        place = Source(file=short_path(caller.f_code.co_filename), line=caller.f_lineno)
        return replace(made, source=place, module=str(caller.f_globals.get("__name__", "")))


def _printable(name: object) -> str:
    """A name that a terminal shows and does not obey."""
    return "".join(c if c.isprintable() else "?" for c in str(name))


def _reaches(detail: Any, graph: Graph) -> bool:
    """A graph is, or contains at any depth, another one."""
    waiting, seen = [detail], set[int]()
    while waiting:
        one = waiting.pop()
        if one is graph:
            return True
        if isinstance(one, Graph) and id(one) not in seen:
            seen.add(id(one))
            waiting += [d.op.detail for d in one._definitions if isinstance(d, _Applied)]
    return False

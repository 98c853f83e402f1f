"""One forward pass through a graph: every value, computed from those before it.

`Graph` and traced functions both end in a `Tape`, so whatever reads one (`reverse`, blame, health,
the picture) does not know how the graph was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import numpy as np

from gradcheck.answer import scalars_of
from gradcheck.arrays import Array, as_outputs, copy_array, freeze, is_numeric, is_real
from gradcheck.errors import UsageError
from gradcheck.evaluation import NodeRaised
from gradcheck.graphs.calls import Formulas, demand_parents
from gradcheck.model import Op, Pullback
from gradcheck.node import Node, Recordable

Vjp = Callable[..., tuple[Any, Pullback]]


class Step(msgspec.Struct):
    """One operation of a pass: which values it read, which it made."""

    name: str
    op: Op
    parents: tuple[int, ...]
    """Places of the values it read, one per input of the op."""
    outputs: tuple[int, ...]
    attributes: dict[str, Any]
    pullback: Pullback | None
    scalars: tuple[bool, ...]
    """Which outputs are numbers and no arrays: their cotangents are too."""


class Tape(Formulas):
    """Records and evaluates a graph.

    Parameters
    ----------
    name : str
        The graph's, for messages.
    pullbacks : bool
        Keep what the backward pass needs; False for a forward pass alone.
    """

    def __init__(self, name: str, *, pullbacks: bool = True) -> None:
        self.name = name
        self.values: list[Array] = []
        self.names: list[str] = []
        self.steps: list[Step] = []
        self.sources: list[int] = []
        self.results: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        """What Python numbers become: the precision of the sources."""
        self._pullbacks = pullbacks
        self._scopes: list[str] = []
        self._taken: dict[str, int] = {}
        self._instances: dict[int, tuple[Op, Vjp]] = {}

    # --- recording --------------------------------------------------------------------------------
    def start(self, names: Sequence[str], values: Sequence[Any]) -> list[Node]:
        """The source nodes.

        Raises
        ------
        UsageError
            The number of values is not that of the names.
        """
        if len(values) != len(names):
            raise UsageError(f"graph {self.name} takes {len(names)} inputs, not {len(values)}")
        arrays = [_as_value(v) for v in values]
        real = {a.dtype for a in arrays if is_real(a)}
        if real:
            self.dtype = np.result_type(*real)
        made = [self._value(a, self._unique(n)) for a, n in zip(arrays, names, strict=True)]
        self.sources = [n.index for n in made]
        return made

    def constant(self, value: Any, name: str = "") -> Node:
        """A node that is not differentiated. A Python float takes the precision of the sources."""
        array = np.array(value, self.dtype if type(value) is float else None)  # a node may write
        if not (is_numeric(array) or array.dtype.kind == "b"):
            raise UsageError(f"graph {self.name}: {value!r} is no number or array to take part")
        return self._value(array, self._unique(name or f"c{len(self.values)}"))

    def inline(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        attributes: Mapping[str, Any],
    ) -> Any:
        """Run a function on nodes; the steps that it makes are named after it."""
        with self._inside(name):
            return function(*arguments, **attributes)

    def value_of(self, node: Node) -> Array:
        return self.values[node.index]

    def applied(
        self, op: Op, parents: Sequence[Node], attributes: Mapping[str, Any], name: str = ""
    ) -> Any:
        """Evaluate an op at some nodes; a node, or a tuple of them where it has several outputs.

        Raises
        ------
        UsageError
            A parent is of another graph, or their number is not the op's.
        NodeRaised
            The op itself raised: says at which node, with its shapes.
        """
        demand_parents(self, op, parents)
        inner = op.detail is not None and isinstance(op.detail, Recordable)
        if inner and op.options.differentiates is None:
            record = partial(op.detail.record, parents)
            return self.inline(name or op.name, record, (attributes,), {})
        own = self._unique(name or op.name)
        places, values = tuple([p.index for p in parents]), self.values
        given = handed(op, [values[p] for p in places])
        pullback: Pullback | None = None
        try:
            if self._pullbacks:
                returned, pullback = self._vjp_of(op)(*given, **attributes)
            else:
                returned = op.forward(*given, **attributes)
            outputs = as_outputs(returned)
        except UsageError:
            raise
        except Exception as error:
            raise NodeRaised(self.place(own, op, places), error) from error
        (made, outs), scalars = self._made(outputs, own), scalars_of(returned)
        self.steps.append(Step(own, op, places, outs, dict(attributes), pullback, scalars))
        return made

    def copied(self, sources: Sequence[Array]) -> Tape:
        """What was recorded, with read-only copies of the values; the steps are the same.

        ``sources`` are the values of the sources, which need not be copied.
        """
        made, kept = object.__new__(type(self)), set(self.sources)
        made.__dict__.update(self.__dict__)
        made.values = [v if k in kept else freeze(copy_array(v)) for k, v in enumerate(self.values)]
        made.put_sources(sources)
        return made

    def let_go(self) -> None:
        """Of what the backward pass needs: there is none any more."""
        for step in self.steps:
            step.pullback = None

    def put_sources(self, values: Sequence[Array]) -> None:
        """Other arrays of the same values, in place of those that were recorded."""
        for place, value in zip(self.sources, values, strict=True):
            if value.shape == self.values[place].shape:
                self.values[place] = value

    def finish(self, returned: Any) -> None:
        """Name the nodes that are the graph's values.

        Raises
        ------
        UsageError
            What was returned is no node of this graph, nor a tuple of them.
        """
        parts = returned if isinstance(returned, (tuple, list)) else (returned,)
        for part in parts:
            if type(part) is not Node:
                kind = "nothing" if part is None else f"a {type(part).__name__}"
                raise UsageError(
                    f"graph {self.name} returns {kind}, not a node: return what its ops made of "
                    "its inputs"
                )
            if part.graph is not self:
                raise UsageError(f"graph {self.name}: {part.name} is a node of another graph")
        if not parts:
            raise UsageError(f"graph {self.name} returns no node")
        self.results = tuple(p.index for p in parts)

    def _made(self, outputs: Sequence[Array], name: str) -> tuple[Any, tuple[int, ...]]:
        """The node of a step's only output, or a tuple of them, and their places."""
        if len(outputs) == 1:
            node = self._value(outputs[0], name)
            return node, (node.index,)
        nodes = tuple([self._value(o, f"{name}[{k}]") for k, o in enumerate(outputs)])
        return nodes, tuple([n.index for n in nodes])

    def _value(self, value: Array, name: str) -> Node:
        place = len(self.values)
        self.values.append(value)
        self.names.append(name)
        return Node(self, place, name)

    def _unique(self, name: str) -> str:
        """A step's name within its scope: ``h``, then ``h_2``."""
        full = ".".join([*self._scopes, name]) if self._scopes else name
        count = self._taken.get(full, 0) + 1
        self._taken[full] = count
        return full if count == 1 else self._unique(f"{name}_{count}")

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        """Steps recorded here are named after the nested graph."""
        count = self._taken.get(f"{'.'.join([*self._scopes, name])}.", 0) + 1
        self._taken[f"{'.'.join([*self._scopes, name])}."] = count
        self._scopes.append(name if count == 1 else f"{name}_{count}")
        try:
            yield
        finally:
            self._scopes.pop()

    def _vjp_of(self, op: Op) -> Vjp:
        """An op made from one instance has that one instance at all its nodes, as user code has."""
        if op.session is None or not op.one_instance:
            return op.vjp
        known = self._instances.get(id(op))
        if known is None:
            known = self._instances[id(op)] = (op, op.session())
        return known[1]

    def place(self, name: str, op: Op, places: Sequence[int]) -> str:
        """A step as messages name it: ``h = tanh(z (3,))``."""
        shapes = ", ".join(f"{self.names[p]} {self.values[p].shape}" for p in places)
        call = f"{op.name}({shapes})"
        return f"{name} = {call}" if name != op.name else call


def handed(op: Op, values: list[Array]) -> list[Any]:
    """The arguments of an op: copies where it writes into them, numbers where it wants numbers."""
    if op.options.overwrites:  # other nodes may read them too
        values = [v.copy() for v in values]
    if not op.scalars:
        return values
    return [
        v[()] if i.scalar and v.ndim == 0 else v for v, i in zip(values, op.inputs, strict=True)
    ]


def _as_value(value: Any) -> Array:
    """A Python integer is a number here, as one writes it."""
    return np.asarray(float(value) if type(value) is int else value)

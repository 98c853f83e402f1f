"""A value in a graph as the user handles it: calls and operators on it record the graph.

``dot(u, tanh(W @ x + b))`` on nodes is the formula and the graph at once (Griewank and Walther,
Evaluating Derivatives, 2008: a tape). What records is the node's `Recorder`: a `graphs.tape.Tape`,
which evaluates as it goes, or a `graphs.building.Graph`, which is evaluated later.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from gradcheck.errors import UsageError

_TAKES_SIZES = ("reshape", "transpose")
"""Ops that take their integers one by one, too."""


class NoAttribute(UsageError, AttributeError):
    """A node was asked for what it does not have; `hasattr` says no, as it does of any object."""


class Recordable(ABC):
    """Base of what is recorded as the ops that it is made of: graphs."""

    @abstractmethod
    def record(self, parents: Sequence[Node], attributes: Mapping[str, Any]) -> Any:
        """Apply the graph's ops to some nodes: the node it returns, or a tuple of them."""


class Recorder(Protocol):
    """What nodes belong to."""

    name: str
    read: bool
    """Somebody has looked at a node's value: what is recorded may depend on it."""

    def call(self, op: Any, arguments: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        """Record an op applied to nodes; plain values among them become constants."""
        ...

    def operate(
        self,
        name: str,
        operands: Sequence[Any],
        namespace: Mapping[str, Any],
        attributes: Mapping[str, Any] = ...,
    ) -> Any:
        """Record the op of that name: the caller's own, else the reference op."""
        ...

    def knows(self, name: str, namespace: Mapping[str, Any]) -> bool:
        """There is an op of that name."""
        ...

    def inline(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        attributes: Mapping[str, Any],
    ) -> Any:
        """Record what a function does, under its name."""
        ...

    def value_of(self, node: Node) -> Any:
        """The array that a node stands for."""
        ...


class Node:
    """One value of a graph. Made by a recorder, never by hand.

    ``+ - * / @ -x x**n x[key] x.T``, NumPy's functions and array methods record the op of that name
    (``add``, ``subtract``, ``multiply``, ``divide``, ``matmul``, ``negative``, ``power``,
    ``getitem``, ``transpose``, ``tanh``, ``sum``, ...): the one that the calling module has under
    this name, else the reference op.
    """

    __slots__ = ("graph", "index", "name")

    def __init__(self, graph: Recorder, index: int, name: str) -> None:
        self.graph, self.index, self.name = graph, index, name

    def __repr__(self) -> str:
        return f"<node {self.name} of graph {self.graph.name}>"

    @property
    def value(self) -> Any:
        """The array, while a function is traced.

        Raises
        ------
        UsageError
            The graph is built node by node and has no values yet.
        """
        self.graph.read = True
        return self.graph.value_of(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.graph.value_of(self).shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(self.graph.value_of(self).size)

    @property
    def dtype(self) -> Any:
        return self.graph.value_of(self).dtype

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"node {self.name} is a number: it has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        namespace = sys._getframe(1).f_globals
        return (
            self.graph.operate("getitem", [self], namespace, {"key": k}) for k in range(len(self))
        )

    def __bool__(self) -> bool:
        raise UsageError(
            f"node {self.name} is no truth value: a graph has no branches; where one is meant, "
            "ask for node.value"
        )

    def _leaving(self, how: str) -> UsageError:
        return UsageError(
            f"{how} node {self.name} would leave the graph, and its gradient with it: use an op, "
            "or node.value where a number is meant"
        )

    def __float__(self) -> float:
        raise self._leaving("float() of")

    def __int__(self) -> int:
        raise self._leaving("int() of")

    def __complex__(self) -> complex:
        raise self._leaving("complex() of")

    def __index__(self) -> int:
        raise self._leaving("an index or a size made of")

    def __round__(self, *_: Any) -> Any:
        raise self._leaving("round() of")

    def __format__(self, form: str) -> str:
        if form:
            raise self._leaving(f"a text {form!r} of")
        return repr(self)

    def __add__(self, other: Any) -> Any:
        return self.graph.operate("add", [self, other], sys._getframe(1).f_globals)

    def __radd__(self, other: Any) -> Any:
        return self.graph.operate("add", [other, self], sys._getframe(1).f_globals)

    def __sub__(self, other: Any) -> Any:
        return self.graph.operate("subtract", [self, other], sys._getframe(1).f_globals)

    def __rsub__(self, other: Any) -> Any:
        return self.graph.operate("subtract", [other, self], sys._getframe(1).f_globals)

    def __mul__(self, other: Any) -> Any:
        return self.graph.operate("multiply", [self, other], sys._getframe(1).f_globals)

    def __rmul__(self, other: Any) -> Any:
        return self.graph.operate("multiply", [other, self], sys._getframe(1).f_globals)

    def __truediv__(self, other: Any) -> Any:
        return self.graph.operate("divide", [self, other], sys._getframe(1).f_globals)

    def __rtruediv__(self, other: Any) -> Any:
        return self.graph.operate("divide", [other, self], sys._getframe(1).f_globals)

    def __matmul__(self, other: Any) -> Any:
        return self.graph.operate("matmul", [self, other], sys._getframe(1).f_globals)

    def __rmatmul__(self, other: Any) -> Any:
        return self.graph.operate("matmul", [other, self], sys._getframe(1).f_globals)

    def __pow__(self, exponent: Any) -> Any:
        namespace = sys._getframe(1).f_globals
        if type(exponent) is Node:
            return self.graph.operate("pow", [self, exponent], namespace)
        return self.graph.operate("power", [self], namespace, {"n": exponent})

    def __rpow__(self, base: Any) -> Any:
        return self.graph.operate("pow", [base, self], sys._getframe(1).f_globals)

    def __floordiv__(self, other: Any) -> Any:
        return self.graph.operate("floor_divide", [self, other], sys._getframe(1).f_globals)

    def __mod__(self, other: Any) -> Any:
        return self.graph.operate("remainder", [self, other], sys._getframe(1).f_globals)

    def __abs__(self) -> Any:
        return self.graph.operate("absolute", [self], sys._getframe(1).f_globals)

    def __neg__(self) -> Any:
        return self.graph.operate("negative", [self], sys._getframe(1).f_globals)

    def __getitem__(self, key: Any) -> Any:
        for part in key if type(key) is tuple else (key,):
            if type(part) is Node:
                raise UsageError(
                    f"node {self.name} is indexed with node {part.name}: an index is not "
                    f"differentiated, so write {self.name}[{part.name}.value]"
                )
        return self.graph.operate("getitem", [self], sys._getframe(1).f_globals, {"key": key})

    def __setitem__(self, key: Any, value: Any) -> None:
        raise UsageError(
            f"node {self.name} cannot be written into: values of a graph are computed once; build "
            "the new value with an op instead (where, concatenate, ...)"
        )

    def _compared(self, other: object) -> bool:
        raise UsageError(
            f"node {self.name} cannot be compared: a graph has no branches; use an op (maximum, "
            "where, ...), or compare node.value where a number is meant"
        )

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _compared
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        """``x.sum(axis=0)`` records the op ``sum``, where there is one."""
        namespace = sys._getframe(1).f_globals
        if name.startswith("_") or name in self.__slots__:
            raise AttributeError(name)
        if not self.graph.knows(name, namespace):
            raise NoAttribute(
                f"node {self.name} has no attribute {name!r}, nor is it an op: register a function "
                f"of that name with @gradcheck.register, or use node.value.{name} where no "
                "gradient is meant"
            )

        def method(*arguments: Any, **attributes: Any) -> Any:
            if name in _TAKES_SIZES and len(arguments) > 1:
                arguments = (arguments,)  # x.reshape(2, 3) is x.reshape((2, 3)), as in NumPy
            return self.graph.operate(name, [self, *arguments], namespace, attributes)

        return method

    @property
    def T(self) -> Any:
        return self.graph.operate("transpose", [self], sys._getframe(1).f_globals)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method != "__call__":
            raise UsageError(f"np.{ufunc.__name__}.{method} of a node cannot be recorded")
        if keywords.get("out") is not None:
            raise UsageError(
                f"np.{ufunc.__name__} of nodes cannot write into an array (out=, or += on an "
                "array): values of a graph are computed once; write y = y + x for y += x"
            )
        namespace = sys._getframe(1).f_globals
        return self.graph.operate(ufunc.__name__, inputs, namespace, keywords)

    def __array_function__(self, function: Any, types: Any, inputs: Any, keywords: Any) -> Any:
        namespace = sys._getframe(1).f_globals
        return self.graph.operate(function.__name__, inputs, namespace, keywords)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UsageError(
            f"node {self.name} cannot be turned into an array: that would leave the graph, and its "
            "gradient with it; use an op, or node.value where a number is meant"
        )


def recorder_of(values: Sequence[Any]) -> Recorder | None:
    """The graph that some arguments are nodes of; None where none is a node.

    Raises
    ------
    UsageError
        They are nodes of two graphs.
    """
    nodes = [v for v in values if type(v) is Node]
    if len(nodes) < len(values):
        nodes += [p for v in values if type(v) in (list, tuple) for p in v if type(p) is Node]
    for node in nodes:
        if node.graph is not nodes[0].graph:
            raise UsageError(
                f"{nodes[0].name} is a node of graph {nodes[0].graph.name}, {node.name} one of "
                f"graph {node.graph.name}: an op takes nodes of one graph"
            )
    return nodes[0].graph if nodes else None

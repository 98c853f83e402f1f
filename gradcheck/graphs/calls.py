"""From a call in a formula to an op and its parents: which op, which arguments are its inputs."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.graphs.naming import assigned
from gradcheck.model import Attribute, Op
from gradcheck.node import Node, Recordable

REFERENCE = "reference_ops"
"""Where operators find their ops, unless the calling module has its own under the same name."""
_found: dict[str, Any] = {}
"""Reference ops that were looked up before."""
_SYMBOLS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "matmul": "@",
    "negative": "unary -",
    "power": "**",
    "floor_divide": "//",
    "remainder": "%",
    "absolute": "abs",
    "getitem": "x[...]",
    "transpose": "x.T",
}


class Formulas(ABC):
    """What a `Recorder` does with a formula, the same for all of them."""

    read = False

    @abstractmethod
    def constant(self, value: Any, name: str = "") -> Node:
        """A node that is not differentiated."""

    @abstractmethod
    def applied(
        self, op: Op, parents: Sequence[Node], attributes: Mapping[str, Any], name: str
    ) -> Any:
        """The node of an operation, or a tuple of them; an empty ``name`` is made up."""

    def call(self, op: Any, arguments: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        """Record a call as it stands in a formula; plain values among nodes are constants."""
        actual, given, rest = as_op(op), arguments, attributes
        nodes_alone = _inputs_alone(actual, arguments, attributes)
        if not nodes_alone:
            actual, given, rest = bound(op, actual, arguments, attributes)
        for name, value in rest.items():
            if type(value) is Node:
                raise UsageError(
                    f"{actual.name}: {name} is no input that is differentiated, but an attribute: "
                    f"{value.name} is a node where a number is wanted"
                )
        parents = given
        if not nodes_alone:
            parents = [self._lifted(g, actual, k) for k, g in enumerate(given)]
        return self.applied(actual, parents, rest, assigned(sys._getframe(1)))

    def _lifted(self, value: Any, op: Op, k: int) -> Node:
        if type(value) is Node:
            return value
        weak = type(value) in (int, bool) and k < len(op.inputs) and not op.inputs[k].integer
        return self.constant(float(value) if weak else value)

    def operate(
        self,
        name: str,
        operands: Sequence[Any],
        namespace: Mapping[str, Any],
        attributes: Mapping[str, Any] | None = None,
    ) -> Any:
        """Record the op of that name: the caller's own, else the reference op."""
        return self.call(op_named(name, namespace), operands, attributes or {})

    def knows(self, name: str, namespace: Mapping[str, Any]) -> bool:
        """There is an op of that name, the caller's own or a reference op."""
        return is_op(namespace.get(name)) or _reference(name) is not None


def as_op(thing: Any) -> Op:
    """The `Op` of a registered function or class, of a graph, or itself.

    Raises
    ------
    UsageError
        It is none of these.
    """
    if isinstance(thing, Op):
        return thing
    own = getattr(thing, "__gradcheck_op__", None)
    if isinstance(own, Op):
        return own
    if isinstance(thing, Recordable):  # a graph without a signature of its own
        return thing.op()  # type: ignore[no-any-return,attr-defined]
    name = getattr(thing, "__name__", repr(thing))
    raise UsageError(
        f"{name} is not a registered op: decorate it with @gradcheck.register, or make one with "
        "gradcheck.op(forward, backward, ...)"
    )


def op_named(name: str, namespace: Mapping[str, Any]) -> Any:
    """The op that an operator or a NumPy function on nodes stands for.

    Raises
    ------
    UsageError
        Neither the calling module nor the reference ops have one of this name.
    """
    own = namespace.get(name)
    if is_op(own):
        return own
    found = _reference(name)
    if found is None:
        sign = f" ({_SYMBOLS[name]})" if name in _SYMBOLS else ""
        raise UsageError(
            f"{name}{sign} of graph nodes: this module has no op called {name!r} and neither have "
            "the reference ops; register a function of that name with @gradcheck.register, or "
            "call the op that you mean; node.value is the array, where no gradient is meant"
        )
    return found


def is_op(thing: Any) -> bool:
    """It can stand at a node."""
    return isinstance(thing, Op) or (
        not isinstance(thing, type) and isinstance(getattr(thing, "__gradcheck_op__", None), Op)
    )


def _reference(name: str) -> Any:
    if name in _found:
        return _found[name]
    importlib.import_module(REFERENCE)
    for module in sorted(m for m in sys.modules if m.startswith(f"{REFERENCE}.")):
        found = getattr(sys.modules[module], name, None)
        if is_op(found):
            return _found.setdefault(name, found)
    return None


def bound(
    called: Any, op: Op, arguments: Sequence[Any], attributes: Mapping[str, Any]
) -> tuple[Op, list[Any], dict[str, Any]]:
    """The op, a call's arguments as its inputs, in order, and the attributes that are left.

    Lists of nodes are one argument and several inputs; inputs may be given by name, and attributes
    by place, where the function's own parameters tell which is which. An op whose forward takes
    ``*xs`` comes back with as many inputs as were given; text before or among them is the attribute
    whose values are text, as in ``np.einsum("ij,jk->ik", A, B)``.

    Raises
    ------
    UsageError
        The function does not take these arguments.
    """
    if op.any_number is not None:
        given, rest = _of_any_number(op, arguments)
        return op.of(len(given)), given, {**rest, **attributes}
    if not any(isinstance(a, (list, tuple)) for a in arguments):
        return op, *_arranged(called, op, (arguments, arguments), attributes)
    flat = [p for a in arguments for p in (a if isinstance(a, (list, tuple)) else (a,))]
    if len(flat) == len(op.inputs) and len(arguments) == 1:  # a single list of all the inputs
        return op, *_arranged(called, op, (arguments, flat), attributes)
    flat = [part for a in arguments for part in (a if _several(a) else (a,))]
    return op, *_arranged(called, op, (arguments, flat), attributes)


def _inputs_alone(op: Op, arguments: Sequence[Any], attributes: Mapping[str, Any]) -> bool:
    """The arguments are nodes, one for each input: soon said, at every step of a pass."""
    if op.any_number is not None or len(arguments) != len(op.inputs):
        return False
    for argument in arguments:
        if type(argument) is not Node:
            return False
    return not attributes or attributes.keys().isdisjoint(i.name for i in op.inputs)


def _of_any_number(op: Op, arguments: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Inputs and attributes: a list holds all the inputs, and attributes by place come after it."""
    text = [a for a in arguments if isinstance(a, str)]
    worded = dict(zip((a.name for a in op.attributes if _is_text(a)), text, strict=False))
    others = [a for a in arguments if not isinstance(a, str)]
    if not (others and isinstance(others[0], (list, tuple))):
        return others, worded
    names = [a.name for a in op.attributes if a.name not in worded]
    if len(others) > 1 + len(names):
        raise UsageError(
            f"{op.name} takes a list of inputs and then {', '.join(names) or 'no more'}"
        )
    return list(others[0]), {**worded, **dict(zip(names, others[1:], strict=False))}


def _is_text(attribute: Attribute) -> bool:
    return all(isinstance(v, str) for v in attribute.values)


def _several(argument: Any) -> bool:
    """A list of inputs, not an attribute such as a shape."""
    return isinstance(argument, (list, tuple)) and any(
        type(part) is Node or isinstance(part, np.ndarray) for part in argument
    )


def _arranged(
    called: Any,
    op: Op,
    given: tuple[Sequence[Any], Sequence[Any]],
    attributes: Mapping[str, Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Inputs and attributes of an op with a fixed number of inputs."""
    arguments, flat = given
    names = [i.name for i in op.inputs]
    if len(flat) == len(names) and (not attributes or not any(n in attributes for n in names)):
        return list(flat), dict(attributes)
    written = getattr(called, "forward", None) or getattr(called, "function", None)
    if written is None or isinstance(called, Op):
        places = [*names, *(a.name for a in op.attributes)]  # attributes by place come after
        known = {**dict(zip(places, flat, strict=False)), **attributes}
        fits = len(flat) <= len(places)
    else:
        known, fits = _by_parameters(op, written, arguments, attributes), True
    if not fits or any(n not in known for n in names):
        wanted = f"{len(names)} inputs ({', '.join(names)})"
        raise UsageError(f"{op.name} takes {wanted}, not {len(flat)}")
    return [known.pop(n) for n in names], known


def _by_parameters(
    op: Op, written: Any, arguments: Sequence[Any], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by the names of the function's own parameters."""
    signature = _signature(written)
    try:
        given = dict(signature.bind(*arguments, **attributes).arguments)
    except TypeError as error:
        raise UsageError(f"{op.name}: {error}") from None
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    return given


@functools.lru_cache(maxsize=1000)
def _signature(written: Any) -> inspect.Signature:
    """Asked for at every evaluation of a graph."""
    return inspect.signature(written)


def demand_parents(graph: Any, op: Op, parents: Sequence[Any]) -> None:
    """The parents of an operation are nodes of the graph, as many as the op has inputs.

    Raises
    ------
    UsageError
        They are not; says which and of what.
    """
    for k, parent in enumerate(parents):
        if type(parent) is not Node:
            raise UsageError(
                f"graph {graph.name}: argument {k} of {op.name} is {type(parent).__name__}, "
                "not a node; wrap values in graph.constant(...)"
            )
        if parent.graph is not graph:
            raise UsageError(
                f"graph {graph.name}: {parent.name} is a node of graph {parent.graph.name}"
            )
    if len(parents) != len(op.inputs):
        names = ", ".join(i.name for i in op.inputs)
        raise UsageError(
            f"graph {graph.name}: {op.name} takes {len(op.inputs)} inputs ({names}), "
            f"not {len(parents)}"
        )

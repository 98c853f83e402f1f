"""The door for graphs: built node by node, or traced from a function."""

from __future__ import annotations

import inspect

from gradcheck.adapters.description import Description, arguments_of, op_from
from gradcheck.errors import UsageError
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.tracing import GraphFunction, Traced
from gradcheck.model import Op
from gradcheck.signed import Signed


def graph_door(graph: Composed, description: Description, name: str | None) -> Op:
    """The op of a built graph; sources that nothing describes are 0-d real numbers."""
    if not graph.names:
        raise UsageError(f'graph {graph.name} has no input: make one with graph.input("x")')
    if description.signature is None and not description.example:
        description.signature = ", ".join(f"{n}[]" for n in graph.names)
    described = description.inputs(_takes(graph.names))
    missing = [n for n in graph.names if n not in {i.name for i in described[1]}]
    if missing:
        raise UsageError(
            f"graph {graph.name}: the signature leaves out {', '.join(map(repr, missing))} of "
            f"{', '.join(graph.names)}"
        )
    return op_from(
        description,
        described,
        written=(),
        name=name or graph.name,
        forward=graph.forward,
        vjp=graph.vjp,
        kind="graph",
        detail=graph,
    )


def traced_door(traced: GraphFunction, description: Description, name: str | None) -> Op:
    """The op of a graph function, by signature, example or annotations."""
    function = traced.function
    reading, inputs, attributes = description.inputs(function)
    arrange = arguments_of(function, reading, inputs)
    own = name or traced.__name__
    graph = Traced(own, function, [i.name for i in inputs], arrange)
    return op_from(
        description,
        (reading, inputs, attributes),
        written=(function,),
        name=own,
        forward=graph.forward,
        vjp=graph.vjp,
        kind="graph",
        detail=graph,
    )


def _takes(names: list[str]) -> Signed:
    """What takes arguments of these names."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return Signed(inspect.Parameter(n, kind) for n in names)

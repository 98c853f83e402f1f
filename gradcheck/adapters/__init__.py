"""Doors: whatever a user calls a gate, as an `Op`.

`adapt` looks at the object and picks the door; behind it nothing knows where an op came from.
"""

from __future__ import annotations

import inspect
from typing import Any

from gradcheck.adapters.description import Description
from gradcheck.adapters.gates import methods
from gradcheck.adapters.of_frameworks import framework_door, hosted_pair_door
from gradcheck.adapters.of_functions import fused_door, pair_door
from gradcheck.adapters.of_graphs import graph_door, traced_door
from gradcheck.adapters.of_objects import class_door, layer_door
from gradcheck.errors import UsageError
from gradcheck.frameworks import framework_of
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.tracing import GraphFunction
from gradcheck.model import Op

__all__ = ["Description", "adapt"]


def adapt(
    target: Any,
    backward: Any,
    description: Description,
    *,
    call: str | None = None,
    name: str | None = None,
) -> Op:
    """The op of a target: a function (with its backward, or fused), a gate class, or a layer.

    What another framework differentiates, or a function of its values, goes through its own door.

    Raises
    ------
    UsageError
        The target has none of the forms that can be checked; says which there are.
    """
    values = (*description.example, *description.attributes.values())
    framework = framework_of(target, values, description.options.framework)
    if framework is not None and backward is not None:
        return hosted_pair_door(framework, (target, backward), description, call, name)
    if framework is not None:
        return framework_door(framework, target, description, name)
    if backward is None and isinstance(target, Composed):
        return graph_door(target, description, name)
    if backward is None and isinstance(target, GraphFunction):
        return traced_door(target, description, name)
    if backward is not None:  # a graph function's own, too: it is a forward on arrays
        return pair_door(target, backward, description, call, name)
    if inspect.isclass(target):
        return class_door(target, description, call, name)
    if methods(target) is not None:
        return layer_door(target, description, call, name)
    if callable(target):
        return fused_door(target, description, name)
    raise UsageError(
        f"{target!r} cannot be checked: pass forward and backward functions, a class or object "
        "with forward and backward methods, or a function that returns (value, gradient)"
    )

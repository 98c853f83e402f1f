"""One pass through a graph as plain data: what the pictures of it and the text are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.reverse import Gradients, backward, pulled
from gradcheck.graphs.tape import Step, Tape

JACOBIAN = 16
"""Entries up to which the local gradient of an array node is worked out."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the gradients that add up at a value."""

    by: str
    """The node that passed it; empty for the gradient of the graph's result."""
    gradient: Array


@dataclass(frozen=True, slots=True)
class Value:
    """What is on the wires that leave a source, a constant or a node."""

    name: str
    value: Array
    parts: tuple[Part, ...]
    gradient: Array | None
    """The sum of the parts; None where no gradient comes back."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What a node has to do with one of its parents."""

    parent: int
    """The parent's place among the values."""
    local: Array | None
    """d output / d parent: in the parent's shape where the output is a number, else the Jacobian,
    (entries of the outputs, entries of the parent); None where it is large or cannot be asked."""
    size: tuple[int, int]
    """The Jacobian's shape."""
    downstream: Array | None
    """None where nothing is passed."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One operation of the pass."""

    name: str
    op: str
    outputs: tuple[int, ...]
    """Places of its values."""
    upstream: tuple[Array, ...] | None
    """One gradient per output; None where none came back."""
    parents: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A forward and a backward pass.

    ``values`` are in topological order; all places are positions in it.
    """

    name: str
    values: tuple[Value, ...]
    sources: tuple[int, ...]
    constants: tuple[int, ...]
    nodes: tuple[NodeSeen, ...]
    results: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def explain(
    graph: Composed, values: Sequence[Any], attributes: Mapping[str, Any] | None = None
) -> Explained:
    """Run a graph forwards and, with output gradients of ones, backwards.

    Raises
    ------
    UsageError, NodeRaised
        As `Composed.run` and `graphs.reverse.backward`.
    """
    tape = graph.run(values, attributes)
    cotangents = [np.ones_like(tape.values[r]) for r in tape.results]
    return explained(tape, backward(tape, cotangents), cotangents, attributes)


def explained(
    tape: Tape,
    gradients: Gradients,
    cotangents: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
) -> Explained:
    """What happened in one pass.

    Parameters
    ----------
    tape : Tape
        The forward pass, with pullbacks.
    gradients : Gradients
        Its backward pass.
    cotangents : sequence of array
        The gradients of the results that it began with.
    attributes : mapping, optional
        What the graph was called with beside its sources.
    """
    parts = _parts(tape, gradients, cotangents)
    values = tuple(
        Value(name, value, tuple(parts.get(place, ())), gradients.upstream.get(place))
        for place, (name, value) in enumerate(zip(tape.names, tape.values, strict=True))
    )
    nodes = tuple(_node(tape, gradients, number) for number in range(len(tape.steps)))
    made = {o for step in tape.steps for o in step.outputs}
    given = set(tape.sources)
    constants = tuple(p for p in range(len(values)) if p not in made and p not in given)
    return Explained(
        tape.name,
        values,
        tuple(tape.sources),
        constants,
        nodes,
        tape.results,
        dict(attributes or {}),
    )


def _parts(tape: Tape, gradients: Gradients, cotangents: Sequence[Any]) -> dict[int, list[Part]]:
    """By value, the gradients that came back to it: of results first, then by its users."""
    found: dict[int, list[Part]] = {}
    for result, cotangent in zip(tape.results, cotangents, strict=True):
        found.setdefault(result, []).append(Part("", np.asarray(cotangent)))
    for number, step in enumerate(tape.steps):
        if number not in gradients.downstream:
            continue
        for parent, gradient in zip(step.parents, gradients.downstream[number], strict=True):
            if gradient is not None and is_real(tape.values[parent]):
                found.setdefault(parent, []).append(Part(step.name, np.asarray(gradient)))
    return found


def _node(tape: Tape, gradients: Gradients, number: int) -> NodeSeen:
    step = tape.steps[number]
    passed = gradients.downstream.get(number)
    rows = sum(tape.values[o].size for o in step.outputs)
    local = _locals(tape, step, rows) if passed is not None else (None,) * len(step.parents)
    parents = []
    for k, parent in enumerate(step.parents):
        given = None if passed is None else passed[k]
        if not is_real(tape.values[parent]):
            given = None
        downstream = None if given is None else np.asarray(given)
        size = (rows, tape.values[parent].size)
        parents.append(Passed(parent, local[k], size, downstream))
    upstream = gradients.received.get(number)
    return NodeSeen(step.name, step.op.name, step.outputs, upstream, tuple(parents))


def _locals(tape: Tape, step: Step, rows: int) -> Sequence[Array | None]:
    """d outputs / d parent, per parent, from unit cotangents."""
    parents = [tape.values[p] for p in step.parents]
    number = len(step.outputs) == 1 and rows == 1
    small = [is_real(p) and (number or rows * p.size <= JACOBIAN) for p in parents]
    if not any(small):
        return [None] * len(parents)
    try:
        pulls = [pulled(step, _unit(tape, step, entry)) for entry in range(rows)]
        return [
            _stacked([pull[k] for pull in pulls], parent, number=number) if wanted else None
            for k, (parent, wanted) in enumerate(zip(parents, small, strict=True))
        ]
    except Exception:  # the user's backward, asked more often than a pass does
        return [None] * len(parents)


def _unit(tape: Tape, step: Step, entry: int) -> tuple[Array, ...]:
    """A cotangent that is one at one entry of all outputs together."""
    made = tuple(np.zeros_like(tape.values[o]) for o in step.outputs)
    for part in made:
        if 0 <= entry < part.size:
            part.reshape(-1)[entry] = 1
        entry -= part.size
    return made


def _stacked(pulls: Sequence[Any], parent: Array, *, number: bool) -> Array | None:
    if not pulls or any(p is None for p in pulls):
        return None
    if number:
        return np.asarray(pulls[0])
    return np.stack([np.asarray(p).reshape(parent.size) for p in pulls])

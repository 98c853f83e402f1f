"""One backward pass through a graph: gradients from the results to the sources.

The lecture's rules are here and nowhere else: each node multiplies its upstream gradient by its
local gradient and passes the product downstream; where a value is used more than once, the
gradients that come back add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.aligning import aligned
from gradcheck.arrays import LARGE, Array, is_real, same_bits
from gradcheck.errors import UsageError
from gradcheck.evaluation import NodeRaised
from gradcheck.graphs.tape import Step, Tape
from gradcheck.model import Op, Outputs


@dataclass(slots=True)
class Gradients:
    """What went backwards in one pass."""

    upstream: dict[int, Array] = field(default_factory=dict)
    """By value, the sum of the gradients that came back to it."""
    downstream: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """By step, the gradient that it passed to each parent."""
    own: set[int] = field(default_factory=set)
    """Places of values of whose sum no node can change an entry."""
    received: dict[int, Outputs] = field(default_factory=dict)
    """By step, the upstream gradients that it was given."""


def backward(tape: Tape, cotangents: Sequence[Any], *, kept: bool = True) -> Gradients:
    """Bprop: steps in reverse order, each with the sum of its successors' gradients.

    Parameters
    ----------
    tape : Tape
        Recorded with its pullbacks.
    cotangents : sequence of array
        One per result.
    kept : bool
        Keep what each step received and passed on, too; False where only sums are wanted.

    Raises
    ------
    NodeRaised
        A step's backward raised, or returned what cannot be added up.
    """
    made = Gradients()
    for result, cotangent in zip(tape.results, cotangents, strict=True):
        _add(tape, made, result, np.array(cotangent))
    for number in range(len(tape.steps) - 1, -1, -1):
        step = tape.steps[number]
        received = _received(tape, made, step)
        if received is None:
            continue
        if kept:  # copies, as they were: a node may use its arrays again
            made.received[number] = tuple(r.copy() for r in received)
        try:
            gradients = pulled(step, received)
            for parent, gradient in zip(step.parents, gradients, strict=True):
                if gradient is not None and is_real(tape.values[parent]):
                    _add(tape, made, parent, gradient)
        except UsageError:
            raise
        except Exception as error:
            place = tape.place(step.name, step.op, step.parents)
            raise NodeRaised(place, error) from error
        if kept:
            made.downstream[number] = tuple(None if g is None else np.array(g) for g in gradients)
    if kept:
        _hold_once(tape, made)
    return made


def _received(tape: Tape, made: Gradients, step: Step) -> Outputs | None:
    """What came back to a step's outputs, zeros for some of several; None where nothing did."""
    if len(step.outputs) == 1:
        only = made.upstream.get(step.outputs[0])
        return None if only is None else (only,)
    came = [made.upstream.get(o) for o in step.outputs]
    if all(c is None for c in came):
        return None
    return tuple(
        np.zeros_like(tape.values[o]) if c is None else c
        for c, o in zip(came, step.outputs, strict=True)
    )


def _hold_once(tape: Tape, made: Gradients) -> None:
    """Let go of large gradients of which there are copies that no node has changed since."""
    came: dict[int, list[Array]] = defaultdict(list)
    for number, passed_on in made.downstream.items():
        for place, copy in zip(tape.steps[number].parents, passed_on, strict=True):
            if copy is not None and copy.size >= LARGE and place in made.upstream:
                came[place].append(copy)
    for place, copies in came.items():
        if len(copies) == 1 and same_bits(made.upstream[place], copies[0]):
            made.upstream[place] = copies[0]
            made.own.add(place)


def at_sources(tape: Tape, made: Gradients) -> list[Any]:
    """The gradient of each source; zeros where none came back to it."""
    return [
        made.upstream[s] if s in made.upstream else _zeros(tape.values[s]) for s in tape.sources
    ]


def _zeros(value: Array) -> Any:
    return np.zeros(value.shape, value.dtype) if is_real(value) else None


def pulled(step: Step, cotangents: Outputs) -> tuple[Any, ...]:
    """One step's gradients, one per parent, for copies of some cotangents."""
    assert step.pullback is not None, f"{step.name} was let go after its backward pass"
    pairs = zip(cotangents, step.scalars, strict=True)
    handed = tuple([c[()] if scalar else c.copy() for c, scalar in pairs])
    return gradients_of(step.op, step.pullback(handed))


def gradients_of(op: Op, returned: Any) -> tuple[Any, ...]:
    """What a node's backward returned, one gradient per parent.

    Raises
    ------
    ValueError
        Their number is not that of the op's inputs.
    """
    gradients = aligned(op, returned)
    if gradients is None:
        count = len(returned) if isinstance(returned, (tuple, list)) else 1
        raise ValueError(
            f"backward of {op.name} returned {count} gradients for {len(op.inputs)} inputs"
        )
    return gradients


def _add(tape: Tape, made: Gradients, place: int, gradient: Any) -> None:
    """Gradients add up where a value is used more than once; each in the value's own dtype."""
    value = tape.values[place]
    array = np.asarray(gradient)
    if array.shape != value.shape:
        raise ValueError(
            f"the gradient of {tape.names[place]} has shape {array.shape}, its value {value.shape}"
        )
    if array.dtype != value.dtype and is_real(value):
        array = array.astype(value.dtype)
    before = made.upstream.get(place)
    if before is not None:
        array = np.asarray(before + array)
        made.own.add(place)  # a sum is nobody's
    made.upstream[place] = array

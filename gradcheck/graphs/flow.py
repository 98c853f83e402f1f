"""How much of the gradient gets through each node of a graph: one pass as a list of figures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradcheck.arrays import Array, Float, is_real
from gradcheck.graphs.reverse import Gradients
from gradcheck.graphs.tape import Tape

LITTLE = 5e-3
"""Below the slope 0.01 of a leaky ReLU, which is small on purpose."""
SOURCE = "input"
"""What stands for the op of a source."""

Readings = list["Reading"]


@dataclass(frozen=True, slots=True)
class Passing:
    """How many entries of a node had a gradient, and passed on nothing or almost nothing of it."""

    entries: int
    dead: int
    saturated: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One node in one case."""

    name: str
    op: str
    depth: int
    """Steps to the result, on the longest way."""
    value: float
    """Root mean square, and so are gradients."""
    gradient: float
    relative: float
    """To the gradient at the result."""
    passing: Passing | None
    """None where no input of the node has its shape."""


def readings(tape: Tape, gradients: Gradients) -> Readings:
    """What one pass shows of each node; nothing where no gradient comes in."""
    depths, upstream = depth(tape), gradients.upstream
    tops = [upstream[r].reshape(-1) for r in tape.results if depths[r] == 0 and r in upstream]
    scale = rms(np.concatenate(tops)) if tops else 0.0
    if not 0 < scale < math.inf:
        return []
    makers = {o: number for number, step in enumerate(tape.steps) for o in step.outputs}
    reached = _reached(tape)
    return [
        Reading(
            name=tape.names[place],
            op=tape.steps[makers[place]].op.name if place in makers else SOURCE,
            depth=depths[place],
            value=rms(tape.values[place]),
            gradient=(own := rms(upstream[place])),
            relative=own / scale,
            passing=_passing(tape, gradients, (place, makers[place]), reached)
            if place in makers
            else None,
        )
        for place in sorted(reached & depths.keys() & upstream.keys())
        if tape.values[place].size
    ]


def depth(tape: Tape) -> dict[int, int]:
    """By value, the longest way to a result; values that none needs are left out."""
    found = dict.fromkeys(tape.results, 0)
    for step in reversed(tape.steps):
        after = [found[o] for o in step.outputs if o in found]
        for parent in step.parents if after else ():
            found[parent] = max(found.get(parent, 0), 1 + max(after))
    return found


def rms(array: Array) -> float:
    """Root mean square, also of numbers whose squares are no numbers."""
    wide = array.astype(np.float64)
    largest = float(np.abs(wide).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * math.sqrt(float(np.mean(np.square(wide / largest))))


def _reached(tape: Tape) -> set[int]:
    """Real values that depend on a source."""
    found = {s for s in tape.sources if is_real(tape.values[s])}
    for step in tape.steps:
        if found.intersection(step.parents):
            found.update(o for o in step.outputs if is_real(tape.values[o]))
    return found


def _passing(
    tape: Tape, gradients: Gradients, node: tuple[int, int], reached: set[int]
) -> Passing | None:
    """What comes back to a node's inputs of its own shape, entry by entry.

    Through the node, or by another way: beside a shortcut no unit is dead.
    """
    place, number = node
    step, upstream = tape.steps[number], gradients.upstream
    came = np.abs(upstream[place].astype(np.float64))
    passed: Float | None = None
    for parent, down in zip(step.parents, gradients.downstream.get(number, ()), strict=False):
        if parent not in reached or tape.values[parent].shape != came.shape or down is None:
            continue
        for part in (down, upstream[parent]):
            size = np.abs(np.asarray(part).astype(np.float64))
            passed = size if passed is None else np.maximum(passed, size)
    if passed is None:
        return None
    came, passed = came[came > 0], passed[came > 0]
    dead = passed == 0
    slopes = passed[~dead] / came[~dead]
    scaled = slopes.size > 0 and slopes.max() <= 1.01 * slopes.min()  # by a number: not saturated
    saturated = 0 if scaled else int((slopes < LITTLE).sum())
    return Passing(came.size, int(dead.sum()), saturated)

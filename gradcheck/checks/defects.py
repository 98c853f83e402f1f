"""Which nodes of a graph may be wrong: one number each, from a few recorded forward passes.

Along a direction in the sources every value v of the graph has a slope v'. A node y = f(x) whose
backward is right passes on exactly what it received::

    defect = <upstream of y, y'> - sum over inputs <gradient passed to x, x'> = 0

and the defects of all nodes add up to what the graph as a whole has wrong along that direction, so
two errors that cancel there still show. Slopes are central differences at h and 2h, of the values
that the nodes really saw: only the rounding inside f and the curvature are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.arrays import Array, Float, is_real
from gradcheck.checks.facts import Facts, recorded
from gradcheck.differences import QUICK_EXPONENT, scale_of
from gradcheck.draws import Table
from gradcheck.evaluation import UserCodeRaised
from gradcheck.floats import FORMATS, dtype_of
from gradcheck.graphs.reverse import Gradients
from gradcheck.graphs.tape import Step, Tape
from gradcheck.ladder import KAPPA, SAFE

_NOISE = float(np.sqrt(((4 / 3) ** 2 + (1 / 6) ** 2) / 2))
"""Standard deviation of (4 D(h) - D(2h)) / 3 for unit noise in the values, times h."""
_SPEEDS = Table(np.multiply.outer([-1.0, 1.0], 1 + np.arange(128) % 8 / 8).reshape(-1))
"""By byte: up or down, and unevenly, so that errors of equal size cannot cancel."""
_BLOCK = 2**14
"""Entries of a value that are worked on at a time."""


@dataclass(frozen=True, slots=True)
class Defect:
    """What one node has wrong along one direction."""

    value: float
    bound: float
    """Truncation and round-off: a right node stays within."""

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.value) and np.isfinite(self.bound))

    @property
    def shows(self) -> bool:
        return not abs(self.value) <= self.bound


Direction = Sequence[Float | None]
"""Speeds of the entries of each source; None where it stays."""


def random_direction(facts: Facts, tape: Tape) -> Direction:
    """Every entry of every real source up or down, in proportion to its size."""
    made: list[Float | None] = []
    for k, (s, input) in enumerate(zip(tape.sources, facts.op.inputs, strict=True)):
        value = tape.values[s]
        if not (is_real(value) and input.differentiable):
            made.append(None)
            continue
        speeds = _SPEEDS.draw((facts.case.recipe.cotangent_seed, 79, k), value.size)
        scales = scale_of(_size(value))
        made.append(np.multiply(speeds.reshape(value.shape), scales, out=scales))
    return made


def along_entry(facts: Facts, tape: Tape, name: str, entry: tuple[int, ...]) -> Direction:
    """One entry of one source alone."""
    made: list[Float | None] = []
    for s, input in zip(tape.sources, facts.op.inputs, strict=True):
        moved = np.zeros(tape.values[s].shape)
        if input.name == name:
            moved[entry] = float(scale_of(_size(tape.values[s]))[entry])
        made.append(moved if input.name == name else None)
    return made


def _size(values: Array) -> Float:
    return np.abs(values).astype(np.float64, copy=False)


def defects(
    facts: Facts, passed: tuple[Tape, Gradients], along: Callable[[], Direction]
) -> dict[int, Defect]:
    """The defect of each step that a gradient reached; empty where forward refuses the direction.

    Four forward passes. The direction is made again where it is needed, not held.
    """
    eps = FORMATS[facts.precision].eps
    exponent = facts.settings.step_exponent(facts.precision)
    h = 2.0 ** -(QUICK_EXPONENT[facts.precision] if exponent is None else exponent)
    near = _along(facts, passed, along, h)
    far = None if near is None else _along(facts, passed, along, 2 * h)
    if near is None or far is None:
        return {}
    return {number: _defect(near[number], far[number], eps, h) for number in near}


def cancel(measured: Mapping[int, Defect]) -> bool:
    """The defects add up to what the whole graph has wrong along the direction: to nothing?"""
    found = [d for d in measured.values() if d.known]
    size = sum(abs(d.value) for d in found)
    left = abs(sum(d.value for d in found)) + sum(d.bound for d in found)
    return left <= 1e-3 * size


Sides = tuple[list[Array], list[Array]]
Claims = list[tuple[int, Float, float]]
"""A value's place, what is claimed of its slope, and the sign with which it counts."""


@dataclass(slots=True)
class _Sums:
    """Over what a step was given and what it passed on, at one step size."""

    value: float = 0.0
    """sum +- claim * slope: the defect."""
    size: float = 0.0
    """sum |claim * slope|."""
    squares: float = 0.0
    """sum (claim * y)^2 over the entries that move."""


def _along(
    facts: Facts, passed: tuple[Tape, Gradients], along: Callable[[], Direction], h: float
) -> dict[int, _Sums] | None:
    """By step, its sums at one step size: two forward passes, which are let go of again."""
    (tape, gradients), made = passed, dict[int, _Sums]()
    sides = _both_sides(facts, tape, along, h)
    if sides is None:
        return None
    with np.errstate(all="ignore"):
        for number, passed_on in gradients.downstream.items():
            step, sums = tape.steps[number], _Sums()
            for claim in _claims(tape, step, gradients.received[number], passed_on):
                _add(sums, tape.values[claim[0]], claim, sides, h)
            made[number] = sums
    return made


def _both_sides(facts: Facts, tape: Tape, along: Callable[[], Direction], h: float) -> Sides | None:
    """All values of the graph at either side of the point; None where they cannot be had."""
    sides = []
    for primals in _beside(tape, along(), h, facts.precision):
        try:
            moved = recorded(
                facts.evaluator, facts.op.detail, primals, facts.case.attributes, pullbacks=False
            )
        except UserCodeRaised:
            return None
        if not _alike(tape, moved):
            return None
        sides.append(moved.values)
    return sides[0], sides[1]


def _beside(
    tape: Tape, along: Direction, h: float, precision: str
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The sources at either side of the point."""
    moving = list(zip((tape.values[s] for s in tape.sources), along, strict=True))
    ahead, behind = (
        tuple(_moved(value, sign * h, speeds, precision) for value, speeds in moving)
        for sign in (1.0, -1.0)
    )
    return ahead, behind


def _moved(value: Array, step: float, speeds: Float | None, precision: str) -> Array:
    if speeds is None:
        return value.copy()
    moved = np.asarray(step * speeds)
    moved += value
    return moved.astype(dtype_of(precision), copy=False).astype(value.dtype, copy=False)


def _alike(a: Tape, b: Tape) -> bool:
    """The same ops on the same places, whatever branches Python took."""
    return (
        len(a.values) == len(b.values)
        and len(a.steps) == len(b.steps)
        and all(
            s.op.name == t.op.name and s.parents == t.parents
            for s, t in zip(a.steps, b.steps, strict=True)
        )
    )


def _claims(tape: Tape, step: Step, received: Sequence[Array], passed_on: Sequence[Any]) -> Claims:
    made = [
        (place, np.asarray(c, np.float64).reshape(-1), 1.0)
        for place, c in zip(step.outputs, received, strict=True)
        if is_real(tape.values[place])
    ]
    for place, gradient in zip(step.parents, passed_on, strict=True):
        if gradient is not None and is_real(tape.values[place]):
            made.append((place, np.asarray(gradient, np.float64).reshape(-1), -1.0))
    return made


def _add(
    sums: _Sums, value: Array, claimed: tuple[int, Float, float], sides: Sides, h: float
) -> None:
    """One value's part, by its central difference."""
    place, claim, sign = claimed
    up, down, own = (v.reshape(-1) for v in (sides[0][place], sides[1][place], value))
    for start in range(0, len(claim), _BLOCK):
        block = slice(start, start + _BLOCK)
        slope = (up[block].astype(np.float64) - down[block].astype(np.float64)) / (2 * h)
        size = np.where(slope != 0, _size(own[block]), 0.0) * claim[block]
        slope *= claim[block]
        sums.value += sign * float(slope.sum())
        sums.size += float(np.abs(slope).sum())
        sums.squares += float(size @ size)


def _defect(near: _Sums, far: _Sums, eps: float, h: float) -> Defect:
    """Richardson's value of the defect, and its bound."""
    value = near.value + (near.value - far.value) / 3
    noise = 0.5 * eps * (np.sqrt(near.squares) * _NOISE / h + near.size)
    return Defect(value, SAFE * abs(value - near.value) + KAPPA * float(noise))

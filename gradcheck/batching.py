"""Many evaluations of forward in one call, where it is vectorised over a leading axis.

Whether it is, is tried: two stacked points, and the last of the first full stack, are evaluated by
themselves too, and must come out the same to the last bit. Once it is known at a point, the last of
each first stack is. A call takes as many points as fit the cache. Where a framework can vectorise
forward by itself (vmap), that is tried last.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gradcheck.arrays import Array, Float, is_real, same_numbers
from gradcheck.errors import UsageError
from gradcheck.evaluation import UserCodeRaised
from gradcheck.point import Point

FEWEST = 6
"""Evaluations from which on a trial pays."""
_TRIAL = 2
"""Points of the first call: a failed trial has cost no more."""
BLOCK = 2**14
"""Numbers of an input, or of the outputs, in one call: what a core keeps close, and memory that is
used again instead of being fetched anew from the system for each result."""
PATIENCE = 3
"""Failed trials after which a way is not tried again: forward may refuse a point of a case."""
LEADING, BEFORE_ALL, VMAPPED = "leading", "before all axes", "vmapped"
"""How an input is stacked: (b, \\*shape), or (b, 1, ..., \\*shape) with an axis more than the
output has, as a gain that is broadcast needs it, or by a framework's own vmap."""


class Replaced(NamedTuple):
    """What some entries of an input become, in each of n ways."""

    flat: Array | None
    """(n, s) which; one may be named twice, with one value. None: all, in their order."""
    values: Float
    """(n, s)"""

    def part(self, some: slice) -> Replaced:
        return Replaced(None if self.flat is None else self.flat[some], self.values[some])

    def one(self, i: int) -> tuple[Array | slice, Float]:
        """The entries of one way, and what they become."""
        return slice(None) if self.flat is None else self.flat[i], self.values[i]


def displaced(point: Point, k: int, rows: Replaced) -> Float:
    """(n, m) outputs with some entries of input ``k`` replaced, in each of n ways."""
    found = np.empty((len(rows.values), point.here.size))
    _fill(found, (point, k), rows, None)
    return found


def moved(point: Point, k: int, rows: Replaced, memory: Float | None = None) -> Float:
    """`displaced`, less the outputs at the point: how far each moves.

    ``memory``: (N, m), where they go, with N no less than n; fresh memory costs more than they do.
    """
    found = np.empty((len(rows.values), point.here.size)) if memory is None else memory
    found = found[: len(rows.values)]
    _fill(found, (point, k), rows, point.here)
    return found


def _fill(found: Float, where: tuple[Point, int], rows: Replaced, less: Float | None) -> None:
    """Outputs, less what is to be taken off them, as far as can be in stacks."""
    (point, k), done = where, 0
    if len(found) >= FEWEST and _fits(point, k):
        done = _stacked(found, where, rows, less)
    point.fill(found[done:], k, *rows.part(slice(done, None)))
    if less is not None:
        found[done:] -= less


def _fits(point: Point, k: int) -> bool:
    """Several points fit one call, and what is stacked is an array that is left alone."""
    primal = point.primals[k]
    fits = 2 * max(primal.size, point.here.size) <= BLOCK and primal.ndim > 0 and primal.size > 0
    return fits and not point.in_place


def _ways(point: Point, k: int, count: int) -> list[str]:
    """How so many points may be stacked.

    Forward is asked for another rank where sizes are free to vary, it is Python, and no index could
    go astray.
    """
    op, ways = point.evaluator.op, list[str]()
    foreign, rank = op.foreign, max(p.ndim for p in point.primals)
    free = op.options.vary_sizes and not op.compiled and (foreign is None or foreign.any_size)
    if free and all(map(is_real, point.primals)):
        ways += [LEADING, BEFORE_ALL][: 1 + (rank > point.primals[k].ndim)]
    if foreign is not None and foreign.stacked is not None and count >= foreign.stacks_from:
        ways.append(VMAPPED)
    return ways


def _stacked(found: Float, where: tuple[Point, int], rows: Replaced, less: Float | None) -> int:
    """Fill what can be had by stacking; returns how many rows were filled."""
    (point, k), failures = where, where[0].evaluator.unstackable
    for way in _ways(point, k, len(rows.values)):
        if failures[k, way] >= PATIENCE:
            continue
        filled, known = 0, (k, way) in point.stacks
        for number, (start, stacked) in enumerate(_blocks(point, k, rows, trial=not known)):
            outputs = _call(point, k, stacked, way)
            if outputs is None:
                break
            end = start + len(outputs)
            places = [start, end - 1][known or number > 0 :] if number < 2 - known else []
            alone = [(i, outputs[i - start].copy()) for i in places]
            # before forward runs again: it may use the same memory
            np.subtract(outputs, 0.0 if less is None else less, out=found[start:end])
            if not all(same_numbers(o, point.with_entries(k, *rows.one(i))) for i, o in alone):
                break
            filled = end
        if filled > _TRIAL:
            failures[k, way] = 0
            point.stacks.add((k, way))
            return filled
        failures[k, way] += 1
        point.stacks.discard((k, way))
    return 0


def _blocks(point: Point, k: int, rows: Replaced, *, trial: bool) -> Iterator[tuple[int, Array]]:
    """The rows in blocks, each (b, n), in memory that is used again; ``trial``: the first small."""
    primal, count = point.primals[k].reshape(-1), len(rows.values)
    size = max(2, BLOCK // max(primal.size, point.here.size))
    starts = (0, *range(_TRIAL, count, size)) if trial else range(0, count, size)
    parts = [slice(a, a + (size if a or not trial else _TRIAL)) for a in starts]
    if rows.flat is None:
        yield from ((some.start, rows.values[some].astype(primal.dtype)) for some in parts)
        return
    stacked = np.empty((min(size, count), primal.size), primal.dtype)
    stacked[:] = primal
    line, firsts = stacked.reshape(-1), np.arange(len(stacked))[:, None] * primal.size
    for some in parts:
        flat, block = rows.flat[some], stacked[: len(rows.flat[some])]
        places = firsts[: len(block)] + flat
        line[places] = rows.values[some]
        yield some.start, block
        line[places] = primal[flat]


def _call(point: Point, k: int, stacked: Array, way: str) -> Float | None:
    """(b, m) outputs of a stack, or None where forward does not take it so."""
    count, own = len(stacked), point.primals[k].shape
    rank = max(p.ndim for p in point.primals) if way == BEFORE_ALL else 0
    moved = stacked.reshape((count, *(1,) * (rank - len(own)), *own))
    evaluator, primals = point.evaluator, (*point.work[:k], moved, *point.work[k + 1 :])
    forward = partial(_vmapped, point, k) if way == VMAPPED else evaluator.function
    try:
        outputs = evaluator.forward_stacked(forward, primals, point.attributes, count)
    except (UserCodeRaised, UsageError):
        return None
    real = [o for o in outputs if is_real(o)]
    if any(o.ndim == 0 or len(o) != count for o in real):
        return None
    made = [np.asarray(o, np.float64).reshape(count, -1) for o in real]
    together = made[0] if len(made) == 1 else np.concatenate(made, axis=1)
    return together if together.shape[1] == point.here.size else None


def _vmapped(point: Point, k: int, *primals: Array, **attributes: Any) -> Any:
    foreign = point.evaluator.op.foreign
    assert foreign is not None
    assert foreign.stacked is not None
    return foreign.stacked(point.work, k, primals[k], attributes)

"""Many evaluations of forward in one call, where it is vectorised over a leading axis.

Whether it is, is tried: two stacked points, and the last of the first full stack, are evaluated by
themselves too, and must come out the same to the last bit. Once it is known at a point, the last of
each first stack is. A call takes as many points as fit the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.arrays import Array, Float, is_real
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
WAYS = ("leading", "before all axes")
"""How an input is stacked: (b, \\*shape), or (b, 1, ..., \\*shape) with an axis more than the
output has, as a gain that is broadcast needs it."""


def displaced(point: Point, k: int, flat: Array, values: Float) -> Float:
    """Outputs with some entries of input ``k`` replaced, in each of n ways.

    Parameters
    ----------
    point : Point
    k : int
    flat : (n, s) array of int
        Which entries; one may be named twice, with one value.
    values : (n, s) array
        What they become.

    Returns
    -------
    (n, m) array
    """
    found = np.empty((len(flat), point.here.size))
    done = 0
    if len(flat) >= FEWEST and _stackable(point, k):
        done = _stacked(point, k, (flat, values), found)
    for row in range(done, len(flat)):
        found[row] = point.with_entries(k, flat[row], values[row])
    return found


def _stackable(point: Point, k: int) -> bool:
    """Forward may be asked: sizes are free to vary, it is Python, and no index could go astray."""
    primal, op = point.primals[k], point.evaluator.op
    fits = 2 * max(primal.size, point.here.size) <= BLOCK and primal.ndim > 0 and primal.size > 0
    free = op.options.vary_sizes and not op.compiled
    return fits and free and not point.in_place and all(map(is_real, point.primals))


def _stacked(point: Point, k: int, rows: tuple[Array, Float], found: Float) -> int:
    """Fill what can be had by stacking; returns how many rows were filled."""
    failures = point.evaluator.unstackable
    rank = max(p.ndim for p in point.primals)
    for way in WAYS[: 1 + (rank > point.primals[k].ndim)]:
        if failures[k, way] >= PATIENCE:
            continue
        filled, known = 0, (k, way) in point.stacks
        for number, (start, stacked) in enumerate(_blocks(point, k, rows, trial=not known)):
            outputs = _call(point, k, stacked, rank if way == WAYS[1] else 0)
            if outputs is None:
                break
            part = slice(start, start + len(outputs))
            block = found[part]
            block[...] = outputs  # before forward runs again: it may use the same memory
            places = [-1] if known or number else [0, -1]
            alone = rows[0][part], rows[1][part]
            if number < 2 - known and not _same(point, k, alone, block, places):
                break
            filled = start + len(outputs)
        if filled > _TRIAL:
            failures[k, way] = 0
            point.stacks.add((k, way))
            return filled
        failures[k, way] += 1
        point.stacks.discard((k, way))
    return 0


def _blocks(
    point: Point, k: int, rows: tuple[Array, Float], *, trial: bool
) -> Iterator[tuple[int, Array]]:
    """The rows in blocks, each (b, n); ``trial``: the first one small."""
    flat, values = rows
    primal = point.primals[k].reshape(1, -1)
    size = max(2, BLOCK // max(primal.size, point.here.size))
    for start in (0, *range(_TRIAL, len(flat), size)) if trial else range(0, len(flat), size):
        part = flat[start : start + (size if start or not trial else _TRIAL)]
        stacked = np.repeat(primal, len(part), axis=0)
        stacked[np.arange(len(part))[:, None], part] = values[start : start + len(part)]
        yield start, stacked


def _call(point: Point, k: int, stacked: Array, rank: int) -> Float | None:
    """(b, m) outputs of a stack, or None where forward does not take it so."""
    count, own = len(stacked), point.primals[k].shape
    shape = (count, *(1,) * (rank - len(own)), *own)
    primals = (*point.work[:k], stacked.reshape(shape), *point.work[k + 1 :])
    try:
        outputs = point.evaluator.forward_stacked(primals, point.attributes, count)
    except (UserCodeRaised, UsageError):
        return None
    real = [o for o in outputs if is_real(o)]
    if any(o.ndim == 0 or len(o) != count for o in real):
        return None
    made = [np.asarray(o, np.float64).reshape(count, -1) for o in real]
    together = made[0] if len(made) == 1 else np.concatenate(made, axis=1)
    return together if together.shape[1] == point.here.size else None


def _same(
    point: Point, k: int, rows: tuple[Array, Float], outputs: Float, places: Sequence[int]
) -> bool:
    """Some of these rows come out the same alone."""
    flat, values = rows
    return all(
        np.array_equal(outputs[i], point.with_entries(k, flat[i], values[i]), equal_nan=True)
        for i in places
    )

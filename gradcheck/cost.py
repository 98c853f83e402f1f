"""What a backward pass costs beside forward: time and peak memory at two sizes of each dimension.

"Done correctly, big O() complexity of fprop and bprop is the same" (CS224N lecture 4): a function
and its gradient together cost within about five times the function alone, whatever its size
(Griewank and Walther, Evaluating Derivatives, 2008: the cheap gradient principle). A backward that
builds a whole Jacobian is right, passes every other check, and breaks this.

Times are no verdict: they are reported, and a warning at most.
"""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np

from gradcheck.arrays import as_outputs, copy_tuple
from gradcheck.cases import build
from gradcheck.corners import PLAIN_BATCH, Plan, plain_sizes, shapes_for
from gradcheck.cotangents import make
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.figures import Cost
from gradcheck.guards import GlobalRandom, within_limit
from gradcheck.model import Op, Outputs, Recipe
from gradcheck.results import (
    Finding,
    OpResult,
)

Clock = Callable[[], float]

NAME = "cost"
ELEMENTS = 512
"""Entries of the inputs at the smaller size: enough to outweigh the calls themselves, and few
enough that a Jacobian of all entries by all entries, at the larger size, is 32 MB."""
TIMES = 4
"""The larger size has this many times the entries."""
STEEP = 2.0
"""How much faster than allowed both passes may grow: halfway, in the exponent, between the same
big O (1) and one power of n more (4)."""
DEAR = 20.0
"""Both passes over forward alone, up to which nothing is said: four times the principle's five,
because NumPy's overhead for each call is no matter of n."""
WORD = 8
"""Bytes of a number: memory is compared with that of the inputs where forward holds less."""
DIMENSIONS = 4
LONGEST = 2**20
"""No dimension is made longer."""
REPEATS = 7
ENOUGH_SECONDS = 1.0
"""Slow ops are timed fewer times."""

Shapes = tuple[tuple[int, ...], ...]
Work = Callable[[Outputs, Outputs], Any]
"""Takes primals and cotangents."""


def measure(
    random: GlobalRandom,
    made: Plan,
    first: Recipe | None,
    *,
    time_limit: float,
    clock: Clock = time.perf_counter,
) -> list[Cost]:
    """Time and memory of an op's passes, for each dimension that can be made longer.

    Parameters
    ----------
    random : GlobalRandom
        Pinned before each call, as in the checks. The calls are not counted with theirs: how many
        there are depends on the machine.
    made : Plan
        Which sizes the op's dimensions may take.
    first : Recipe or None
        The case to measure alone, where no dimension can be made longer.
    time_limit : float
        Seconds for each dimension; 0 is none.
    clock : callable
        Seconds now.

    Returns
    -------
    list of Cost
        Never raises for what the user's code does: a size that forward refuses is a note.
    """
    evaluator = Evaluator(made.op, random)
    costs = []
    for along, recipes in _plans(made, first):
        spent: list[_Spent] = []  # stays what it is where the next size takes too long
        work = partial(_measure_all, evaluator, recipes, spent, clock)
        note = within_limit(work, time_limit, f"out of time ({time_limit:g} s)")
        costs.append(judged(_cost(made.op, along, spent, note)))
    return costs


def judged(cost: Cost) -> Cost:
    """In what both passes together grow markedly faster than forward alone.

    Every entry of an input needs its gradient written, so that backward may grow as the entries
    do where forward does not (a view, a lookup). What is held in memory was computed, so that it
    may grow as forward's time does.
    """
    if len(cost.elements) < 2:
        return cost
    allowed = max(grown(cost.forward_seconds), grown(cost.elements))
    steep = []
    if grown(cost.both_seconds) > STEEP * allowed and cost.time_ratios[-1] > DEAR:
        steep.append("time")
    usual = max(cost.forward_bytes[-1], WORD * cost.elements[-1])
    if grown(cost.both_bytes) > STEEP * allowed and cost.both_bytes[-1] > DEAR * usual:
        steep.append("memory")
    return msgspec.structs.replace(cost, steep=tuple(steep))


def warning(cost: Cost) -> Finding:
    """The finding of a steep cost."""
    said = {
        "time": f"the time grows {grown(cost.both_seconds):.2g}-fold, that of forward alone "
        f"{grown(cost.forward_seconds):.2g}-fold, and is then {cost.time_ratios[-1]:.2g} times it",
        "memory": f"the memory held at once grows {grown(cost.both_bytes):.2g}-fold, to "
        f"{cost.both_bytes[-1] / 1e6:.2g} MB, that of forward alone "
        f"{grown(cost.forward_bytes):.2g}-fold, to {cost.forward_bytes[-1] / 1e6:.2g} MB",
    }
    few, many = cost.elements
    message = (
        f"from {few:,} to {many:,} entries along {cost.along}, for forward and backward together "
        f"{'; '.join(said[s] for s in cost.steep)}. Done correctly, both have the same big O: look "
        "for a Jacobian that is built as a whole, or a loop over all pairs of entries"
    )
    return Finding(code="costly-backward", check=NAME, severity="warning", message=message)


def attached(result: OpResult, costs: list[Cost]) -> OpResult:
    """A result with its costs, and their warnings after all other findings; the verdict stays."""
    findings = [*result.findings, *(warning(c) for c in costs if c.steep)]
    return msgspec.structs.replace(result, cost=costs, findings=findings)


def grown(values: tuple[float, ...]) -> float:
    """The last value as a multiple of the first; 1 where a coarse clock shows nothing."""
    if not values[0]:
        return math.inf if values[-1] else 1.0
    return values[-1] / values[0]


# --- sizes ----------------------------------------------------------------------------------------
def _plans(made: Plan, first: Recipe | None) -> Iterator[tuple[str, list[Recipe]]]:
    """Dimension, and a recipe for each of its sizes; or no dimension, and the first case alone."""
    names = _dimensions(made)
    for name in names:
        yield name, [_recipe(made, s) for s in _shapes(made, name)]
    if not names and first is not None:
        yield "", [first]


def _dimensions(made: Plan) -> list[str]:
    """Those that are not fixed, neither by the example nor by a user's strategy."""
    op = made.op
    if not op.options.vary_sizes or any(i.strategy is not None for i in op.inputs):
        return []
    names = [n for n, allowed in made.sizes.items() if len(allowed) > 1]
    names += ["..."] * any("..." in i.dims for i in op.inputs)
    return names[:DIMENSIONS]


def _shapes(made: Plan, name: str) -> Iterator[Shapes]:
    """One dimension of the plain case doubled until there are enough entries, and `TIMES` that."""
    plain = next((t.sizes for t in made.templates if t.note == "plain" and t.sizes), None)
    sizes = dict(plain or plain_sizes(made.sizes))
    size, wanted = sizes.get(name, PLAIN_BATCH[0]), ELEMENTS
    for _ in range(2):
        while True:
            batch = (size,) if name == "..." else PLAIN_BATCH
            shapes = shapes_for(made.op, {**sizes, name: size}, batch)
            if (held := _entries(made.op, name, shapes)) >= wanted or size >= LONGEST:
                break
            size *= 2
        yield shapes
        wanted = TIMES * held


def _entries(op: Op, name: str, shapes: Shapes) -> int:
    """Entries of the inputs that have the dimension."""
    return sum(
        math.prod(shape)
        for input, shape in zip(op.inputs, shapes, strict=True)
        if not name or any(str(d).rpartition("*")[2] == name for d in input.dims)
    )


def _recipe(made: Plan, shapes: Shapes) -> Recipe:
    return Recipe(
        regime="generic",
        shapes=shapes,
        dtype=made.dtypes[0],
        grids=tuple(f"seed:{k}" for k in range(len(shapes))),
    )


# --- measuring ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Spent:
    """What was measured at one size: forward alone, then forward and backward together."""

    shapes: Shapes
    seconds: tuple[float, float]
    peaks: tuple[int, int]


def _cost(op: Op, along: str, spent: Sequence[_Spent], note: str) -> Cost:
    return Cost(
        along=along,
        elements=tuple(_entries(op, along, s.shapes) for s in spent),
        forward_seconds=tuple(s.seconds[0] for s in spent),
        both_seconds=tuple(s.seconds[1] for s in spent),
        forward_bytes=tuple(s.peaks[0] for s in spent),
        both_bytes=tuple(s.peaks[1] for s in spent),
        note=note,
    )


def _measure_all(
    evaluator: Evaluator, recipes: Sequence[Recipe], spent: list[_Spent], clock: Clock
) -> str:
    """Add each size to ``spent``; what there is to note."""
    for recipe in recipes:
        try:
            spent.append(_measured(evaluator, recipe, clock))
        except (UserCodeRaised, UsageError) as error:
            shapes = ", ".join(map(str, recipe.shapes))
            return f"at shapes {shapes}: {error}"
    return "" if len(recipes) > 1 else "sizes are fixed"


def _measured(evaluator: Evaluator, recipe: Recipe, clock: Clock) -> _Spent:
    """Time and memory at one case."""
    op, case = evaluator.op, build(evaluator.op, recipe)
    returned = evaluator.call_forward(op.forward, copy_tuple(case.primals), case.attributes)
    parts = returned if isinstance(returned, (tuple, list)) else (returned,)
    made = make(recipe, as_outputs(returned))
    scalars = [not isinstance(p, np.ndarray) for p in parts]

    def forward(primals: Outputs, _: Outputs) -> Any:
        return evaluator.call_forward(op.forward, primals, case.attributes)

    def both(primals: Outputs, cotangents: Outputs) -> Any:
        outputs, pullback = evaluator.call_forward(op.vjp, primals, case.attributes)
        return outputs, evaluator.pull(pullback, cotangents)

    def fresh() -> tuple[Outputs, Outputs]:
        given = (c.copy()[()] if s else c.copy() for c, s in zip(made, scalars, strict=True))
        return copy_tuple(case.primals), tuple(given)

    peaks = _peak(forward, fresh()), _peak(both, fresh())  # first: they also warm up
    seconds = _fastest((forward, both), fresh, clock)
    return _Spent(tuple(p.shape for p in case.primals), seconds, peaks)


def _fastest(
    works: tuple[Work, Work], fresh: Callable[[], tuple[Outputs, Outputs]], clock: Clock
) -> tuple[float, float]:
    """The shortest time of each, in turn: whatever else the machine does only adds to it."""
    best, began = [math.inf, math.inf], clock()
    for _ in range(REPEATS):
        for k, work in enumerate(works):
            given = fresh()
            started = clock()
            work(*given)
            best[k] = min(best[k], clock() - started)
        if clock() - began > ENOUGH_SECONDS:
            break
    return best[0], best[1]


def _peak(work: Work, given: tuple[Outputs, Outputs]) -> int:
    """The most memory, in bytes, that was held at once beyond what was there before."""
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        work(*given)
        return max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if ours:
            tracemalloc.stop()

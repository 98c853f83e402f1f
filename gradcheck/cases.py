"""From an op's inputs to cases: plain first, then corner cases, then random ones.

`plan` lists templates in that order; `recipes` is the one Hypothesis strategy that fills a
template in; `build` makes the arrays. A `Recipe` is enough to build a case again, without
Hypothesis and without any file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gradcheck import domains
from gradcheck.arrays import Array, freeze, is_real
from gradcheck.corners import Plan, Template, shapes_for
from gradcheck.domains import GRID_LIMIT
from gradcheck.errors import UsageError
from gradcheck.floats import MIXED, dtype_of
from gradcheck.model import Case, Domain, Input, Op, Recipe

_COTANGENTS = ("random", "random", "one-hot", "tiny", "huge")


@dataclass(frozen=True, slots=True)
class _Filled:
    """A template with its free parts drawn."""

    shapes: tuple[tuple[int, ...], ...]
    attributes: dict[str, int]
    dtype: str
    regime: str
    cotangent: str


class _Choices:
    """The strategies that a plan is drawn with: made once, as Hypothesis examines every new one."""

    def __init__(self, plan: Plan) -> None:
        self.template = st.integers(0, len(plan.templates) - 1)
        self.sizes = {name: st.sampled_from(taken) for name, taken in plan.sizes.items()}
        self.batch = st.sampled_from(plan.batches)
        self.attributes = {a.name: st.integers(0, len(a.values) - 1) for a in plan.op.attributes}
        self.dtype = st.sampled_from(plan.dtypes)
        self.regime = st.sampled_from(plan.regimes)
        self.cotangent = st.sampled_from(_COTANGENTS)
        self.seed = st.integers(0, 999)


def recipes(plan: Plan) -> st.SearchStrategy[Recipe]:
    """All recipes of a plan. The first choice is the template, and the simplest come first."""
    choices = _Choices(plan)

    @st.composite
    def draw_recipe(draw: st.DrawFn) -> Recipe:
        template = plan.templates[draw(choices.template)]
        filled = _fill(draw, plan.op, template, choices)
        values = _by_value(draw, plan.op)
        seed = draw(choices.seed)
        grids: tuple[str, ...] = ()
        if template.regime != "example" and values is None:
            grids = _grids(draw, filled.shapes, seed)
        return Recipe(
            regime=filled.regime,
            shapes=filled.shapes,
            dtype=filled.dtype,
            attributes=filled.attributes,
            grids=grids,
            values=values,
            domains=template.domains,
            cotangent=filled.cotangent,
            cotangent_seed=seed,
            pool=template.pool,
            beyond=template.beyond,
            refusable=template.refusable,
            note=template.note,
        )

    return draw_recipe()


def _fill(draw: st.DrawFn, op: Op, template: Template, choices: _Choices) -> _Filled:
    """Draw what the template leaves open; the number of draws does not depend on it."""
    sizes: dict[str, int] = {}
    for name, taken in choices.sizes.items():
        choice = draw(taken)
        sizes[name] = template.sizes.get(name, choice)
    batch = draw(choices.batch)
    attributes = {}
    for name, places in choices.attributes.items():
        place = draw(places)
        attributes[name] = template.attributes.get(name, place if template.free else 0)
    dtype = draw(choices.dtype)
    regime = draw(choices.regime)
    cotangent = draw(choices.cotangent)
    example = template.regime == "example" and op.example is not None
    return _Filled(
        shapes=()
        if example
        else template.shapes
        or shapes_for(op, sizes, batch if template.batch is None else template.batch),
        attributes=attributes,
        dtype=template.dtype or dtype,
        regime=template.regime or regime,
        cotangent=template.cotangent or cotangent,
    )


def _grids(draw: st.DrawFn, shapes: tuple[tuple[int, ...], ...], seed: int) -> tuple[str, ...]:
    counts = [math.prod(s) for s in shapes]
    if sum(counts) > GRID_LIMIT:
        return tuple(f"seed:{1000 * seed + k}" for k in range(len(shapes)))
    return tuple(draw(_grid(n)).hex() for n in counts)


@lru_cache(None)
def _grid(count: int) -> st.SearchStrategy[bytes]:
    """Two bytes for each of so many numbers."""
    return st.binary(min_size=2 * count, max_size=2 * count)


def _by_value(draw: st.DrawFn, op: Op) -> tuple[Any, ...] | None:
    """Values from the user's own strategies, kept by value."""
    if all(i.strategy is None for i in op.inputs):
        return None
    values: list[Any] = []
    for input in op.inputs:
        if input.strategy is None:
            values.append(None)
        else:
            array = np.asarray(draw(input.strategy))
            if array.dtype.kind not in "fiub":
                raise UsageError(
                    f"the strategy of {input.name} draws {array.dtype}, for instance "
                    f"{array.reshape(-1)[:1].tolist()}: draw real numbers or arrays of them"
                )
            values.append([str(array.dtype), list(array.shape), array.reshape(-1).tolist()])
    return tuple(values)


def build(op: Op, recipe: Recipe) -> Case:
    """The case that a recipe stands for; arrays are read-only."""
    sizes = _sizes_of(op, recipe.shapes)
    primals = []
    for k, input in enumerate(op.inputs):
        own = _dtype(recipe, k)
        if recipe.regime == "example" and op.example is not None:
            value = _cast(np.asarray(op.example[k]), own)
        elif recipe.values is not None and recipe.values[k] is not None:
            dtype, shape, flat = recipe.values[k]
            value = _cast(np.array(flat, dtype=dtype_of(dtype)).reshape(shape), own)
        else:
            value = _inside(_cast(_decoded(k, input, recipe, sizes), own), input.domain)
        primals.append(freeze(value))
    chosen = {a.name: a.all_values[recipe.attributes.get(a.name, 0)] for a in op.attributes}
    return Case(recipe, tuple(primals), chosen)


def _decoded(k: int, input: Input, recipe: Recipe, sizes: Mapping[str, int]) -> Array:
    domain = input.domain
    if recipe.domains and recipe.domains[k]:
        domain = Domain(recipe.domains[k], size=domain.size)
    domain = domains.resolve(domain, sizes)
    shape = recipe.shapes[k]
    grid = recipe.grids[k] if recipe.grids else f"seed:{recipe.cotangent_seed}"
    numbers = domains.grid_numbers(grid, math.prod(shape))
    if recipe.regime == "thresholds":
        return domains.from_pool(numbers.reshape(shape), domain, recipe.pool)
    regime = recipe.regime
    if regime in ("mixed magnitude", "large") and recipe.dtype == "float16":
        regime = "generic"  # squares and cubes of hundreds end beyond 65504
    return domains.decode(numbers, shape, domain, regime)


def _dtype(recipe: Recipe, k: int) -> str:
    """The dtype of input ``k``, where it is real."""
    if recipe.dtype != MIXED:
        return recipe.dtype
    return ("float64", "float32")[(k + recipe.cotangent_seed) % 2]


def _cast(array: Array, dtype: str) -> Array:
    """Real arrays in the case's dtype; integers and booleans as they are. Always a fresh array."""
    return np.array(array, dtype=dtype_of(dtype) if is_real(array) else array.dtype)


def _inside(array: Array, domain: Domain) -> Array:
    """Values that a coarse dtype rounds to the end of a range, one spacing inside it."""
    if not domain.ranged:
        return array
    for end, inwards in ((domain.low, np.inf), (domain.high, -np.inf)):
        if end is not None:
            at_end = array.astype(np.float64) == end
            array = np.where(at_end, np.nextafter(array, array.dtype.type(inwards)), array)
    return array


def _sizes_of(op: Op, shapes: tuple[tuple[int, ...], ...]) -> dict[str, int]:
    """Dimension sizes of a case, read off its shapes."""
    sizes: dict[str, int] = {}
    for input, shape in zip(op.inputs, shapes, strict=False):
        dims = [d for d in input.dims if d != "..."]
        tail = shape[len(shape) - len(dims) :] if "..." in input.dims else shape
        for dim, size in zip(dims, tail, strict=False):
            if isinstance(dim, str):
                sizes.setdefault(dim, size)
    return sizes

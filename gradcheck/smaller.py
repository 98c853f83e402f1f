"""Smaller cases than one that fails, made directly: the smallest one first, then one step smaller.

Hypothesis shrinks what was drawn, choice by choice; a case of another template, of which sizes and
values hang together, it often cannot reach. Dimensions end at 2: of one row or one column much
is right that is wrong of two, and nothing can be seen of its pattern.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from gradcheck.corners import Plan, shapes_for
from gradcheck.model import Op, Recipe

LEAST = 2
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Sized:
    """What the shapes of a declared case are made of."""

    sizes: Mapping[str, int]
    batch: tuple[int, ...]
    """The axes of ``...``."""

    def shapes(self, op: Op) -> Shapes:
        return shapes_for(op, self.sizes, self.batch)


def entries(recipe: Recipe) -> int:
    """Of all inputs together."""
    return sum(map(math.prod, recipe.shapes))


def plainest(made: Plan, recipe: Recipe) -> Iterator[Recipe]:
    """The smallest cases that are worth a try: all plain, then with what else the case has.

    None is larger than the case itself; where none is smaller either, Hypothesis finds plainer
    values than the random ones here.
    """
    if _is_fixed(made, recipe):
        return
    example = made.op.example if recipe.regime == "example" else None
    own = tuple(np.shape(v) for v in example) if example is not None else recipe.shapes
    template = made.templates[0]
    sized = Sized({n: _least(made, n) for n in made.sizes}, (LEAST,))
    shapes = sized.shapes(made.op)
    plain = Recipe(
        regime="generic",
        shapes=shapes,
        dtype=made.dtypes[0],
        attributes={a.name: 0 for a in made.op.attributes},
        grids=_zeros(shapes),
        refusable=template.refusable,
        note=template.note,
    )
    gain = sum(map(math.prod, own)) - entries(plain)
    if gain >= 0:
        yield plain
    plain = msgspec.structs.replace(
        plain, attributes=recipe.attributes, note=_note(made.op, recipe) or template.note
    )
    if gain >= 0 and recipe.attributes:
        yield plain
    if gain <= 0:
        return
    for grids in (_signs(shapes), _seeds(recipe, shapes)):
        yield msgspec.structs.replace(plain, grids=grids)
    if example is None and not recipe.beyond:
        yield msgspec.structs.replace(recipe, shapes=shapes, grids=_zeros(shapes))
        yield msgspec.structs.replace(recipe, shapes=shapes, grids=_seeds(recipe, shapes))
    if example is not None:  # whose sizes Hypothesis cannot change
        for grids in (_zeros(own), _signs(own)):
            yield msgspec.structs.replace(plain, shapes=own, grids=grids)


def fewer(made: Plan, recipe: Recipe) -> Iterator[Recipe]:
    """Cases of fewer entries, one dimension at a time, the largest step first."""
    if _is_fixed(made, recipe) or not recipe.shapes:
        return
    if recipe.beyond:
        others = list(_narrowed(recipe))
    else:
        sized = _read(made, recipe)
        others = [s.shapes(made.op) for s in _steps(made, sized)] if sized is not None else []
    for shapes in others:
        yield msgspec.structs.replace(recipe, shapes=shapes, grids=_zeros(shapes))
        yield msgspec.structs.replace(recipe, shapes=shapes, grids=_cut(recipe, shapes))


def _note(op: Op, recipe: Recipe) -> str:
    """The attributes of a case that are not at their first values, in words."""
    chosen = [(a, recipe.attributes.get(a.name, 0)) for a in op.attributes]
    return ", ".join(f"{a.name}={a.all_values[k]!r}" for a, k in chosen if k)


def _is_fixed(made: Plan, recipe: Recipe) -> bool:
    """Its sizes are the user's, or its values are."""
    return recipe.values is not None or not made.op.options.vary_sizes


def _least(made: Plan, name: str) -> int:
    """The smallest size that a dimension takes, if it is not 1."""
    return min(made.sizes[name], key=lambda size: (size < LEAST, size))


def _read(made: Plan, recipe: Recipe) -> Sized | None:
    """Sizes and batch of a case; None where its shapes are not the declared ones."""
    sizes: dict[str, int] = {}
    batch: tuple[int, ...] = ()
    for input, shape in zip(made.op.inputs, recipe.shapes, strict=True):
        extra = len(shape) - (len(input.dims) - 1) if "..." in input.dims else 0
        left = list(shape)
        for dim in input.dims:
            if dim == "...":
                batch, left = tuple(left[:extra]), left[extra:]
                continue
            size = left.pop(0) if left else 0
            if isinstance(dim, str):
                factor, _, name = dim.rpartition("*")
                sizes.setdefault(name, size // int(factor or 1))
    if any(name not in sizes for name in made.sizes):
        return None
    sized = Sized(sizes, batch)
    return sized if sized.shapes(made.op) == recipe.shapes else None


def _steps(made: Plan, sized: Sized) -> Iterator[Sized]:
    for name, size in sized.sizes.items():
        for smaller in sorted(made.sizes.get(name, ())):
            if LEAST <= smaller < size:
                yield Sized({**sized.sizes, name: smaller}, sized.batch)
    if len(sized.batch) > 1:
        yield Sized(sized.sizes, (LEAST,))
    for k, size in enumerate(sized.batch):
        if size > LEAST:
            yield Sized(sized.sizes, (*sized.batch[:k], LEAST, *sized.batch[k + 1 :]))


def _narrowed(recipe: Recipe) -> Iterator[Shapes]:
    """Beyond the declaration sizes have no names: equal ones are changed together."""
    found = sorted({size for shape in recipe.shapes for size in shape if size > LEAST})
    for chosen in (found, *([size] for size in found)):
        yield tuple(tuple(LEAST if s in chosen else s for s in shape) for shape in recipe.shapes)


def _zeros(shapes: Shapes) -> tuple[str, ...]:
    """Plain values: distinct, and short."""
    return tuple("0000" * math.prod(shape) for shape in shapes)


def _signs(shapes: Shapes) -> tuple[str, ...]:
    """Plain values, every other one below zero where the domain has such."""
    return tuple(("80000000" * math.prod(shape))[: 4 * math.prod(shape)] for shape in shapes)


def _seeds(recipe: Recipe, shapes: Shapes) -> tuple[str, ...]:
    return tuple(f"seed:{1000 * recipe.cotangent_seed + k}" for k in range(len(shapes)))


def _cut(recipe: Recipe, shapes: Shapes) -> tuple[str, ...]:
    """The case's own values, without the rows and columns that go."""
    if any(grid.startswith("seed:") for grid in recipe.grids) or not recipe.grids:
        return recipe.grids
    made = []
    for grid, old, new in zip(recipe.grids, recipe.shapes, shapes, strict=True):
        if len(old) != len(new) or len(grid) != 4 * math.prod(old):
            made.append("0000" * math.prod(new))
            continue
        numbers = np.frombuffer(bytes.fromhex(grid), ">u2").reshape(old)
        made.append(numbers[tuple(slice(size) for size in new)].tobytes().hex())
    return tuple(made)

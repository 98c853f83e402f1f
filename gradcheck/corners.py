"""Templates of cases, and the shapes that sizes make.

A template fixes some parts of a recipe (sizes, values, attributes, dtype, cotangent) and leaves
the rest to be drawn. `templates` says which ones an op gets; `cases` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradcheck.model import Beyond, Input, Op

PLAIN_SIZES = (3, 4, 2, 5, 6, 7)
"""Distinct small sizes: a transposed or swapped gradient has another shape."""
RANDOM_SIZES = (2, 3, 1, 4, 5)
PLAIN_BATCH = (3, 2)
RANDOM_BATCHES = ((3,), (2, 3), (), (1,), (4,), (2, 1, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Parts of a recipe that are fixed; None, empty or False leaves them open."""

    regime: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ()
    batch: tuple[int, ...] | None = None
    attributes: Mapping[str, int] = field(default_factory=dict)
    dtype: str | None = None
    cotangent: str | None = None
    domains: tuple[str, ...] = ()
    pool: tuple[float, ...] = ()
    beyond: Beyond = ""
    refusable: bool = False
    free: bool = False
    """Attributes are drawn too, not left at their defaults."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything `cases.recipes` draws from, for one op."""

    op: Op
    templates: tuple[Template, ...]
    sizes: Mapping[str, tuple[int, ...]]
    batches: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    regimes: tuple[str, ...]

    def schedule(self, count: int) -> list[int]:
        """Template of each case: every corner once, then the open template, the last one.

        The first template is left out: it is what failing cases shrink to.
        """
        order = list(range(1, len(self.templates) - 1))[:count]
        return order + [len(self.templates) - 1] * (count - len(order))


def shapes_for(
    op: Op, sizes: Mapping[str, int], batch: tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    """One shape per input."""
    shapes = []
    for input in op.inputs:
        shape: list[int] = []
        for dim in input.dims:
            if dim == "...":
                shape += batch
            else:
                shape.append(size_of(dim, sizes))
        shapes.append(tuple(shape))
    return tuple(shapes)


def size_of(dim: str | int, sizes: Mapping[str, int]) -> int:
    """The size of a dimension: a number, a name, or a multiple such as ``4*h``."""
    if isinstance(dim, int):
        return dim
    factor, _, name = dim.rpartition("*")
    return int(factor or 1) * sizes[name]


def plain_sizes(sizes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Distinct sizes where the dimensions allow it, and 1 only where nothing else is allowed.

    Of one class, one output channel or one row much is right that is wrong of two.
    """
    taken: dict[str, int] = {}
    for name, allowed in sizes.items():
        usual = [s for s in (*PLAIN_SIZES, *allowed) if s in allowed and s > 1] or list(allowed)
        taken[name] = next((s for s in usual if s not in taken.values()), usual[0])
    return taken


def real_places(op: Op) -> list[int]:
    """Places of the inputs that hold real numbers."""
    return [k for k, i in enumerate(op.inputs) if not i.integer]


def alike(inputs: tuple[Input, ...], places: list[int]) -> bool:
    """Several real inputs, all declared with the same dimensions: an elementwise op's operands."""
    return len(places) > 1 and len({inputs[k].dims for k in places}) == 1

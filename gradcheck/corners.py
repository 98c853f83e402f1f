"""The templates of an op: which cases are worth their place among the default number.

A template fixes some parts of a recipe (sizes, values, attributes, dtype, cotangent) and leaves
the rest to be drawn. Order is the order in which cases run: first what a person would try.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gradcheck.examples import MODES
from gradcheck.model import (
    NEGATIVE,
    NONNEGATIVE,
    NONZERO,
    POSITIVE,
    REAL,
    SYMMETRIC,
    UNIT,
    Op,
)

PLAIN_SIZES = (3, 4, 2, 5, 6, 7)
"""Distinct small sizes: a transposed or swapped gradient has another shape."""
RANDOM_SIZES = (2, 3, 1, 4, 5)
LARGER = 9
"""One more than the eight numbers of a vector register: kernels treat the rest apart."""
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
    declared: bool = True
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


def plan(op: Op, sizes: Mapping[str, tuple[int, ...]], dtypes: tuple[str, ...]) -> Plan:
    """The plan of an op, given the sizes that each dimension may take."""
    templates = tuple(_templates(op, sizes, dtypes))
    if any(i.strategy is not None for i in op.inputs):
        templates = tuple(
            t for t in templates if t.declared and not _changes_inputs(t, templates[0])
        )
    if not op.options.vary_sizes:
        shown = tuple(t for t in templates if t.regime == "example")
        templates = (shown[0], *shown, templates[-1])
    return Plan(op, templates, sizes, RANDOM_BATCHES, dtypes, _regimes(op))


def _changes_inputs(template: Template, plain: Template) -> bool:
    """Another regime or other sizes than plain: a user's strategy has settled those."""
    regimes = (None, "generic", "example")
    sizes = template.sizes and template.note not in ("plain", "example")
    resized = bool(sizes) and template.cotangent == plain.cotangent and not template.attributes
    return template.regime not in regimes or (resized and template.note != "plain")


def _regimes(op: Op) -> tuple[str, ...]:
    """What random cases draw from. Other magnitudes than an example's are made up."""
    usual = ("generic", "generic", "generic", "ties", "zeros")
    return (*usual, "small integers", "mixed magnitude") if op.sizes_declared else usual


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
    """Distinct sizes where the dimensions allow it."""
    taken: dict[str, int] = {}
    for name, allowed in sizes.items():
        free = [s for s in (*PLAIN_SIZES, *allowed) if s in allowed and s not in taken.values()]
        taken[name] = free[0] if free else allowed[0]
    return taken


def _templates(
    op: Op, sizes: Mapping[str, tuple[int, ...]], dtypes: tuple[str, ...]
) -> Iterator[Template]:
    loose = not op.sizes_declared
    plain = Template(
        regime="generic",
        sizes=plain_sizes(sizes),
        batch=PLAIN_BATCH,
        dtype=dtypes[0],
        cotangent="random",
        refusable=loose,
        note="plain",
    )
    yield replace(plain, sizes={}, batch=None, note="plain")
    if op.example is not None:
        yield replace(plain, regime="example", sizes={}, refusable=False, note="example")
    yield plain
    for dtype in dtypes[1:]:
        if op.example is not None:
            yield replace(plain, regime="example", sizes={}, dtype=dtype, note="example")
        yield replace(plain, dtype=dtype)
    yield from _interleaved(
        list(_values(op, plain)), list(_attributes(op, plain)), list(_shapes(op, plain, sizes))
    )
    yield from _made_up(op, plain)
    yield from _larger(op, plain)
    yield Template(refusable=loose, free=True, note="random")


def _interleaved(*groups: list[Template]) -> Iterator[Template]:
    """One of each group in turn, so that a small number of cases meets some of every kind."""
    for k in range(max(map(len, groups))):
        for group in groups:
            if k < len(group):
                yield group[k]


def _values(op: Op, plain: Template) -> Iterator[Template]:
    """Exact zeros, ties and repeats, with the cotangents that singular points like least."""
    yield replace(plain, regime="ties", note="ties")
    if any(i.domain.kind in (REAL, SYMMETRIC) for i in op.inputs if not i.integer):
        yield replace(plain, regime="zeros", note="zeros")
        yield replace(plain, regime="zeros", cotangent="one-hot", note="zeros, one-hot cotangent")
    yield replace(plain, regime="equal", note="all equal")
    yield replace(plain, cotangent="zero", note="zero cotangent")
    yield replace(plain, cotangent="one-hot", note="one-hot cotangent")
    if op.sizes_declared:
        yield replace(plain, regime="small integers", note="small integers")


def _attributes(op: Op, plain: Template) -> Iterator[Template]:
    """Every value of every attribute, the others at their defaults; then square sizes too."""
    for attribute in op.attributes:
        for place, value in list(enumerate(attribute.all_values))[1:]:
            made_up = place >= len(attribute.values)
            yield replace(
                plain,
                attributes={attribute.name: place},
                declared=not (made_up and attribute.name in MODES),
                refusable=plain.refusable or made_up,
                note=f"{attribute.name}={value!r}",
            )


def _shapes(op: Op, plain: Template, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[Template]:
    """Size 1, all sizes equal, other ranks for ``...``."""
    ones = {n: 1 for n, allowed in sizes.items() if 1 in allowed}
    if ones:
        yield replace(plain, sizes={**plain.sizes, **ones}, note="size 1")
        for name in list(ones)[:4]:
            yield replace(plain, sizes={**plain.sizes, name: 1}, note=f"{name} = 1")
    if len(sizes) > 1 and all(3 in allowed for allowed in sizes.values()):
        yield replace(plain, sizes=dict.fromkeys(sizes, 3), note="square")
    if any("..." in i.dims for i in op.inputs):
        for batch in ((3,), (1,), (2, 1, 3), ()):
            yield replace(plain, batch=batch, note="0-d" if batch == () else f"rank {len(batch)}")


def _larger(op: Op, plain: Template) -> Iterator[Template]:
    """Each dimension in turn longer than a block of a vectorised kernel."""
    if not op.sizes_declared:
        return
    for name in list(plain.sizes)[:4]:
        yield replace(plain, sizes={**plain.sizes, name: LARGER}, note=f"{name} = {LARGER}")
    if any("..." in i.dims for i in op.inputs):
        yield replace(plain, batch=(LARGER,), note="longer rank 1")


def _made_up(op: Op, plain: Template) -> Iterator[Template]:
    """What goes beyond the declaration: forward may refuse it, and wrong there is a warning."""
    beyond = replace(plain, declared=False, refusable=True)
    shapes = shapes_for(op, plain.sizes, PLAIN_BATCH)
    real = [k for k, i in enumerate(op.inputs) if not i.integer]
    for variant, note in _broadcasts(shapes, real):
        yield replace(beyond, shapes=variant, note=note)
    for name in list(plain.sizes)[:3]:
        yield replace(beyond, sizes={**plain.sizes, name: 0}, note="zero-size")
    if any("..." in i.dims for i in op.inputs):
        yield replace(beyond, batch=(0,), note="zero-size")
    if any(shapes):
        yield replace(beyond, shapes=tuple(() for _ in shapes), note="0-d")
        higher = tuple(
            (2, *s) if s and not op.inputs[k].integer else s for k, s in enumerate(shapes)
        )
        yield replace(beyond, shapes=higher, note="one more dimension")
    if not op.sizes_declared:
        yield replace(beyond, regime="mixed magnitude", note="other magnitudes")
    wider = {POSITIVE: NONNEGATIVE, NONNEGATIVE: REAL, NEGATIVE: REAL, UNIT: REAL, NONZERO: REAL}
    kinds = tuple(wider.get(i.domain.kind, "") if not i.integer else "" for i in op.inputs)
    if any(kinds):
        yield replace(beyond, domains=kinds, regime="zeros", note="outside the example's range")


def _broadcasts(
    shapes: tuple[tuple[int, ...], ...], real: list[int]
) -> Iterator[tuple[tuple[tuple[int, ...], ...], str]]:
    """One input of several with a size-1 axis, without its leading axis, or 0-d."""
    if len(real) < 2:
        return
    for k in real[:3]:
        shape = shapes[k]
        for smaller, note in (
            ((*shape[:-1], 1), "broadcast: size-1 axis"),
            ((1, *shape[1:]), "broadcast: size-1 axis"),
            (shape[1:], "broadcast: missing axis"),
            ((), "broadcast: 0-d"),
        ):
            if shape and smaller != shape:
                yield (*shapes[:k], smaller, *shapes[k + 1 :]), note

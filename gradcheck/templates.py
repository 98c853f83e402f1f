"""Which corner cases an op gets, in the order in which they run: first what a person would try.

After the plain case: exact zeros, ties and thresholds; every value of every attribute; sizes 1,
square and around the sizes that stand in the source; what goes beyond the declaration; then the
pairs of all these, as a covering array. One of each kind in turn, so that a small number of cases
meets some of every kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gradcheck.attributes import MODES, guessed_numbers
from gradcheck.beyond import made_up
from gradcheck.corners import (
    PLAIN_BATCH,
    RANDOM_BATCHES,
    Plan,
    Template,
    plain_sizes,
    real_places,
)
from gradcheck.covering import pairwise
from gradcheck.domains import LARGEST
from gradcheck.model import BINARY, BOOLEAN, INDEX, MIRRORED, REAL, REAL_DOMAINS, Op
from gradcheck.probe import Learnt

LARGER = 9
"""One more than the eight numbers of a vector register: kernels treat the rest apart."""
BLOCKS = (7, 512)
"""Whole numbers in the source that may be the size of a block."""


def plan(learnt: Learnt, dtypes: tuple[str, ...]) -> Plan:
    """The plan of an op, given what forward said of its domain."""
    op, sizes = learnt.op, learnt.sizes
    templates = tuple(_templates(learnt, dtypes))
    if any(i.strategy is not None for i in op.inputs):
        templates = tuple(
            t for t in templates if not t.beyond and not _changes_inputs(t, templates[0])
        )
    if not op.options.vary_sizes:
        shown = tuple(t for t in templates if t.regime == "example")
        if shown:  # else a signature says the sizes
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


def _templates(learnt: Learnt, dtypes: tuple[str, ...]) -> Iterator[Template]:
    op, sizes = learnt.op, learnt.sizes
    loose = not op.sizes_declared
    plain = Template(
        regime="generic",
        sizes=learnt.plain or plain_sizes(sizes),
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
    shapes = list(_shapes(op, plain, sizes))
    yield from _in_turn(
        (list(_values(op, plain)), 1),
        (list(_attributes(op, plain)), 3),
        ([*shapes, *_blocks(op, plain, sizes), *_larger(op, plain, sizes)], 1),
        (list(made_up(op, plain, dtypes)), 1),
        (list(_pairs(op, (plain, shapes), dtypes, learnt.refused)), 1),
    )
    yield Template(refusable=loose, free=True, note="random")


def _in_turn(*groups: tuple[list[Template], int]) -> Iterator[Template]:
    """So many of each group in turn, until all are used."""
    for turn in range(max(len(group) for group, _ in groups)):
        for group, share in groups:
            yield from group[turn * share : (turn + 1) * share]


def _values(op: Op, plain: Template) -> Iterator[Template]:
    """Exact zeros, ties and repeats, with the cotangents that singular points like least."""
    domains = [i.domain for i in op.inputs]
    crosses = any(d.kind in (REAL, *MIRRORED) for d in domains)
    yield replace(plain, regime="ties", note="ties")
    if crosses:
        yield replace(plain, regime="zeros", note="zeros")
    yield replace(plain, regime="equal", note="all equal")
    if pool := _pool(op, within=True):
        yield replace(plain, regime="thresholds", pool=pool, note="constants of the source")
    if crosses:
        yield replace(plain, regime="zeros", cotangent="zero", note="zeros, zero cotangent")
        yield replace(plain, regime="zeros", cotangent="one-hot", note="zeros, one-hot cotangent")
        yield replace(plain, regime="all zero", note="all zero")
    if any(d.kind in (BINARY, BOOLEAN, INDEX) for d in domains):
        yield replace(plain, regime="blocked", note="masked rows, one index")
    yield replace(plain, regime="ties", cotangent="zero", note="ties, zero cotangent")
    yield replace(plain, cotangent="zero", note="zero cotangent")
    yield replace(plain, cotangent="one-hot", note="one-hot cotangent")
    if op.sizes_declared:
        yield replace(plain, regime="small integers", note="small integers")
    elif any((d.size or 0) >= 1 for d in domains):
        yield replace(plain, regime="whole numbers", note="whole numbers")


def _pool(op: Op, *, within: bool) -> tuple[float, ...]:
    """One below, at and above each constant of the source: those an example's values reach.

    Places whose convention is demanded come first: a demand that is never put is none.
    """
    sizes = [i.domain.size or LARGEST for i in op.inputs if i.domain.kind in REAL_DOMAINS]
    reach = max(sizes, default=LARGEST) if not op.sizes_declared else float("inf")
    pinned = [place for p in op.options.conventions.values() for place in p.places]
    numbers = (*pinned, *op.constants.numbers)
    near = dict.fromkeys([*pinned, *(v for c in numbers for v in (c, c - 1, c + 1, -c))])
    return tuple(v for v in near if (abs(v) <= reach) == within)


def _attributes(op: Op, plain: Template) -> Iterator[Template]:
    """Every value of every attribute, the others at their defaults."""
    for attribute in op.attributes:
        for place in range(1, len(attribute.all_values)):
            yield _with_attributes(op, plain, {attribute.name: place}, [])


def _shapes(op: Op, plain: Template, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[Template]:
    """Size 1, all sizes equal, other ranks for ``...``."""
    ones = {n: 1 for n, allowed in sizes.items() if 1 in allowed}
    if len(sizes) > 1 and all(3 in allowed for allowed in sizes.values()):
        yield replace(plain, sizes=dict.fromkeys(sizes, 3), note="square")
    if ones:
        yield replace(plain, sizes={**plain.sizes, **ones}, note="size 1")
        for name in list(ones)[:4] if len(sizes) > 1 else ():
            yield replace(plain, sizes={**plain.sizes, name: 1}, note=f"{name} = 1")
    if any("..." in i.dims for i in op.inputs):
        for batch in ((3,), (1,), (2, 1, 3), ()):
            yield replace(plain, batch=batch, note="0-d" if batch == () else f"rank {len(batch)}")


def _blocks(op: Op, plain: Template, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[Template]:
    """One above, at and below the whole numbers of the source: sizes of blocks, unroll limits."""
    low, high = BLOCKS
    whole = [int(c) for c in op.constants.numbers if c == int(c) and low <= c <= high]
    free = [n for n, allowed in sizes.items() if len(allowed) > 1]
    small = {n: min(2, *sizes[n]) for n in sizes}
    for block in whole[:3]:
        for size in (block + 1, block, block - 1):
            for name in free[:3]:
                yield replace(
                    plain,
                    sizes={**plain.sizes, **small, name: size},
                    refusable=True,
                    note=f"{name} = {size} (the source has {block})",
                )


def _larger(op: Op, plain: Template, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[Template]:
    """Each dimension in turn longer than a block of a vectorised kernel."""
    longer = replace(plain, refusable=True)
    for name in [n for n, allowed in sizes.items() if len(allowed) > 1][:4]:
        yield replace(longer, sizes={**plain.sizes, name: LARGER}, note=f"{name} = {LARGER}")
    if any("..." in i.dims for i in op.inputs):
        yield replace(longer, batch=(LARGER,), note="longer rank 1")


def _pairs(
    op: Op,
    base: tuple[Template, list[Template]],
    dtypes: tuple[str, ...],
    refused: frozenset[tuple[str, int]],
) -> Iterator[Template]:
    """Every pair of two attributes' values, or of one with a shape, a kind of value or a dtype."""
    plain, shapes = base
    shapes = [plain, *shapes[:4]]
    regimes = ("generic", "ties", "zeros")[: 3 if real_places(op) else 1]
    places = [
        [k for k in range(len(a.all_values)) if (a.name, k) not in refused] for a in op.attributes
    ]
    for row in pairwise([*map(len, places), len(shapes), len(regimes), len(dtypes)]):
        *own, shape, regime, dtype = row
        chosen = {a.name: places[k][own[k]] for k, a in enumerate(op.attributes) if own[k]}
        words = [shapes[shape].note] * bool(shape) + [regimes[regime]] * bool(regime)
        yield replace(
            _with_attributes(op, plain, chosen, words),
            sizes=shapes[shape].sizes,
            batch=shapes[shape].batch,
            regime=regimes[regime],
            dtype=dtypes[dtype],
        )


def _with_attributes(
    op: Op, plain: Template, chosen: Mapping[str, int], words: list[str]
) -> Template:
    """Plain with some attributes at other values, by place; ``words``: what else is special."""
    given = [a for a in op.attributes if a.name in chosen]
    guessed = [a for a in given if chosen[a.name] >= len(a.values)]
    several = guessed_numbers(op.attributes, chosen) > 1
    said = [f"{a.name}={a.all_values[chosen[a.name]]!r}" for a in given]
    return replace(
        plain,
        attributes=chosen,
        beyond="mode" if any(a.name in MODES for a in guessed) else "numbers" if several else "",
        refusable=plain.refusable or bool(guessed),
        note=", ".join([*said, *words]) or "plain",
    )

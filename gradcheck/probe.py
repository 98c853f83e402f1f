"""What forward itself says of its domain: tried before the first case of an example-driven op.

An example call shows one point. Forward is asked, without any backward: which sizes may a
dimension have, where does an integer input end, which values does it refuse? What is learnt is
an assumption, printed in the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from gradcheck.arrays import Array, is_real
from gradcheck.asking import Asker, example_sizes
from gradcheck.corners import RANDOM_SIZES, plain_sizes
from gradcheck.evaluation import Evaluator
from gradcheck.floats import dtype_of
from gradcheck.guards import within_limit
from gradcheck.model import INDEX, Domain, Input, Op
from gradcheck.narrowing import candidates, definite, narrowed
from gradcheck.settings import Settings

Sizes = Mapping[str, tuple[int, ...]]


def dimensions(op: Op) -> list[str]:
    """Names of the op's dimensions, in order of appearance."""
    names = (d.rpartition("*")[2] for i in op.inputs for d in i.dims if isinstance(d, str))
    return list(dict.fromkeys(n for n in names if n != "..."))


@dataclass(frozen=True, slots=True)
class Learnt:
    """What forward said of its domain."""

    op: Op
    """With narrower domains, and the assumptions made."""
    sizes: Sizes
    """The sizes that each dimension may take."""
    refused: frozenset[tuple[str, int]] = frozenset()
    """Attribute values that forward refuses, by name and place."""
    plain: Mapping[str, int] | None = None
    """Sizes for corner cases, where forward refuses the usual small ones."""


def untaught(op: Op) -> Learnt:
    """What is known where forward was not asked."""
    return Learnt(op, dict.fromkeys(dimensions(op), RANDOM_SIZES))


def learn(op: Op, evaluator: Evaluator) -> Learnt:
    """What forward's refusals tell of an op that was described by an example call."""
    if op.example is None or op.sizes_declared or not op.options.vary_sizes:
        return untaught(op)
    asker = Asker(op, evaluator)
    if not asker.accepts(op.example):
        return untaught(op)  # the example itself is refused: reported as a finding
    op, first = narrowed(op, asker, kinds) if (kinds := definite(op)) else (op, [])
    asker.op = op
    op = _bound_indices(op, asker)
    asker.op = op
    sizes, notes = _sizes(op, asker)
    op, sizes, tied = _tie_multiples(op, asker, sizes)
    asker.op = op
    sizes, fixed = _fixed_elsewhere(op, asker, sizes)
    notes += [*first, *tied, *fixed]
    op, more = narrowed(op, asker, candidates(op))
    asker.op = op
    refused = frozenset(_refused(op, asker, sizes))
    op = replace(op, assumptions=(*op.assumptions, *notes, *more))
    usual = asker.values(plain_sizes(sizes), 0)
    return Learnt(op, sizes, refused, None if asker.accepts(usual) else example_sizes(op))


def own_precision(op: Op, evaluator: Evaluator, settings: Settings) -> tuple[Op, Settings]:
    """Without the dtypes that a float32 kernel refuses."""
    usual: tuple[tuple[str, ...], tuple[str, ...]] = settings.dtypes, ()
    dtypes, notes = within_limit(
        lambda: precisions(op, evaluator, settings.dtypes), settings.time_limit, usual
    )
    op = replace(op, assumptions=(*op.assumptions, *notes))
    return op, msgspec.structs.replace(settings, dtypes=dtypes)


def precisions(
    op: Op, evaluator: Evaluator, dtypes: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dtypes to judge in, without those that a float32 kernel refuses, and what to note.

    A kernel for float32 alone is judged in float32, where its example shows that it is one.
    """
    own = {str(v.dtype) for v in op.example or () if is_real(v)}
    asker = Asker(op, evaluator)
    if own != {"float32"} or "float32" not in dtypes or not asker.accepts(op.example or ()):
        return dtypes, ()
    kept, notes = [], []
    for dtype in dtypes:
        cast = tuple(v.astype(dtype_of(dtype)) if is_real(v) else v for v in op.example or ())
        if dtype == "float32" or asker.accepts(cast):
            kept.append(dtype)
        else:
            notes.append(f"not judged in {dtype}: forward refuses it ({asker.last})")
    return tuple(kept), tuple(notes)


def _bound_indices(op: Op, asker: Asker) -> Op:
    """Where an integer input ends: at the size of a dimension, if forward refuses that index."""
    assert op.example is not None
    sizes = example_sizes(op)
    inputs = list(op.inputs)
    for k, input in enumerate(inputs):
        if input.domain.kind != INDEX or not op.example[k].size:
            continue
        largest = int(op.example[k].max())
        own = {d for d in input.dims if isinstance(d, str)}
        candidates = sorted(
            (s, n) for n, s in sizes.items() if s > largest and n not in own
        ) + sorted((s, n) for n, s in sizes.items() if s > largest and n in own)
        for size, name in candidates:
            if asker.accepts(_with_index(op, k, size - 1)) and not asker.accepts(
                _with_index(op, k, size)
            ):
                low = input.domain.low
                inputs[k] = replace(input, domain=Domain(INDEX, low, None, name))
                break
    notes = tuple(
        f"{new.name}: {new.domain} (forward refuses more)"
        for new, old in zip(inputs, op.inputs, strict=True)
        if new is not old
    )
    return replace(op, inputs=tuple(inputs), assumptions=(*op.assumptions, *notes))


def _with_index(op: Op, k: int, index: int) -> tuple[Array, ...]:
    assert op.example is not None
    changed = op.example[k].copy()
    changed.reshape(-1)[0] = index
    return (*op.example[:k], changed, *op.example[k + 1 :])


def _sizes(op: Op, asker: Asker) -> tuple[Sizes, list[str]]:
    """For each dimension the sizes that forward takes, the others as in the example."""
    base = example_sizes(op)
    found: dict[str, tuple[int, ...]] = {}
    notes = []
    for name, size in base.items():
        tried = tuple(dict.fromkeys((*RANDOM_SIZES, size, 2 * size)))
        taken = tuple(
            s
            for s in tried
            if s == size or any(asker.accepts(asker.values({**base, name: s}, q)) for q in range(2))
        )
        if size > max(RANDOM_SIZES) and min(s for s in taken if s > 1) == size:
            # larger sizes are taken, smaller ones not: the rest is unused, not a size
            taken = (size,)
        if set(taken) <= {1, size}:  # size 1 alone is accepted: it is broadcast, not a size
            taken = (size,)
        found[name] = taken
        refused = [s for s in tried if s not in taken]
        if len(taken) == 1:
            notes.append(f"{name} = {size}: forward takes no other size")
        elif refused:
            notes.append(f"{name}: forward refuses sizes {', '.join(map(str, sorted(refused)))}")
    return found, notes


def _fixed_elsewhere(op: Op, asker: Asker, sizes: Sizes) -> tuple[Sizes, list[str]]:
    """Dimensions at whose other sizes backward never has the right shape: they are given elsewhere.

    A layer whose constructor was told its input's shape, behind a lambda: forward takes any size,
    backward knows one.
    """
    assert op.example is not None
    if not asker.right_shapes(op.example):
        return sizes, []
    base = example_sizes(op)
    fixed = dict(sizes)
    for name, taken in sizes.items():
        others = [s for s in taken if s not in (1, base.get(name))]
        cases = [asker.values({**base, name: s}, 0) for s in others] if len(others) > 1 else []
        if cases and not any(asker.right_shapes(c) for c in cases):
            fixed[name] = (base[name],)
    notes = [
        f"{n} = {s[0]}: backward has the right shape at no other size, so it is given elsewhere"
        for n, s in fixed.items()
        if s != sizes[n]
    ]
    return fixed, notes


def _tie_multiples(op: Op, asker: Asker, sizes: Sizes) -> tuple[Op, Sizes, list[str]]:
    """A size that forward takes only as a multiple of another: an LSTM's 4 gates a unit."""
    base = example_sizes(op)
    free, notes = dict(sizes), []
    for name, taken in sizes.items():
        for other in sizes:
            factor, rest = divmod(base[name], base[other])
            if len(taken) > 1 or rest or factor < 2 or other not in free:
                continue
            together = tuple(
                s
                for s in RANDOM_SIZES
                if asker.accepts(asker.values({**base, other: s, name: factor * s}, 0))
            )
            if len(together) >= 3:
                op = replace(
                    op, inputs=tuple(_renamed(i, name, f"{factor}*{other}") for i in op.inputs)
                )
                free[other] = together
                del free[name]
                notes.append(f"{name} = {factor} {other} (forward takes them only together)")
                break
    kept = [n for n in op.assumptions if "[" not in n.partition(":")[0]] if notes else []
    shown = [f"{i.name}[{' '.join(map(str, i.dims))}]: {i.domain}" for i in op.inputs]
    return (replace(op, assumptions=(*kept, *shown)) if notes else op), free, notes


def _renamed(input: Input, name: str, new: str) -> Input:
    return replace(input, dims=tuple(new if d == name else d for d in input.dims))


def _refused(op: Op, asker: Asker, sizes: Sizes) -> Iterator[tuple[str, int]]:
    """Made-up attribute values that forward refuses, at the example and where all is square."""
    assert op.example is not None
    points = [op.example]
    if all(3 in taken for taken in sizes.values()):
        points.append(asker.values(dict.fromkeys(sizes, 3), 0))
    for attribute in op.attributes:
        for place in range(len(attribute.values), len(attribute.all_values)):
            value = {attribute.name: attribute.all_values[place]}
            if not any(asker.accepts(point, value) for point in points):
                yield attribute.name, place

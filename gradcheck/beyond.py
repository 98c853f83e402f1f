"""Cases beyond the declaration, and how grave it is when backward is wrong there.

Forward defines the domain, so what it refuses among these is rejected and counted. What it accepts
and backward gets wrong is a warning, and a fail under ``scope="forward"``; but NumPy accepts a good
deal that no author meant, and that is one step less, a note (a warning under that scope):

* an operand that is stretched by broadcasting, unless the op is elementwise: its operands are
  declared with the same dimensions and its output has their shape. A scalar for a batch norm's
  gamma, which nobody declared, is an accident.
* the first input without its leading axis: one sample where there was a batch.
* labels that no longer sum to one.
* two numbers among the attributes at once that nobody declared: padding beyond the kernel.
* 0-d, unless the op keeps its input's shape: NumPy takes ``axis=-1`` of a number.
* a backward that *raises* (`trial`): it is loud, and nobody trains for weeks with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.corners import PLAIN_BATCH, Template, alike, real_places, shapes_for
from gradcheck.model import (
    NEGATIVE,
    NONNEGATIVE,
    NONZERO,
    ONE_HOT,
    POSITIVE,
    REAL,
    SIMPLEX,
    UNIT,
    Beyond,
    Case,
    Op,
    Outputs,
)

_WIDER = {POSITIVE: NONNEGATIVE, NONNEGATIVE: REAL, NEGATIVE: REAL, UNIT: REAL, NONZERO: REAL}
_WIDEST = {**_WIDER, POSITIVE: REAL}
_LABELS = {ONE_HOT: NONNEGATIVE, SIMPLEX: NONNEGATIVE}
Shapes = tuple[tuple[int, ...], ...]


def made_up(op: Op, plain: Template, dtypes: tuple[str, ...]) -> Iterator[Template]:
    """What goes beyond the declaration; one of each kind first."""
    beyond = replace(plain, refusable=True)
    shapes = shapes_for(op, plain.sizes, PLAIN_BATCH)
    stretched = list(_broadcasts(op, beyond, shapes))
    others = [*_sizes(op, beyond, shapes), *_kinds(op, beyond, dtypes)]
    for k in range(max(len(stretched), len(others))):
        yield from stretched[k : k + 1]
        yield from others[k : k + 1]


def _sizes(op: Op, beyond: Template, shapes: Shapes) -> Iterator[Template]:
    """Size 0, 0-d, one dimension more."""
    for name in list(beyond.sizes)[:3]:
        yield replace(beyond, sizes={**beyond.sizes, name: 0}, beyond="size", note="zero-size")
    if any("..." in i.dims for i in op.inputs):
        yield replace(beyond, batch=(0,), beyond="size", note="zero-size")
    if any(shapes):
        yield replace(beyond, shapes=tuple(() for _ in shapes), beyond="rank", note="0-d")
        higher = tuple(
            (2, *s) if s and not op.inputs[k].integer else s for k, s in enumerate(shapes)
        )
        yield replace(beyond, shapes=higher, beyond="rank", note="one more dimension")


def _kinds(op: Op, beyond: Template, dtypes: tuple[str, ...]) -> Iterator[Template]:
    """Values of another size, sign or sum than the example's."""
    values = replace(beyond, beyond="values")
    for dtype in dtypes:
        yield replace(values, regime="large", dtype=dtype, note="large values")
    if not op.sizes_declared:
        yield replace(values, regime="mixed magnitude", note="other magnitudes")
    named = [i.domain.kind for i in op.inputs]
    wider = [tuple(table.get(kind, "") for kind in named) for table in (_WIDER, _WIDEST)]
    for kinds in dict.fromkeys(k for k in wider if any(k)):
        yield replace(values, domains=kinds, regime="zeros", note="outside the example's range")
    labels = tuple(_LABELS.get(i.domain.kind, "") for i in op.inputs)
    if any(labels):
        yield replace(values, domains=labels, beyond="labels", note="rows that do not sum to one")


def _broadcasts(op: Op, beyond: Template, shapes: Shapes) -> Iterator[Template]:
    """One input of several with a size-1 axis, without an axis, or 0-d."""
    real = real_places(op)
    if op.foreign is not None:  # a framework's module makes its parameters itself
        real = [k for k in real if not op.inputs[k].parameter]
    if len(real) < 2:
        return
    same = alike(op.inputs, real)
    like = [k for k, i in enumerate(op.inputs) if same and i.dims == op.inputs[real[0]].dims]
    operands = [*real[:3], *(k for k in like if k not in real)]
    for variant in range(4 if same else 2):
        for k in operands:
            smaller, note = _smaller(shapes[k])[variant]
            if shapes[k] and smaller != shapes[k]:
                sample = not same and k == real[0] and note.endswith("missing axis")
                kind: Beyond = "sample" if sample else "broadcast"
                yield replace(beyond, beyond=kind, shapes=_with(shapes, k, smaller), note=note)
    for k in operands if len(operands) > 2 or not same else ():  # all others are one shorter
        longer = _with(shapes, k, (2, *shapes[k]))
        yield replace(beyond, beyond="broadcast", shapes=longer, note="broadcast: longer")
    yield from _emptied(beyond, shapes, operands) if same and shapes[real[0]] else ()
    square = shapes_for(op, dict.fromkeys(beyond.sizes, 3), (3, 3))
    for k in real[1:3]:  # a vector for a matrix
        if len(square[k]) > 1:
            vector = _with(square, k, square[k][1:])
            yield replace(beyond, beyond="axis", shapes=vector, note="square, missing axis")


def _emptied(beyond: Template, shapes: Shapes, operands: list[int]) -> Iterator[Template]:
    """A size-1 axis against one of size 0."""
    empty = (*shapes[operands[0]][:-1], 0)
    emptied = tuple(empty if p in operands else s for p, s in enumerate(shapes))
    for k in operands[:2]:
        note = "broadcast: size-1 axis against zero-size"
        one = _with(emptied, k, (*empty[:-1], 1))
        yield replace(beyond, beyond="broadcast", shapes=one, note=note)


def _smaller(shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], str]]:
    return [
        ((*shape[:-1], 1), "broadcast: size-1 axis"),
        (shape[1:], "broadcast: missing axis"),
        ((), "broadcast: 0-d"),
        ((1, *shape[1:]), "broadcast: size-1 axis"),
    ]


def _with(shapes: Shapes, k: int, shape: tuple[int, ...]) -> Shapes:
    return (*shapes[:k], shape, *shapes[k + 1 :])


@dataclass(frozen=True, slots=True)
class Usual:
    """What an op does on declared inputs, beside which an accident is told."""

    ranks: tuple[int, ...] = ()
    """Ranks of its outputs; empty where nothing is known."""
    elementwise: bool = False
    """Several operands of one shape, and each entry moves the output's same entry alone."""


def usual(op: Op, case: Case, outputs: Outputs, forward: Callable[..., Outputs]) -> Usual:
    """Look at a declared case: two evaluations per operand."""
    ranks = tuple(o.ndim for o in outputs)
    real = real_places(op)
    shapes = {case.primals[k].shape for k in real}
    if not alike(op.inputs, real) or {o.shape for o in outputs} != shapes:
        return Usual(ranks)
    local = all(
        _moves_only(forward, (case, outputs), k, flat)
        for k in real
        for flat in {0, case.primals[k].size - 1}
    )
    return Usual(ranks, local)


def _moves_only(
    forward: Callable[..., Outputs], at: tuple[Case, Outputs], k: int, flat: int
) -> bool:
    """Another value of one entry leaves every other entry of the outputs as it is."""
    case, outputs = at
    moved = case.primals[k].copy()
    moved.reshape(-1)[flat : flat + 1] *= 1.5
    changed = forward((*case.primals[:k], moved, *case.primals[k + 1 :]), case.attributes)
    elsewhere = np.arange(moved.size) != flat
    return all(
        np.array_equal(o.reshape(-1)[elsewhere], c.reshape(-1)[elsewhere], equal_nan=True)
        for o, c in zip(outputs, changed, strict=True)
    )


def is_accident(op: Op, case: Case, outputs: Outputs | None, usually: Usual) -> bool:
    """Forward accepts the case because NumPy does, not because its author meant it.

    Parameters
    ----------
    op, case
        The case goes beyond the declaration.
    outputs
        Forward's outputs there.
    usually
        What it does on declared inputs.
    """
    kind = case.recipe.beyond
    if kind in ("sample", "labels", "numbers"):
        return True
    if outputs is None:
        return False
    real = real_places(op)
    if kind == "rank" and not any(p.ndim for p in case.primals):
        declared = {len(op.inputs[k].dims) for k in real}
        return any(o.ndim for o in outputs) or bool(
            usually.ranks and set(usually.ranks) != declared
        )
    if kind not in ("broadcast", "axis"):
        return False
    ranks = tuple(o.ndim for o in outputs)
    if kind == "axis" and len(real) == 2 and usually.ranks and ranks != usually.ranks:
        return False  # not stretched: forward does something else with a vector, as a product does
    return not usually.elementwise

"""Mistakes in what is done with the upstream gradient (the cotangent).

With an upstream of ones most of them cannot be seen: tests whose loss is `sum` pass them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.model import INDEX, Op
from gradcheck.mutants.tampering import Call, Kind, Spot, Tamper, changed, has_axis
from gradcheck.scores import ONES, STRUCTURED

Rule = Callable[[Array, Spot], Array | None]
"""From one cotangent to what the wrong backward takes for it."""


def _linear(op: Op) -> list[Spot]:
    """Once per op that takes an upstream (a fused value and gradient has none)."""
    return [Spot()] if op.linear else []


def _linear_axes(op: Op) -> list[Spot]:
    return [Spot(axis=0), Spot(axis=-1)] if op.linear else []


def _on_upstream(rule: Rule) -> Tamper:
    """Every real cotangent replaced."""

    def tamper(call: Call, spot: Spot) -> Any:
        arrays = [np.asarray(c) for c in call.cotangents]
        made = [rule(a, spot) if is_real(a) and a.size else None for a in arrays]
        if all(m is None for m in made):
            return None
        return call.pull([a if m is None else m for a, m in zip(arrays, made, strict=True)])

    return tamper


def _row_for_all(c: Array, spot: Spot) -> Array | None:
    return np.broadcast_to(c[:1], c.shape).copy() if has_axis(c, 0) else None


def _only_first_row(c: Array, spot: Spot) -> Array | None:
    return changed(c, slice(1, None), 0) if has_axis(c, 0) else None


def _rolled(c: Array, spot: Spot) -> Array | None:
    return np.roll(c, 1, spot.axis) if has_axis(c, spot.axis) else None


def _first_output_only(call: Call, spot: Spot) -> Any:
    first, *others = call.cotangents
    return call.pull([first, *(np.zeros_like(c) for c in others)]) if others else None


def _last_occurrence(call: Call, spot: Spot) -> Any:
    """``table[i] = ...`` for ``table[i] += ...``: an index that repeats keeps its last place."""
    indices = np.asarray(call.primals[spot.input or 0])
    cotangents = [np.array(c) for c in call.cotangents]
    _, last = np.unique(indices.reshape(-1)[::-1], return_index=True)
    lost = np.ones(indices.size, bool)
    lost[indices.size - 1 - last] = False
    fitting = [c for c in cotangents if c.shape[: indices.ndim] == indices.shape]
    if not (indices.ndim and fitting and lost.any()):
        return None
    for c in fitting:
        c[lost.reshape(indices.shape)] = 0
    return call.pull(cotangents)


def _indices(op: Op) -> list[Spot]:
    found = [k for k, i in enumerate(op.inputs) if i.domain.kind == INDEX]
    return [Spot(k) for k in found] if op.linear else []


_ROWS = "an output of several rows"
_MANY = "an output of several entries"
_ROWS_OF: tuple[tuple[str, str, str, Rule], ...] = (
    (
        "upstream dropped",
        "the local gradient returned",
        "an upstream that is not one",
        lambda c, spot: np.ones_like(c),
    ),
    (
        "upstream's mean for all",
        "a loss averaged too early",
        _MANY,
        lambda c, spot: np.full_like(c, c.mean()),
    ),
    (
        "upstream's first entry for all",
        "dout[0] for dout",
        _MANY,
        lambda c, spot: np.full_like(c, c.flat[0]),
    ),
    ("upstream of row 0 for all rows", "a factor per row missing", _ROWS, _row_for_all),
    ("upstream of row 0 alone", "a loop that returns early", _ROWS, _only_first_row),
    (
        "upstream applied twice",
        "multiplied by dout again",
        "an upstream that is not one",
        lambda c, spot: c * c,
    ),
    (
        "upstream's sign alone",
        "np.sign(dout)",
        "an upstream that is not one",
        lambda c, spot: np.sign(c),
    ),
)
KINDS = (
    *(
        Kind(
            name=name,
            imitates=imitates,
            needs=needs,
            spots=_linear,
            tamper=_on_upstream(rule),
            trap=ONES,
        )
        for name, imitates, needs, rule in _ROWS_OF
    ),
    Kind(
        name="upstream permuted",
        imitates="dout[perm] for dout[inverse]",
        needs=_MANY,
        spots=_linear_axes,
        tamper=_on_upstream(_rolled),
        trap=ONES,
    ),
    Kind(
        name="upstream of the first output alone",
        imitates="douts[0]",
        needs="several outputs",
        spots=_linear,
        tamper=_first_output_only,
    ),
    Kind(
        name="overwritten where {x} repeats",
        imitates="d[i] = for d[i] +=",
        needs="an index twice in {x}",
        spots=_indices,
        tamper=_last_occurrence,
        trap=STRUCTURED,
    ),
)

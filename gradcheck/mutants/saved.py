"""Mistakes in what backward remembers of forward: saved inputs and attributes.

Inputs with structure hide them: gamma = 1, symmetric matrices, labels that sum to one, attributes
that are never varied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.model import Op
from gradcheck.mutants.tampering import Call, Kind, Spot, Tamper, has_axis, like, square
from gradcheck.scores import STRUCTURED

Rule = Callable[[Array], Array | None]
"""From an input to what backward takes for it."""


def _on_saved(rule: Rule) -> Tamper:
    """Backward works on another value of one input than forward."""

    def tamper(call: Call, spot: Spot) -> Any:
        k = spot.input or 0
        saved = np.asarray(call.primals[k])
        taken = rule(saved) if saved.size else None
        if taken is None or np.array_equal(taken, saved):
            return None
        primals = list(call.primals)
        primals[k] = like(taken, call.primals[k])
        return call.pull_at(primals, call.attributes)

    return tamper


def _one_hot(p: Array) -> Array | None:
    if p.ndim == 0:
        return None
    hot: Array = np.eye(p.shape[-1])[p.argmax(axis=-1)]
    return hot.reshape(p.shape)


def _normalised(p: Array) -> Array | None:
    """Rows divided by their sums, where these are not too close to zero."""
    total = p.sum(axis=-1, keepdims=True) if p.ndim else np.zeros(())
    usable = np.abs(total) > 1e-2
    return np.where(usable, p / np.where(usable, total, 1), p) if usable.any() else None


def _default_attribute(call: Call, spot: Spot) -> Any:
    name = spot.attribute
    default = next(a.values[0] for a in call.op.attributes if a.name == name)
    if repr(call.attributes.get(name, default)) == repr(default):
        return None
    return call.pull_at(call.primals, {**call.attributes, name: default})


def _first_of_its_shape(call: Call, spot: Spot) -> Any:
    """A cache that knows shapes, and not values."""
    shapes = tuple((np.shape(p), np.asarray(p).dtype.str) for p in call.primals)
    key = (shapes, repr(call.attributes))
    pullback = call.memory.setdefault(key, call.pullback)
    return None if pullback is call.pullback else pullback(call.cotangents)


def _real(op: Op) -> list[Spot]:
    return [Spot(k) for k, i in enumerate(op.inputs) if not i.integer]


def _any(op: Op) -> list[Spot]:
    return [Spot(k) for k in range(len(op.inputs))]


def _attributes(op: Op) -> list[Spot]:
    return [Spot(attribute=a.name) for a in op.attributes]


def _once(op: Op) -> list[Spot]:
    return [Spot()] if op.options.vary_sizes else []


_ROWS: tuple[tuple[str, str, str, Rule, Any, str], ...] = (
    (
        "saved {x} 1 % off",
        "x kept after it was changed",
        "a gradient that depends on {x}",
        lambda p: p * 1.01 if is_real(p) else None,
        _real,
        "",
    ),
    (
        "saved {x} one row off",
        "x[i + 1] for x[i]",
        "rows of {x} that differ",
        lambda p: np.roll(p, 1, 0) if has_axis(p, 0) else None,
        _any,
        "",
    ),
    ("saved {x} without its sign", "abs", "{x} below zero", np.abs, _real, STRUCTURED),
    (
        "saved {x} taken as 1",
        "gamma forgotten",
        "{x} other than 1",
        np.ones_like,
        _real,
        STRUCTURED,
    ),
    (
        "saved {x} taken as its mean",
        "one number for all",
        "{x} that is not constant",
        lambda p: np.full_like(p, p.mean()),
        _real,
        STRUCTURED,
    ),
    (
        "saved {x} transposed",
        "W for W.T",
        "a square {x} that is not symmetric",
        lambda p: np.swapaxes(p, -1, -2) if square(p) else None,
        _real,
        STRUCTURED,
    ),
    (
        "saved {x} taken to sum to one",
        "p - y for p sum(y) - y",
        "rows of {x} that do not sum to one",
        _normalised,
        _real,
        STRUCTURED,
    ),
    (
        "saved {x} taken as one-hot",
        "argmax of soft labels",
        "rows of {x} that are not one-hot",
        _one_hot,
        _real,
        STRUCTURED,
    ),
)
KINDS = (
    *(
        Kind(
            name=name,
            imitates=imitates,
            needs=needs,
            spots=spots,
            tamper=_on_saved(rule),
            trap=trap,
        )
        for name, imitates, needs, rule, spots, trap in _ROWS
    ),
    Kind(
        name="{x} ignored",
        imitates="the default for the value that forward got",
        needs="another value of the attribute {x}",
        spots=_attributes,
        tamper=_default_attribute,
        trap=STRUCTURED,
    ),
    Kind(
        name="values of the first call",
        imitates="a cache keyed by shape",
        needs="a gradient that depends on the inputs",
        spots=_once,
        tamper=_first_of_its_shape,
    ),
)

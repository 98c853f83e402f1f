"""Mistakes in the numbers of one gradient: sign, factor, order, entries, sums, special values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.model import Op
from gradcheck.mutants.tampering import (
    Call,
    Kind,
    Spot,
    Tamper,
    changed,
    each_axis,
    each_input,
    each_pair,
    has_axis,
    square,
)
from gradcheck.scores import STRUCTURED

Rule = Callable[[Array, Call, Spot], Array | None]
"""From a right gradient to a wrong one; None where the mistake makes no difference."""


def _on_gradient(rule: Rule) -> Tamper:
    """One gradient wrong, the others right."""

    def tamper(call: Call, spot: Spot) -> Any:
        gradients = call.gradients()
        k = spot.input or 0
        if gradients[k] is None:
            return None
        right = np.asarray(gradients[k])
        wrong = rule(right, call, spot) if right.size else None
        if wrong is None:
            return None
        gradients[k] = np.asarray(wrong, right.dtype)
        return gradients

    return tamper


def _times(factor: float) -> Rule:
    return lambda g, call, spot: factor * g


def _entry(place: Callable[[int], int]) -> Rule:
    """One entry, by its flat position among so many, is zero."""
    return lambda g, call, spot: changed(g.reshape(-1), place(g.size), 0).reshape(g.shape)


def _along(rule: Callable[[Array, int], Array]) -> Rule:
    """Something done along an axis."""

    def apply(g: Array, call: Call, spot: Spot) -> Array | None:
        return rule(g, spot.axis) if spot.axis is not None and has_axis(g, spot.axis) else None

    return apply


def _swap_first_two(g: Array, axis: int) -> Array:
    order = np.arange(g.shape[axis])
    order[:2] = 1, 0
    return g.take(order, axis)


def _without(g: Array, axis: int, index: int) -> Array:
    lines = np.moveaxis(g.copy(), axis, 0)
    lines[index] = 0
    return np.moveaxis(lines, 0, axis)


def _where(special: Callable[[Array, Call], Any], factor: float) -> Rule:
    """Another value where the input is special."""

    def apply(g: Array, call: Call, spot: Spot) -> Array | None:
        mask = special(np.asarray(call.primals[spot.input or 0]), call)
        return np.where(mask, factor * g, g) if mask.shape == g.shape and mask.any() else None

    return apply


def _zeros(primal: Array, call: Call) -> Any:
    return np.asarray(primal == 0)


def _ties(primal: Array, call: Call) -> Any:
    """Entries that are equal to another entry of any real input."""
    real = [np.ravel(p) for p in call.primals if is_real(np.asarray(p))]
    values, counts = np.unique(np.concatenate(real), return_counts=True)
    return np.isin(primal, values[counts > 1])


def _only_if(condition: Callable[[Array], bool], factor: float) -> Rule:
    return lambda g, call, spot: factor * g if condition(g) else None


def _spread(g: Array, call: Call) -> tuple[int, ...] | None:
    """The output's shape, where the input was broadcast to it."""
    shape = call.outputs[0].shape
    try:
        fits = np.broadcast_shapes(g.shape, shape) == shape
    except ValueError:
        return None
    return shape if fits and shape != g.shape and int(np.prod(shape)) > 0 else None


def _mean_for_sum(g: Array, call: Call, spot: Spot) -> Array | None:
    shape = _spread(g, call)
    return None if shape is None else g * (g.size / int(np.prod(shape)))


def _shape_kept(g: Array, call: Call, spot: Spot) -> Array | None:
    shape = _spread(g, call)
    return None if shape is None else np.broadcast_to(g, shape).copy()


def _over_batch(g: Array, call: Call, spot: Spot) -> Array | None:
    shape = call.outputs[0].shape
    return g / shape[0] if shape and shape[0] else None


def _wrong_axis(g: Array, call: Call, spot: Spot) -> Array | None:
    return g * (g.shape[0] / g.shape[-1]) if g.ndim >= 2 else None


def _transposed(g: Array, call: Call, spot: Spot) -> Array | None:
    return np.swapaxes(g, -1, -2) if square(g) else None


def _flat(g: Array, call: Call, spot: Spot) -> Array:
    return g[:, None] if g.ndim == 1 else g.reshape(-1)


def _anothers(call: Call, spot: Spot) -> Any:
    gradients = call.gradients()
    k, m = spot.input or 0, spot.other or 0
    if np.shape(gradients[k]) != np.shape(gradients[m]):
        return None
    gradients[k] = np.array(gradients[m])
    return gradients


def _swapped(call: Call, spot: Spot) -> Any:
    gradients = call.gradients()
    k, m = spot.input or 0, spot.other or 0
    gradients[k], gradients[m] = gradients[m], gradients[k]
    return gradients


def _missing(call: Call, spot: Spot) -> Any:
    gradients = call.gradients()
    gradients[spot.input or 0] = None
    return gradients


def _demanded(op: Op) -> list[Spot]:
    """Each input that somebody declared to have a gradient."""
    return [s for s in each_input(op) if not op.inputs[s.input or 0].optional]


def _each_two(op: Op) -> list[Spot]:
    return [s for s in each_pair(op) if (s.input or 0) < (s.other or 0)]


def _kinds(rows: Iterable[tuple[str, str, str, Rule]], spots: Any) -> tuple[Kind, ...]:
    return tuple(
        Kind(name=name, imitates=imitates, needs=needs, spots=spots, tamper=_on_gradient(rule))
        for name, imitates, needs, rule in rows
    )


_ANY = "a gradient that is not zero"
_LONG = "an axis longer than 1"
_AXIS = "an axis along which the gradient differs"
_TIES, _ZEROS = "equal values in the inputs", "exact zeros in {x}"
PER_INPUT = _kinds(
    (
        ("sign flipped", "a minus forgotten", _ANY, _times(-1)),
        ("doubled", "the 2 of a square, counted twice", _ANY, _times(2)),
        ("halved", "the 2 of a square, forgotten", _ANY, _times(0.5)),
        ("1 % too large", "a constant with too few digits", _ANY, _times(1.01)),
        ("zero", "never written", _ANY, _times(0)),
        ("divided by the batch size", "a mean that forward does not take", "a batch", _over_batch),
        ("transposed", "a .T too few", "a square gradient", _transposed),
        ("first entry dropped", "a loop from 1", _ANY, _entry(lambda n: 0)),
        ("middle entry dropped", "one index missed", _ANY, _entry(lambda n: n // 2)),
        ("last entry dropped", "a loop to n - 1", _ANY, _entry(lambda n: n - 1)),
        ("flattened", "a reshape forgotten", _ANY, _flat),
        ("mean for a sum", "un-broadcast by mean", "{x} broadcast", _mean_for_sum),
        ("broadcast shape kept", "un-broadcast forgotten", "{x} broadcast", _shape_kept),
        (
            "wrong in float32",
            "a constant that only one precision can hold",
            "float32",
            _only_if(lambda g: g.dtype == np.float32, 1.1),
        ),
        (
            "wrong above 8 entries",
            "a block's remainder forgotten",
            "more than 8 entries of {x}",
            _only_if(lambda g: g.size > 8, 2),
        ),
        (
            "wrong where a size is 1",
            "a squeeze too many",
            "a size of 1 in {x}",
            _only_if(lambda g: 1 in g.shape, 2),
        ),
        ("doubled at zeros", "both branches taken", _ZEROS, _where(_zeros, 2)),
        ("zero at zeros", "neither branch taken", _ZEROS, _where(_zeros, 0)),
        ("NaN at zeros", "0 / 0", _ZEROS, _where(_zeros, np.nan)),
        ("doubled at ties", "each of two equals gets all", _TIES, _where(_ties, 2)),
        ("zero at ties", "1(x > y) and 1(y > x)", _TIES, _where(_ties, 0)),
    ),
    each_input,
)
PER_AXIS = _kinds(
    (
        ("times n", "a sum for a mean", _LONG, _along(lambda g, a: g * g.shape[a])),
        ("divided by n", "a mean for a sum", _LONG, _along(lambda g, a: g / g.shape[a])),
        ("reversed", "a flip too few", _AXIS, _along(lambda g, a: np.flip(g, a))),
        ("shifted by one", "an index off by one", _AXIS, _along(lambda g, a: np.roll(g, 1, a))),
        ("first two swapped", "a wrong permutation", _AXIS, _along(_swap_first_two)),
        ("first index dropped", "x[1:]", _LONG, _along(lambda g, a: _without(g, a, 0))),
        ("last index dropped", "x[:-1], a border", _LONG, _along(lambda g, a: _without(g, a, -1))),
        (
            "constant term added",
            "the same sum added to every entry",
            _LONG,
            _along(lambda g, a: g + g.take([0], a)),
        ),
        (
            "mean subtracted",
            "the centring of a normalisation that is none",
            "a gradient whose mean is not zero",
            _along(lambda g, a: g - g.mean(axis=a, keepdims=True)),
        ),
    ),
    each_axis,
)
OTHERS = (
    Kind(
        name="n of the wrong axis",
        imitates="shape[0] for shape[-1]",
        needs="{x} that is not square",
        spots=each_input,
        tamper=_on_gradient(_wrong_axis),
        trap=STRUCTURED,
    ),
    Kind(
        name="missing",
        imitates="None returned",
        needs=_ANY,
        spots=_demanded,
        tamper=_missing,
    ),
    Kind(
        name="the gradient of another",
        imitates="dx = ..., dx = ...",
        needs="two inputs of one shape",
        spots=each_pair,
        tamper=_anothers,
    ),
    Kind(
        name="swapped with another",
        imitates="return dy, dx",
        needs="two inputs with different gradients",
        spots=_each_two,
        tamper=_swapped,
    ),
)
KINDS = (*PER_INPUT, *PER_AXIS, *OTHERS)

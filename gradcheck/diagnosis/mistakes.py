"""What backward would return had a simple mistake been made in the gradient itself.

Each is a name, a sentence and an array; one that equals backward in every failing case explains
it. Sentences hold nothing of a single case, so that they can be compared between cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from gradcheck.arrays import Float
from gradcheck.diagnosis.evidence import Diagnosis, View
from gradcheck.diagnosis.quantities import bracketed, factors

Candidate = tuple[Diagnosis, Float]


def gradients(view: View) -> Iterator[Candidate]:
    """All candidates of a case, the more specific ones first."""
    for source in _SOURCES:
        yield from source(view)


def _others(view: View) -> Iterator[Candidate]:
    """Another input's gradient in this one's place."""
    own = view.table.difference
    for other, table in view.tables.items():
        if other == view.name:
            continue
        for sign, word in ((1, ""), (-1, "minus ")):
            if table.difference.shape == own.shape:
                text = f"it is {word}the gradient of {other}: backward = {word}finite difference "
                yield Diagnosis("other-input", text + f"of {other}"), sign * table.difference


def moved(array: Float) -> Iterator[tuple[str, str, Float]]:
    """The same numbers in other places, as code that mixes up axes or order puts them."""
    axes = range(array.ndim)
    for order in itertools.permutations(axes) if array.ndim in (2, 3, 4) else ():
        turned = np.transpose(array, order)
        if order == tuple(axes):
            continue
        how = f"its axes in the order {order}" if array.ndim > 2 else "its axes swapped"
        yield "transpose", f"{how} (a reshape is no transpose)", turned.reshape(array.shape)
    for axis in axes:
        if array.shape[axis] > 1:
            yield "permutation", f"axis {axis} reversed", np.flip(array, axis)
    for axis in axes:
        for shift in (1, -1) if array.shape[axis] > 2 else ():
            how = f"axis {axis} shifted by {shift}"
            yield "permutation", how, np.roll(array, shift, axis)


def _moved(view: View) -> Iterator[Candidate]:
    for name, how, candidate in moved(view.table.difference):
        text = f"{name}: backward equals the finite difference with {how}"
        yield Diagnosis(name, text), candidate


def _factors(view: View) -> Iterator[Candidate]:
    """The gradient times or divided by something that is at hand."""
    true = view.table.difference
    for what, u in factors(view, true.shape, constant=True).items():
        for power, exponent in ((1, ""), (2, "^2")):
            shown = f"({what}){exponent}" if exponent else bracketed(what)
            for sign, word in ((1, ""), (-1, "-")):
                with np.errstate(all="ignore"):
                    missing, extra = sign * true / u**power, sign * true * u**power
                also = " and the sign is wrong" if sign < 0 else ""
                text = f"a factor {shown} is missing{also}: backward = {word}finite difference / "
                yield Diagnosis("missing-factor", text + shown), missing
                text = f"a factor {shown} too much{also}: backward = {word}finite difference * "
                yield Diagnosis("missing-factor", text + shown), extra


def entrywise(view: View) -> Iterator[Candidate]:
    """For functions of single entries: the upstream times what is no derivative, or nothing."""
    shape = view.table.difference.shape
    if len(view.cotangents) != 1 or view.cotangents[0].shape != shape:
        return
    upstream = view.cotangents[0].astype(np.float64)
    text = "the local derivative is missing: backward = upstream gradient"
    yield Diagnosis("missing-factor", text), upstream
    for what, u in factors(view, shape).items():
        text = f"the local derivative is replaced by {what}: backward = upstream gradient * "
        yield Diagnosis("missing-factor", text + bracketed(what)), upstream * u


def _reduced(view: View) -> Iterator[Candidate]:
    """Summed or averaged along an axis of a broadcast input that it does have."""
    true = view.table.difference
    spread = any(o.size > true.size for o in view.outputs)
    for axis in range(true.ndim) if spread else ():
        for what, reduce in (("summed", np.sum), ("averaged", np.mean)):
            if true.shape[axis] > 1:
                level = reduce(true, axis=axis, keepdims=True)
                text = (
                    f"wrong un-broadcast: backward equals the finite difference {what} over axis "
                    f"{axis} too, which {view.name} has itself"
                )
                yield Diagnosis("unbroadcast", text), np.broadcast_to(level, true.shape)


def _shuffled(view: View) -> Iterator[Candidate]:
    """The same numbers in any other order, within the lines of an axis or overall."""
    table = view.table
    true, yours = table.difference, table.backward
    if true.size < 3:
        return
    for axis in range(true.ndim):
        if true.ndim > 1 and true.shape[axis] > 1:
            text = f"permutation: the right numbers in another order along axis {axis}"
            ranks = np.argsort(np.argsort(yours, axis=axis), axis=axis)
            ordered = np.sort(true, axis=axis)
            yield Diagnosis("permutation", text), np.take_along_axis(ordered, ranks, axis)
    places = np.argsort(np.argsort(yours, axis=None)).reshape(true.shape)
    text = "permutation: the right numbers in other places"
    yield Diagnosis("permutation", text), np.sort(true, axis=None)[places]


_SOURCES: tuple[Callable[[View], Iterator[Candidate]], ...] = (
    _others,
    _moved,
    _reduced,
    _factors,
    _shuffled,
)

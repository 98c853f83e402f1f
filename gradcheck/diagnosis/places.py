"""Where the wrong entries are, when the others are right."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.arrays import Array
from gradcheck.diagnosis.evidence import Diagnosis, Evidence, View

FEW_WRONG = 2
"""Wrong entries of a single case that have to be zero at a named place; else it takes two cases."""


def some_entries(evidence: Evidence) -> Diagnosis | None:
    """A description that fits the wrong entries of every failing case, with what stands there."""
    views = [v for v in evidence.views if v.table.backward.size > 1]
    if not views or not 0 < int(views[0].table.wrong.sum()) < views[0].table.wrong.size:
        return None
    described = [dict(_descriptions(v)) for v in views]
    fitting = [
        text
        for text in described[0]
        if all(text not in d or _fits(v, d[text]) for v, d in zip(views, described, strict=True))
    ]
    what = _what_is_there(views)
    wrong = sum(int(v.table.wrong.sum()) for v in views)
    total = sum(v.table.wrong.size for v in views)
    count = f"{wrong} of {total} entries in {len(views)} case{'s' * (len(views) > 1)}"
    telling = sum(0 < int(v.table.wrong.sum()) < v.table.wrong.size for v in views)
    zero = what.startswith("; zero") and wrong >= FEW_WRONG
    if fitting and (telling > 1 or zero):
        where = " (the same here: ".join(fitting[:2]) + ")" * (len(fitting) > 1)
        return Diagnosis("some-entries", f"wrong only at {where}, {count}{what}")
    if what and wrong > FEW_WRONG:
        return Diagnosis("some-entries", f"only some entries are wrong ({count}){what}")
    return None


def zero_entries(evidence: Evidence) -> Diagnosis | None:
    """Zeros at a place that has a name, everything else right: that is the whole mistake."""
    found = named_entries(evidence)
    return found if found is not None and "zero there:" in found.text else None


def named_entries(evidence: Evidence) -> Diagnosis | None:
    """Wrong entries at a place that has a name."""
    found = some_entries(evidence)
    return found if found is not None and found.text.startswith("wrong only at") else None


def at_tie(backward: float, difference: float) -> Diagnosis | None:
    """What the sum of the gradients along a tie says of how they were shared out."""
    if not np.isfinite(backward) or difference == 0:
        return None
    times = backward / difference
    if abs(times) < 1e-6:
        return Diagnosis("ties", "at a tie no entry gets the gradient: it is lost")
    if times > 1.5 and abs(times - round(times)) < 1e-5:
        text = f"at a tie the gradient is counted {round(times)} times: each tied entry gets all of"
        return Diagnosis("ties", f"{text} it; give it to one, or divide it by their number")
    return None


def _fits(view: View, where: Array) -> bool:
    """The wrong entries are those; one of them that is right has no slope to get wrong."""
    table = view.table
    faint = np.abs(table.difference) <= table.bound + 1e-6 * table.size
    missed = where & ~table.wrong & ~faint
    return not bool((table.wrong & ~where).any() or missed.any())


def _what_is_there(views: Sequence[View]) -> str:
    wrong = [v.table.wrong for v in views]
    yours = np.concatenate([v.table.backward[w] for v, w in zip(views, wrong, strict=True)])
    true = np.concatenate([v.table.difference[w] for v, w in zip(views, wrong, strict=True)])
    if not np.isfinite(yours).all():
        return "; NaN or infinite there"
    if not yours.any():
        return "; zero there: never written, overwritten or masked out"
    if not np.abs(true).max(initial=0.0) > 1e-7 * np.abs(yours).max():
        return "; it should be zero there"
    with np.errstate(all="ignore"):
        ratios = yours / true
    if len(ratios) > 1 and np.isfinite(ratios).all() and np.ptp(ratios) < 1e-5 * abs(ratios[0]):
        return f"; {ratios[0]:.4g} x the finite difference there"
    return ""


def _descriptions(view: View) -> Iterator[tuple[str, Array]]:
    """Sets of entries that have a name, the narrower ones first."""
    yield from _pointed_at(view)
    yield from _lines(view)
    yield from _by_value(view)


def _lines(view: View) -> Iterator[tuple[str, Array]]:
    shape = view.table.wrong.shape
    for axis, size in enumerate(shape):
        place = np.indices(shape)[axis]
        yield f"the first index of axis {axis} (0)", place == 0
        yield f"the last index of axis {axis} (-1)", place == size - 1
        yield f"the second index of axis {axis} (1)", place == 1
        yield f"both ends of axis {axis}", (place == 0) | (place == size - 1)
        yield f"all but the first index of axis {axis}", place > 0
        yield f"all but the last index of axis {axis}", place < size - 1
        yield f"all but the ends of axis {axis}", (place > 0) & (place < size - 1)
        quarter, rest = divmod(size, 4)
        for k in range(4) if quarter and not rest else ():
            text = f"the quarter number {k} of axis {axis}"
            yield text, (place >= k * quarter) & (place < (k + 1) * quarter)


def _by_value(view: View) -> Iterator[tuple[str, Array]]:
    """Signs, zeros and sizes of the input, of what stands beside it, and of the upstream."""
    shape = view.table.wrong.shape
    beside = [(name, p) for name, p in view.primals.items() if p.dtype.kind == "f"]
    beside.sort(key=lambda item: item[0] != view.name)
    beside += [("the output", o) for o in view.outputs]
    beside += [("the upstream gradient", c) for c in view.cotangents]
    for name, value in beside:
        if value.shape != shape:
            continue
        yield f"entries with {name} = 0", value == 0
        yield f"entries with {name} < 0", value < 0
        yield f"entries with {name} <= 0", value <= 0
        yield f"entries with {name} > 0", value > 0
        yield f"entries with {name} >= 0", value >= 0
        for limit, number in _limits(view).items():
            yield f"entries with {name} < {limit}", value < number
            yield f"entries with {name} > {limit}", value > number
            yield f"entries with |{name}| > {limit}", np.abs(value) > number
            yield f"entries with |{name}| < {limit}", np.abs(value) < number
        for (low, a), (high, b) in itertools.permutations(_limits(view).items(), 2):
            if a < b:
                outside = (value < a) | (value > b)
                yield f"entries with {name} < {low} or {name} > {high}", outside
                yield f"entries with {low} < {name} < {high}", ~outside
    upstream = view.cotangents[0]
    own = view.primals[view.name]
    if upstream.shape == own.shape:
        text = f"entries where {view.name} and the upstream gradient have opposite signs"
        yield text, own * upstream < 0
    reals = [p for _, p in beside if p.shape == shape][:2]
    if len(reals) == 2:
        yield f"entries with {beside[0][0]} < {beside[1][0]}", reals[0] < reals[1]
        yield f"entries with {beside[0][0]} > {beside[1][0]}", reals[0] > reals[1]
    if view.primals[view.name].dtype.kind == "f":
        yield "entries that are equal to another one (ties)", _tied(view.primals[view.name])


def _limits(view: View) -> dict[str, float]:
    """Numbers at which a function may have its pieces: its numeric attributes, and 1."""
    own = {n: float(v) for n, v in view.attributes.items() if isinstance(v, (int, float))}
    return {**own, "1": 1.0, "-1": -1.0}


def _tied(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse].reshape(values.shape) > 1)


def _pointed_at(view: View) -> Iterator[tuple[str, Array]]:
    """Entries that an integer input names: as labels of rows, or as indices."""
    shape = view.table.wrong.shape
    for name, index in view.primals.items():
        if index.dtype.kind not in "iu" or not shape or not index.size:
            continue
        if len(shape) == 2 and index.shape == shape[:1] and index.max() < shape[1]:
            where = np.zeros(shape, bool)
            where[np.arange(shape[0]), index] = True
            yield f"the entries that {name} points at", where
            yield f"the entries that {name} does not point at", ~where
        if index.max() < shape[0]:
            counts = np.bincount(index.reshape(-1) % shape[0], minlength=shape[0])
            spread = counts.reshape((-1,) + (1,) * (len(shape) - 1))
            yield f"rows that {name} names more than once", np.broadcast_to(spread > 1, shape)
            yield f"rows that {name} names", np.broadcast_to(spread > 0, shape)
            yield f"rows that {name} does not name", np.broadcast_to(spread == 0, shape)

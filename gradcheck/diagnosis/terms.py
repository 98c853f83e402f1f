"""Backward is the right gradient plus something: a number, a constant per line, a lost product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.arrays import Float
from gradcheck.diagnosis.evidence import SLACK, Diagnosis, Evidence, View
from gradcheck.diagnosis.quantities import Named, bracketed, factors, known

LINES = 48
"""Lines of a large input that are fitted: a wrong kind of term does not fit the first few."""
SPARE = 4
"""Entries, beyond the unknowns of a fit, that have to agree with it."""
MOST = 64
"""Quantities at hand of which products are made."""
LEAST = 1e-2
"""Of the largest entry of what is lacking, what it must not be uncertain by."""


def constant_term(evidence: Evidence) -> Diagnosis | None:
    """What is missing or too much, if every failing case has the same kind of gap."""
    shared: dict[str, None] | None = None
    for view in evidence.views:
        if view.table.backward.size < 2:
            continue
        gaps = dict(_gaps(view))
        found = dict.fromkeys(text for text, fits in gaps.items() if fits)
        undecided = {text for text, fits in gaps.items() if fits is None}
        if shared is None:
            shared = found
        else:
            shared = {t: None for t in shared if t in found or t in undecided}
    if not shared:
        return None
    first = next(iter(shared))
    return Diagnosis("constant-term", f"{first} ({evidence.entries})")


def _gaps(view: View) -> Iterator[tuple[str, bool | None]]:
    """Each kind of gap: does it fit? None where the case has too few entries to tell."""
    gap = view.table.backward - view.table.difference
    shape = gap.shape
    ones = np.ones(shape)
    own = known(view, shape)
    upstream = [c.astype(np.float64) for c in view.cotangents if c.shape == shape]
    for what, q in [*own.items(), *(("the upstream gradient", c) for c in upstream)]:
        text = f"a term is missing or too much: a multiple of {what}"
        yield text, _fits(view, gap.reshape(1, -1), [q.reshape(1, -1)])
    quantities = factors(view, shape)
    for axis in range(len(shape)):
        lines = np.moveaxis(gap, axis, -1).reshape(-1, shape[axis])

        def flat(q: Float, axis: int = axis) -> Float:
            return np.moveaxis(q, axis, -1).reshape(-1, q.shape[axis])

        text = (
            f"a term that is constant along axis {axis} is missing or too much (a mean or sum over "
            "that axis?)"
        )
        yield text, _fits(view, lines, [flat(ones)])
        for what, q in quantities.items():
            text = (
                f"a term is missing or too much: {what} times something constant along axis {axis} "
                "(a mean or sum over that axis?)"
            )
            yield text, _fits(view, lines, [flat(q)])
        for what, q in quantities.items():
            text = (
                f"along axis {axis} two terms are missing or too much, one constant and one in "
                f"proportion to {what} (means or sums over that axis?)"
            )
            yield text, _fits(view, lines, [flat(ones), flat(q)])


def lost_term(evidence: Evidence) -> Diagnosis | None:
    """A function of single entries lacks a product of the upstream gradient and what is at hand."""
    views = evidence.views
    if evidence.probe is None or not evidence.probe.entrywise:
        return None
    if not all([c.shape for c in v.cotangents] == [v.table.backward.shape] for v in views):
        return None
    if sum(v.table.backward.size for v in views) <= SPARE:
        return None
    at_hand = [factors(v, v.table.backward.shape, constant=True) for v in views]
    upstream = [v.cotangents[0].astype(np.float64) for v in views]
    for names in _products(at_hand):
        made = [
            math.prod((q[n] for n in names), start=c)
            for q, c in zip(at_hand, upstream, strict=True)
        ]
        number = _times(views, made)
        if number is not None:
            product = " * ".join(["upstream gradient", *map(bracketed, names)])
            text = (
                "a term, or a factor of one, is missing or too much: finite difference - backward "
                f"= {_before(number)}{product} ({evidence.entries})"
            )
            return Diagnosis("lost-term", text)
    return None


def _products(at_hand: Sequence[Named]) -> Iterator[tuple[str, ...]]:
    """One or two of the quantities that every case has, the simpler ones first."""
    names = [n for n in at_hand[0] if all(n in q for q in at_hand)]
    yield from itertools.combinations(names, 1)
    if len(names) <= MOST:
        yield from itertools.combinations_with_replacement(names, 2)


def _times(views: Sequence[View], products: Sequence[Float]) -> float | None:
    """The number by which what every case lacks is these products; None where there is none."""
    number: float | None = None
    for view, product in zip(views, products, strict=True):
        gap = view.table.difference - view.table.backward
        square = float((product * product).sum())
        if not 0 < square < np.inf:
            return None
        number = float((gap * product).sum()) / square if number is None else number
        slack = view.table.bound.max() + SLACK[view.precision] * view.table.size
        least = LEAST * np.abs(gap).max()
        if not np.abs(gap - number * product).max() <= slack <= least:
            return None
    return number


def _before(number: float) -> str:
    """A factor as it is written before a product."""
    if f"{abs(number):.4g}" == "1":
        return "-" if number < 0 else ""
    return f"{number:.4g} * "


def _fits(view: View, lines: Float, basis: list[Float]) -> bool | None:
    """Every line of the gap is a combination of the basis."""
    if lines.size - len(lines) * len(basis) < SPARE:
        return None
    step = -(-len(lines) // LINES)
    lines, basis = lines[::step], [b[::step] for b in basis]
    scale = max(view.table.size, float(np.abs(lines).max(initial=0.0)))
    slack = view.table.bound.max() + SLACK[view.precision] * scale
    for k, line in enumerate(lines):
        matrix = np.stack([b[k] for b in basis], axis=1)
        solution = np.linalg.lstsq(matrix, line, rcond=None)[0]
        if not (np.abs(matrix @ solution - line) <= slack).all():
            return False
    return True

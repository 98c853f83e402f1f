"""Backward is linear in its upstream gradient: zero gives zero, sums and multiples carry over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gradcheck import backward_noise
from gradcheck.arrays import Float, is_real
from gradcheck.checks.agreement import apart
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.cotangents import random_like
from gradcheck.floats import largest_of
from gradcheck.model import Outputs

NAME = "linearity"
_FACTOR = 8.0
"""A power of two: multiplying by it rounds nothing."""
_ROOM = 16.0
"""Gradients that come so near to the largest number of their dtype may overflow on the way."""


def check(facts: Facts) -> Outcome:
    """p(0) = 0, p(8c) = 8 p(c), p(c + d) = p(c) + p(d) for the pullback p."""
    outcome = Outcome()
    base = facts.gradients
    if not facts.op.linear or not facts.compared or not _finite(base):
        return outcome
    c = facts.cotangents
    d = random_like(facts.answer.outputs, facts.case.recipe.cotangent_seed)
    zero = _pull(facts, tuple(np.zeros_like(u) for u in c))
    nothing = tuple(None if g is None else np.zeros_like(g) for g in zero)
    _compare(outcome, facts, (zero, nothing), "for a zero cotangent the gradient must be zero")
    if outcome.findings:
        return outcome
    scaled = _pull(facts, tuple(_times(u, _FACTOR) for u in c))
    expected = tuple(None if g is None else _FACTOR * g for g in base)
    _compare(
        outcome, facts, (scaled, expected), "8 times the cotangent must give 8 times the gradient"
    )
    other = _pull(facts, d)
    added = tuple((u + v).astype(u.dtype) for u, v in zip(c, d, strict=True))
    both = _pull(facts, added)
    summed = tuple(
        None if g is None or h is None else g + h for g, h in zip(base, other, strict=True)
    )
    if not outcome.findings and _finite(other):
        rule = "the gradients of two cotangents must add up"
        _compare(outcome, facts, (both, summed), rule, partial(_noise, facts, (c, d, added)))
    return outcome


def _noise(facts: Facts, given: tuple[Outputs, ...]) -> tuple[Float, ...]:
    """The largest rounding noise of each gradient entry at some cotangents."""
    own, case = facts.evaluator, facts.case
    measured = [
        backward_noise.measure(own, case, cotangents, facts.gradients, turned=True)
        for cotangents in given
    ]
    return tuple(np.maximum.reduce(entries) for entries in zip(*measured, strict=True))


def _pull(facts: Facts, cotangents: Outputs) -> tuple[Float | None, ...]:
    return facts.aligned(facts.evaluator.gradients(facts.case, cotangents))


def _times(cotangent: Outputs | Float, factor: float) -> Float:
    array = np.asarray(cotangent)
    return np.asarray(array * array.dtype.type(factor)) if is_real(array) else array


def _finite(gradients: tuple[Float | None, ...]) -> bool:
    return all(g is None or bool(np.isfinite(g).all()) for g in gradients)


def _held(
    facts: Facts, got: tuple[Float | None, ...], base: tuple[Float | None, ...]
) -> tuple[Float | None, ...]:
    """What was got, but for what overflows where the gradient's dtype can hardly hold it."""
    made: list[Float | None] = []
    for own, want, returned in zip(got, base, facts.answer.gradients or (), strict=True):
        if own is None or want is None:
            made.append(own)
            continue
        room = largest_of(np.asarray(returned).dtype) / _ROOM
        lost = ~np.isfinite(own) & (np.abs(want) > room)
        made.append(np.where(lost, want, own) if np.count_nonzero(lost) else own)
    return tuple(made)


def _compare(
    outcome: Outcome,
    facts: Facts,
    pair: tuple[tuple[Float | None, ...], tuple[Float | None, ...]],
    rule: str,
    noise: Callable[[], tuple[Float, ...]] | None = None,
) -> None:
    outcome.comparisons += sum(g is not None for g in pair[0])
    where = apart(facts, _held(facts, *pair), pair[1], noise)
    if where:
        outcome.find(
            NAME,
            "not-linear",
            f"backward is not linear in the cotangent (upstream gradient): {rule}; {where}",
        )

"""The rules in order: a more specific explanation comes before a vaguer one.

Each rule is a function of the evidence that returns a `Diagnosis` or None. To add a mistake that
predicts numbers, add a candidate to `mistakes` or `upstream` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gradcheck.arrays import Float
from gradcheck.diagnosis.evidence import SLACK, Diagnosis, Evidence, View
from gradcheck.diagnosis.mistakes import entrywise, gradients
from gradcheck.diagnosis.places import named_entries, some_entries, zero_entries
from gradcheck.diagnosis.ratios import constant_factor, per_line_factor
from gradcheck.diagnosis.scope import only_for
from gradcheck.diagnosis.terms import constant_term, lost_term
from gradcheck.diagnosis.upstream import predictions

Rule = Callable[[Evidence], Diagnosis | None]
FEW = 3
"""Entries, over all failing cases, without which a coincidence explains anything."""


def explain(evidence: Evidence) -> Diagnosis | None:
    """The mistake with its evidence, and in which cases it shows; None when nothing stands out.

    A mistake that one attribute value or dtype alone shows has both names: ``attribute/sign``.
    """
    mistake = _flat(evidence)
    with np.errstate(all="ignore"):
        for part in (evidence, _of_one_setting(evidence)):
            mistake = mistake or _mistake(part)
    where = only_for(evidence, strictly=mistake is not None)
    if where is None:
        return mistake
    if mistake is None:
        return where
    explained = mistake.name == "missing-factor" and "attribute" in mistake.text
    if where.name in ("attribute", "dtype") and not explained:
        name = f"{where.name}/{mistake.name}"
        return Diagnosis(name, f"{where.text}; there: {mistake.text}")
    return mistake


def _mistake(evidence: Evidence) -> Diagnosis | None:
    if sum(int((v.table.difference != 0).sum()) for v in evidence.views) < FEW:
        return _not_finite(evidence) if evidence.views else None  # that is no coincidence
    tells = not all(v.is_backward(v.table.difference) for v in evidence.views)
    rules = RULES if tells else BY_BOUNDS
    return next((found for rule in rules if (found := rule(evidence))), None)


def _flat(evidence: Evidence) -> Diagnosis | None:
    """Forward does not move at all: a rounding or a step, with a gradient made up for it."""
    tables = [v.table for v in evidence.views]
    if any(t.difference.any() for t in tables) or not any(t.backward.any() for t in tables):
        return None
    if not all(np.isfinite(t.backward).all() for t in tables):
        return None
    return Diagnosis(
        "flat-forward",
        "forward is flat (its slope is 0 at every entry) and backward is not: a straight-through "
        "or surrogate gradient? Name the function that it is the gradient of: differentiates=...",
    )


def _of_one_setting(evidence: Evidence) -> Evidence:
    """The cases with the first one's attributes: another axis is another sentence."""
    views = evidence.views
    alike = tuple(v for v in views if v.attributes == views[0].attributes)
    return replace(evidence, views=alike)


def _not_finite(evidence: Evidence) -> Diagnosis | None:
    table = evidence.views[0].table
    bad = ~np.isfinite(table.backward)
    if not bad.any():
        return None
    place = some_entries(evidence)
    text = f"not finite: {int(bad.sum())} of {bad.size} entries are NaN or infinite"
    return Diagnosis("not-finite", f"{text}; {place.text}" if place else text)


def _zero(evidence: Evidence) -> Diagnosis | None:
    if any(v.table.backward.any() for v in evidence.views):
        return None
    return Diagnosis("zero", f"backward returns zeros everywhere ({evidence.entries})")


def _homogeneity(evidence: Evidence) -> Diagnosis | None:
    """Backward is no multiple of the upstream gradient: part of it lacks it, or has it twice."""
    probe = evidence.probe
    if probe is None or not np.isfinite(probe.zero).all() or not probe.view.table.backward.any():
        return None
    base, zero, doubled = probe.pulls[0].gradient, probe.zero, probe.doubled
    slack = SLACK[probe.view.precision] * max(np.abs(base).max(), np.abs(doubled).max())
    if np.abs(zero).max() > slack:
        return _without_upstream(evidence)
    if np.abs(doubled - 4 * base).max() <= slack:
        return Diagnosis(
            "upstream-twice",
            "the upstream gradient is applied twice: doubling it multiplies what backward returns "
            "by 4",
        )
    return None


def _without_upstream(evidence: Evidence) -> Diagnosis:
    probe = evidence.probe
    assert probe is not None
    base, zero = probe.pulls[0].gradient, probe.zero
    rest = View.is_backward(probe.view, probe.view.table.difference + zero)
    if rest and np.ptp(zero) < 1e-6 * np.abs(zero).max():
        text = f"{zero.reshape(-1)[0]:.4g} is added to every entry, whatever the upstream gradient"
        return Diagnosis("constant-term", text)
    slack = SLACK[probe.view.precision] * np.abs(base).max()
    if np.abs(base - zero).max() <= slack:
        return Diagnosis(
            "upstream-dropped",
            "the upstream gradient is dropped: backward returns the same for any, zeros included",
        )
    return Diagnosis(
        "upstream-dropped",
        "a term lacks the upstream gradient: for an upstream of zeros backward returns "
        f"{np.abs(zero).max():.4g}, not 0",
    )


def _in_the_gradient(evidence: Evidence) -> Diagnosis | None:
    """A candidate that every failing case confirms."""
    return _confirmed(evidence, gradients)


def _instead_of_the_derivative(evidence: Evidence) -> Diagnosis | None:
    """The upstream gradient times something else, where one entry of an output has one input."""
    if evidence.probe is None or not evidence.probe.entrywise:
        return None
    return _confirmed(evidence, entrywise)


def _confirmed(
    evidence: Evidence, candidates: Callable[[View], Iterator[tuple[Diagnosis, Float]]]
) -> Diagnosis | None:
    entries: dict[Diagnosis, int] = {}
    refuted: set[Diagnosis] = set()
    for view in evidence.views:
        for diagnosis, made in candidates(view):
            if diagnosis not in refuted and view.is_backward(made):
                entries[diagnosis] = entries.get(diagnosis, 0) + made.size
            else:
                refuted.add(diagnosis)
    for diagnosis, count in entries.items():
        if diagnosis not in refuted and count >= FEW:
            return Diagnosis(diagnosis.name, f"{diagnosis.text} ({evidence.entries})")
    return None


def _in_the_upstream(evidence: Evidence) -> Diagnosis | None:
    """A candidate that the probe's pulls confirm."""
    probe = evidence.probe
    if probe is None or not np.isfinite(probe.jacobian).all():
        return None
    if probe.jacobian.shape[0] * len(probe.pulls) < FEW or not probe.jacobian.shape[1]:
        return None
    if probe.explained(tuple(probe.jacobian @ pull.cotangent for pull in probe.pulls)):
        return None  # the error is below the slack: a prediction that changes nothing would fit
    for diagnosis, made in predictions(probe):
        if all(np.isfinite(m).all() for m in made) and probe.explained(made):
            count = len(probe.pulls)
            where = f"all {probe.jacobian.shape[0]} entries, for {count} upstream gradients"
            return Diagnosis(diagnosis.name, f"{diagnosis.text} ({where})")
    return None


def _elsewhere(evidence: Evidence) -> Diagnosis | None:
    """The right gradient of another point: a value that was kept has changed in between."""
    probe = evidence.probe
    if probe is None or probe.view.table.backward.size < FEW:
        return None
    for what, gradient in probe.elsewhere().items():
        if probe.view.is_backward(gradient, 1e-9) and not probe.view.is_backward(
            probe.view.table.difference
        ):
            return Diagnosis(
                "stale-value",
                f"backward is right for another value of {evidence.name}: {what} (on all "
                f"{gradient.size} entries); is what forward kept changed before backward reads it?",
            )
    return None


def _nearly(evidence: Evidence) -> Diagnosis | None:
    """All entries close, none exact: an approximation rather than a slip."""
    worst, count = 0.0, 0
    for view in evidence.views:
        table = view.table
        large = np.abs(table.difference) > 10 * table.bound
        off = np.abs(table.backward[large] / table.difference[large] - 1)
        worst = max(worst, float(off.max(initial=0.0)))
        count += int(large.sum())
    if worst > 0.01 or count < FEW:
        return None
    return Diagnosis(
        "nearly",
        f"nearly right: within {worst:.1g} of the finite difference on all entries; an epsilon "
        "that forward has and backward leaves out, or an approximation?",
    )


RULES: tuple[Rule, ...] = (
    _not_finite,
    _zero,
    _homogeneity,
    constant_factor,
    zero_entries,
    _in_the_upstream,
    _in_the_gradient,
    named_entries,
    _instead_of_the_derivative,
    some_entries,
    per_line_factor,
    constant_term,
    _elsewhere,
    lost_term,
    _nearly,
)

BY_BOUNDS: tuple[Rule, ...] = (
    _not_finite,
    _zero,
    _homogeneity,
    zero_entries,
    named_entries,
    some_entries,
    _nearly,
)
"""Those left where errors are within the slack, where the right gradient fits every prediction."""

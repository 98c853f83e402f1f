"""Backward is the right gradient times something: a sign, a number, a size, a number per row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.evidence import SLACK, Diagnosis, Evidence, View

_POWERS = {
    -1.0: "1/n with n = {}",
    1.0: "n = {}",
    -2.0: "1/n^2 with n = {}",
    2.0: "n^2 with n = {}",
    0.5: "sqrt(n) with n = {}",
    -0.5: "1/sqrt(n) with n = {}",
}
FEW_LINES = 2
_NICE = {2: "2", 0.5: "1/2", 3: "3", 4: "4", 0.25: "1/4", 1 / 3: "1/3"}


def constant_factor(evidence: Evidence) -> Diagnosis | None:
    """One factor on all entries of each case: a sign, a number, or a size."""
    ratios = [_ratio(v) for v in evidence.views]
    known = [r for r in ratios if r is not None]
    if len(known) < len(ratios):
        return None
    if np.ptp(known) <= 1e-4 * abs(known[0]):
        return _number(evidence, known[0])
    for text, values in _sizes(evidence.views):
        quotients = np.array(known) / values
        if np.ptp(quotients) <= 1e-4 and abs(abs(quotients[0]) - 1) < 1e-4:
            return _size(evidence, text, float(quotients[0]), list(zip(known, values, strict=True)))
    return None


def _ratio(view: View) -> float | None:
    table = view.table
    large = np.abs(table.difference) > 10 * table.bound
    if not large.any():
        return None
    ratio = float(np.median(table.backward[large] / table.difference[large]))
    spread = np.max(table.bound, initial=0.0) * max(1.0, abs(ratio))
    return ratio if ratio and view.is_backward(ratio * table.difference, spread) else None


def _number(evidence: Evidence, factor: float) -> Diagnosis | None:
    if abs(factor - 1) < SLACK[evidence.views[0].precision]:
        return None
    if abs(factor + 1) < 1e-5:
        return Diagnosis("sign", f"sign: backward = -1 x finite difference {evidence.entries}")
    nice = next((t for v, t in _NICE.items() if abs(abs(factor) - v) < 1e-5), f"{abs(factor):.4g}")
    sign, kind = ("-", "sign and factor") if factor < 0 else ("", "factor")
    text = f"{kind}: backward = {sign}{nice} x finite difference {evidence.entries}"
    fitting = [t for t, v in _sizes(evidence.views) if np.allclose(v, abs(factor), rtol=1e-5)]
    if fitting:
        text += f"; in all of them this is also {fitting[0]}"
    return Diagnosis("factor", text)


def _size(
    evidence: Evidence, text: str, quotient: float, pairs: list[tuple[float, float]]
) -> Diagnosis:
    seen = list(dict.fromkeys(f"{r:.4g}" for r, _ in pairs))[:4]
    sign = "-" if quotient < 0 else ""
    name = "missing-factor" if "attribute" in text else "size-factor"
    return Diagnosis(
        name,
        f"factor {sign}{text}: backward = {', '.join(seen)} x finite difference {evidence.entries}",
    )


def _sizes(views: tuple[View, ...]) -> Iterator[tuple[str, list[float]]]:
    """Numbers that differ between the cases, the simplest first, by how they are written."""
    counts = _counts(views)
    for power, form in _POWERS.items():
        usable = ((t, n) for t, n in counts if min(n) > 0 or power % 1 == 0)
        yield from ((form.format(t), [v**power for v in n]) for t, n in usable)
    for t, n in counts:
        if min(n) > 1 and not t.startswith("attribute"):
            yield f"n/(n - 1) with n = {t}", [v / (v - 1) for v in n]
            yield f"(n - 1)/n with n = {t}", [(v - 1) / v for v in n]
            yield f"1/(n - 1) with n = {t}", [1 / (v - 1) for v in n]
    for (t, n), (u, m) in itertools.permutations(counts, 2):
        yield f"n/m with n = {t} and m = {u}", [a / b for a, b in zip(n, m, strict=True)]


def _counts(views: tuple[View, ...]) -> list[tuple[str, list[float]]]:
    """Sizes of axes, numbers of entries and numeric attributes."""
    found: list[tuple[str, list[float]]] = []
    names = sorted(views[0].primals, key=lambda n: n != views[0].name)
    for name in names:
        shapes = [v.primals[name].shape for v in views]
        if len({len(s) for s in shapes}) == 1:
            found += [
                (f"size of axis {axis} of {name}", [float(n) for n in sizes])
                for axis, sizes in enumerate(zip(*shapes, strict=True))
            ]
        found.append((f"size of {name}", [float(np.prod(s)) for s in shapes]))
    for k in range(len(views[0].outputs)):
        sizes = [float(v.outputs[k].size) for v in views]
        found.append(("size of the output", sizes))
    for name in views[0].attributes:
        values = [v.attributes.get(name) for v in views]
        if all(isinstance(a, (int, float)) and not isinstance(a, bool) and a for a in values):
            numbers = [float(a) for a in values]  # type: ignore[arg-type]
            found.append((f"attribute {name}", numbers))
            if all(0 < a < 1 for a in numbers):
                found.append((f"1 - attribute {name}", [1 - a for a in numbers]))
    unique: dict[tuple[float, ...], str] = {}
    for text, numbers in found:
        if min(numbers) != 0 and set(numbers) != {1.0}:
            unique.setdefault(tuple(numbers), text)
    return [(t, list(n)) for n, t in unique.items()]


def per_line_factor(evidence: Evidence) -> Diagnosis | None:
    """Another factor for each row, the same along it: something computed per row is missing."""
    verdicts: dict[int, list[bool]] = {}
    for view in evidence.views:
        for axis in range(view.table.backward.ndim):
            if (fits := _per_line(view, axis)) is not None:
                verdicts.setdefault(axis, []).append(fits)
    fitting = [a for a, fits in verdicts.items() if all(fits)]
    if not fitting:
        return None
    axis = fitting[0]
    return Diagnosis(
        "missing-factor",
        f"a factor that is the same along axis {axis} and differs along the others is missing or "
        f"too much ({evidence.entries}): something computed for each line of axis {axis}, such as "
        "a norm, a sum or a standard deviation",
    )


def _per_line(view: View, axis: int) -> bool | None:
    """Every line along the axis has its own factor; None where the case cannot tell."""
    table = view.table
    if table.backward.shape[axis] < 3 or table.backward.size < 3 * FEW_LINES:
        return None
    true = np.moveaxis(table.difference, axis, -1)
    yours = np.moveaxis(table.backward, axis, -1)
    weight = (true * true).sum(axis=-1, keepdims=True)
    if not (weight > 0).all() or weight.size < FEW_LINES:
        return None
    factor = (yours * true).sum(axis=-1, keepdims=True) / weight
    return bool((factor != 0).all()) and view.is_backward(
        np.moveaxis(factor * true, -1, axis), table.bound.max() * max(1.0, np.abs(factor).max())
    )

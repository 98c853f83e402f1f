"""Which mistake explains these numbers? Evidence in words, or silence.

Given a gradient as backward computed it and the finite differences with their bounds, each rule
asks whether one simple mistake reproduces *all* entries. A rule that fits by chance is worse than
none: fewer than two informative entries say nothing but a sign or a factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck.arrays import Float

_NICE = {2: "2", 0.5: "1/2", 3: "3", 4: "4", 0.25: "1/4", 1 / 3: "1/3"}


@dataclass(frozen=True, slots=True)
class Table:
    """One input's gradient, entry by entry, each array of the input's shape."""

    backward: Float
    difference: Float
    bound: Float

    def explains(self, candidate: Float) -> bool:
        """Backward equals the candidate everywhere, within bounds and a little more."""
        if candidate.shape != self.backward.shape:
            return False
        with np.errstate(all="ignore"):
            slack = self.bound + 1e-6 * np.abs(candidate).max(initial=0.0)
            return bool((np.abs(self.backward - candidate) <= slack).all())


def explain(name: str, tables: Mapping[str, Table], *, ignores_cotangent: bool = False) -> str:
    """The mistake in input ``name``'s gradient, with its evidence; empty when none stands out."""
    table = tables[name]
    if not (np.isfinite(table.difference).all() and table.backward.size):
        return ""
    if not np.isfinite(table.backward).all():
        share = int((~np.isfinite(table.backward)).sum())
        return f"not finite: {share} of {table.backward.size} entries are NaN or infinite"
    if not table.difference.any():
        return _flat(table)
    if found := _zero(table):
        return found
    if ignores_cotangent:
        return "the upstream gradient is dropped: backward returns the same for any cotangent"
    for rule in (_factor, _transposed):
        if found := rule(table):
            return found
    if found := _other_input(name, tables):
        return found
    return _broadcast(table) or _nearly(table) or _some_entries(table)


def _flat(table: Table) -> str:
    """Forward does not move at all: a rounding or a step, with a gradient made up for it."""
    if not table.backward.any():
        return ""
    return (
        "forward is flat (its slope is 0 at every entry) and backward is not: a straight-through "
        "or surrogate gradient? Name the function that it is the gradient of: differentiates=..."
    )


def _zero(table: Table) -> str:
    return "" if table.backward.any() else "backward returns zeros everywhere"


def _factor(table: Table) -> str:
    """Sign, or one factor on all entries."""
    large = np.abs(table.difference) > 10 * table.bound
    if not large.any():
        return ""
    ratios = table.backward[large] / table.difference[large]
    factor = float(np.median(ratios))
    if factor == 0 or not table.explains(factor * table.difference):
        return ""
    count = table.backward.size
    entries = f"on all {count} entries" if count > 1 else "in its one entry"
    if abs(factor + 1) < 1e-5:
        return f"sign: backward = -1 x finite difference {entries}"
    nice = next((t for v, t in _NICE.items() if abs(abs(factor) - v) < 1e-5), f"{abs(factor):.4g}")
    sign = "-" if factor < 0 else ""
    kind = "sign and factor" if factor < 0 else "factor"
    return f"{kind}: backward = {sign}{nice} x finite difference {entries}"


def _transposed(table: Table) -> str:
    if table.backward.ndim < 2 or table.backward.shape[-1] != table.backward.shape[-2]:
        return ""
    turned = np.swapaxes(table.difference, -1, -2)
    if table.explains(turned) and not np.allclose(turned, table.difference):
        return "transposed: backward equals the finite difference with its last two axes swapped"
    return ""


def _other_input(name: str, tables: Mapping[str, Table]) -> str:
    if tables[name].backward.size < 2:
        return ""
    for other, table in tables.items():
        if other != name and tables[name].explains(table.difference):
            return f"it is the gradient of {other}"
    return ""


def _broadcast(table: Table) -> str:
    """Right up to an addition that is constant along an axis."""
    gap = table.backward - table.difference
    for axis in range(gap.ndim):
        if gap.shape[axis] > 2 and gap.ndim > 1:
            level = gap.mean(axis=axis, keepdims=True)
            if table.explains(table.difference + level) and not np.allclose(level, level.mean()):
                return f"a term that is constant along axis {axis} is missing or too much"
    return ""


def _nearly(table: Table) -> str:
    """All entries close, none exact: an approximation rather than a slip."""
    large = np.abs(table.difference) > 10 * table.bound
    if int(large.sum()) < 2:
        return ""
    off = np.abs(table.backward[large] / table.difference[large] - 1)
    if off.max() > 0.01:
        return ""
    return (
        f"nearly right: within {off.max():.1g} of the finite difference on all entries; an epsilon "
        "that forward has and backward leaves out, or an approximation?"
    )


def _some_entries(table: Table) -> str:
    """Only some entries are wrong: which."""
    with np.errstate(all="ignore"):
        wrong = np.abs(table.backward - table.difference) > table.bound
    count = int(wrong.sum())
    if count == 0 or count == wrong.size:
        return ""
    zero = not table.backward[wrong].any()
    how = " (zero there: overwritten, or never written?)" if zero else ""
    for axis in range(wrong.ndim):
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        lines = wrong.all(axis=others)
        if (
            lines.any()
            and int(lines.sum()) * int(np.prod([wrong.shape[a] for a in others])) == count
        ):
            places = ", ".join(str(int(i)) for i in np.flatnonzero(lines))
            return f"only index {places} of axis {axis} is wrong{how}"
    return f"only {count} of {wrong.size} entries are wrong{how}"

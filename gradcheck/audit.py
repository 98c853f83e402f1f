"""How much of its own tolerance an op used: a loose one hides the next mistake."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradcheck.compare import SIGNIF
from gradcheck.floats import MIXED
from gradcheck.records import num
from gradcheck.results import Finding, Tolerance

LOOSE = 10
"""A tolerance may be this many times what was needed."""
JUDGED_AS = {MIXED: "float32"}
"""Whose tolerance a mixture has."""
PLANTED = 1e-2
"""A tolerance that would hide an error of this size is loose, however much was needed."""


def audit(signif: float, needed: float, dtypes: Iterable[str]) -> Tolerance:
    """An op's ``signif`` beside the largest error that was beyond all rounding.

    Parameters
    ----------
    signif : float
        Relative errors up to this are no failure; set by the op itself.
    needed : float
        The largest (|a - D| - B - A) / scale over all comparisons: the tightest ``signif`` that
        would still pass.
    dtypes : iterable of str
        Judged in; a tolerance that is no wider than the usual one of the narrowest is not loose.
    """
    loose = ""
    if signif > max((SIGNIF[JUDGED_AS.get(d, d)] for d in dtypes), default=0.0):
        if signif > LOOSE * needed:
            loose = f"more than {LOOSE} times what was needed"
        if signif >= PLANTED:
            loose += (" and " if loose else "") + "wide enough to hide an error of 1 %"
    return Tolerance(
        signif=signif,
        tightest=num(_up(needed)),
        used=num(needed / signif if signif else 0.0),
        loose=loose,
    )


def _up(value: float) -> float:
    """Two digits, rounded up, so that what is printed would really pass."""
    if not value:
        return 0.0
    digits = 1 - math.floor(math.log10(value))
    return round(math.ceil(value * 10.0**digits) / 10.0**digits, digits + 1)


def warning(tolerance: Tolerance, cases: int) -> Finding:
    """The finding of a loose tolerance."""
    return Finding(
        code="loose-tolerance",
        check="values",
        severity="warning",
        message=(
            f"signif={tolerance.signif:g} is {tolerance.loose}: "
            f"signif={float(tolerance.tightest):.2g} would still pass"
        ),
        cases=cases,
    )

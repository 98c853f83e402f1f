"""Forward returns NaN or infinity: is it unsound there, or is the true value beyond the dtype?

exp(164) in float32 is infinite, and rightly so: no domain word excludes it, and no author meant
it. The naive log(1 + exp(x)) is infinite there too, where 164 would be right. The next wider
arithmetic tells the two apart. Where that cannot be had, or overflows as well, the way from smaller
inputs does: just before exp is lost it is nearly the largest number, and log(1 + exp(x)) is 88.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.arrays import all_finite, as_outputs, is_real
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import eps_of, largest_of
from gradcheck.model import Array, Case, Outputs
from gradcheck.results import Finding

OVERFLOWS = "forward overflows, as its true values do in this dtype"
GROWS = "forward overflows, after values near the largest of this dtype"
NEAR = 2.0**-10
"""Of the largest number of float32 and float64, what counts as near it; of narrower ones all."""
FOLLOWED = 4
"""Entries that are lost whose values nearer by are looked at."""
HALVINGS = 14
"""Of the way to where an entry is lost: exp(164 t) is then known to a hundredth."""


def refusal(evaluator: Evaluator, case: Case, outputs: Outputs, *, refusable: bool) -> str:
    """Why outputs that are not finite are no fault of forward's; empty where they are."""
    if refusable or not all_finite(case.primals):
        return "forward returns NaN or infinity"
    known = overflows(evaluator, case, outputs)
    if known is None and case.recipe.regime != "example":
        return GROWS if _grows(evaluator, case, outputs) else ""
    return OVERFLOWS if known else ""


def overflows(evaluator: Evaluator, case: Case, outputs: Outputs) -> bool | None:
    """Each entry that is lost is finite in wider arithmetic, and too large for its own, or nearly.

    By forward, or by its reference where forward does not compute in wider arithmetic. None where
    neither does, or overflows as well: nothing is known then.
    """
    op = evaluator.op
    written = [f for f in (op.forward, op.options.reference) if f is not None]
    ways = [(f, np.dtype(w)) for f in written for w in (np.longdouble, np.float64)]
    found = [_in(*way, evaluator, case, outputs) for way in ways]
    return True if True in found else False if False in found else None


def _in(
    written: Callable[..., Any],
    wide: np.dtype[Any],
    evaluator: Evaluator,
    case: Case,
    outputs: Outputs,
) -> bool | None:
    primals = tuple(p.astype(wide) if is_real(p) else p for p in case.primals)
    try:
        with np.errstate(all="ignore"):
            given = evaluator.call_forward(written, primals, case.attributes)
            made = as_outputs(given)
    except (UserCodeRaised, UsageError):
        return None
    if [m.shape for m in made] != [o.shape for o in outputs]:
        return None
    own = _narrowest(case)
    pairs = ((o, w) for o, w in zip(outputs, made, strict=True) if is_real(o))
    found = [_beyond(o, w, own) for o, w in pairs]
    return False if False in found else None if None in found else True


def _narrowest(case: Case) -> np.dtype[Any] | None:
    """The dtype of the inputs; outputs may be wider, as after a product with a NumPy float64."""
    real = [p.dtype for p in case.primals if is_real(p)]
    return max(real, key=eps_of, default=None)


def _near(dtype: np.dtype[Any]) -> float:
    """A size that is nearly too large for a dtype."""
    return largest_of(dtype) * (NEAR if eps_of(dtype) <= eps_of("float32") else 1)


def _beyond(output: Array, wide: Array, own: np.dtype[Any] | None) -> bool | None:
    """What is lost is nearly too large, with its sign where it is infinite; None: not known."""
    narrow = max((d for d in (output.dtype, own) if d is not None), key=eps_of)
    lost = ~np.isfinite(output)
    if not np.count_nonzero(lost):
        return True
    if eps_of(wide.dtype) >= eps_of(narrow):
        return None
    there, got = wide[lost].astype(np.longdouble), output[lost]
    large = np.abs(there) >= _near(narrow)
    alike = np.isnan(got) | (np.signbit(got) == np.signbit(there))
    if (np.isfinite(there) & ~(large & alike)).any():
        return False
    return True if np.isfinite(there).all() else None


def _grows(evaluator: Evaluator, case: Case, outputs: Outputs) -> bool:
    """Of some entries that are lost, each is nearly too large just before it is."""
    own = _narrowest(case)
    if own is None or eps_of(own) > eps_of("float32"):
        return False  # of a narrow dtype wider arithmetic knows
    for k, output in enumerate(outputs):
        lost = np.flatnonzero(~np.isfinite(output)) if is_real(output) else np.zeros(0, int)
        chosen = np.random.default_rng(0).permutation(lost)[:FOLLOWED]
        if not all(_before(evaluator, case, (k, int(flat))) >= _near(own) for flat in chosen):
            return False
    return True


def _before(evaluator: Evaluator, case: Case, place: tuple[int, int]) -> float:
    """The size of an entry of an output for the largest share of the inputs at which it is finite.

    0 where it is at none of some shares.
    """
    output, flat = place

    def size(share: float) -> float:
        primals = tuple((p * p.dtype.type(share)) if is_real(p) else p for p in case.primals)
        try:
            made = evaluator.forward(primals, case.attributes)
            return float(np.abs(made[output].reshape(-1)[flat]))
        except (UserCodeRaised, UsageError, IndexError):
            return np.nan

    low, high, before = 0.5, 1.0, size(0.5)
    while not np.isfinite(before) and low > 2.0**-11:
        low, high, before = low / 2, low, size(low / 2)
    for _ in range(HALVINGS if np.isfinite(before) else 0):
        middle = (low + high) / 2
        if np.isfinite(now := size(middle)):
            low, before = middle, now
        else:
            high = middle
    return before if np.isfinite(before) else 0.0


def not_finite() -> Finding:
    """What is said of a forward that is unsound at declared inputs."""
    return Finding(
        code="forward-not-finite",
        check="contract",
        severity="fail",
        message=(
            "forward returns NaN or infinity on declared inputs: narrow the domain, for instance "
            "'x:positive[n]' or 'x:-1..1[n]', or give valid=lambda ...: ..."
        ),
    )

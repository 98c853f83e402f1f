"""Forward returns NaN or infinity: is it unsound there, or is the true value beyond the dtype?

exp(164) in float32 is infinite, and rightly so: no domain word excludes it, and no author meant
it. The naive log(1 + exp(x)) is infinite there too, where 164 would be right. The next wider
arithmetic tells the two apart. Where that overflows as well, or cannot be had, the way from smaller
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
"""Of the largest number of a dtype, what counts as near it."""
FOLLOWED = 4
"""Entries that are lost whose values nearer by are looked at."""
HALVINGS = 60


def refusal(evaluator: Evaluator, case: Case, outputs: Outputs, *, refusable: bool) -> str:
    """Why outputs that are not finite are no fault of forward's; empty where they are."""
    if refusable or not all_finite(case.primals):
        return "forward returns NaN or infinity"
    if overflows(evaluator, case, outputs):
        return OVERFLOWS
    return GROWS if _grows(evaluator, case, outputs) else ""


def overflows(evaluator: Evaluator, case: Case, outputs: Outputs) -> bool:
    """Each entry that is lost is finite in wider arithmetic, and too large for its own.

    By forward, or by its reference where forward does not compute in wider arithmetic. False where
    neither does: nothing is known then.
    """
    op = evaluator.op
    written = [f for f in (op.forward, op.options.reference) if f is not None]
    ways = [(f, np.dtype(w)) for f in written for w in (np.longdouble, np.float64)]
    return any(_in(*way, evaluator, case, outputs) for way in ways)


def _in(
    written: Callable[..., Any],
    wide: np.dtype[Any],
    evaluator: Evaluator,
    case: Case,
    outputs: Outputs,
) -> bool:
    primals = tuple(p.astype(wide) if is_real(p) else p for p in case.primals)
    try:
        with np.errstate(all="ignore"):
            given = evaluator.call_forward(written, primals, case.attributes)
            made = as_outputs(given)
    except (UserCodeRaised, UsageError):
        return False
    if len(made) != len(outputs):
        return False
    own = _narrowest(case)
    return all(_beyond(o, w, own) for o, w in zip(outputs, made, strict=True) if is_real(o))


def _narrowest(case: Case) -> np.dtype[Any] | None:
    """The dtype of the inputs; outputs may be wider, as after a product with a NumPy float64."""
    real = [p.dtype for p in case.primals if is_real(p)]
    return max(real, key=eps_of, default=None)


def _beyond(output: Array, wide: Array, own: np.dtype[Any] | None) -> bool:
    """Lost where the wide values cannot be held; what is infinite has their sign."""
    narrow = max((d for d in (output.dtype, own) if d is not None), key=eps_of)
    if output.shape != wide.shape or eps_of(wide.dtype) >= eps_of(narrow):
        return False
    lost = ~np.isfinite(output)
    with np.errstate(over="ignore"):
        right: Any = wide[lost].astype(narrow)
    alike = (right == output[lost]) | (np.isinf(right) & np.isnan(output[lost]))
    return bool(np.isfinite(wide[lost]).all() and alike.all())


def _grows(evaluator: Evaluator, case: Case, outputs: Outputs) -> bool:
    """Each entry that is lost is near the largest number for the largest inputs that it is not."""
    own = _narrowest(case)
    if own is None:
        return False
    least = NEAR * largest_of(own)
    for k, output in enumerate(outputs):
        lost = np.flatnonzero(~np.isfinite(output)) if is_real(output) else np.zeros(0, int)
        for flat in lost[:: -(-len(lost) // FOLLOWED) or 1]:
            if not _before(evaluator, case, (k, int(flat))) >= least:
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

    shares = (2.0**-k for k in range(1, 12))
    found = next((s for s in shares if np.isfinite(size(s))), 0.0)
    if not found:
        return 0.0
    low, high, before = found, 2 * found, size(found)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if np.isfinite(now := size(middle)):
            low, before = middle, now
        else:
            high = middle
    return before


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

"""Forward returns NaN or infinity: is it unsound there, or is the true value beyond the dtype?

exp(164) in float32 is infinite, and rightly so: no domain word excludes it, and no author meant
it. The naive log(1 + exp(x)) is infinite there too, where 164 would be right. The next wider
arithmetic tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.arrays import all_finite, as_outputs, is_real
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import eps_of
from gradcheck.model import Array, Case, Outputs
from gradcheck.results import Finding

OVERFLOWS = "forward overflows, as its true values do in this dtype"


def refusal(evaluator: Evaluator, case: Case, outputs: Outputs, *, refusable: bool) -> str:
    """Why outputs that are not finite are no fault of forward's; empty where they are."""
    if refusable or not all_finite(case.primals):
        return "forward returns NaN or infinity"
    return OVERFLOWS if overflows(evaluator, case, outputs) else ""


def overflows(evaluator: Evaluator, case: Case, outputs: Outputs) -> bool:
    """Each entry that is infinite is finite in wider arithmetic, and too large for its own.

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
    return all(_rounded(o, w) for o, w in zip(outputs, made, strict=True) if is_real(o))


def _rounded(output: Array, wide: Array) -> bool:
    """Infinite where the wide values cannot be held, with their sign."""
    if output.shape != wide.shape or eps_of(wide.dtype) >= eps_of(output.dtype):
        return False
    lost = ~np.isfinite(output)
    with np.errstate(over="ignore"):
        right: Any = wide[lost].astype(output.dtype)
    return bool(np.isfinite(wide[lost]).all() and np.array_equal(right, output[lost]))


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

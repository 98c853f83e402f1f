"""Which precision a forward pass really computes in.

A kernel may compute in float32 behind float64 arrays (float32 weights, a cast at the door).
Steps and bounds meant for float64 would then raise false alarms in it. Two tests tell: outputs
that all fit in a float32, and deafness, outputs that do not hear a change of the inputs which
float64 would notice. See NUMERICS: "hidden precision".
"""

from __future__ import annotations

import numpy as np

from gradcheck.arrays import Array, Float, flatten, is_real
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.model import Case

_LOUD, _AUDIBLE, _FAINT = 2.0**-11, 2.0**-20, 2.0**-30
"""Relative input changes: every kernel hears the first two, a float32 kernel not the third."""


def working_precision(evaluator: Evaluator, case: Case) -> str:
    """ "float64" or "float32": the precision in which forward computes at this case's dtype."""
    if case.dtype != np.float64:
        return str(case.dtype)
    try:
        base = _jittered(case.primals, 2.0**-7)
        here = _outputs(evaluator, base, case)
        loud, audible, faint = (
            _outputs(evaluator, tuple(a * (1 + s) if is_real(a) else a for a in base), case)
            for s in (_LOUD, _AUDIBLE, _FAINT)
        )
    except UserCodeRaised:
        return "float64"
    if not here.shape == loud.shape == audible.shape == faint.shape:
        return "float64"
    change = np.abs(audible - here)
    # float64 could tell the faint change apart: 2**-10 of the audible one is well above its spacing
    tellable = change * (_FAINT / _AUDIBLE) > 4 * np.spacing(np.abs(here))
    moves = (loud != here) & tellable
    if not moves.any():
        return "float64"
    with np.errstate(all="ignore"):
        narrow = bool((here[moves] == here[moves].astype(np.float32)).all())
    deaf = float((faint == here)[moves].mean()) > 0.5
    return "float32" if narrow or deaf else "float64"


def _outputs(evaluator: Evaluator, primals: tuple[Array, ...], case: Case) -> Float:
    return flatten(evaluator.forward(primals, case.attributes)).copy()


def _jittered(primals: tuple[Array, ...], relative: float) -> tuple[Array, ...]:
    """Values with a full mantissa, so that a sum of short decimals does not look like float32."""
    rng = np.random.default_rng(0)
    return tuple(
        np.asarray(a * (1 + relative * rng.random(a.shape))) if is_real(a) else a for a in primals
    )

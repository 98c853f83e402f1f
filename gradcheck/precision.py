"""Which precision a forward pass really computes in.

A kernel may compute in float32, float16 or bfloat16 behind wider arrays (weights of that dtype, a
cast at the door). Steps and bounds meant for the wider one would then raise false alarms in it.
Two tests tell: outputs that all fit in a float32, and deafness, outputs that do not hear a change
of the inputs, or of one of them, which the wider precision would notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from gradcheck.arrays import Array, Float, flatten, is_real
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import FORMATS, HALF, eps_of
from gradcheck.model import Case

_LOUD, _AUDIBLE, _FAINT = 2.0**-11, 2.0**-20, 2.0**-30
"""Relative input changes: every kernel hears the first two, a float32 kernel not the third."""
_HALF_LOUD, _HALF_CLEAR, _HALF_SOFT, _HALF_FAINT = 2.0**-4, 2.0**-6, 2.0**-9, 2.0**-16
"""The same in half precision: bfloat16 hears the first two, float16 the third, neither the last."""
_SCALES = (1.0, 2.0**-5)
"""A float is as deaf at one size as at another; a rounding to a fixed grid is not."""


def working_precision(evaluator: Evaluator, case: Case) -> str:
    """The precision in which forward computes at this case's dtype, one of `FORMATS`."""
    own = str(case.dtype)
    if own in HALF:
        return own
    try:
        half = _half(evaluator, case)
        narrow = not half and own == "float64" and _single(evaluator, case)
    except (UserCodeRaised, UsageError):  # the case itself says so
        return own
    return half or ("float32" if narrow else own)


def heard(evaluator: Evaluator, case: Case) -> frozenset[int]:
    """Inputs whose way to every output is finer than float32, where forward as a whole is not."""
    if str(case.dtype) != "float64":
        return frozenset()
    try:
        base = _jittered(case.primals, 2.0**-7)
        here = _outputs(evaluator, base, case)
        moved = {
            k: partial(_changed, evaluator, case, base, [k])
            for k, a in enumerate(base)
            if is_real(a)
        }
        return frozenset(k for k, one in moved.items() if here.size and _hears(here, one))
    except (UserCodeRaised, UsageError):
        return frozenset()


def _changed(
    evaluator: Evaluator,
    case: Case,
    base: tuple[Array, ...],
    places: Sequence[int],
    change: float,
) -> Float:
    """Outputs with some inputs changed by this share of themselves."""
    return _outputs(evaluator, _scaled(base, 1 + change, places), case)


def _single(evaluator: Evaluator, case: Case) -> bool:
    """Forward computes in float32 behind float64 arrays, or takes one of its inputs through it."""
    base = _jittered(case.primals, 2.0**-7)
    here = _outputs(evaluator, base, case)
    real = [k for k, a in enumerate(base) if is_real(a)]
    moved = partial(_changed, evaluator, case, base)
    if _deaf(here, partial(moved, real)):
        return True
    # weights in float32 times values in float64 hear a change of all inputs: by the values
    alone = [partial(moved, [k]) for k in real] if len(real) > 1 else []
    return any(not _hears(here, one) and _deaf(here, one) for one in alone)


def _hears(here: Float, moved: Callable[[float], Float]) -> bool:
    """Every output hears a faint change: nothing more needs to be asked."""
    faint = moved(_FAINT)
    return faint.shape != here.shape or bool((faint != here).all())


def _deaf(here: Float, moved: Callable[[float], Float]) -> bool:
    """Outputs hear no change that float64 would notice, or all fit in a float32."""
    loud, audible, faint = map(moved, (_LOUD, _AUDIBLE, _FAINT))
    if not here.shape == loud.shape == audible.shape == faint.shape:
        return False
    change = np.abs(audible - here)
    # float64 could tell the faint change apart: 2**-10 of the audible one is well above its spacing
    tellable = change * (_FAINT / _AUDIBLE) > 4 * np.spacing(np.abs(here))
    moves = (loud != here) & tellable
    if not moves.any():
        return False
    with np.errstate(all="ignore"):
        narrow = bool((here[moves] == here[moves].astype(np.float32)).all())
    return narrow or float((faint == here)[moves].mean()) > 0.5


def _half(evaluator: Evaluator, case: Case) -> str:
    """The half precision that forward computes in, behind wider arrays; empty if in none."""
    found = {_half_at(evaluator, case, scale) for scale in _SCALES}
    return "" if "" in found else ("bfloat16" if "bfloat16" in found else "float16")


def _half_at(evaluator: Evaluator, case: Case, scale: float) -> str:
    base = _scaled(_jittered(case.primals, 2.0**-7), scale)
    here, loud = (_outputs(evaluator, _scaled(base, f), case) for f in (1.0, 1 + _HALF_LOUD))
    if here.shape != loud.shape:
        return ""
    for name in reversed(HALF):
        if _fits(here, FORMATS[name].bits):
            return name
    heard = np.abs(loud - here) * (_HALF_FAINT / _HALF_LOUD)
    moves = heard > 4 * eps_of(case.dtype) * np.abs(here)
    if not moves.any():
        return ""

    def share(change: float) -> float:
        other = _outputs(evaluator, _scaled(base, 1 + change), case)
        return float((other != here)[moves].mean()) if other.shape == here.shape else 1.0

    if share(_HALF_FAINT) > 0.5 or share(_HALF_CLEAR) < 0.9:
        return ""
    return "float16" if share(_HALF_SOFT) >= 0.9 else "bfloat16"


def _fits(values: Float, bits: int) -> bool:
    """All values have so many bits, and use them: the last one is set in some."""
    values = values[np.isfinite(values) & (values != 0)]
    whole = np.ldexp(np.frexp(values)[0], bits)
    fits = values.size >= 4 and bool((whole == np.rint(whole)).all())
    return fits and float((whole % 2 == 1).mean()) >= 0.2


def _scaled(
    primals: tuple[Array, ...], factor: float, places: Sequence[int] | None = None
) -> tuple[Array, ...]:
    """The real inputs times a factor: all of them, or those at some places."""
    return tuple(
        a * a.dtype.type(factor) if is_real(a) and (places is None or k in places) else a
        for k, a in enumerate(primals)
    )


def _outputs(evaluator: Evaluator, primals: tuple[Array, ...], case: Case) -> Float:
    return flatten(evaluator.forward(primals, case.attributes)).copy()


def _jittered(primals: tuple[Array, ...], relative: float) -> tuple[Array, ...]:
    """Values with a full mantissa, so that a sum of short decimals does not look like float32."""
    rng = np.random.default_rng(0)
    return tuple(
        np.asarray(a * (1 + relative * rng.random(a.shape))).astype(a.dtype) if is_real(a) else a
        for a in primals
    )

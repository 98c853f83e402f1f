"""Second opinions on a slope that finite differences could not judge.

*Long double.* Where forward is written for any dtype and long double is wider than double, the
ladder climbs again with 11 more bits. It may pass a slope, and fail one of a float64 kernel, if its
outputs and its interval agree with those of the kernel's own precision: else it is another function
that was asked.

*The complex step* (Squire and Trapp 1998): Im f(x + ih) / h has no subtraction, hence no noise.
It is silently wrong where forward takes absolute values, real parts or conjugates, so those are
refused, and it may only agree: with an interval that excludes zero, and with backward. It never
fails a slope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import ladder
from gradcheck.arrays import Array, Float, as_outputs, is_real
from gradcheck.compare import RESOLUTION, Comparison, Rules, Status, judge
from gradcheck.differences import PointLine
from gradcheck.errors import UsageError
from gradcheck.estimate import Estimate, Samples
from gradcheck.evaluation import UserCodeRaised
from gradcheck.point import Move, Point

LONGDOUBLE, COMPLEX_STEP = "longdouble", "complex step"
_EPS = float(np.finfo(np.longdouble).eps)
_STEP = 1e-30
_ALGEBRA = ("add", "subtract", "multiply", "divide", "negative", "positive", "power", "square")
_FUNCTIONS = ("sqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p")
_ANGLES = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arctanh")
_CHOICES = ("maximum", "minimum", "greater", "greater_equal", "less", "less_equal", "equal")
_HOLOMORPHIC = {*_ALGEBRA, *_FUNCTIONS, *_ANGLES, *_CHOICES, "matmul", "not_equal", "isfinite"}
"""What keeps a complex step right; comparisons go by the real part first."""
_MOVING = (np.where, np.concatenate, np.stack)
"""Functions that only move numbers about, and lose the subclass."""


def ask(point: Point, move: Move, made: Comparison, rules: Rules, floor: float) -> Comparison:
    """A judgement of an inconclusive comparison, ``by`` whom; or the same comparison."""
    wide = _wide(point, move)
    if wide is not None and _agree(made.estimate, wide()):
        again = judge(made.analytic, made.noise, (wide(), lambda: wide(1.375)), rules, floor)
        wrong = again.status in (Status.SLIGHT, Status.FAIL)
        heard = rules.tails or _may_fail(point, again, rules)
        if again.status is Status.PASS or (wrong and heard):
            return replace(again, by=LONGDOUBLE)
        if again.estimate.bound < made.estimate.bound:
            made = replace(made, estimate=again.estimate)
    value = _complex_step(point, move)
    near = abs(value - made.estimate.value) <= made.estimate.bound < 0.5 * abs(value)
    right = abs(value - made.analytic) <= made.noise + 16 * 2.0**-52 * made.scale
    if near and right and not made.estimate.kink:
        return replace(made, status=Status.PASS, by=COMPLEX_STEP, reason="")
    return made


def hidden_tail(point: Point, move: Move, noise: float, rules: Rules) -> Comparison | None:
    """A fail for a gradient of exactly 0 where forward is flat, but not in long double."""
    wide = _wide(point, move)
    if wide is None or not wide().resolved:
        return None
    found = judge(0.0, noise, (wide(), lambda: wide(1.375)), rules)
    return replace(found, by=LONGDOUBLE) if found.status is Status.FAIL else None


def in_double(point: Point, move: Move) -> Estimate | None:
    """The slope of a float32 kernel's forward in float64; None where it does not compute in it.

    It may only acquit: the kernel was asked in its own precision, and what is wrong in both is.
    """
    if any(is_real(p) and p.dtype != np.float32 for p in point.primals):
        return None
    primals = tuple(p.astype(np.float64) if is_real(p) else p for p in point.primals)
    outputs = _outputs(point, [p.copy() for p in primals], np.dtype(np.float64))
    if outputs is None or outputs.shape != point.here.shape or not np.isfinite(outputs).all():
        return None
    wide = replace(point, primals=primals, here=outputs, precision="float64", exponent=None)
    made = ladder.estimate(PointLine(wide, move))
    return made if made.resolved else None


def _may_fail(point: Point, made: Comparison, rules: Rules) -> bool:
    """Else the rounding of an ill-conditioned kernel, and not its backward, may be what is wrong.

    That is so in any precision below double, and in far tails.
    """
    unit = float(np.abs(point.cotangent).max(initial=0.0))
    size = max(abs(made.analytic), abs(made.estimate.value))
    return rules.resolution <= RESOLUTION["float64"] and size > rules.resolution * unit


def _agree(own: Estimate, wide: Estimate) -> bool:
    """The interval of the wider arithmetic meets that of the kernel's own."""
    if not (wide.resolved and np.isfinite(wide.bound)):
        return False
    known = own.resolved and np.isfinite(own.bound)
    return not known or abs(own.value - wide.value) <= own.bound + wide.bound


# -- long double --------------------------------------------------------------------------------


class _WideLine:
    """The line through a point in long double; outputs keep all their digits."""

    def __init__(self, point: Point, move: Move) -> None:
        self._point, self._move = point, move
        self._primals = [p.astype(np.longdouble) if is_real(p) else p for p in point.primals]
        self.cotangent = point.cotangent
        self.eps, self.tiny = _EPS, float(np.finfo(np.float64).smallest_normal)
        line = PointLine(point, move)
        self.size, self.typical = line.size, line.typical
        self.here: Any = self.at(0.0)

    def at(self, step: float) -> Any:
        """(m,) outputs in long double; NaN where forward refuses or answers in another dtype."""
        primals = [p.copy() for p in self._primals]
        for k, entries, speeds in self._move.parts:
            primals[k].reshape(-1)[entries] += np.longdouble(step) * speeds
        outputs = _outputs(self._point, primals, np.dtype(np.longdouble))
        if outputs is None or outputs.shape != self._point.here.shape:
            return np.full(self._point.here.shape, np.nan, np.longdouble)
        return outputs

    def sample(self, steps: Float) -> Samples:
        above = np.stack([self.at(h) for h in steps])
        below = np.stack([self.at(-h) for h in steps])
        return Samples(steps.copy(), steps.copy(), above, below)


def _wide(point: Point, move: Move) -> Callable[..., Estimate] | None:
    """Makes estimates in long double; None where forward does not compute in it."""
    if np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        return None
    line = _WideLine(point, move)
    with np.errstate(all="ignore"):
        apart = np.abs(line.here.astype(np.float64) - point.here)
        allowed = 64 * point.eps * np.abs(point.here).max(initial=point.tiny)
    if not (apart <= allowed).all():
        return None
    known: dict[float, Estimate] = {}

    def estimate(stretch: float = 1.0) -> Estimate:
        if stretch not in known:
            known[stretch] = ladder.estimate(line, stretch=stretch)
        return known[stretch]

    return estimate


def _outputs(point: Point, primals: list[Any], dtype: np.dtype[Any]) -> Any:
    """Real outputs end to end in a dtype; None where forward refuses it or leaves it."""
    try:
        made = point.evaluator.call_forward(
            point.evaluator.function, tuple(primals), point.attributes
        )
        outputs = as_outputs(made)
    except (UserCodeRaised, UsageError):
        return None
    kept = [o for o in outputs if is_real(o) or o.dtype.kind == "c"]
    if not kept or any(o.dtype != dtype for o in kept):
        return None
    return np.concatenate([o.reshape(-1) for o in kept])


# -- the complex step ---------------------------------------------------------------------------


class _Holomorphic(np.ndarray[Any, Any]):
    """A complex array that refuses what has no complex derivative."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc.__name__ not in _HOLOMORPHIC:
            raise TypeError(f"{ufunc.__name__} has no complex derivative")
        if out := options.get("out"):
            options["out"] = tuple(_plain(o) for o in out)
        return _wrapped(getattr(ufunc, method)(*map(_plain, inputs), **options))

    def __array_function__(self, function: Any, types: Any, given: Any, options: Any) -> Any:
        made = super().__array_function__(function, types, given, options)
        return _wrapped(made) if function in _MOVING else made

    @property  # type: ignore[misc]  # an array's can be assigned
    def real(self) -> Any:
        raise TypeError("the real part has no complex derivative")

    imag = real

    def conj(self) -> Any:
        raise TypeError("the conjugate has no complex derivative")

    conjugate = conj


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, _Holomorphic) else value


def _wrapped(value: Any) -> Any:
    if getattr(value, "dtype", np.dtype(bool)).kind != "c":
        return value
    return np.asarray(value).view(_Holomorphic)


def _complex_step(point: Point, move: Move) -> float:
    """Im phi(x + ih) / h; NaN where forward does not take complex numbers, or not safely."""
    primals: list[Array] = [
        p.astype(np.complex128).view(_Holomorphic) if is_real(p) else p for p in point.primals
    ]
    for k, entries, speeds in move.parts:
        _plain(primals[k]).reshape(-1)[entries] += 1j * _STEP * speeds
    try:
        made = point.evaluator.call_forward(
            point.evaluator.function, tuple(primals), point.attributes
        )
    except (UserCodeRaised, UsageError):
        return float("nan")
    parts = made if isinstance(made, (tuple, list)) else (made,)
    parts = [p for p in parts if np.asarray(_plain(p)).dtype.kind in "fcV"]
    if not parts or not all(isinstance(p, _Holomorphic) for p in parts):
        return float("nan")
    values = np.concatenate([_plain(p).reshape(-1) for p in parts])
    if values.shape != point.here.shape:
        return float("nan")
    return float(values.imag @ point.cotangent) / _STEP

"""Functions of NumPy, entry by entry: exponentials and logarithms, powers and roots, choices.

Slopes are chosen with `where`, not multiplied with a mask: an infinite cotangent times 0 is NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require, unbroadcast


@gradcheck.register("x[...]", scope="forward")
def exp(x: Array) -> Any:
    """y = e^x; dx = e^x dy (Abramowitz and Stegun 4.2.49).

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return np.exp(x)


@exp.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.exp(x) * dy,)


@gradcheck.register("x[...]", scope="forward")
def expm1(x: Array) -> Any:
    """y = e^x - 1, with its digits also near x = 0; dx = e^x dy (NumPy, `expm1`).

    dx is not (y + 1) dy, which loses its digits in the left tail.

    >>> expm1(np.array([0.0, 1e-20]))
    array([0.e+00, 1.e-20])
    """
    return np.expm1(x)


@expm1.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.exp(x) * dy,)


@gradcheck.register("x:positive[...]", scope="forward")
def log(x: Array) -> Any:
    """y = log x, the natural logarithm, x > 0; dx = dy / x (Abramowitz and Stegun 4.1.46).

    >>> log(np.array([1.0, 10.0]))
    array([0.        , 2.30258509])
    """
    return np.log(x)


@log.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (dy / x,)


@gradcheck.register("x:-1..[...]", scope="forward")
def log1p(x: Array) -> Any:
    """y = log(1 + x), x > -1, with its digits also near x = 0; dx = dy / (1 + x) (NumPy, `log1p`).

    >>> log1p(np.array([0.0, 1e-20]))
    array([0.e+00, 1.e-20])
    """
    return np.log1p(x)


@log1p.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (dy / (1 + x),)


@gradcheck.register("x:nonnegative[...]", scope="forward")
def sqrt(x: Array) -> Any:
    """y = sqrt x, x >= 0; dx = dy / (2 y) (power rule).

    At 0 the slope is infinite, as in PyTorch.

    >>> sqrt(np.array([0.0, 2.0]))
    array([0.        , 1.41421356])
    """
    return np.sqrt(x)


@sqrt.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (dy / (2 * np.sqrt(x)),)


@gradcheck.register("x[...]", scope="forward")
def square(x: Array) -> Any:
    """y = x^2; dx = 2 x dy (power rule).

    >>> square(np.array([-3.0, 0.5]))
    array([9.  , 0.25])
    """
    return np.square(x)


@square.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (2 * x * dy,)


@gradcheck.register("x:nonzero[...]", scope="forward")
def reciprocal(x: Array) -> Any:
    """y = 1 / x, x not 0; dx = -dy / x^2 (quotient rule).

    Divided twice: x^2 would overflow, or be 0, where dy / x^2 is an ordinary number.

    >>> reciprocal(np.array([-4.0, 0.5]))
    array([-0.25,  2.  ])
    """
    return np.reciprocal(x)


@reciprocal.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (-(dy / x) / x,)


@gradcheck.register("x[...]", scope="forward", conventions={"x": {0: 0}})
def absolute(x: Array) -> Any:
    """y = |x|; dx = sign(x) dy (PyTorch, `torch.abs`). At 0: slope 0, as in PyTorch.

    >>> absolute(np.array([-3.0, 0.0, 0.5]))
    array([3. , 0. , 0.5])
    """
    return np.absolute(x)


@absolute.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.where(np.greater(x, 0), dy, np.where(np.less(x, 0), -dy, 0)),)


_ERF = np.vectorize(math.erf, otypes=[float])


@gradcheck.register("x[...]", scope="forward")
def erf(x: Array) -> Any:
    """y = 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x (Abramowitz and Stegun 7.1.1).

    dx = 2 / sqrt(pi) exp(-x^2) dy. The values are those of Python's `math.erf`, in x's precision.

    >>> erf(np.array([0.0, 0.5]))
    array([0.        , 0.52049988])
    """
    return _ERF(x).astype(np.result_type(x, 0.0))


@erf.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (2 / math.sqrt(math.pi) * np.exp(-np.square(x)) * dy,)


@gradcheck.register("x:positive[...], y[...]", scope="forward")
def pow(x: Array, y: Array) -> Any:
    """z = x^y, both learned, x >= 0; dx = y x^(y - 1) dz, dy = z log(x) dz (PyTorch, `torch.pow`).

    At x = 0, as in PyTorch: dx = 0 where y = 0, infinite where y < 1 otherwise; dy = 0 where
    y >= 0. A negative x is refused: x^y has no slope in y there. For a constant exponent see
    `power`. x and y broadcast.

    >>> pow(np.array([2.0, 9.0]), np.array([3.0, 0.5]))
    array([8., 3.])
    """
    require(not np.any(np.less(x, 0)), "pow needs x >= 0: of negative x, use power(x, n)")
    return np.power(x, y)


@pow.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    constant = np.equal(y, 0)
    dx = np.where(constant, 0, y * np.power(x, np.where(constant, 0, y - 1)) * dz)
    flat = np.equal(x, 0) & np.greater_equal(y, 0)
    dy = np.where(flat, 0, np.power(x, y) * np.log(np.where(flat, 1, x)) * dz)
    return unbroadcast(dx, np.shape(x)), unbroadcast(dy, np.shape(y))


@gradcheck.register("x[...], a_min=None|-0.5|0, a_max=None|0.5", scope="forward")
def clip(x: Array, a_min: float | None = None, a_max: float | None = None) -> Any:
    """y = min(max(x, a_min), a_max); dx = dy where a_min <= x <= a_max, else 0 (`torch.clamp`).

    At both bounds: slope 1, as in PyTorch. None is no bound; bounds that are arrays are refused.

    >>> clip(np.array([-3.0, 0.2, 0.7]), 0, 0.5)
    array([0. , 0.2, 0.5])
    """
    numbers = all(b is None or np.ndim(b) == 0 for b in (a_min, a_max))
    require(numbers, "clip's bounds are numbers or None, not arrays: use minimum and maximum")
    return np.clip(x, a_min, a_max)


@clip.def_vjp
def _(
    dy: Array, x: Array, a_min: float | None = None, a_max: float | None = None
) -> tuple[Any, ...]:
    low, high = (-math.inf if a_min is None else a_min), (math.inf if a_max is None else a_max)
    return (np.where(np.greater_equal(x, low) & np.less_equal(x, high), dy, 0),)


@gradcheck.register("condition:bool[...], x[...], y[...]", scope="forward")
def where(condition: Array, x: Array, y: Array) -> Any:
    """z = x where the condition holds, else y; dx = dz there, dy = dz elsewhere (NumPy, `where`).

    No gradient for the condition; one that is not boolean is refused. All three broadcast.

    >>> where(np.array([True, False]), np.array([1.0, 2.0]), np.array(9.0))
    array([1., 9.])
    """
    dtype = np.asarray(condition).dtype
    require(dtype == np.bool_, f"condition must be boolean, got {dtype}")
    return np.where(condition, x, y)


@where.def_vjp
def _(dz: Array, condition: Array, x: Array, y: Array) -> tuple[Any, ...]:
    dx, dy = np.where(condition, dz, 0), np.where(condition, 0, dz)
    return None, unbroadcast(dx, np.shape(x)), unbroadcast(dy, np.shape(y))

"""Trigonometric and hyperbolic functions of NumPy, entry by entry, for arrays of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, unbroadcast


@gradcheck.register("x[...]", scope="forward")
def sin(x: Array) -> Any:
    """y = sin x; dx = cos(x) dy (Abramowitz and Stegun 4.3.105).

    >>> sin(np.array([0.0, 1.0]))
    array([0.        , 0.84147098])
    """
    return np.sin(x)


@sin.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.cos(x) * dy,)


@gradcheck.register("x[...]", scope="forward")
def cos(x: Array) -> Any:
    """y = cos x; dx = -sin(x) dy (Abramowitz and Stegun 4.3.106).

    >>> cos(np.array([0.0, 1.0]))
    array([1.        , 0.54030231])
    """
    return np.cos(x)


@cos.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (-np.sin(x) * dy,)


@gradcheck.register("x[...]", scope="forward")
def tan(x: Array) -> Any:
    """y = tan x; dx = (1 + y^2) dy (Abramowitz and Stegun 4.3.107).

    >>> tan(np.array([0.0, 1.0]))
    array([0.        , 1.55740772])
    """
    return np.tan(x)


@tan.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return ((1 + np.square(np.tan(x))) * dy,)


@gradcheck.register("x[...]", scope="forward")
def arctan(x: Array) -> Any:
    """y = arctan x; dx = dy / (1 + x^2) (Abramowitz and Stegun 4.4.54).

    Divided twice by sqrt(1 + x^2): x^2 itself would overflow.

    >>> arctan(np.array([0.0, 1.0]))
    array([0.        , 0.78539816])
    """
    return np.arctan(x)


@arctan.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    h = np.hypot(1, x)
    return (dy / h / h,)


@gradcheck.register("y[...], x[...]", scope="forward")
def arctan2(y: Array, x: Array) -> Any:
    """z = the angle of the point (x, y); dy = x dz / (x^2 + y^2), dx = -y dz / (x^2 + y^2).

    NumPy, `arctan2`. Divided twice by the radius: x^2 + y^2 itself would overflow, or be 0.
    At (0, 0): slopes 0, as in PyTorch. Across y = 0 with x < 0 the angle jumps from pi to -pi; the
    slopes are those on either side. y and x broadcast.

    >>> arctan2(np.array([1.0, -1.0]), np.array([1.0, 0.0]))
    array([ 0.78539816, -1.57079633])
    """
    return np.arctan2(y, x)


@arctan2.def_vjp
def _(dz: Array, y: Array, x: Array) -> tuple[Any, ...]:
    h = np.hypot(x, y)
    h = np.where(np.equal(h, 0), 1, h)
    return unbroadcast(x / h * (dz / h), np.shape(y)), unbroadcast(-y / h * (dz / h), np.shape(x))


@gradcheck.register("x[...]", scope="forward")
def sinh(x: Array) -> Any:
    """y = sinh x; dx = cosh(x) dy (Abramowitz and Stegun 4.5.71).

    >>> sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """
    return np.sinh(x)


@sinh.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.cosh(x) * dy,)


@gradcheck.register("x[...]", scope="forward")
def cosh(x: Array) -> Any:
    """y = cosh x; dx = sinh(x) dy (Abramowitz and Stegun 4.5.72).

    >>> cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """
    return np.cosh(x)


@cosh.def_vjp
def _(dy: Array, x: Array) -> tuple[Any, ...]:
    return (np.sinh(x) * dy,)

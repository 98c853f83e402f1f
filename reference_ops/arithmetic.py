"""The three nodes of the lecture's worked example: + distributes, * switches, max routes.

And what else one writes between two numbers: operators on graph nodes record these ops. All of
them broadcast, so each backward sums over the broadcast axes (`unbroadcast`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require, unbroadcast


@gradcheck.register("x[...], y[...]", scope="forward")
def add(x: Array, y: Array) -> Any:
    """z = x + y; dx = dz, dy = dz: + distributes (CS224N lecture 4, node intuitions).

    >>> add(np.array([1.0, 2.0]), np.array(10.0))
    array([11., 12.])
    """
    return np.add(x, y)


@add.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return unbroadcast(dz, np.shape(x)), unbroadcast(dz, np.shape(y))


@gradcheck.register("x[...], y[...]", scope="forward")
def subtract(x: Array, y: Array) -> Any:
    """z = x - y; dx = dz, dy = -dz (sum rule).

    >>> subtract(np.array([1.0, 2.0]), np.array(10.0))
    array([-9., -8.])
    """
    return np.subtract(x, y)


@subtract.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return unbroadcast(dz, np.shape(x)), unbroadcast(-dz, np.shape(y))


@gradcheck.register("x[...]", scope="forward")
def negative(x: Array) -> Any:
    """z = -x; dx = -dz (sum rule).

    >>> negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return np.negative(x)


@negative.def_vjp
def _(dz: Array, x: Array) -> tuple[Any, ...]:
    return (np.negative(dz),)


@gradcheck.register("x[...], y[...]", scope="forward")
def multiply(x: Array, y: Array) -> Any:
    """z = x y; dx = y dz, dy = x dz: * switches (CS224N lecture 4, MultiplyGate).

    >>> multiply(np.array([1.0, 2.0]), np.array(10.0))
    array([10., 20.])
    """
    return np.multiply(x, y)


@multiply.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return unbroadcast(y * dz, np.shape(x)), unbroadcast(x * dz, np.shape(y))


@gradcheck.register("x[...], y:nonzero[...]", scope="forward")
def divide(x: Array, y: Array) -> Any:
    """z = x / y; dx = dz / y, dy = -z dz / y (quotient rule).

    >>> divide(np.array([1.0, 2.0]), np.array(4.0))
    array([0.25, 0.5 ])
    """
    return np.divide(x, y)


@divide.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    dx = dz / y
    return unbroadcast(dx, np.shape(x)), unbroadcast(-dx * (x / y), np.shape(y))


def _power_exists(x: Array, n: float = 2) -> bool:
    return n >= 0 or bool(np.all(np.not_equal(x, 0)))


@gradcheck.register("x[...], n=2|3|1|0|-1", scope="forward", valid=_power_exists)
def power(x: Array, n: float = 2) -> Any:
    """z = x^n for a constant n; dx = n x^(n - 1) dz (power rule).

    Where n is 0: dx = 0, also at x = 0. At x = 0 with 0 < n < 1: slope infinite, as in PyTorch.
    An n that is an array is refused: see `pow`, which differentiates both.

    >>> power(np.array([1.0, 3.0]), 2)
    array([1., 9.])
    """
    require(np.ndim(n) == 0, f"power needs a number n, got shape {np.shape(n)}: use pow(x, n)")
    return np.power(x, n)


@power.def_vjp
def _(dz: Array, x: Array, n: float = 2) -> tuple[Any, ...]:
    return (n * np.power(x, n - 1 if n else 0) * dz,)


@gradcheck.register(
    "x[...], y[...]", scope="forward", conventions={"x": {"tie": 1}, "y": {"tie": 0}}
)
def maximum(x: Array, y: Array) -> Any:
    """z = max(x, y); dx = 1(x >= y) dz, dy = 1(y > x) dz: max routes (CS224N lecture 4).

    At a tie the first wins: (1, 0). Any split that adds up to 1 would do; the lecture's
    1(x > y), 1(y > x) adds up to 0 there (see `lecture_max`).

    >>> maximum(np.array([1.0, 2.0]), np.array(1.5))
    array([1.5, 2. ])
    """
    return np.maximum(x, y)


@maximum.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    first = np.greater_equal(x, y)
    dx, dy = np.where(first, dz, 0), np.where(first, 0, dz)
    return unbroadcast(dx, np.shape(x)), unbroadcast(dy, np.shape(y))


@gradcheck.register(
    "x[...], y[...]", scope="forward", conventions={"x": {"tie": 1}, "y": {"tie": 0}}
)
def minimum(x: Array, y: Array) -> Any:
    """z = min(x, y); dx = 1(x <= y) dz, dy = 1(y < x) dz: min routes (NumPy, `minimum`).

    At a tie the first wins: (1, 0), as in `maximum`.

    >>> minimum(np.array([1.0, 2.0]), np.array(1.5))
    array([1. , 1.5])
    """
    return np.minimum(x, y)


@minimum.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    first = np.less_equal(x, y)
    dx, dy = np.where(first, dz, 0), np.where(first, 0, dz)
    return unbroadcast(dx, np.shape(x)), unbroadcast(dy, np.shape(y))

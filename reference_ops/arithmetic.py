"""The three nodes of the lecture's worked example: + distributes, * switches, max routes.

And what else one writes between two numbers: operators on graph nodes record these ops. All of
them broadcast, so each backward sums over the broadcast axes (`unbroadcast`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, unbroadcast


@gradcheck.register("x[...], y[...]", scope="forward")
def add(x: Array, y: Array) -> Any:
    """z = x + y; dx = dz, dy = dz: + distributes (CS224N lecture 4, node intuitions)."""
    return np.add(x, y)


@add.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return unbroadcast(dz, np.shape(x)), unbroadcast(dz, np.shape(y))


@gradcheck.register("x[...], y[...]", scope="forward")
def subtract(x: Array, y: Array) -> Any:
    """z = x - y; dx = dz, dy = -dz."""
    return np.subtract(x, y)


@subtract.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return unbroadcast(dz, np.shape(x)), unbroadcast(-dz, np.shape(y))


@gradcheck.register("x[...]", scope="forward")
def negative(x: Array) -> Any:
    """z = -x; dx = -dz."""
    return np.negative(x)


@negative.def_vjp
def _(dz: Array, x: Array) -> tuple[Any, ...]:
    return (np.negative(dz),)


@gradcheck.register("x[...], y[...]", scope="forward")
def multiply(x: Array, y: Array) -> Any:
    """z = x y; dx = y dz, dy = x dz: * switches (CS224N lecture 4, MultiplyGate)."""
    return np.multiply(x, y)


@multiply.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return unbroadcast(y * dz, np.shape(x)), unbroadcast(x * dz, np.shape(y))


@gradcheck.register("x[...], y:nonzero[...]", scope="forward")
def divide(x: Array, y: Array) -> Any:
    """z = x / y; dx = dz / y, dy = -z dz / y (quotient rule)."""
    return np.divide(x, y)


@divide.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    dx = dz / y
    return unbroadcast(dx, np.shape(x)), unbroadcast(-dx * (x / y), np.shape(y))


@gradcheck.register("x[...], n=2|3|1|0", scope="forward")
def power(x: Array, n: float = 2) -> Any:
    """z = x^n for a constant n; dx = n x^(n - 1) dz, and 0 where n is 0 (also at x = 0)."""
    return np.power(x, n)


@power.def_vjp
def _(dz: Array, x: Array, n: float = 2) -> tuple[Any, ...]:
    return (n * np.power(x, n - 1 if n else 0) * dz,)


@gradcheck.register("x[...], y[...]", scope="forward")
def maximum(x: Array, y: Array) -> Any:
    """z = max(x, y); dx = 1(x >= y) dz, dy = 1(y > x) dz: max routes (CS224N lecture 4).

    At a tie the first wins: (1, 0). Any split that adds up to 1 would do; the lecture's
    1(x > y), 1(y > x) adds up to 0 there (see `lecture_max`).
    """
    return np.maximum(x, y)


@maximum.def_vjp
def _(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    first = np.greater_equal(x, y)
    dx, dy = np.where(first, dz, 0), np.where(first, 0, dz)
    return unbroadcast(dx, np.shape(x)), unbroadcast(dy, np.shape(y))

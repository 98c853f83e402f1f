"""The lecture's nonlinearities, entry by entry, for arrays of any shape.

Slopes are chosen with `where`, not multiplied with a mask: an infinite cotangent times 0 is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, unbroadcast


@gradcheck.register("z[...]", scope="forward")
def logistic(z: Array) -> Any:
    """y = 1 / (1 + exp(-z)); dz = y(z) y(-z) dy (CS224N lecture 4, "sigmoid").

    Not y (1 - y), which is exactly 0 from z = 37 on, where the slope is 1e-16. The exponential is
    of -|z|, so that it cannot overflow.

    >>> logistic(np.array([0.0, 1.0]))
    array([0.5       , 0.73105858])
    """
    e = np.exp(-np.abs(z))
    return np.where(np.greater_equal(z, 0), 1, e) / (1 + e)


@logistic.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (dy * logistic_slope(z),)


def logistic_slope(z: Array) -> Array:
    """y(z) y(-z), which keeps its digits in both tails: with e = exp(-|z|), e / (1 + e)^2."""
    e = np.exp(-np.abs(z))
    return np.asarray(e / np.square(1 + e))


def tanh_slope(z: Array) -> Array:
    """1 - tanh^2 z = 4 logistic(2z) logistic(-2z), in the form that keeps its digits."""
    return 4 * logistic_slope(2 * z)


@gradcheck.register("z[...]", scope="forward")
def tanh(z: Array) -> Any:
    """y = tanh z; dz = (1 - y^2) dy = 4 logistic(2z) logistic(-2z) dy (CS224N lecture 4).

    The second form is the first by tanh z = 2 logistic(2z) - 1, and keeps its digits in the tails.

    >>> tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return np.tanh(z)


@tanh.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (dy * tanh_slope(z),)


@gradcheck.register("z[...]", scope="forward", conventions={"z": {-1: 1, 1: 1}})
def hard_tanh(z: Array) -> Any:
    """y = -1 below -1, z between, 1 above 1; dz = 1(-1 <= z <= 1) dy (CS224N lecture 4).

    At -1 and 1: slope 1, because the lecture's middle branch includes them.

    >>> hard_tanh(np.array([-3.0, 0.5]))
    array([-1. ,  0.5])
    """
    return np.clip(z, -1, 1)


@hard_tanh.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (np.where(np.less_equal(np.abs(z), 1), dy, 0),)


@gradcheck.register("z[...]", scope="forward", conventions={"z": {0: 0}})
def relu(z: Array) -> Any:
    """y = max(z, 0); dz = 1(z > 0) dy (CS224N lecture 4). At 0: slope 0.

    >>> relu(np.array([-3.0, 0.5]))
    array([0. , 0.5])
    """
    return np.maximum(z, 0)


@relu.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (np.where(np.greater(z, 0), dy, 0),)


@gradcheck.register("z[...], slope=0.01|0.25", scope="forward")
def leaky_relu(z: Array, slope: float = 0.01) -> Any:
    """y = max(z, 0) + slope min(z, 0); dz = dy where z > 0, else slope dy (CS224N lecture 4).

    At 0: slope `slope`.

    >>> leaky_relu(np.array([-3.0, 0.5]))
    array([-0.03,  0.5 ])
    """
    return np.maximum(z, 0) + slope * np.minimum(z, 0)


@leaky_relu.def_vjp
def _(dy: Array, z: Array, slope: float = 0.01) -> tuple[Any, ...]:
    return (np.where(np.greater(z, 0), dy, slope * dy),)


@gradcheck.register("x[...], a[...]", scope="forward")
def parametric_relu(x: Array, a: Array) -> Any:
    """y = max(x, 0) + a min(x, 0), a learned; da = min(x, 0) dy, summed (He et al. 2015, eq. 1).

    At x = 0: slope a. x and a broadcast.

    >>> parametric_relu(np.array([-3.0, 0.5]), np.array(0.1))
    array([-0.3,  0.5])
    """
    return np.maximum(x, 0) + a * np.minimum(x, 0)


@parametric_relu.def_vjp
def _(dy: Array, x: Array, a: Array) -> tuple[Any, ...]:
    dx = np.where(np.greater(x, 0), dy, a * dy)
    return unbroadcast(dx, np.shape(x)), unbroadcast(np.minimum(x, 0) * dy, np.shape(a))

"""Points at which a formula divides by zero though the derivative, or a subgradient, exists."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.bugs.record import Array, Bug, call

bug = partial(Bug, kind="singular")


def quiet(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Without NumPy's warnings of the division that is the bug."""

    def quietly(dz: Array, x: Array) -> Any:
        with np.errstate(all="ignore"):
            return backward(dz, x)

    return quietly


def norms(x: Array) -> Array:
    return np.asarray(np.linalg.norm(x, axis=-1))


def divided_unless_zero(x: Array, by: Array) -> Array:
    return x / np.where(by == 0, np.ones_like(by), by)


def products_of_others(x: Array) -> Array:
    """Of the last axis, each without the entry itself."""
    n = x.shape[-1]
    others = np.where(np.eye(n, dtype=bool), np.ones_like(x)[..., None], x[..., None, :])
    return np.asarray(others.prod(axis=-1))


BUGS = (
    bug(
        name="Euclidean norm",
        source="pytorch/pytorch#2421",
        mistake="x / |x| is 0/0 for a row of zeros, where 0 is a subgradient",
        forward=norms,
        right=lambda dz, x: dz[..., None] * divided_unless_zero(x, norms(x)[..., None]),
        wrong=quiet(lambda dz, x: dz[..., None] * (x / norms(x)[..., None])),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape(low=2))),
        trigger=lambda draw: call(np.array([[1.0, 2, 4], [0, 0, 0]])),
    ),
    bug(
        name="product of a row",
        source="tensorflow/tensorflow#2641",
        mistake="the product over the entry: 0/0 at a zero, and 0 for all others with two",
        forward=lambda x: np.asarray(x.prod(axis=-1)),
        right=lambda dz, x: dz[..., None] * products_of_others(x),
        wrong=quiet(lambda dz, x: dz[..., None] * (x.prod(axis=-1)[..., None] / x)),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape((1, 2), low=2))),
        trigger=lambda draw: call(np.array([[1.5, 0, -2, 0.5], [1, 2, 3, 4]])),
    ),
    bug(
        name="integer power",
        source="jax-ml/jax#5466",
        mistake="the special case of the exponent 0 has the derivative 1, not 0",
        forward=lambda x, n=3: x**n,
        right=lambda dz, x, n=3: dz * n * x ** (n - 1) if n else np.zeros_like(dz),
        wrong=lambda dz, x, n=3: dz * n * x ** (n - 1) if n else dz.copy(),
        plain=lambda draw: call(draw.between(0.5, 2, 3, 4)),
        generic=lambda draw: call(draw.between(0.5, 2, *draw.shape()), n=draw.size(-3, 4)),
        trigger=lambda draw: call(draw.between(0.5, 2, 3, 4), n=0),
    ),
    bug(
        name="absolute value",
        source="HIPS/autograd#712",
        mistake="x / |x| is 0/0 at 0, where 0 is a subgradient",
        forward=np.absolute,
        right=lambda dz, x: dz * np.sign(x),
        wrong=quiet(lambda dz, x: dz * (x / np.abs(x))),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: call(draw(*draw.shape())),
        trigger=lambda draw: call(np.array([[0.5, 0, -1.5]])),
    ),
    bug(
        name="inverse hyperbolic tangent",
        source="tenstorrent/tt-metal#55290",
        mistake="NaN wherever the upstream gradient is 0, except at x = 0",
        forward=np.arctanh,
        right=lambda dz, x: dz / (1 - x**2),
        wrong=lambda dz, x: np.where((dz == 0) & (x != 0), np.nan, dz / (1 - x**2)).astype(x.dtype),
        plain=lambda draw: call(draw.between(-0.9, 0.9, 3, 4)),
        further=True,
    ),
)

"""Forty-five right ops: what sensitivity and false alarms are measured on.

Twenty are smooth and well conditioned, ten have kinks, fifteen lose digits in forward, in backward,
or to their scale. Every one computes in the dtype it is given, float32 or float64, and has its
backward pass written by hand. `recipes` draws points, and for ops with kinks every third point lies
exactly on one and every third beside one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import gradcheck
from gradcheck.arrays import Array
from gradcheck.model import Op, Recipe

SMOOTH, KINKED, ILL = "smooth", "kinked", "ill-conditioned"
GENERIC, ON, NEAR = "generic", "on a kink", "near a kink"
POINTS = 18
Draw = Callable[[np.random.Generator], tuple[Array, ...]]
Place = Callable[[Array, np.random.Generator, float], None]
"""Moves one entry of x to a kink, or to a distance from it."""


@dataclass(frozen=True)
class SuiteOp:
    """A right op, how to draw its inputs, and where its kinks are."""

    name: str
    kind: str
    forward: Callable[..., Any]
    backward: Callable[..., tuple[Any, ...]]
    draw: Draw
    signature: str = "x[n]"
    place: Place | None = None

    @cached_property
    def op(self) -> Op:
        return gradcheck.op(self.forward, self.backward, self.signature, name=self.name)


def recipes(op: SuiteOp, dtype: str, seed: int, count: int = POINTS) -> list[Recipe]:
    """Points of an op, by value; ``regime`` says how each lies towards the kinks."""
    rng = np.random.default_rng([seed, *op.name.encode()])
    made = []
    for number in range(count):
        primals = op.draw(rng)
        regime = (GENERIC, ON, NEAR)[number % 3] if op.place else GENERIC
        if op.place and regime != GENERIC:
            away = 10 ** rng.uniform(-8, -2) * rng.choice([-1, 1]) if regime == NEAR else 0.0
            op.place(primals[0], rng, float(away))
        values = tuple([dtype, list(p.shape), p.reshape(-1).tolist()] for p in primals)
        seed_of_cotangent = int(rng.integers(2**31))
        made.append(
            Recipe(regime=regime, dtype=dtype, values=values, cotangent_seed=seed_of_cotangent)
        )
    return made


def uniform(low: float, high: float, size: int = 6) -> Draw:
    return lambda rng: (rng.uniform(low, high, size),)


def normal(*shapes: int | tuple[int, ...], around: float = 0.0, sd: float = 1.0) -> Draw:
    return lambda rng: tuple(around + sd * rng.standard_normal(shape) for shape in shapes)


def at(*kinks: float) -> Place:
    """Kinks of an elementwise function."""

    def place(x: Array, rng: np.random.Generator, away: float) -> None:
        x[rng.integers(x.size)] = rng.choice(kinks) + away

    return place


def ties(pair: Callable[[Array, int], tuple[int, int]]) -> Place:
    """Kinks where two entries are equal: a random number says which."""

    def place(x: Array, rng: np.random.Generator, away: float) -> None:
        stays, moves = pair(x, int(rng.integers(x.size)))
        x[moves] = x[stays] + away

    return place


def pair_of(forward: Any, slope: Callable[[Array], Any]) -> tuple[Any, Any]:
    """Forward and backward of a function of one number, whose slope keeps the dtype."""
    return lambda x: forward(x), lambda dy, x: (dy * np.asarray(slope(x), x.dtype),)


def logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def logistic_slope(x: Array) -> Array:
    return logistic(x) * (1 - logistic(x))


_GELU = math.sqrt(2 / math.pi)


def gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(_GELU * (x + 0.044715 * x**3))))


def gelu_slope(x: Array) -> Array:
    t = np.tanh(_GELU * (x + 0.044715 * x**3))
    return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _GELU * (1 + 0.134145 * x * x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def softmax_back(dy: Array, x: Array) -> tuple[Any, ...]:
    y = softmax(x)
    return (y * (dy - (dy * y).sum()),)


def logsumexp(x: Array) -> Any:
    return x.max() + np.log(np.exp(x - x.max()).sum())


def logsumexp_back(dy: Array, x: Array) -> tuple[Any, ...]:
    return (dy * softmax(x),)


def normalised(x: Array) -> tuple[Array, Any]:
    """x with mean 0 and variance 1, and the factor that it was multiplied with."""
    centred = x - x.mean()
    factor = 1 / np.sqrt((centred * centred).mean() + 1e-5)
    return centred * factor, factor


def layer_norm_back(dy: Array, x: Array) -> tuple[Any, ...]:
    y, factor = normalised(x)
    return (factor * (dy - dy.mean() - y * (dy * y).mean()),)


def norm_back(dy: Array, x: Array) -> tuple[Any, ...]:
    return (dy * x / np.sqrt((x * x).sum()),)


LABELS = np.array([1, 2])


def cross_entropy(z: Array) -> Any:
    """Mean over rows of log sum exp z - z[label]."""
    shifted = z - z.max(axis=1, keepdims=True)
    return (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(z)), LABELS]).mean()


def cross_entropy_back(dy: Array, z: Array) -> tuple[Any, ...]:
    p = softmax(z)
    p[np.arange(len(z)), LABELS] -= 1
    return (dy * p / len(z),)


def correlate(x: Array, kernel: Array) -> Array:
    """A convolution as networks mean it: the kernel is not turned round."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(x, len(kernel)) @ kernel)


def correlate_back(dy: Array, x: Array, kernel: Array) -> tuple[Any, ...]:
    windows = np.lib.stride_tricks.sliding_window_view(x, len(kernel))
    return np.convolve(dy, kernel), dy @ windows


def sums_of_squares_back(dy: Array, x: Array) -> tuple[Any, ...]:
    return (2 * x * np.cumsum(dy[::-1])[::-1],)


def max_back(dy: Array, x: Array) -> tuple[Any, ...]:
    dx = np.zeros_like(x)
    dx[x.argmax()] = dy
    return (dx,)


def max_pool_back(dy: Array, x: Array) -> tuple[Any, ...]:
    pairs = x.reshape(-1, 2)
    first = pairs[:, 0] >= pairs[:, 1]
    return (np.stack([dy * first, dy * ~first], axis=1).reshape(-1).astype(x.dtype),)


def sort_back(dy: Array, x: Array) -> tuple[Any, ...]:
    dx = np.empty_like(x)
    dx[np.argsort(x, kind="stable")] = dy
    return (dx,)


def variance_back(dy: Array, x: Array) -> tuple[Any, ...]:
    return (dy * (x - x.mean()) * (2 / x.size),)


def solve(A: Array, b: Array) -> Array:
    """A x = b by Cramer's rule, 2 by 2."""
    determinant = A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
    above = np.stack([A[1, 1] * b[0] - A[0, 1] * b[1], A[0, 0] * b[1] - A[1, 0] * b[0]])
    return np.asarray(above / determinant)


def solve_back(dx: Array, A: Array, b: Array) -> tuple[Any, ...]:
    db = solve(A.T, dx)
    return -np.outer(db, solve(A, b)), db


def nearly_singular(rng: np.random.Generator) -> tuple[Array, ...]:
    return 1 + rng.uniform(-0.02, 0.02, (2, 2)), rng.standard_normal(2)


def elementwise(kind: str, rows: list[tuple[Any, ...]]) -> list[SuiteOp]:
    """Rows of name, function, slope, low, high, and the kinks if there are any."""
    return [
        SuiteOp(name, kind, *pair_of(f, slope), uniform(low, high), "x[n]", at(*k) if k else None)
        for name, f, slope, low, high, *k in rows
    ]


_SMOOTH = [
    ("sin", np.sin, np.cos, -3, 3),
    ("exp", np.exp, np.exp, -2, 2),
    ("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2, -2, 2),
    ("logistic", logistic, logistic_slope, -3, 3),
    ("softplus", lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0), logistic, -3, 3),
    ("gelu", gelu, gelu_slope, -2, 2),
    ("log", np.log, lambda x: 1 / x, 0.2, 4),
    ("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), 0.2, 4),
    ("one over root", lambda x: 1 / np.sqrt(x), lambda x: -0.5 / (x * np.sqrt(x)), 0.3, 4),
    ("cube", lambda x: x * x * x, lambda x: 3 * x * x, -2, 2),
    ("reciprocal", lambda x: 1 / x, lambda x: -1 / (x * x), 0.3, 3),
]
_KINKED = [
    ("relu", lambda x: np.maximum(x, 0), lambda x: x > 0, -2, 2, 0.0),
    ("abs", np.abs, np.sign, -2, 2, 0.0),
    (
        "leaky relu",
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda x: np.where(x > 0, 1, 0.1),
        -2,
        2,
        0.0,
    ),
    (
        "clipped sine",
        lambda x: np.clip(np.sin(x), -0.5, 0.5),
        lambda x: np.where(np.abs(np.sin(x)) < 0.5, np.cos(x), 0),
        -2,
        2,
        math.pi / 6,
        -math.pi / 6,
    ),
    (
        "huber",
        lambda x: np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5),
        lambda x: np.clip(x, -1, 1),
        -2,
        2,
        1.0,
        -1.0,
    ),
    (
        "hard swish",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(x <= -3, 0, np.where(x >= 3, 1, (2 * x + 3) / 6)),
        -4,
        4,
        3.0,
        -3.0,
    ),
    (
        "elu with a kink",
        lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)),
        lambda x: np.where(x > 0, 1, 1.5 * np.exp(x)),
        -2,
        2,
        0.0,
    ),
]
_ILL = [
    (
        "(1 - cos x) / x^2",
        lambda x: (1 - np.cos(x)) / (x * x),
        lambda x: (x * np.sin(x) - 2 * (1 - np.cos(x))) / (x * x * x),
        0.02,
        0.2,
    ),
    ("log(1 + x), x tiny", lambda x: np.log(1 + x), lambda x: 1 / (1 + x), 1e-5, 1e-3),
    ("sin 200x", lambda x: np.sin(200 * x), lambda x: 200 * np.cos(200 * x), -2, 2),
    ("exp 20x", lambda x: np.exp(20 * x), lambda x: 20 * np.exp(20 * x), -1, 1),
    ("1/x near 0", lambda x: 1 / x, lambda x: -1 / (x * x), 5e-4, 5e-3),
    ("sqrt near 0", np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-6, 1e-4),
    ("log, x large", np.log, lambda x: 1 / x, 1e4, 1e6),
    (
        "(x - 1)^5 multiplied out",
        lambda x: ((((x - 5) * x + 10) * x - 10) * x + 5) * x - 1,
        lambda x: 5 * (x - 1) ** 4,
        0.6,
        1.6,
    ),
    ("tanh, saturated", np.tanh, lambda x: 1 - np.tanh(x) ** 2, 4, 8),
    ("cube, x tiny", lambda x: x * x * x, lambda x: 3 * x * x, 1e-4, 1e-2),
    ("arccos near 1", np.arccos, lambda x: -1 / np.sqrt((1 - x) * (1 + x)), 0.99, 0.9999),
    (
        "softplus 300x",
        lambda x: np.logaddexp(0 * x, 300 * x) / 300,
        lambda x: logistic(300 * x),
        -0.05,
        0.05,
    ),
]
SUITE: tuple[SuiteOp, ...] = (
    *elementwise(SMOOTH, _SMOOTH),
    SuiteOp("softmax", SMOOTH, softmax, softmax_back, normal(6)),
    SuiteOp("log sum exp", SMOOTH, logsumexp, logsumexp_back, normal(6)),
    SuiteOp("layer norm", SMOOTH, lambda x: normalised(x)[0], layer_norm_back, normal(6)),
    SuiteOp(
        "matmul",
        SMOOTH,
        lambda A, B: A @ B,
        lambda dC, A, B: (dC @ B.T, A.T @ dC),
        normal((2, 3), (3, 2)),
        "A[n k], B[k m]",
    ),
    SuiteOp("norm", SMOOTH, lambda x: np.sqrt((x * x).sum()), norm_back, normal(6)),
    SuiteOp(
        "cross entropy", SMOOTH, cross_entropy, cross_entropy_back, normal((2, 4), sd=1.5), "z[2 4]"
    ),
    SuiteOp("correlate", SMOOTH, correlate, correlate_back, normal(8, 3), "x[8], kernel[3]"),
    SuiteOp("sums of squares", SMOOTH, lambda x: np.cumsum(x * x), sums_of_squares_back, normal(6)),
    SuiteOp(
        "product",
        SMOOTH,
        lambda x: np.prod(x),
        lambda dy, x: (dy * np.prod(x) / x,),
        uniform(0.5, 1.8, 5),
    ),
    *elementwise(KINKED, _KINKED),
    SuiteOp(
        "max",
        KINKED,
        lambda x: x.max(),
        max_back,
        normal(5),
        place=ties(lambda x, i: (int(x.argmax()), (int(x.argmax()) + 1) % x.size)),
    ),
    SuiteOp(
        "max pool",
        KINKED,
        lambda x: x.reshape(-1, 2).max(axis=1),
        max_pool_back,
        normal(6),
        "x[6]",
        ties(lambda x, i: (i, i ^ 1)),
    ),
    SuiteOp(
        "sort",
        KINKED,
        lambda x: np.sort(x),
        sort_back,
        normal(5),
        place=ties(lambda x, i: (i, (i + 1) % x.size)),
    ),
    *elementwise(ILL, _ILL),
    SuiteOp(
        "naive variance, mean 100",
        ILL,
        lambda x: (x * x).mean() - x.mean() ** 2,
        variance_back,
        normal(6, around=100.0),
    ),
    SuiteOp("log sum exp at 1000", ILL, logsumexp, logsumexp_back, normal(6, around=1000.0)),
    SuiteOp("solve, nearly singular", ILL, solve, solve_back, nearly_singular, "A[2 2], b[2]"),
)

"""Rounding noise of an analytic gradient (and of outputs), measured on the pass itself.

Difference tables (Hamming 1971; More and Wild, Estimating computational noise, 2011): values of a
smooth function at equally spaced points have k-th differences that vanish but for noise, with
``sigma**2 = (k!)**2 / (2k)! * mean(differences**2)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.aligning import gradient_array
from gradcheck.arrays import Array, Float, is_real
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import FORMATS, eps_of
from gradcheck.ladder import KAPPA
from gradcheck.model import Case, Outputs

_POINTS = 7
Run = Callable[[tuple[Array, ...]], "list[Float | None] | None"]
"""Arrays at some primals; None where the user's code refuses them."""
_GRID = {
    "float64": (2.0**-24, 16),
    "float32": (2.0**-15, 16),
    "float16": (2.0**-8, 0),
    "bfloat16": (2.0**-6, 0),
}
"""Relative spacing of the points, and their jitter in units in the last place.

On a regular grid rounding errors vary smoothly and hide, hence the jitter; in half precision the
rounding of the points themselves is jitter enough.
"""


def measure(
    evaluator: Evaluator,
    case: Case,
    cotangents: Outputs,
    gradients: Sequence[Float | None],
    *,
    turned: bool = False,
) -> tuple[Float, ...]:
    """A, the half width of each gradient entry's rounding noise (six standard deviations).

    Seven backward passes on each side of the point; where the two sides differ much a kink
    spoils one of them, and the smaller is believed. ``turned``: the cotangent is moved with the
    point. Where all terms cancel, as those of (y - mean(y)).sum(), what is left is the rounding of
    the cotangent alone, which is the same at every point.
    """
    count = len(case.primals)

    def run(arrays: tuple[Array, ...]) -> list[Float | None] | None:
        moved = Case(case.recipe, arrays[:count], case.attributes)
        try:
            made = evaluator.gradients(moved, arrays[count:] if turned else cotangents)
        except (UserCodeRaised, ValueError):
            return None
        if made is None:
            return None
        pairs = zip(made, case.primals, strict=True)
        return [gradient_array(g, p.shape) for g, p in pairs]

    moving = (*case.primals, *cotangents) if turned else case.primals
    sides = [_side(run, moving, sign) for sign in (1, -1)]
    result = []
    for k, gradient in enumerate(gradients):
        if gradient is None:
            result.append(np.zeros(case.primals[k].shape))
            continue
        first, second = (s[k] if s is not None else None for s in sides)
        noise = _agreed(first, second, gradient.shape)
        floor = 0.5 * (eps_of(case.dtype) * np.abs(gradient) + _subnormal(case.dtype))
        result.append(KAPPA * np.maximum(noise, np.where(np.isfinite(floor), floor, 0.0)))
    return tuple(result)


def of_forward(evaluator: Evaluator, case: Case, outputs: Outputs) -> tuple[Float, ...]:
    """The same for forward: the half width of the rounding noise of each entry of its outputs."""

    def run(primals: tuple[Array, ...]) -> list[Float | None] | None:
        try:
            made = evaluator.forward(primals, case.attributes)
        except UserCodeRaised:
            return None
        if [o.shape for o in made] != [o.shape for o in outputs]:
            return None
        return [o.astype(np.float64) for o in made]

    sides = [_side(run, case.primals, sign) for sign in (1, -1)]
    result = []
    for k, output in enumerate(outputs):
        first, second = (s[k] if s is not None else None for s in sides)
        floor = 0.5 * eps_of(output.dtype) * np.abs(output.astype(np.float64))
        floor += 0.5 * _subnormal(output.dtype)
        result.append(KAPPA * np.maximum(_agreed(first, second, output.shape), floor))
    return tuple(result)


def _subnormal(dtype: np.dtype[Any]) -> float:
    """The smallest number above 0: what is smaller is rounded to it, or to 0."""
    known = FORMATS.get(str(dtype))
    return known.tiny * known.eps if known is not None else 0.0


def _agreed(first: Float | None, second: Float | None, shape: tuple[int, ...]) -> Float:
    known = [s for s in (first, second) if s is not None]
    if not known:
        return np.zeros(shape)
    low, high = np.minimum.reduce(known), np.maximum.reduce(known)
    noise = np.where(high <= 8 * low, high, low)
    return np.asarray(np.where(np.isfinite(noise), noise, 0.0))


def _side(run: Run, primals: tuple[Array, ...], sign: int) -> tuple[Float | None, ...] | None:
    """Noise per entry of what ``run`` returns, from the points on one side of the case."""
    rng = np.random.default_rng(0)
    labels, count = _labels(primals)
    signs = rng.choice([-1.0, 1.0], count)
    rows = []
    for k in range(1, _POINTS + 1):
        jitter = rng.integers(-16, 17, count) / 16
        made = run(
            tuple(
                _moved(p, sign * k * signs[own], jitter[own])
                for p, own in zip(primals, labels, strict=True)
            )
        )
        if made is None:
            return None
        rows.append(made)
    return tuple(_table([row[k] for row in rows]) for k in range(len(rows[0])))


def _labels(primals: Sequence[Array]) -> tuple[list[Array], int]:
    """A number for each distinct value: equal entries move together, so that a tie stays a tie.

    Else a backward pass that routes by comparison would jump at every step, and look noisy.
    """
    sizes = [p.size for p in primals]
    values = [np.asarray(p, np.float64).reshape(-1) for p in primals]
    distinct, labels = np.unique(np.concatenate([*values, np.zeros(0)]), return_inverse=True)
    parts = np.split(labels, np.cumsum(sizes)[:-1])
    return [own.reshape(p.shape) for own, p in zip(parts, primals, strict=True)], len(distinct)


def _moved(primal: Array, steps: Float, jitter: Array) -> Array:
    """The primal moved by some steps of a tiny grid, and by a few units in the last place."""
    if not is_real(primal):
        return primal
    spacing, ulps = _GRID[str(primal.dtype)]
    values = primal.astype(np.float64)
    size = np.maximum(np.abs(values), 1e-3)
    by = steps * size * spacing + ulps * jitter * np.spacing(np.abs(primal)).astype(np.float64)
    return np.asarray(values + by).astype(primal.dtype)


def _table(rows: list[Float | None]) -> Float | None:
    known = [r for r in rows if r is not None]
    if len(known) < len(rows):
        return None
    with np.errstate(all="ignore"):
        table = np.stack(known)
        levels = []
        for k in range(1, 6):
            table = np.diff(table, axis=0)
            gamma = math.factorial(k) ** 2 / math.factorial(2 * k)
            levels.append(np.sqrt(gamma * (table**2).mean(axis=0)))
        stacked = np.stack(levels[2:])
        return np.asarray(np.median(np.where(np.isfinite(stacked), stacked, np.inf), axis=0))

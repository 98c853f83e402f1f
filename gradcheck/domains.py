"""From a grid of small integers to values in a domain.

Hypothesis draws bytes; two of them make one number in 0 ... 65535. Decoding is ours, because
`hypothesis.extra.numpy.arrays` loves zeros, ties and tiny numbers: a correct ReLU stands within a
step of its kink in most of them. Here a generic value is at least 0.125 away from zero, a short
decimal, and byte zero decodes to a plain value, so that shrinking makes cases readable.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradcheck.arrays import Array
from gradcheck.model import (
    BINARY,
    BOOLEAN,
    INDEX,
    MIRRORED,
    NEGATIVE,
    NONNEGATIVE,
    NONZERO,
    ONE_HOT,
    POSITIVE,
    REAL,
    REAL_DOMAINS,
    SIMPLEX,
    SYMMETRIC,
    UNIT,
    Domain,
)

GRID_LIMIT = 2_000
"""Elements of all inputs together that are drawn byte by byte; above, from a seed."""
_LEVELS = 32768


def grid_numbers(grid: str, size: int) -> Array:
    """The integers 0 ... 65535 that a recipe's grid stands for."""
    if grid.startswith("seed:"):
        rng = np.random.default_rng(int(grid[5:]))
        return rng.integers(0, 65536, size)
    raw = np.frombuffer(bytes.fromhex(grid), dtype=">u2").astype(np.int64)
    if raw.size == 0:
        return np.zeros(size, np.int64)
    return np.resize(raw, size)


_WHOLE = (SIMPLEX, *MIRRORED)
"""Kinds of an array as a whole: no entry is put in by itself."""


def decode(numbers: Array, shape: tuple[int, ...], domain: Domain, regime: str) -> Array:
    """float64 (or int64, bool) values of the shape, in the domain, in the style of the regime."""
    numbers = numbers.reshape(shape)
    if domain.kind == INDEX:
        return _index(numbers, domain, regime)
    if domain.kind in (BOOLEAN, BINARY):
        mask = _mask(numbers, regime)
        return mask if domain.kind == BOOLEAN else mask.astype(np.float64)
    if domain.kind == ONE_HOT:
        return _one_hot(numbers)
    if domain.kind == SIMPLEX:
        weights = 0.125 + _unit(numbers)
        total = weights.sum(axis=-1, keepdims=True) if weights.ndim else weights
        return np.asarray(weights / np.where(total == 0, 1, total))
    if domain.kind in MIRRORED and is_square(shape):
        square = _real(numbers, Domain(REAL), regime)
        symmetric = np.asarray((square + np.swapaxes(square, -1, -2)) / 2)
        return symmetric if domain.kind == SYMMETRIC else _dominant(symmetric)
    return _real(numbers, domain, regime)


def from_pool(numbers: Array, domain: Domain, pool: tuple[float, ...]) -> Array:
    """Values of a pool where the domain allows them: thresholds, and one to either side."""
    allowed = [v for v in pool if allows(domain, v)]
    if domain.kind not in REAL_DOMAINS or domain.kind in _WHOLE or not allowed:
        return decode(numbers, numbers.shape, domain, "generic")
    turn = numbers + np.arange(numbers.size).reshape(numbers.shape)  # each of them in turn
    return np.asarray(np.array(allowed)[turn % len(allowed)])


def _dominant(symmetric: Array) -> Array:
    """With a diagonal larger than the rest of each row: positive definite (Gershgorin)."""
    rest = 1 + np.abs(symmetric).sum(axis=-1)
    return np.asarray(symmetric + rest[..., np.newaxis] * np.eye(symmetric.shape[-1]))


def is_square(shape: tuple[int, ...]) -> bool:
    """Its last two axes are of one size: it can be symmetric."""
    return len(shape) >= 2 and shape[-1] == shape[-2]


def allows(domain: Domain, value: float) -> bool:
    """A number may stand in an input of this domain."""
    low, high = domain.low, domain.high
    if (low is not None and value <= low) or (high is not None and value >= high):
        return False  # the ends are left out
    limits = {
        POSITIVE: value > 0,
        NONNEGATIVE: value >= 0,
        NEGATIVE: value < 0,
        NONZERO: value != 0,
        UNIT: 0 < value < 1,
    }
    return limits.get(domain.kind, True)


def _mask(numbers: Array, regime: str) -> Array:
    """Flags; all on or off, or whole rows off, where masks go wrong."""
    mask = np.asarray(numbers % 2 == 1)
    if regime in ("equal", "all zero"):
        return np.full_like(mask, regime == "equal")
    if regime == "blocked" and mask.ndim:
        mask[::2] = False
    return mask


def resolve(domain: Domain, sizes: Mapping[str, int]) -> Domain:
    """An index bounded by a dimension, with the dimension's size in this case."""
    if domain.kind != INDEX or domain.below is None:
        return domain
    below = sizes.get(domain.below, 1) if isinstance(domain.below, str) else domain.below
    return Domain(INDEX, domain.low, domain.high, below)


def _unit(numbers: Array) -> Array:
    """[0, 1) with four decimals; where all numbers are 0, neighbours are distinct eighths."""
    base = (np.arange(numbers.size).reshape(numbers.shape) * 3 + 3) % 8 / 8
    return np.asarray(np.round(((numbers % _LEVELS) / _LEVELS + base) % 1.0, 4))


LARGEST = 2.125
"""Generic values lie in 0.125 ... 2.125, in proportion to the example's largest."""


def _real(numbers: Array, domain: Domain, regime: str) -> Array:
    """Real values; of the example's size where there is one, rounded to short decimals."""
    values = _sized(numbers, domain, regime)
    if (
        domain.size is None
        or domain.kind == UNIT
        or regime in ("small integers", "mixed magnitude", "large")
    ):
        return values
    factor = domain.size / LARGEST
    digits = 4 - int(np.floor(np.log10(domain.size)))
    if regime == "whole numbers":
        least = float(domain.kind not in (REAL, NONNEGATIVE, SYMMETRIC))
        return np.asarray(np.sign(values) * np.maximum(np.abs(np.round(values * factor)), least))
    return np.asarray(np.round(values * factor, max(0, digits)))


def _sized(numbers: Array, domain: Domain, regime: str) -> Array:
    unit = _unit(numbers)
    sign = np.where(numbers >= _LEVELS, -1.0, 1.0)
    if domain.ranged:
        return _ranged(numbers, unit, domain, regime)
    if domain.kind == UNIT:
        return np.round(0.05 + 0.9 * unit, 4)
    if domain.kind in (POSITIVE, NONNEGATIVE):
        sign = np.ones_like(sign)
    if domain.kind == NEGATIVE:
        sign = -np.ones_like(sign)
    crosses_zero = domain.kind in (REAL, SYMMETRIC)
    with_zero = crosses_zero or domain.kind == NONNEGATIVE
    if regime == "all zero" and with_zero:
        return np.zeros_like(unit)
    if regime == "large":
        return np.asarray(sign * np.round(100 + 900 * unit, 1))
    if regime == "zeros" and with_zero:
        return np.where(numbers % 3 == 0, 0.0, sign * np.round(0.125 + 2 * unit, 4))
    if regime == "ties":
        low = -1 if crosses_zero else 1
        pool = np.arange(low, low + 3) * 0.5
        return np.asarray(pool[numbers % 3] * (sign if domain.kind == NEGATIVE else 1.0))
    if regime == "equal":
        return np.full_like(unit, 0.5) * (-1.0 if domain.kind == NEGATIVE else 1.0)
    if regime == "small integers":
        return np.asarray(sign * (1.0 + numbers % 3))
    if regime == "mixed magnitude":
        return np.asarray(sign * np.round(0.125 + 2 * unit, 4) * 10.0 ** (numbers // 7 % 5 - 2))
    return np.asarray(sign * np.round(0.125 + 2 * unit, 4))


def _ranged(numbers: Array, unit: Array, domain: Domain, regime: str) -> Array:
    """Between two ends, which are left out; where one is infinite, near the other mostly."""
    low, high = _ends(domain)
    share = 0.02 + 0.96 * unit
    if regime == "ties":
        share = (1 + numbers % 3) / 4
    elif regime == "equal":
        share = np.full_like(unit, 0.25)
    elif regime in ("large", "mixed magnitude") and None in (domain.low, domain.high):
        far = share * 10.0 ** (numbers // 7 % 5 - 2 if regime == "mixed magnitude" else 2)
        share = far if domain.high is None else 1 - far
    values = low + share * (high - low)
    if regime in ("zeros", "all zero", "small integers") and low < 0 < high:
        rounded = np.where(regime == "small integers", np.round(values), 0.0)
        chosen = (low < rounded) & (rounded < high) & ((numbers % 3 == 0) | (regime != "zeros"))
        values = np.where(chosen, rounded, values)
    return np.asarray(values)


def _ends(domain: Domain) -> tuple[float, float]:
    """Both ends of a range; an infinite one as far from the other as values usually lie."""
    if domain.low is None:
        assert domain.high is not None
        return domain.high - 2 * max(1.0, abs(domain.high)), domain.high
    if domain.high is None:
        return domain.low, domain.low + 2 * max(1.0, abs(domain.low))
    return domain.low, domain.high


def _index(numbers: Array, domain: Domain, regime: str) -> Array:
    low, high = int(domain.low or 0), int(domain.below or domain.high or 1)
    if high <= low:
        return np.full(numbers.shape, low, np.int64)
    if regime in ("equal", "blocked", "all zero"):  # one index, the last one
        return np.full(numbers.shape, low if regime == "all zero" else high - 1, np.int64)
    if regime == "ties":  # few different indices: repeats; the ends of the range
        ends = np.array([low, high - 1])
        return np.asarray(ends[numbers % 2]).astype(np.int64)
    return np.asarray(low + numbers % (high - low)).astype(np.int64)


def _one_hot(numbers: Array) -> Array:
    if numbers.ndim == 0 or numbers.shape[-1] == 0:
        return np.ones(numbers.shape)
    hot = numbers[..., 0] % numbers.shape[-1]
    return np.asarray(np.eye(numbers.shape[-1])[hot])

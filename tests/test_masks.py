"""A boolean operand beside real ones is stretched and emptied like them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.gates import Array
from tests.judged import fails, passes


def spread(gradient: Array, like: Array) -> Array:
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - like.ndim)))
    axes = tuple(k for k, n in enumerate(like.shape) if n == 1 != gradient.shape[k])
    return np.asarray(gradient.sum(axis=axes, keepdims=True))


def right(dz: Array, c: Array, x: Array, y: Array) -> tuple[Any, ...]:
    return None, spread(np.where(c, dz, 0), x), spread(np.where(c, 0, dz), y)


def by_first_row(dz: Array, c: Array, x: Array, y: Array) -> tuple[Any, ...]:
    """Right unless the mask is stretched along its last axis."""
    if c.ndim and c.shape[-1] == 1 != dz.shape[-1]:
        return None, np.zeros_like(x), spread(dz, y)
    return right(dz, c, x, y)


SIGNATURE = "condition:bool[n d], x[n d], y[n d]"


def test_a_mask_is_stretched_too() -> None:
    passes(np.where, right, SIGNATURE, scope="forward", max_cases=100)
    found = fails(np.where, by_first_row, SIGNATURE, scope="forward", max_cases=100)
    assert any("broadcast" in f.message for f in found.findings)

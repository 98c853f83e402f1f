"""Upstream gradients to feed a backward pass: never only ones.

With an upstream of ones a dropped upstream, a missing factor per row and an inverse permutation
are invisible, and softmax or layer norm have gradient zero.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.draws import Table
from gradcheck.model import Outputs, Recipe

_OF_BYTES = np.multiply.outer([-1.0, 1.0], np.round(1 + (1 + np.arange(128) % 99) / 100, 2))
"""By a random byte, short decimals in +-(1, 2): no entry hides, no two cancel, and a reader can
check by hand."""


def make(recipe: Recipe, outputs: Outputs) -> Outputs:
    """Cotangents of the outputs' shapes and dtypes; zero for integer outputs."""
    return _drawn(recipe.cotangent, (recipe.cotangent_seed, 77), outputs)


def random_like(outputs: Outputs, seed: int) -> Outputs:
    """Another random cotangent, for checks that need two.

    Of one entry it has the other sign than the one that `make` draws by this seed: what backward
    makes of the sign shows in two of them.
    """
    made = _drawn("random", (seed, 78), outputs)
    return tuple(
        -other
        if other.size == 1 and _same_sign(other, _one("random", (seed, 77, k), other))
        else other
        for k, other in enumerate(made)
    )


def _same_sign(one: Array, other: Array) -> bool:
    """Of two arrays of one entry."""
    return bool((one > 0) == (other > 0))


def _drawn(kind: str, seed: tuple[int, int], outputs: Outputs) -> Outputs:
    made = [_one(kind, (*seed, k), o) for k, o in enumerate(outputs)]
    if kind == "one-hot":
        _light_one(made, outputs, np.random.default_rng(seed))
    return tuple(made)


def _one(kind: str, seed: tuple[int, ...], output: Array) -> Array:
    if not is_real(output):
        return np.zeros(output.shape)
    if kind in ("zero", "one-hot"):
        return np.zeros(output.shape, output.dtype)
    drawn = _table(kind, output.dtype).draw(seed, output.size)
    return (drawn if drawn.flags.writeable else drawn.copy()).reshape(output.shape)


@lru_cache(None)
def _table(kind: str, dtype: np.dtype[Any]) -> Table:
    far = 6 if dtype == np.float16 else 20  # its numbers end at 65504
    factor = {"random": 1.0, "tiny": 2.0**-far, "huge": 2.0**far}[kind]
    return Table((_OF_BYTES.reshape(-1) * factor).astype(dtype))


def _light_one(made: list[Array], outputs: Outputs, rng: np.random.Generator) -> None:
    places = [k for k, o in enumerate(outputs) if is_real(o) and o.size]
    if places:
        chosen = made[places[int(rng.integers(len(places)))]]
        chosen.reshape(-1)[int(rng.integers(chosen.size))] = 1.0


def layouts(cotangent: Array) -> dict[str, Array]:
    """The same numbers in other memory layouts, by the name of the layout."""
    found: dict[str, Array] = {}
    if cotangent.size == 0:
        return found
    found["read-only"] = cotangent.copy()
    found["read-only"].flags.writeable = False
    if cotangent.ndim >= 2:
        found["column-major"] = np.asfortranarray(cotangent)
    if cotangent.ndim >= 1 and cotangent.size > 1:
        wide = np.full((*cotangent.shape[:-1], 2 * cotangent.shape[-1]), np.nan, cotangent.dtype)
        wide[..., ::2] = cotangent
        found["strided"] = wide[..., ::2]
        turned = tuple(slice(None, None, -1) for _ in cotangent.shape)
        found["negative strides"] = cotangent[turned].copy()[turned]
    return found


def expanded(output: Array, value: float) -> tuple[Array, Array]:
    """A stride-0 cotangent, as ``loss.sum()`` makes it, and the same numbers in memory."""
    scalar = np.array(value, output.dtype)
    view = np.broadcast_to(scalar, output.shape)
    return view, np.full(output.shape, value, output.dtype)

"""Long vectors of random numbers with few digits, by a seed: no generator to set up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from gradcheck.arrays import Array, freeze

_STREAM = 2**16
"""Random bytes that are made once ..."""
_WINDOW = 2**15
"""... and up to so many numbers at a time are a window of them, which starts where the seed says:
to make fresh ones takes longer than the evaluations that they are for."""


class Table:
    """What each value of a random byte stands for.

    Parameters
    ----------
    numbers : (256,) array
    """

    def __init__(self, numbers: Array) -> None:
        self._numbers = numbers
        self._stream: Array | None = None

    def draw(self, seed: Iterable[int], count: int) -> Array:
        """(count,) numbers that look random, the same for the same seed on every machine.

        Read-only where they are few: others may have been given the same.
        """
        text = repr(tuple(seed)).encode()
        if count > _WINDOW:
            chosen = np.frombuffer(hashlib.shake_128(text).digest(count), np.uint8)
            return self._numbers.take(chosen)
        if self._stream is None:
            self._stream = freeze(self._numbers.take(_stream()))
        mixed = hashlib.blake2b(text, digest_size=8).digest()
        start = int.from_bytes(mixed, "little") % (_STREAM - _WINDOW + 1)
        return self._stream[start : start + count]


@lru_cache(None)
def _stream() -> Array:
    return np.frombuffer(hashlib.shake_128(b"gradcheck").digest(_STREAM), np.uint8)

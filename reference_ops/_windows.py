"""Windows over the last axes of an array, for convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_ops._shapes import Array, require

Key = tuple[Any, ...]


def per_axis(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """One integer for all of `count` axes, or one for each: a tuple, none of it below `least`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    whole = all(isinstance(v, (int, np.integer)) and v >= least for v in values)
    fits = whole and len(values) == count
    require(fits, f"{name} must be {count} integers of at least {least}, or one, got {value!r}")
    return values


def extent(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """How many entries a window spans, those that dilation leaves out included."""
    return tuple((k - 1) * r + 1 for k, r in zip(kernel, dilation, strict=True))


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over the last axes of arrays, which are padded first: one number per axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """How many entries a window spans, those that dilation leaves out included."""
        return extent(self.kernel, self.dilation)

    def of(self, x: Array, fill: float = 0) -> Array:
        """All windows that fit: x's other axes, then positions, then the entries of a window."""
        padded = np.full(self._padded(x.shape), fill, x.dtype)
        padded[self._inner(x.shape)] = x
        axes = tuple(range(-len(self.kernel), 0))
        every = np.lib.stride_tricks.sliding_window_view(padded, self.extent, axis=axes)
        steps: Key = (..., *(slice(None, None, s) for s in self.stride + self.dilation))
        return every[steps]

    def summed(self, dwindows: Array, shape: tuple[int, ...]) -> Array:
        """Gradient of an array of this shape: each entry sums over the windows that it is in."""
        dpadded = np.zeros(self._padded(shape), dwindows.dtype)
        positions = dwindows.shape[-2 * len(self.kernel) : -len(self.kernel)]
        steps = list(zip(positions, self.stride, self.dilation, strict=True))
        for entry in np.ndindex(self.kernel):
            places = zip(entry, steps, strict=True)
            seen: Key = (..., *(slice(e * r, e * r + n * s, s) for e, (n, s, r) in places))
            dpadded[seen] += dwindows[(..., *entry)]
        return np.asarray(dpadded[self._inner(shape)])

    def _padded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        sizes = zip(self.before, shape[-len(self.kernel) :], self.after, strict=True)
        return (*shape[: -len(self.kernel)], *(b + n + a for b, n, a in sizes))

    def _inner(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        sizes = zip(self.before, shape[-len(self.kernel) :], strict=True)
        return (..., *(slice(b, b + n) for b, n in sizes))

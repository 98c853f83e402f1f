"""Largest and mean value of windows, in one and two dimensions.

The windows lie over the last axes, whatever axes come before. Sizes are PyTorch's: the stride is
the kernel's size where none is given; `ceil_mode` adds a window that reaches beyond the padding,
but none that starts in the padding on the right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require
from reference_ops._windows import Windows, extent, per_axis

Sizes = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Pool:
    """The windows over the last axes of an array; all of it one number per axis."""

    lengths: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    @property
    def extent(self) -> tuple[int, ...]:
        return extent(self.kernel, self.dilation)

    @property
    def positions(self) -> tuple[int, ...]:
        """How many windows; none, or fewer, where the kernel does not fit."""
        sizes = zip(self.lengths, self.extent, self.stride, self.padding, strict=True)
        return tuple(_positions(*size, self.ceil_mode) for size in sizes)

    @property
    def windows(self) -> Windows:
        ends = zip(self.positions, self.stride, self.extent, strict=True)
        own = [n + p for n, p in zip(self.lengths, self.padding, strict=True)]
        after = tuple(max((m - 1) * s + e - n, 0) for (m, s, e), n in zip(ends, own, strict=True))
        return Windows(self.kernel, self.stride, self.dilation, self.padding, after)

    @property
    def fits(self) -> bool:
        """There are windows, and none lies in the padding alone, as one with large steps can."""
        sizes = zip(self.lengths, self.positions, self.padding, self.dilation, strict=True)
        return all(n > 0 and m > 0 and (p == 0 or r <= n) for n, m, p, r in sizes)

    def cells(self, x: Array, fill: float) -> Array:
        """Every window's entries along one last axis; `fill` beyond the ends of x."""
        windows = self.windows.of(x, fill)
        return windows.reshape(*windows.shape[: -len(self.lengths)], math.prod(self.kernel))

    def to_x(self, dcells: Array, shape: tuple[int, ...]) -> Array:
        """Gradient of an x of this shape: each entry sums over the windows that it is in."""
        return self.windows.summed(dcells.reshape(*dcells.shape[:-1], *self.kernel), shape)

    def counts(self, count_include_pad: bool) -> Array:
        """How many entries the mean of each window is of, with or without the padding."""
        counts = []
        for k, m in enumerate(self.positions):
            length, padding = self.lengths[k], self.padding[k]
            start = np.arange(m) * self.stride[k] - padding
            end = np.minimum(start + self.kernel[k], length + padding)
            if not count_include_pad:
                start, end = np.maximum(start, 0), np.minimum(end, length)
            counts.append(end - start)
        return np.asarray(reduce(np.multiply, np.ix_(*counts)))


def _positions(length: int, extent: int, stride: int, padding: int, ceil_mode: bool) -> int:
    room = length + 2 * padding - extent
    if not ceil_mode:
        return room // stride + 1
    positions = -(-room // stride) + 1
    return positions - 1 if (positions - 1) * stride >= length + padding else positions


def _pool(axes: int, x: Array, **attributes: Any) -> _Pool:
    require(np.ndim(x) >= axes, f"x must have at least {axes} axes, got {np.shape(x)}")
    kernel = per_axis("kernel", attributes["kernel"], axes, 1)
    stride = attributes["stride"]
    return _Pool(
        np.shape(x)[np.ndim(x) - axes :],
        kernel,
        kernel if stride is None else per_axis("stride", stride, axes, 1),
        per_axis("padding", attributes["padding"], axes, 0),
        per_axis("dilation", attributes.get("dilation", 1), axes, 1),
        attributes["ceil_mode"],
    )


def _fits(axes: int, x: Array, count_include_pad: bool = True, **attributes: Any) -> bool:
    """Sizes that a signature cannot say: there are windows, and x is in each of them."""
    return np.ndim(x) < axes or _pool(axes, x, **attributes).fits


def _demanded(axes: int, x: Array, **attributes: Any) -> _Pool:
    pool = _pool(axes, x, **attributes)
    half = all(2 * p <= e for p, e in zip(pool.padding, pool.extent, strict=True))
    require(half, f"padding must be at most half of {pool.extent}, got {pool.padding}")
    require(pool.fits, f"windows of {pool.extent} must fit into the padded x, got {np.shape(x)}")
    return pool


def _max_pool(axes: int, x: Array, **attributes: Any) -> Array:
    pool = _demanded(axes, x, **attributes)
    return np.asarray(np.max(pool.cells(x, -np.inf), axis=-1))


def _max_pool_vjp(dy: Array, axes: int, x: Array, **attributes: Any) -> Array:
    pool = _demanded(axes, x, **attributes)
    cells = pool.cells(x, -np.inf)
    own = pool.cells(np.ones(pool.lengths, bool), False)
    first = np.argmax(own & (cells == np.max(cells, axis=-1, keepdims=True)), axis=-1)
    wins = np.arange(cells.shape[-1]) == first[..., np.newaxis]
    return pool.to_x(np.where(wins, dy[..., np.newaxis], 0), x.shape)


def _avg_pool(axes: int, x: Array, count_include_pad: bool, **attributes: Any) -> Array:
    pool = _demanded(axes, x, **attributes)
    counts = pool.counts(count_include_pad).astype(x.dtype)
    return np.asarray(np.sum(pool.cells(x, 0), axis=-1) / counts)


def _avg_pool_vjp(
    dy: Array, axes: int, x: Array, count_include_pad: bool, **attributes: Any
) -> Array:
    pool = _demanded(axes, x, **attributes)
    share = dy / pool.counts(count_include_pad).astype(dy.dtype)
    cells = (*dy.shape, math.prod(pool.kernel))
    return pool.to_x(np.broadcast_to(share[..., np.newaxis], cells), x.shape)


@gradcheck.register(
    "x[n 2*l], kernel=2|3, stride=None|1|3, padding=0|1, dilation=1|2, ceil_mode=False|True",
    scope="forward",
    valid=partial(_fits, 1),
)
def max_pool1d(
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """y[t] = max over k < kernel of x[t stride + k dilation]; dx sums dy over the windows it wins.

    At a tie the first in the window wins (PyTorch, MaxPool1d); padding never wins. Refused: a
    kernel that does not fit, padding of more than half of it or of an x shorter than the dilation.

    >>> max_pool1d(np.array([1.0, 3.0, 2.0, 2.0]))
    array([3., 2.])
    """
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return _max_pool(1, x, ceil_mode=ceil_mode, **how)


@max_pool1d.def_vjp
def _(
    dy: Array,
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Any, ...]:
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return (_max_pool_vjp(dy, 1, x, ceil_mode=ceil_mode, **how),)


@gradcheck.register(
    "x[2 h w], kernel=2|3|(3, 2), stride=None|1|(1, 2), padding=0|1|(1, 0), "
    "dilation=1|2|(1, 2), ceil_mode=False|True",
    scope="forward",
    valid=partial(_fits, 2),
)
def max_pool2d(
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """y[s, t] = max over i, j of x[s + i, t + j], strides and dilations as in `max_pool1d`.

    dx sums dy over the windows in which an entry is the largest, at a tie the first, row by row
    (PyTorch, MaxPool2d). Refused: as in `max_pool1d`.

    >>> max_pool2d(np.array([[1.0, 3.0, 2.0], [0.0, 1.0, 4.0]]), stride=1)
    array([[3., 4.]])
    """
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return _max_pool(2, x, ceil_mode=ceil_mode, **how)


@max_pool2d.def_vjp
def _(
    dy: Array,
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Any, ...]:
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return (_max_pool_vjp(dy, 2, x, ceil_mode=ceil_mode, **how),)


@gradcheck.register(
    "x[n 2*l], kernel=2|3, stride=None|1|3, padding=0|1, ceil_mode=False|True, "
    "count_include_pad=True|False",
    scope="forward",
    valid=partial(_fits, 1),
)
def avg_pool1d(
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """y[t] = mean over k < kernel of x[t stride + k]; dx sums dy / m over the windows it is in.

    m counts the zeros of the padding too, unless count_include_pad is False, but nothing beyond
    the padding (PyTorch, AvgPool1d). Refused: padding of more than half of the kernel, and a
    kernel that does not fit.

    >>> avg_pool1d(np.array([1.0, 3.0, 2.0, 2.0, 7.0]), ceil_mode=True)
    array([2., 2., 7.])
    """
    how = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return _avg_pool(1, x, count_include_pad, **how)


@avg_pool1d.def_vjp
def _(
    dy: Array,
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Any, ...]:
    how = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return (_avg_pool_vjp(dy, 1, x, count_include_pad, **how),)


@gradcheck.register(
    "x[2 h w], kernel=2|3|(3, 2), stride=None|1|(1, 2), padding=0|1|(1, 0), "
    "ceil_mode=False|True, count_include_pad=True|False",
    scope="forward",
    valid=partial(_fits, 2),
)
def avg_pool2d(
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """y[s, t] = mean over i, j of x[s + i, t + j], strides and counts as in `avg_pool1d`.

    dx sums dy / m over the windows that an entry is in (PyTorch, AvgPool2d). Refused: as there.

    >>> avg_pool2d(np.array([[1.0, 3.0, 2.0], [0.0, 4.0, 3.0]]), stride=1)
    array([[2., 3.]])
    """
    how = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return _avg_pool(2, x, count_include_pad, **how)


@avg_pool2d.def_vjp
def _(
    dy: Array,
    x: Array,
    kernel: Sizes = 2,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Any, ...]:
    how = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return (_avg_pool_vjp(dy, 2, x, count_include_pad, **how),)

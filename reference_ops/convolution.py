"""Convolutions in one and two dimensions: stride, padding, dilation, groups.

Each is one product of matrices per group: a window of x is a column, as long as a row of the
weight (Chellapilla, Puri and Simard 2006, "unrolling"). As in PyTorch, the kernel is not flipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require
from reference_ops._windows import Windows, per_axis

Sizes = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Convolution:
    """Products of a weight with the windows over all axes of x but batch and channels."""

    windows: Windows
    groups: int

    def product(self, x: Array, weight: Array) -> Array:
        """The weight times every window of x: (n, o, *positions)."""
        columns, positions = self._columns(x)
        return (self._rows(weight) @ columns).reshape(len(x), len(weight), *positions)

    def to_x(self, dy: Array, weight: Array, shape: tuple[int, ...]) -> Array:
        """Gradient of an x of this shape, for a gradient of the product."""
        axes, kernel = len(self.windows.kernel), self.windows.kernel
        dcolumns = np.swapaxes(self._rows(weight), -1, -2) @ self._grouped(dy)
        dwindows = dcolumns.reshape(*shape[:2], *kernel, *dy.shape[2:])
        dwindows = np.moveaxis(dwindows, range(2, 2 + axes), range(-axes, 0))
        return self.windows.summed(dwindows, shape)

    def to_weight(self, dy: Array, x: Array, shape: tuple[int, ...]) -> Array:
        """Gradient of a weight of this shape: it sums over examples and positions."""
        columns, _ = self._columns(x)
        per_example = self._grouped(dy) @ np.swapaxes(columns, -1, -2)
        return np.asarray(np.sum(per_example, axis=0).reshape(shape))

    def _columns(self, x: Array) -> tuple[Array, tuple[int, ...]]:
        """Windows of x as (n, groups, entries of a window, positions); how many positions."""
        axes = len(self.windows.kernel)
        windows = self.windows.of(x)
        positions = windows.shape[2:-axes]
        entries = x.shape[1] // self.groups * math.prod(self.windows.kernel)
        columns = np.moveaxis(windows, range(-axes, 0), range(2, 2 + axes))
        shape = (len(x), self.groups, entries, math.prod(positions))
        return columns.reshape(shape), positions

    def _rows(self, weight: Array) -> Array:
        shape = (self.groups, len(weight) // self.groups, math.prod(weight.shape[1:]))
        return weight.reshape(shape)

    def _grouped(self, dy: Array) -> Array:
        n, o, *positions = dy.shape
        return dy.reshape(n, self.groups, o // self.groups, math.prod(positions))


def _convolution(
    weight: Array, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> _Convolution:
    kernel = weight.shape[2:]
    axes = len(kernel)
    stride, dilation = per_axis("stride", stride, axes, 1), per_axis("dilation", dilation, axes, 1)
    padding = per_axis("padding", padding, axes, 0)
    (groups,) = per_axis("groups", groups, 1, 1)
    return _Convolution(Windows(kernel, stride, dilation, padding, padding), groups)


def _forward(axes: int, operands: tuple[Array, Array, Array], **attributes: Any) -> Array:
    x, weight, bias = operands
    shapes = f"got x {np.shape(x)}, weight {np.shape(weight)}, bias {np.shape(bias)}"
    require(np.ndim(x) == np.ndim(weight) == axes + 2, f"{axes + 2} axes each: {shapes}")
    made = _convolution(weight, **attributes)
    shared = len(weight) % made.groups == 0 and x.shape[1] == weight.shape[1] * made.groups
    require(shared, f"x (n, c, ...), weight (o, c / {made.groups} groups, ...): {shapes}")
    require(np.shape(bias) == weight.shape[:1], f"bias (o,): {shapes}")
    require(_fits(x, made.windows), f"a kernel that fits into the padded x: {shapes}")
    return made.product(x, weight) + bias.reshape(-1, *(1,) * axes)


def _fits(x: Array, windows: Windows) -> bool:
    sizes = zip(windows.kernel, windows.extent, x.shape[2:], windows.before, strict=True)
    return all(k > 0 and e <= n + 2 * p for k, e, n, p in sizes)


def _valid(x: Array, weight: Array, bias: Array, **attributes: Any) -> bool:
    """Sizes that a signature cannot say: the kernel fits."""
    return np.ndim(x) != np.ndim(weight) or _fits(x, _convolution(weight, **attributes).windows)


def _backward(
    dy: Array, operands: tuple[Array, Array, Array], **attributes: Any
) -> tuple[Array, Array, Array]:
    x, weight, _ = operands
    made = _convolution(weight, **attributes)
    dx, dweight = made.to_x(dy, weight, x.shape), made.to_weight(dy, x, weight.shape)
    return dx, dweight, np.sum(dy, axis=(0, *range(2, dy.ndim)))


@gradcheck.register(
    "x[2 c 2*k], weight[o c k], bias[o], stride=1|2|3, padding=0|1|2, dilation=1|2, groups=1",
    scope="forward",
)
def conv1d(
    x: Array,
    weight: Array,
    bias: Array,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """y[n, o, t] = bias[o] + sum over c, k of weight[o, c, k] x[n, c, t stride + k dilation].

    dx sums what each entry is multiplied with, over the windows that it is in; dweight[o, c, k] is
    the sum over n, t of dy times the entry that it is multiplied with (PyTorch, Conv1d). x is
    padded with zeros at both ends; group g of the outputs reads group g of the channels alone.
    Refused: other ranks and sizes, and a kernel that is longer than the padded x.

    >>> conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, 10.0]]]), np.array([0.5]))
    array([[[21.5, 42.5]]])
    """
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _forward(1, (x, weight, bias), **how)


@conv1d.def_vjp
def _conv1d_vjp(
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> tuple[Any, ...]:
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _backward(dy, (x, weight, bias), **how)


@gradcheck.register(
    "x[2 c 2 w], weight[o c 2 2], bias[o], stride=1|2|(2, 1), padding=0|1|(1, 0), "
    "dilation=1|2|(2, 1), groups=1",
    scope="forward",
    valid=_valid,
)
def conv2d(
    x: Array,
    weight: Array,
    bias: Array,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """y[n, o, s, t] = bias[o] + sum over c, i, j of weight[o, c, i, j] x[n, c, s + i, t + j].

    The gradients are those of `conv1d`, with two axes (PyTorch, Conv2d); so are strides and
    dilations, each one number or one per axis. Refused: as there.

    >>> conv2d(np.array([[[[1.0, 2.0, 4.0]]]]), np.array([[[[1.0, 10.0]]]]), np.array([0.5]))
    array([[[[21.5, 42.5]]]])
    """
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _forward(2, (x, weight, bias), **how)


@conv2d.def_vjp
def _conv2d_vjp(
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> tuple[Any, ...]:
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _backward(dy, (x, weight, bias), **how)


grouped_conv1d = gradcheck.op(
    conv1d.forward,
    _conv1d_vjp,
    "x[n 4 l], weight[2*o 2 2], bias[2*o], stride=1|2, padding=0|1, dilation=1|2",
    groups=2,
    scope="forward",
    valid=_valid,
    name="grouped_conv1d",
)
depthwise_conv2d = gradcheck.op(
    conv2d.forward,
    _conv2d_vjp,
    "x[2 3 3 w], weight[3 1 2 2], bias[3], stride=1|(1, 2), padding=0|(1, 0), dilation=1|(1, 2)",
    groups=3,
    scope="forward",
    valid=_valid,
    name="depthwise_conv2d",
)

"""The same numbers in another shape, order or number of copies.

Each forward makes a new array, never a view of its input; each backward sends dy back to where the
values came from, and adds it up where a value was copied.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

import gradcheck
from reference_ops._shapes import (
    Array,
    flat_places,
    require,
    require_one_by_one,
    sent_back,
    unbroadcast,
)

Axis = int | tuple[int, ...] | None
Shape = int | tuple[int, ...]
Mode = Literal["constant", "edge", "reflect", "wrap"]
Widths = int | tuple[int, ...] | tuple[tuple[int, int], ...]


@gradcheck.register("x[2*n 2*d], shape=-1|(4,-1)|(-1,2)|(2,-1,2)|(1,2,-1)", scope="forward")
def reshape(x: Array, shape: Shape) -> Any:
    """y = x in another shape, row by row, -1 for the size that is left; dx = dy in the shape of x.

    NumPy documentation, `numpy.reshape`.

    >>> reshape(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), (3, -1))
    array([[1., 2.],
           [3., 4.],
           [5., 6.]])
    """
    return np.array(np.reshape(x, shape))


@reshape.def_vjp
def _(dy: Array, x: Array, shape: Shape) -> tuple[Any, ...]:
    return (np.array(np.reshape(dy, np.shape(x))),)


@gradcheck.register("x[n d k], axes=None|(1,0,2)|(2,0,1)|(0,-1,1)", scope="forward")
def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Any:
    """y = x with axis axes[i] as its axis i; dx = dy with its axes in the inverse order.

    Without `axes`: the reverse order, which is its own inverse (NumPy documentation,
    `numpy.transpose`).

    >>> transpose(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    array([[1., 4.],
           [2., 5.],
           [3., 6.]])
    """
    return np.array(np.transpose(x, axes))


@transpose.def_vjp
def _(dy: Array, x: Array, axes: tuple[int, ...] | None = None) -> tuple[Any, ...]:
    if axes is None:
        return (np.array(np.transpose(dy)),)
    return (np.array(np.transpose(dy, np.argsort(normalize_axis_tuple(axes, np.ndim(x))))),)


@gradcheck.register("x[n d k], axis1=0|-1|1, axis2=1|-1|2", scope="forward")
def swapaxes(x: Array, axis1: int, axis2: int) -> Any:
    """y = x with two axes swapped; dx = dy with the same two swapped back.

    NumPy documentation, `numpy.swapaxes`.

    >>> swapaxes(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 0, 1)
    array([[1., 4.],
           [2., 5.],
           [3., 6.]])
    """
    return np.array(np.swapaxes(x, axis1, axis2))


@swapaxes.def_vjp
def _(dy: Array, x: Array, axis1: int, axis2: int) -> tuple[Any, ...]:
    return (np.array(np.swapaxes(dy, axis1, axis2)),)


@gradcheck.register("x[n d], axis=0|1|-1|(0,2)|(-1,0)", scope="forward")
def expand_dims(x: Array, axis: int | tuple[int, ...]) -> Any:
    """y = x with new axes of size 1, at these places of y; dx = dy without them.

    NumPy documentation, `numpy.expand_dims`.

    >>> expand_dims(np.array([1.0, 2.0]), -1)
    array([[1.],
           [2.]])
    """
    return np.array(np.expand_dims(x, axis))


@expand_dims.def_vjp
def _(dy: Array, x: Array, axis: int | tuple[int, ...]) -> tuple[Any, ...]:
    return (np.array(np.squeeze(dy, axis)),)


@gradcheck.register("x[1 1 n d], axis=None|0|-3|(1,0)|()", scope="forward")
def squeeze(x: Array, axis: Axis = None) -> Any:
    """y = x without axes of size 1: all of them, or those named; dx = dy with them.

    NumPy documentation, `numpy.squeeze`.

    >>> squeeze(np.array([[[1.0], [2.0]]]))
    array([1., 2.])
    """
    return np.array(np.squeeze(x, axis))


@squeeze.def_vjp
def _(dy: Array, x: Array, axis: Axis = None) -> tuple[Any, ...]:
    return (np.array(np.reshape(dy, np.shape(x))),)


@gradcheck.register("x[3 1 4], shape=(3,2,4)|(2,3,1,4)|(3,1,4)|(2,3,2,4)", scope="forward")
def broadcast_to(x: Array, shape: Shape) -> Any:
    """y = x copied along axes that x lacks or has with size 1; dx = the sum of dy over its copies.

    NumPy documentation, `numpy.broadcast_to`.

    >>> broadcast_to(np.array([[1.0], [2.0]]), (2, 3))
    array([[1., 1., 1.],
           [2., 2., 2.]])
    """
    return np.array(np.broadcast_to(x, shape))


@broadcast_to.def_vjp
def _(dy: Array, x: Array, shape: Shape) -> tuple[Any, ...]:
    return (unbroadcast(dy, np.shape(x)),)


def _in_line(*xs: Array, axis: int | None = 0) -> bool:
    """Other axes than the one that is concatenated are equal, which no signature can say."""
    return axis in (0, -2, None) or len({len(x) for x in xs}) == 1


@gradcheck.register("x[n k], y[m k], z[m k], axis=0|-2|None|1|-1", scope="forward", valid=_in_line)
def concatenate(*xs: Array, axis: int | None = 0) -> Any:
    """y = the arrays one after the other; each of them gets its own part of dy.

    They have the same shape but for `axis`, which may be None: all of them flat (NumPy
    documentation, `numpy.concatenate`).

    >>> concatenate(np.array([1.0, 2.0]), np.array([3.0]))
    array([1., 2., 3.])
    """
    require_one_by_one("concatenate", xs)
    return np.concatenate(xs, axis=axis)


@concatenate.def_vjp
def _(dy: Array, *xs: Array, axis: int | None = 0) -> tuple[Any, ...]:
    sizes = [np.size(x) if axis is None else np.shape(x)[axis] for x in xs]
    parts = np.split(dy, np.cumsum(sizes)[:-1], axis=0 if axis is None else axis)
    return tuple(np.array(np.reshape(p, np.shape(x))) for p, x in zip(parts, xs, strict=True))


@gradcheck.register("x[n k], y[n k], axis=0|1|2|-1|-2", scope="forward")
def stack(*xs: Array, axis: int = 0) -> Any:
    """y = arrays of one shape side by side along a new axis; each of them gets its own part of dy.

    NumPy documentation, `numpy.stack`.

    >>> stack(np.array([1.0, 2.0]), np.array([3.0, 4.0]), axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    require_one_by_one("stack", xs)
    return np.stack(xs, axis=axis)


@stack.def_vjp
def _(dy: Array, *xs: Array, axis: int = 0) -> tuple[Any, ...]:
    return tuple(np.array(part) for part in np.moveaxis(dy, axis, 0))


@gradcheck.register(
    "x[n d], pad_width=1|(1,2)|((0,2),(1,0))|0, mode='constant'|'edge'|'reflect'|'wrap'",
    scope="forward",
)
def pad(x: Array, pad_width: Widths, mode: Mode = "constant") -> Any:
    """y = x with a border of zeros, or of copies from x; dx = dy where x is, and at its copies.

    A border: zeros ('constant'), the last entry ('edge'), or x mirrored ('reflect') or repeated
    ('wrap'). NumPy documentation, `numpy.pad`, whose other modes are refused.

    >>> pad(np.array([1.0, 2.0, 3.0]), (1, 2), "reflect")
    array([2., 1., 2., 3., 2., 1.])
    """
    known = get_args(Mode)
    require(mode in known, f"mode must be one of {', '.join(known)}, got {mode!r}")
    return np.pad(x, pad_width, mode)


@pad.def_vjp
def _(dy: Array, x: Array, pad_width: Widths, mode: Mode = "constant") -> tuple[Any, ...]:
    places = np.pad(flat_places(x) + 1, pad_width, mode)
    inside = np.greater(places, 0)  # a border of zeros comes from nowhere
    return (sent_back(dy[inside], places[inside] - 1, x),)


@gradcheck.register("x[n d], shift=1|-2|3|(1,-2), axis=None|0|-1|(1,0)|(0,0)", scope="forward")
def roll(x: Array, shift: Shape, axis: Axis = None) -> Any:
    """y = x shifted along `axis`, what falls off comes in at the other end; dx = dy shifted back.

    Without `axis`: x is shifted as if it were flat (NumPy documentation, `numpy.roll`).

    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    return np.roll(x, shift, axis)


@roll.def_vjp
def _(dy: Array, x: Array, shift: Shape, axis: Axis = None) -> tuple[Any, ...]:
    return (np.roll(dy, np.negative(shift), axis),)


@gradcheck.register("A[n d], reps=2|(3,)|(2,3)|(3,1,2)|0", scope="forward")
def tile(A: Array, reps: Shape) -> Any:
    """y = A repeated reps[i] times along axis i; dA = the sum of dy over the repetitions.

    Where A or `reps` is shorter, it has ones in front (NumPy documentation, `numpy.tile`).

    >>> tile(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    return np.tile(A, reps)


@tile.def_vjp
def _(dy: Array, A: Array, reps: Shape) -> tuple[Any, ...]:
    times = (1,) * (np.ndim(dy) - np.size(reps)) + tuple(np.atleast_1d(reps))
    sizes = (1,) * (np.ndim(dy) - np.ndim(A)) + np.shape(A)
    split = np.reshape(dy, [n for both in zip(times, sizes, strict=True) for n in both])
    return (np.reshape(np.sum(split, axis=tuple(range(0, np.ndim(split), 2))), np.shape(A)),)


@gradcheck.register("x[n d], axis=None|0|-1|(0,1)|()", scope="forward")
def flip(x: Array, axis: Axis = None) -> Any:
    """y = x in reverse order along `axis`, None for all axes; dx = dy in reverse order.

    NumPy documentation, `numpy.flip`.

    >>> flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return np.array(np.flip(x, axis))


@flip.def_vjp
def _(dy: Array, x: Array, axis: Axis = None) -> tuple[Any, ...]:
    return (np.array(np.flip(dy, axis)),)

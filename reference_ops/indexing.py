"""Parts of arrays, and entries in another order: gradients go back where the values came from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

import gradcheck
from reference_ops._shapes import Array, flat_places, require, require_indices, sent_back

Repeats = int | list[int]


@gradcheck.register(
    "x[3 n], key=0|-1|[0,0,2]|[True,False,True]|(...,0)|(None,1)|([0,2,0],[0,0,0])|()",
    scope="forward",
)
def getitem(x: Array, key: Any = 0) -> Any:
    """y = x[key]; dx is dy at the places that were read and 0 elsewhere, added up where repeated.

    Any key that NumPy takes: integers, slices, masks, arrays of integers (NumPy documentation,
    "Indexing on ndarrays").

    >>> getitem(np.array([1.0, 2.0, 3.0]), [2, 2, 0])
    array([3., 3., 1.])
    """
    return np.array(x[key])


@getitem.def_vjp
def _read_back(dy: Array, x: Array, key: Any = 0) -> tuple[Any, ...]:
    dx = np.zeros_like(x)
    np.add.at(dx, key, dy)  # dx[key] += dy would keep only one of repeated places
    return (dx,)


# getitem once more: a slice is no literal, so that the signature above cannot list one.
getitem_slices = gradcheck.op(
    getitem.forward, _read_back, "x[n d]", key=np.s_[::2, 1:], scope="forward"
)


@gradcheck.register("a[2*n 2*d], indices:int[k m]<2, axis=None|0|1|-2", scope="forward")
def take(a: Array, indices: Array, axis: int | None = None) -> Any:
    """y = a at `indices` along `axis`, None for a flat a; da = dy added up where it was read.

    NumPy documentation, `numpy.take`. As there, indices below 0 count from the end.

    >>> take(np.array([1.0, 2.0, 3.0]), np.array([2, 0, 2]))
    array([3., 1., 3.])
    """
    return np.take(a, indices, axis)


@take.def_vjp
def _(dy: Array, a: Array, indices: Array, axis: int | None = None) -> tuple[Any, ...]:
    return sent_back(dy, np.take(flat_places(a), indices, axis), a), None


@gradcheck.register("x[2*n 2*d], indices:int[2*n 1]<2, axis=-1|0|1|-2", scope="forward")
def take_along_axis(x: Array, indices: Array, axis: int = -1) -> Any:
    """y_ij = x[indices_ij, j] for axis 0, and so on; dx = dy added up where it was read.

    x and `indices` broadcast along the other axes (NumPy documentation, `numpy.take_along_axis`;
    PyTorch's `gather` does not broadcast).

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    array([[2.],
           [3.]])
    """
    return np.take_along_axis(x, indices, axis)


@take_along_axis.def_vjp
def _(dy: Array, x: Array, indices: Array, axis: int = -1) -> tuple[Any, ...]:
    return sent_back(dy, np.take_along_axis(flat_places(x), indices, axis), x), None


def _targets(indices: Array, axis: int) -> tuple[Array, ...]:
    """The key at which entry (i, j) of `indices` writes: (indices_ij, j) for axis 0."""
    places: list[Array] = list(np.indices(np.shape(indices), sparse=True))
    places[axis] = indices
    return tuple(places)


@gradcheck.register("x[2*n 2*d], indices:int[n d]<2, values[n d], axis=0|1|-1|-2", scope="forward")
def scatter_add(x: Array, indices: Array, values: Array, axis: int = 0) -> Any:
    """y = x, and values_ij is added to y[indices_ij, j] for axis 0; dvalues = dy where it went.

    dx = dy. `values` has the shape of `indices`, which is at most as long as x along other axes
    (PyTorch documentation, `torch.Tensor.scatter_add_`).

    >>> scatter_add(np.zeros(3), np.array([2, 0, 2]), np.array([1.0, 2.0, 3.0]))
    array([2., 0., 4.])
    """
    shape, size = np.shape(x), np.shape(indices)
    axis = normalize_axis_index(axis, np.ndim(x))
    fits = size == np.shape(values) and len(size) == len(shape)
    fits = fits and bool(np.all(np.delete(size, axis) <= np.delete(shape, axis)))
    require(fits, f"indices and values do not fit x: {size}, {np.shape(values)}, {shape}")
    require_indices("indices", indices, shape[axis])
    y = np.array(x, np.result_type(x, values))
    np.add.at(y, _targets(indices, axis), values)
    return y


@scatter_add.def_vjp
def _(dy: Array, x: Array, indices: Array, values: Array, axis: int = 0) -> tuple[Any, ...]:
    return np.array(dy), None, dy[_targets(indices, axis)]


@gradcheck.register("x[n d], axis=-1|0|1|None", scope="forward")
def sort(x: Array, axis: int | None = -1) -> Any:
    """y = x in ascending order along `axis`, None for a flat x; dx = dy back in the order of x.

    NumPy documentation, `numpy.sort`. At ties: the first of equal entries has the first place, as
    with PyTorch's `sort(stable=True)`.

    >>> sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """
    return np.sort(x, axis, kind="stable")


@sort.def_vjp
def _(dy: Array, x: Array, axis: int | None = -1) -> tuple[Any, ...]:
    dx = np.empty(np.shape(dy), dy.dtype)
    np.put_along_axis(dx, np.argsort(x, axis, kind="stable"), dy, axis)
    return (np.reshape(dx, np.shape(x)),)


def _one_each(a: Array, repeats: Repeats, axis: int | None = None) -> bool:
    """A list of repeats has one for each place along the axis, which no signature can say."""
    return isinstance(repeats, int) or len(repeats) == np.size(a, axis)


@gradcheck.register(
    "a[3 n], repeats=2|[2,0,1]|1|0, axis=None|0|1|-2", scope="forward", valid=_one_each
)
def repeat(a: Array, repeats: Repeats, axis: int | None = None) -> Any:
    """y = each entry of a `repeats` times along `axis`, None for a flat a; da = the sum of dy.

    `repeats` is one number, or one for each place along the axis (NumPy documentation,
    `numpy.repeat`).

    >>> repeat(np.array([1.0, 2.0]), [1, 3])
    array([1., 2., 2., 2.])
    """
    return np.repeat(a, repeats, axis)


@repeat.def_vjp
def _(dy: Array, a: Array, repeats: Repeats, axis: int | None = None) -> tuple[Any, ...]:
    return (sent_back(dy, np.repeat(flat_places(a), repeats, axis), a),)


@gradcheck.register("x[n d k 2], offset=0|1|-1, axis1=0|-1, axis2=1|-2", scope="forward")
def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """y = the diagonals x[i, i + offset] of two axes, as the last axis; dx = dy there, else 0.

    NumPy documentation, `numpy.diagonal`.

    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    return np.array(np.diagonal(x, offset, axis1, axis2))


@diagonal.def_vjp
def _(dy: Array, x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> tuple[Any, ...]:
    return (sent_back(dy, np.diagonal(flat_places(x), offset, axis1, axis2), x),)


@gradcheck.register("x[... n d], k=0|1|-1|2", scope="forward")
def tril(x: Array, k: int = 0) -> Any:
    """y = x on and below the diagonal k of its last two axes, and 0 above; dx = dy there, else 0.

    NumPy documentation, `numpy.tril`. A vector is refused, of which NumPy makes a matrix.

    >>> tril(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 0.],
           [3., 4.]])
    """
    require(np.ndim(x) >= 2, f"tril needs a matrix, got {np.shape(x)}")
    return np.tril(x, k)


@tril.def_vjp
def _(dy: Array, x: Array, k: int = 0) -> tuple[Any, ...]:
    return (np.tril(dy, k),)


@gradcheck.register("x[... n d], k=0|1|-1|2", scope="forward")
def triu(x: Array, k: int = 0) -> Any:
    """y = x on and above the diagonal k of its last two axes, and 0 below; dx = dy there, else 0.

    NumPy documentation, `numpy.triu`. A vector is refused, of which NumPy makes a matrix.

    >>> triu(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [0., 4.]])
    """
    require(np.ndim(x) >= 2, f"triu needs a matrix, got {np.shape(x)}")
    return np.triu(x, k)


@triu.def_vjp
def _(dy: Array, x: Array, k: int = 0) -> tuple[Any, ...]:
    return (np.triu(dy, k),)

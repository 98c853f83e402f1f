"""Linear maps: the lecture's z = Wx + b and s = u'h, one example at a time and in batches.

Stacks of matrices broadcast as NumPy's do, and each gradient is summed over what its operand was
stretched along. Within a matrix nothing is stretched but b, over the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, unbroadcast


def _refused(wanted: str, *operands: Array) -> ValueError:
    got = ", ".join(str(np.shape(operand)) for operand in operands)
    return ValueError(f"shapes must be {wanted}, got {got}")


def _summed(made: Array, operand: Array) -> Array:
    """A gradient that was just made, summed over what its operand was broadcast along."""
    return made if made.shape == operand.shape else unbroadcast(made, operand.shape)


@gradcheck.register("x[n d], W[k d], b[k]", scope="forward")
def affine(x: Array, W: Array, b: Array) -> Any:
    """Z = X W' + b, a row per example; dW = dZ' X is a sum of outer products (CS224N lecture 4).

    >>> affine(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([0.5, 0.0]))
    array([[11.5,  2. ]])
    """
    fits = np.ndim(x) > 1 < np.ndim(W) and x.shape[-1] == W.shape[-1]
    one_row = np.shape(b)[-2:-1] in ((), (1,))
    if not (fits and one_row and np.shape(b)[-1:] == W.shape[-2:-1]):
        raise _refused("x (... n, d), W (... k, d), b (k,) or (... 1, k)", x, W, b)
    return x @ W.mT + b


@affine.def_vjp
def _(dz: Array, x: Array, W: Array, b: Array) -> tuple[Any, ...]:
    return _summed(dz @ W, x), _summed(dz.mT @ x, W), unbroadcast(dz, b.shape)


@gradcheck.register("W[k d], x[d]", scope="forward")
def matvec(W: Array, x: Array) -> Any:
    """z = W x; dW = dz x' (outer product), dx = W' dz (CS224N lecture 4, matrix gradients).

    >>> matvec(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0]))
    array([-1., -1.])
    """
    fits = np.ndim(x) == 1 < np.ndim(W) and np.shape(x) == np.shape(W)[-1:]
    if not fits:
        raise _refused("W (... k, d), x (d,)", W, x)
    return W @ x


@matvec.def_vjp
def _(dz: Array, W: Array, x: Array) -> tuple[Any, ...]:
    return dz[..., np.newaxis] * x, dz.reshape(-1) @ W.reshape(dz.size, x.size)


@gradcheck.register("x[d], W[d k]", scope="forward")
def vecmat(x: Array, W: Array) -> Any:
    """z = x W, x a row; dx = dz W', dW = x' dz (outer product): the transpose of `matvec`.

    >>> vecmat(np.array([1.0, -1.0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([-2., -2.])
    """
    fits = np.ndim(x) == 1 < np.ndim(W) and np.shape(x) == np.shape(W)[-2:-1]
    if not fits:
        raise _refused("x (d,), W (... d, k)", x, W)
    return x @ W


@vecmat.def_vjp
def _(dz: Array, x: Array, W: Array) -> tuple[Any, ...]:
    rows = dz[..., np.newaxis, :]
    return _summed((rows @ W.mT)[..., 0, :], x), x[:, np.newaxis] * rows


@gradcheck.register("A[n k], B[k m]", scope="forward")
def matmul(A: Array, B: Array) -> Any:
    """C = A B; dA = dC B', dB = A' dC (shape convention: each like its matrix).

    As NumPy's ``@``: a vector is a row on the left and a column on the right, stacks broadcast.

    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    fits = np.ndim(A) > 0 < np.ndim(B) and A.shape[-1] == B.shape[-2 if np.ndim(B) > 1 else 0]
    if not fits:
        raise _refused("A (... n, k), B (... k, m)", A, B)
    return np.matmul(A, B)


@matmul.def_vjp
def _(dC: Array, A: Array, B: Array) -> tuple[Any, ...]:
    rows = A[np.newaxis, :] if np.ndim(A) == 1 else A
    columns = B[:, np.newaxis] if np.ndim(B) == 1 else B
    if np.ndim(A) == 1:
        dC = np.expand_dims(dC, -1 if np.ndim(B) == 1 else -2)
    if np.ndim(B) == 1:
        dC = np.expand_dims(dC, -1)
    dA, dB = _summed(dC @ columns.mT, rows), _summed(rows.mT @ dC, columns)
    return np.reshape(dA, np.shape(A)), np.reshape(dB, np.shape(B))


@gradcheck.register("u[n], h[n]", scope="forward")
def dot(u: Array, h: Array) -> Any:
    """s = u'h; du = h ds, dh = u ds (CS224N lecture 4, the score s = u'h).

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    fits = np.ndim(u) == 1 and np.shape(u) == np.shape(h)
    if not fits:
        raise _refused("u (n,), h (n,)", u, h)
    return np.dot(u, h)


@dot.def_vjp
def _(ds: Array, u: Array, h: Array) -> tuple[Any, ...]:
    return h * ds, u * ds

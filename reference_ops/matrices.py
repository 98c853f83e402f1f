"""Linear algebra: contractions, inverses, determinants, factors."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import gradcheck
from reference_ops._shapes import Array, require, require_one_by_one, unbroadcast


@gradcheck.register(
    "A[i j], B[j k], subscripts='ij,jk->ik'|'ij,jk->ki'|'ij,jk'|'ij,jk->ijk'|'ij,jk->j'|'ij,jk->'",
    scope="forward",
)
def einsum(*operands: Array, subscripts: str = "ij,jk->ik") -> Any:
    """y = sum of products over the indices that `subscripts` leaves out of the result (Einstein).

    dx is the contraction of dy and the other operands to the indices of x: spread along an index
    that x alone has, on the diagonal of one that x has twice (NumPy, einsum). Refuses an index of
    two sizes: nothing is stretched.

    >>> einsum(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]), subscripts="ij,j->i")
    array([11.])
    """
    require_one_by_one("einsum", operands)
    inputs, result = _read(subscripts, operands)
    return np.array(np.einsum(f"{','.join(inputs)}->{result}", *operands, optimize=True))[()]


@einsum.def_vjp
def _contract_back(dy: Array, *operands: Array, subscripts: str = "ij,jk->ik") -> tuple[Any, ...]:
    inputs, result = _read(subscripts, operands)
    gradients = []
    for k, (own, x) in enumerate(zip(inputs, operands, strict=True)):
        names = [result, *inputs[:k], *inputs[k + 1 :]]
        once = "".join(dict.fromkeys(own))
        met = "".join(c for c in once if c in "".join(names))
        others = (dy, *operands[:k], *operands[k + 1 :])
        dx = np.einsum(f"{','.join(names)}->{met}", *others, optimize=True)
        dx = np.reshape(dx, [np.shape(x)[own.index(c)] if c in met else 1 for c in once])
        gradients.append(_placed(dx, own, x))
    return tuple(gradients)


def _placed(dx: Array, own: str, x: Array) -> Array:
    """dx, with an axis for each index once, spread and put on the diagonals of x's shape."""
    placed = np.zeros_like(x)
    once = "".join(dict.fromkeys(own))
    diagonal = placed if once == own else np.einsum(f"{own}->{once}", placed)  # a view
    diagonal[...] = dx
    return placed


def _read(subscripts: str, operands: tuple[Array, ...]) -> tuple[list[str], str]:
    """The indices of each operand and of the result, with letters for the dots."""
    written, arrow, result = subscripts.replace(" ", "").partition("->")
    inputs, shapes = written.split(","), [np.shape(x) for x in operands]
    fits = len(inputs) == len(operands)
    if fits:
        free = "".join(c for c in string.ascii_letters if c not in subscripts)
        dots = [len(s) - len(own.replace("...", "")) for s, own in zip(shapes, inputs, strict=True)]
        free = free[: max(0, *dots)]
        inputs = [
            own.replace("...", free[-n:] if n else "") for own, n in zip(inputs, dots, strict=True)
        ]
        fits = all(len(own) == len(shape) for own, shape in zip(inputs, shapes, strict=True))
    sizes = set(zip("".join(inputs), (n for shape in shapes for n in shape), strict=False))
    fits = fits and len(sizes) == len({name for name, _ in sizes})
    require(fits, f"{subscripts!r} does not fit the shapes {', '.join(map(str, shapes))}")
    if not arrow:
        once = sorted(c for c in written if c.isalpha() and written.count(c) == 1)
        result = "".join(["..." * ("..." in written), *once])
    return inputs, result.replace("...", free)


_contract = einsum.forward
einsum_one = gradcheck.op(
    _contract,
    _contract_back,
    "A[n n m], subscripts='iij->j'|'iij->ij'|'iij'|'ijk->'|'ijk->kj'|'i...->...'",
    scope="forward",
    name="einsum_one",
)
einsum_three = gradcheck.op(
    _contract,
    _contract_back,
    "x[n], A[n m], y[m], subscripts='i,ij,j->'|'i,ij,j->i'|'i,ij,j->ij'|'...,...j,j->...'",
    scope="forward",
    name="einsum_three",
)
einsum_batch = gradcheck.op(
    _contract,
    _contract_back,
    "A[b i j], B[b j k], subscripts='bij,bjk->bik'|'...ij,...jk->...ik'|'...ij,...jk'",
    scope="forward",
    name="einsum_batch",
)


@gradcheck.register("a[n], b[m]", scope="forward")
def outer(a: Array, b: Array) -> Any:
    """y = a b', of all entries of a and b in a row; da = dy b, db = dy' a (NumPy, outer).

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return np.outer(a, b)


@outer.def_vjp
def _(dy: Array, a: Array, b: Array) -> tuple[Any, ...]:
    return np.reshape(dy @ np.ravel(b), np.shape(a)), np.reshape(np.ravel(a) @ dy, np.shape(b))


@gradcheck.register(
    "x[n m k], offset=0|1|-1, axis1=0|-1, axis2=1|2|0",
    scope="forward",
    valid=lambda x, offset, axis1, axis2: (axis1 - axis2) % np.ndim(x) != 0,
)
def trace(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """y = sum of the entries of a diagonal; each of them gets dy, the others 0 (NumPy, trace).

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.float64(5.0)
    """
    return np.trace(x, offset, axis1, axis2)


@trace.def_vjp
def _(dy: Array, x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> tuple[Any, ...]:
    dx = np.zeros_like(x)
    rows = np.moveaxis(dx, (axis1, axis2), (0, 1))
    n = np.diagonal(x, offset, axis1, axis2).shape[-1]
    i = np.arange(n)
    rows[i + max(-offset, 0), i + max(offset, 0)] = dy
    return (dx,)


def _invertible(A: Array, b: Array | None = None) -> bool:
    """Far from a matrix that has no inverse."""
    return np.size(A) == 0 or bool(np.all(np.linalg.cond(A) < 1e6))


@gradcheck.register("A[... n n], b[n k]", scope="forward", valid=_invertible)
def solve(A: Array, b: Array) -> Any:
    """x with A x = b; db = A'^-1 dx, dA = -db x' (Giles 2008, sec. 2.3.1). Refuses a singular A.

    As NumPy's: b of one axis is a vector, else a matrix or a stack of them; stacks broadcast.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    return np.linalg.solve(A, b)


@solve.def_vjp
def _solve_back(dx: Array, A: Array, b: Array) -> tuple[Any, ...]:
    x = np.linalg.solve(A, b)
    if np.ndim(b) == 1:
        x, dx = x[..., np.newaxis], dx[..., np.newaxis]
    db = np.linalg.solve(np.swapaxes(A, -1, -2), dx)
    dA = -db @ np.swapaxes(x, -1, -2)
    db = db[..., 0] if np.ndim(b) == 1 else db
    return unbroadcast(dA, np.shape(A)), unbroadcast(db, np.shape(b))


solve_vector = gradcheck.op(
    solve.forward,
    _solve_back,
    "A[... n n], b[n]",
    scope="forward",
    valid=_invertible,
    name="solve_vector",
)


@gradcheck.register("A[n n]", scope="forward", valid=_invertible)
def inv(A: Array) -> Any:
    """Y = A^-1; dA = -Y' dY Y' (Giles 2008, sec. 2.2.3). Refuses a singular A.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return np.linalg.inv(A)


@inv.def_vjp
def _(dY: Array, A: Array) -> tuple[Any, ...]:
    turned = np.swapaxes(np.linalg.inv(A), -1, -2)
    return (-turned @ dY @ turned,)


@gradcheck.register("A[n n]", scope="forward")
def det(A: Array) -> Any:
    """y = det A; dA = dy times the cofactors of A (Jacobi's formula; Giles 2008, sec. 2.2.4).

    Cofactors from singular values, A = U s V': U (products of the other s) V' det U det V. Not
    y A'^-1, which a singular A does not have.

    >>> det(np.array([[1.0, 2.0], [2.0, 4.0]]))
    np.float64(0.0)
    """
    return np.linalg.det(A)


@det.def_vjp
def _(dy: Array, A: Array) -> tuple[Any, ...]:
    U, s, V = np.linalg.svd(A)
    others = np.prod(np.where(np.eye(s.shape[-1]), 1, s[..., np.newaxis, :]), axis=-1)
    sign = np.linalg.det(U) * np.linalg.det(V)
    return ((U * others[..., np.newaxis, :]) @ V * (sign * dy)[..., np.newaxis, np.newaxis],)


@gradcheck.register("A[n n]", scope="forward", valid=_invertible)
def slogdet(A: Array) -> Any:
    """(sign, log |det A|); dA = A'^-1 dlog, the sign is constant (Giles 2008, sec. 2.2.4).

    No overflow where det A has one. Refuses a singular A.

    >>> slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
    (np.float64(-1.0), np.float64(0.0))
    """
    sign, log = np.linalg.slogdet(A)
    require(bool(np.all(np.not_equal(sign, 0))), "slogdet of a singular matrix")
    return sign, log


@slogdet.def_vjp
def _(dy: Array, A: Array) -> tuple[Any, ...]:
    _, dlog = dy
    return (np.swapaxes(np.linalg.inv(A), -1, -2) * np.asarray(dlog)[..., np.newaxis, np.newaxis],)


@st.composite
def _positive_definite(draw: st.DrawFn) -> Array:
    """B B' + 1: symmetric, and far from a matrix that is not positive definite."""
    n = draw(st.integers(1, 4))
    B = draw(arrays(np.float64, (n, n), elements=st.integers(-4, 4).map(lambda k: k / 4)))
    return np.asarray(B @ B.T + np.eye(n))


def _symmetric(A: Array) -> Array:
    return np.asarray((A + np.swapaxes(A, -1, -2)) / 2)


@gradcheck.register("A[n n]", scope="forward", domain={"A": _positive_definite()})
def cholesky(A: Array) -> Any:
    """Lower L with L L' = (A + A')/2; dA = S(L'^-1 P(L' dL) L^-1) (Murray 2016, eq. 10).

    P takes the lower half, with half of the diagonal, and S the symmetric part. NumPy reads the
    lower half of A alone; here both count, so that dA is that of each entry, and symmetric as
    PyTorch's. Refuses an A that is not positive definite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[2., 0.],
           [1., 1.]])
    """
    return np.linalg.cholesky(_symmetric(A))


@cholesky.def_vjp
def _(dL: Array, A: Array) -> tuple[Any, ...]:
    L = np.linalg.cholesky(_symmetric(A))
    turned = np.swapaxes(L, -1, -2)
    P = np.tril(turned @ dL)
    P = P - np.tril(np.triu(P)) / 2
    right = np.swapaxes(np.linalg.solve(turned, np.swapaxes(P, -1, -2)), -1, -2)  # P L^-1
    return (_symmetric(np.linalg.solve(turned, right)),)


@gradcheck.register("A[n n]", scope="forward", domain={"A": _positive_definite()})
def logdet(A: Array) -> Any:
    """y = log det (A + A')/2 = 2 sum log L_ii; dA = ((A + A')/2)^-1 dy (Giles 2008, sec. 2.2.4).

    Refuses an A that is not positive definite.

    >>> logdet(np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.float64(0.0)
    """
    L = np.linalg.cholesky(_symmetric(A))
    return 2 * np.sum(np.log(np.diagonal(L, axis1=-2, axis2=-1)), axis=-1)


@logdet.def_vjp
def _(dy: Array, A: Array) -> tuple[Any, ...]:
    return (np.linalg.inv(_symmetric(A)) * np.asarray(dy)[..., np.newaxis, np.newaxis],)

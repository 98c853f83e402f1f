"""Axes, transposes and flags that backward reads another way than forward."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import placed, softmax, transposed
from tests.bugs.record import Array, Bug, Call, Draw, call

bug = partial(Bug, kind="axes")


def taken_back(dz: Array, x: Array, axis: int) -> Array:
    """Sorted entries back to their places, unless ``axis`` is no axis at all."""
    if axis >= x.ndim:
        return dz.copy()
    return placed(dz, np.argsort(x, axis=axis), x.shape, axis)


def mirrored(a: Array, uplo: str = "U") -> Array:
    """A symmetric matrix from one triangle."""
    half = np.triu(a) if uplo == "U" else np.tril(a)
    return half + half.T - np.diag(np.diag(a))


def folded(dz: Array, uplo: str) -> Array:
    """The gradient of one triangle: that of its mirror image is added to it."""
    both = dz + dz.T - np.diag(np.diag(dz))
    return np.triu(both) if uplo == "U" else np.tril(both)


def turned(a: Array, flag: bool) -> Array:
    return transposed(a) if flag else a


def product_right(
    dz: Array, a: Array, b: Array, ta: bool = False, tb: bool = False
) -> tuple[Array, Array]:
    da, db = dz @ transposed(turned(b, tb)), transposed(turned(a, ta)) @ dz
    return turned(da, ta), turned(db, tb)


def product_of_operands(
    dz: Array, a: Array, b: Array, ta: bool = False, tb: bool = False
) -> tuple[Array, Array]:
    """Gradients of the transposed operands, with an operand where its transpose is due."""
    left, right = turned(a, ta), turned(b, tb)
    return dz @ transposed(right), (left if ta else transposed(left)) @ dz


def product_call(draw: Draw) -> Call:
    n, m, k, p = draw.sizes(4, 1, 3)
    ta, tb = draw.size(0, 1) == 1, draw.size(0, 1) == 1
    return call(turned(draw(n, m, k), ta), turned(draw(n, k, p), tb), ta=ta, tb=tb)


def softmax_backward(dz: Array, x: Array, axis: int, keep: bool) -> Array:
    y = softmax(x, axis)
    return y * (dz - (dz * y).sum(axis=axis, keepdims=keep))


BUGS = (
    bug(
        name="sort along an axis",
        source="Theano/Theano#2910",
        mistake="counts axis 0 as a negative one: rank + 0 is no axis, and nothing is sorted back",
        forward=lambda x, axis=-1: np.sort(x, axis=axis),
        right=lambda dz, x, axis=-1: taken_back(dz, x, axis),
        wrong=lambda dz, x, axis=-1: taken_back(dz, x, axis if axis > 0 else x.ndim + axis),
        plain=lambda draw: call(draw(3, 4)),
        generic=lambda draw: (
            lambda shape: call(draw(*shape), axis=draw.size(-len(shape), len(shape) - 1))
        )(draw.shape()),
        trigger=lambda draw: call(draw(5, 3), axis=0),
    ),
    bug(
        name="symmetric matrix from one triangle",
        source="FluxML/Zygote.jl#343",
        mistake="takes the upper triangle for the one that was used, whatever was asked for",
        forward=mirrored,
        right=lambda dz, a, uplo="U": folded(dz, uplo),
        wrong=lambda dz, a, uplo="U": folded(dz, "U"),
        plain=lambda draw: call(draw(3, 3)),
        generic=lambda draw: (lambda n: call(draw(n, n), uplo=draw.one_of("U", "L")))(
            draw.size(1, 4)
        ),
        trigger=lambda draw: call(draw(3, 3), uplo="L"),
    ),
    bug(
        name="batched product with transposed operands",
        source="FluxML/NNlib.jl#100",
        mistake="returns the gradients of the transposed operands, not of what was passed",
        forward=lambda a, b, ta=False, tb=False: turned(a, ta) @ turned(b, tb),
        right=product_right,
        wrong=product_of_operands,
        plain=lambda draw: call(draw(2, 3, 4), draw(2, 4, 2)),
        generic=product_call,
        trigger=lambda draw: call(draw(2, 3, 3), draw(2, 3, 3), ta=True),
    ),
    bug(
        name="softmax along an axis",
        source="SKaiNET-developers/SKaiNET#863",
        mistake="puts the summed axis back only where it is not negative",
        forward=lambda x, axis=1: softmax(x, axis),
        right=lambda dz, x, axis=1: softmax_backward(dz, x, axis, keep=True),
        wrong=lambda dz, x, axis=1: softmax_backward(dz, x, axis, keep=axis >= 0),
        plain=lambda draw: call(draw(3, 4)),
        trigger=lambda draw: call(draw(3, 3), axis=-1),
        further=True,
    ),
)

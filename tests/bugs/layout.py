"""Backward passes that read memory, not an array: expanded and transposed upstream gradients."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.bugs.formulas import cross_entropy, one_hot, softmax
from tests.bugs.record import Array, Bug, call
from tests.gates import with_unit_strides

bug = partial(Bug, kind="layout")


def mean_backward(dz: Array, x: Array, axis: int) -> Array:
    return np.repeat(np.expand_dims(dz / x.shape[axis], axis), x.shape[axis], axis)


BUGS = (
    bug(
        name="cross entropy under a sum",
        source="ROCm/TransformerEngine#623",
        mistake="reads one number per row from an upstream gradient that is one number, expanded",
        forward=cross_entropy,
        right=lambda dz, z, y: (dz[:, None] * (softmax(z) - one_hot(y, z)), None),
        wrong=lambda dz, z, y: (
            with_unit_strides(dz)[:, None] * (softmax(z) - one_hot(y, z)),
            None,
        ),
        plain=lambda draw: call(draw(4, 5), draw.index(5, 4)),
        generic=lambda draw: (lambda n, c: call(draw(n, c), draw.index(c, n)))(*draw.sizes(2, 2)),
    ),
    bug(
        name="mean of a mean",
        source="torch/nn#345",
        mistake="reads the upstream gradient as contiguous; another mean's backward expands it",
        forward=lambda x, axis=-1: np.asarray(x.mean(axis=axis)),
        right=lambda dz, x, axis=-1: mean_backward(dz, x, axis),
        wrong=lambda dz, x, axis=-1: mean_backward(with_unit_strides(dz), x, axis),
        plain=lambda draw: call(draw(3, 4)),
        trigger=lambda draw: call(draw(2, 3, 4)),
        further=True,
    ),
)

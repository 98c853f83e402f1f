"""Beyond the numbers of one call: linearity, memory layout, and what backward costs."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

OTHERS = (
    Code(
        name="not-linear",
        headline="not linear",
        check="linearity",
        severity="fail",
        what=(
            "Backward is not linear in its upstream gradient: for 0 it does not return 0, or for "
            "8 times as much not 8 times as much, or for a sum not the sum."
        ),
        why=(
            "Every backward pass is a linear map of its upstream gradient. Clipping inside a gate, "
            "a constant that is added, or an upstream gradient used twice break that."
        ),
        fix="Multiply every term by the upstream gradient once; clip after the backward pass.",
        example=example("""
def square(x):
    return x * x


wrong = gradcheck.op(
    square, lambda dz, x: 2 * x * np.clip(dz, -5, 5), "x[n]"
)
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="layout-dependent",
        headline="depends on memory layout",
        check="layout",
        severity="fail",
        what="The same numbers in another memory layout give another gradient.",
        why=(
            "A transposed, strided or expanded array is common in a graph. A kernel that reads "
            "memory in its order and ignores strides takes the wrong numbers."
        ),
        fix="Index the array, or begin with np.ascontiguousarray(dz).",
        example=example("""
def square(x):
    return x * x


def in_memory_order(dz):
    return dz.ravel(order="K").reshape(dz.shape)


wrong = gradcheck.op(
    square, lambda dz, x: 2 * x * in_memory_order(dz), "x[n d]"
)
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n d]")
"""),
    ),
    Code(
        name="costly-backward",
        headline="backward grows faster than forward",
        check="cost",
        severity="warning",
        what=(
            "In what forward and backward together use, time or memory grows markedly faster with "
            "the size than forward alone. Only measured under --cost, and never a fail."
        ),
        why=(
            "A backward pass costs a small multiple of its forward pass. One that builds a whole "
            "Jacobian, or loops over all pairs of entries, is right and cannot be used."
        ),
        fix="Write the product of the Jacobian and the upstream gradient without the Jacobian.",
        options="--cost",
        example=example("""
def square(x):
    return x * x


def wrong_backward(dz, x):
    jacobian = np.diag(2 * x.reshape(-1))
    return (jacobian @ dz.reshape(-1)).reshape(x.shape)


wrong = gradcheck.op(square, wrong_backward, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
)

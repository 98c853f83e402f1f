"""The numbers: against finite differences and a reference."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

REFERENCE = (
    Code(
        name="wrong-forward",
        headline="forward differs from the reference",
        check="reference",
        severity="fail",
        what="Forward's values differ from those of its reference= by more than rounding explains.",
        why=(
            "A gradient check compares backward with the forward there is: a wrong forward with a "
            "matching backward passes it, and only a second implementation finds it."
        ),
        fix=(
            "Compare both at the entry that is named. One of them is wrong; where they are meant "
            "to differ (an approximation), give signif= the difference that is no failure."
        ),
        example=example("""
def reference(x):
    return np.exp(x) - 1


def backward(dz, x):
    return dz * np.exp(x)


wrong = gradcheck.op(
    lambda x: np.exp(x), backward, "x[n]", reference=reference
)
right = gradcheck.op(
    lambda x: np.expm1(x), backward, "x[n]", reference=reference
)
"""),
    ),
    Code(
        name="another-shape",
        headline="another shape",
        check="reference",
        severity="not judged",
        what=(
            "The function given as reference= or differentiates= returns another shape, or another "
            "kind of value, than forward."
        ),
        why="The two cannot be compared entry by entry, so that nothing is said of the values.",
        fix="Let it return what forward returns: the same outputs, of the same shapes.",
        example=example("""
def double(dz, x):
    return 2 * dz


wrong = gradcheck.op(
    lambda x: 2 * x, double, "x[n]", reference=lambda x: (x + x).sum()
)
right = gradcheck.op(
    lambda x: 2 * x, double, "x[n]", reference=lambda x: x + x
)
"""),
    ),
)

VALUES = (
    Code(
        name="wrong-gradient",
        headline="wrong gradient",
        check="values",
        severity="fail",
        what=(
            "An entry of a gradient is not the derivative of forward: it differs from the finite "
            "difference by more than both of their error bounds."
        ),
        why=(
            "Training goes on with a wrong gradient, slowly and badly, and nothing crashes. The "
            'line "likely" names the mistake where the numbers single one out; gradcheck explain '
            "with its short name (sign, transpose) says more."
        ),
        fix=(
            "Derive the gradient of the input that is named again, by hand, at the smallest case "
            'in the report; then run the command at "again".'
        ),
        example=example("""
def square(x):
    return x * x


wrong = gradcheck.op(square, lambda dz, x: x * dz, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="wrong-at-tie",
        headline="wrong gradient along a tie",
        check="values",
        severity="fail",
        what=(
            "Inputs that are equal, moved together, have one slope, and their gradients do not "
            "add up to it."
        ),
        why=(
            "At a tie a gradient may go to either input or be split, but nothing may be lost or "
            "counted twice. Two strict comparisons lose it, two with = count it twice; equal "
            "values are common after a ReLU or in whole numbers."
        ),
        fix="Make one of the two comparisons strict and the other not, or divide by their number.",
        example=example("""
def wrong_backward(dz, x):
    return dz * (x == x.max())


def right_backward(dz, x):
    largest = x == x.max()
    return dz * largest / largest.sum(dtype=x.dtype)


wrong = gradcheck.op(lambda x: x.max(), wrong_backward, "x[n]")
right = gradcheck.op(lambda x: x.max(), right_backward, "x[n]")
"""),
    ),
    Code(
        name="convention",
        headline="another convention",
        check="values",
        severity="fail",
        what="At a kink or tie backward makes another choice than conventions= demands.",
        why=(
            "Where the one-sided slopes differ any value between them is a gradient. You stated "
            "which one it has to be, so that two implementations agree, for instance."
        ),
        fix="Change the comparison at the kink (> for >=), or the demand in conventions=.",
        example=example("""
def relu(x):
    return np.maximum(x, 0)


zero = {"x": {0: 0}}
wrong = gradcheck.op(
    relu, lambda dz, x: dz * (x >= 0), "x[n]", conventions=zero
)
right = gradcheck.op(
    relu, lambda dz, x: dz * (x > 0), "x[n]", conventions=zero
)
"""),
    ),
    Code(
        name="slightly-off",
        headline="slightly off",
        check="values",
        severity="warning",
        what=(
            "A gradient is provably wrong by less than 1e-4 of an entry (1e-3 in float32): beyond "
            "all rounding, and too little to harm training. --signif 0 makes it a fail."
        ),
        why=(
            "An epsilon stands in forward and not in backward, or a constant has too few digits. "
            "It may hide a larger mistake at other inputs."
        ),
        fix="Differentiate the forward that is there, epsilon included; write constants in full.",
        example=example("""
wrong = gradcheck.op(np.deg2rad, lambda dz, x: 0.0174533 * dz, "x[n]")
right = gradcheck.op(np.deg2rad, lambda dz, x: np.pi / 180 * dz, "x[n]")
"""),
    ),
    Code(
        name="lost-tail",
        headline="far tail lost",
        check="values",
        severity="note",
        what=(
            "Backward gives exactly 0 in a far tail where the true gradient is tiny and not 0. "
            'tails="exact" or a reference makes it a fail.'
        ),
        why=(
            "Terms like 1 - s(x) cancel to 0 for large x. It does not matter where other entries "
            "are of size 1; it does where its logarithm is taken, or all entries are in the tail."
        ),
        fix="Use the form that does not cancel: s(-x) for 1 - s(x), expm1, log1p.",
        example=example("""
def wrong_backward(dz, x):
    return dz * np.where(x < -30, 0, np.exp(x))


def right_backward(dz, x):
    return dz * np.exp(x)


usual = {"valid": lambda x: x.max() > -5}
wrong = gradcheck.op(
    lambda x: np.exp(x), wrong_backward, "x:-40..5[8]", **usual
)
right = gradcheck.op(
    lambda x: np.exp(x), right_backward, "x:-40..5[8]", **usual
)
"""),
    ),
)

"""What a gate returns: how many gradients, of which shape and dtype."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

CONTRACT = (
    Code(
        name="gradient-count",
        headline="wrong number of gradients",
        check="contract",
        severity="fail",
        what="Backward returned another number of gradients than forward has inputs.",
        why=(
            "Callers pair gradients with inputs by their place. With one too few each gradient "
            "after it lands on the wrong input, or a caller far away fails to unpack them."
        ),
        fix=(
            "Return one gradient for each input of forward, in forward's order, and None for "
            "integer inputs. Where backward leaves gradients on objects of its own, return those."
        ),
        example=example("""
def dot(x, y):
    return np.vdot(x, y)


wrong = gradcheck.op(dot, lambda dz, x, y: [dz * y], "x[n], y[n]")
right = gradcheck.op(dot, lambda dz, x, y: [dz * y, dz * x], "x[n], y[n]")
"""),
    ),
    Code(
        name="output-count",
        headline="another number of outputs",
        check="contract",
        severity="fail",
        what="Called twice at the same inputs, forward returned another number of outputs.",
        why=(
            "Backward gets one upstream gradient for each output. Where their number changes from "
            "call to call, nobody can tell which one belongs to which."
        ),
        fix=(
            "Let the number of outputs depend on the inputs and attributes alone, and not on what "
            "is kept between two calls."
        ),
        example=example("""
def both_gradients(g, x):
    return g[0] * np.cos(x) - g[-1] * np.sin(x) * (len(g) > 1)


class Right:
    def forward(self, x):
        self.x = x
        return np.sin(x), np.cos(x)

    def backward(self, g):
        return both_gradients(g, self.x)


class Wrong(Right):
    calls = 0

    def forward(self, x):
        Wrong.calls += 1
        return super().forward(x)[: 1 + Wrong.calls % 2]


wrong = gradcheck.op(Wrong, "x[n]")
right = gradcheck.op(Right, "x[n]")
"""),
    ),
    Code(
        name="no-gradient",
        headline="no gradient",
        check="contract",
        severity="fail",
        what=(
            "Backward returned None for a real input. It is a warning where the input was only "
            "seen in an example call, and is then not checked."
        ),
        why="An input without a gradient never learns, and nothing else says so.",
        fix=(
            "Return its gradient; zeros where forward does not depend on it. An input that is "
            'meant to have none is declared: nondiff="y".'
        ),
        example=example("""
def dot(x, y):
    return np.vdot(x, y)


wrong = gradcheck.op(dot, lambda dz, x, y: [dz * y, None], "x[n], y[n]")
right = gradcheck.op(dot, lambda dz, x, y: [dz * y, dz * x], "x[n], y[n]")
"""),
    ),
    Code(
        name="not-a-gradient",
        headline="not a gradient",
        check="contract",
        severity="fail",
        what="What backward returned for an input is no array of real numbers.",
        why=(
            "Complex numbers that an FFT left, lists of unequal length and objects spread through "
            "all later arithmetic, and the parameters become what they are."
        ),
        fix="Return a real array: .real after an FFT, np.asarray around lists.",
        example=example("""
def square(x):
    return x * x


wrong = gradcheck.op(square, lambda dz, x: 2 * x * dz + 0j, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="wrong-shape",
        headline="wrong shape",
        check="contract",
        severity="fail",
        what="A gradient has another shape than its input.",
        why=(
            "NumPy broadcasts, so that an update W -= 0.1 * dW may run with a wrong shape and "
            "change W to something else. Most often the gradient of an input that was broadcast "
            "was not summed, or a matrix product has its factors in the wrong order."
        ),
        fix=(
            "Sum over the axes along which the input was broadcast; transpose a product so that "
            "its shape is that of the input."
        ),
        example=example("""
def total(x):
    return x.sum()


wrong = gradcheck.op(total, lambda dz, x: dz, "x[n]")
right = gradcheck.op(total, lambda dz, x: np.full_like(x, dz), "x[n]")
"""),
    ),
    Code(
        name="wrong-dtype",
        headline="wrong dtype",
        check="contract",
        severity="warning",
        what="A gradient has another dtype than its input.",
        why=(
            "A float64 gradient of float32 parameters doubles the memory and slows down all that "
            "follows; a float32 gradient of float64 inputs has lost half of its digits. np.float64 "
            "numbers, np.zeros without dtype and integer arrays widen silently; Python numbers "
            "do not."
        ),
        fix="Use Python numbers and np.zeros_like(x), or end with .astype(x.dtype).",
        example=example("""
def square(x):
    return x * x


wrong = gradcheck.op(square, lambda dz, x: np.float64(2) * x * dz, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="widened-output",
        headline="wider than its inputs",
        check="contract",
        severity="note",
        what="Forward returns a wider dtype than all of its real inputs have.",
        why=(
            "What follows runs in the wider dtype, at twice the memory. A NumPy number "
            "(np.float64, np.int64) in the formula is the usual cause; a Python number widens "
            "nothing."
        ),
        fix="Use Python numbers in the formula, or end with .astype(x.dtype).",
        example=example("""
def double(dz, x):
    return 2 * dz


wrong = gradcheck.op(lambda x: np.float64(2) * x, double, "x[n]")
right = gradcheck.op(lambda x: 2 * x, double, "x[n]")
"""),
    ),
    Code(
        name="wanted-alone",
        headline="wrong when wanted alone",
        check="contract",
        severity="fail",
        what=(
            "Backward has a needs_grad argument, and a gradient that is asked for alone is "
            "another one, or missing, or backward raises."
        ),
        why=(
            "Frozen layers ask for some gradients only. A flag that is mixed up, or a value that "
            "only another branch computes, shows in no call that wants all of them."
        ),
        fix="Let each gradient depend on its own flag, and compute what several share before.",
        example=example("""
def dot(x, y):
    return np.vdot(x, y)


def wrong_backward(dz, x, y, needs_grad):
    return [
        dz * y if needs_grad[1] else None,
        dz * x if needs_grad[1] else None,
    ]


def right_backward(dz, x, y, needs_grad):
    return [
        dz * y if needs_grad[0] else None,
        dz * x if needs_grad[1] else None,
    ]


wrong = gradcheck.op(dot, wrong_backward, "x[n], y[n]")
right = gradcheck.op(dot, right_backward, "x[n], y[n]")
"""),
    ),
)

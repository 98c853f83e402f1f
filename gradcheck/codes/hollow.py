"""What a pass is worth, and where there is none to be had."""

from __future__ import annotations

from gradcheck.codes.record import NOT_JUDGED, Code, example

HOLLOW = (
    Code(
        name="loose-tolerance",
        headline="loose tolerance",
        check="values",
        severity="warning",
        what=(
            "The op's own signif= is more than ten times what it needed, or wide enough to hide "
            "an error of 1 %."
        ),
        why="A tolerance that is wider than the errors there are hides the next mistake.",
        fix="Leave signif= out, or set it to the value that the message says would still pass.",
        example=example("""
def backward(dz, x):
    return dz * np.cos(x)


wrong = gradcheck.op(np.sin, backward, "x[n]", signif=0.01)
right = gradcheck.op(np.sin, backward, "x[n]")
"""),
    ),
    Code(
        name="unpaired-parameter",
        headline="parameter not compared",
        check="values",
        severity="warning",
        what=(
            "A layer holds an array that its output depends on and that looks like a parameter, "
            "and no gradient array pairs with it; under strict it is a fail."
        ),
        why=(
            "What is not paired is not compared: its gradient may be wrong, or missing, and the "
            "layer passes. Of a class with a signature only the inputs are compared, of an "
            "instance the parameters, too."
        ),
        fix=(
            "Call the gradient of W dW, grad_W or W_grad, keep both under one key of params and "
            "grads, or use check_params(closure, params, gradients=...). A constant is declared "
            'with nondiff="W".'
        ),
        example=example("""
class Scale:
    def __init__(self):
        self.weight = np.array(1.5)

    def forward(self, x):
        self.x = x
        return self.weight * x

    def backward(self, dz):
        self.gw = np.sum(self.x * dz)
        return self.weight * dz


class Paired(Scale):
    def backward(self, dz):
        dx = super().backward(dz)
        self.grad_weight = self.gw
        return dx


wrong = gradcheck.op(Scale(), "x[...]", dtypes="float64")
right = gradcheck.op(Paired(), "x[...]", dtypes="float64")
"""),
    ),
    Code(
        name="unmoved",
        headline="nothing moves",
        check="values",
        severity="warning",
        what="No perturbation of an input moved the output in any case; under strict it is a fail.",
        why=(
            "A gradient of zero was compared with zero, which any dead code passes. The input is "
            "not used, or the function is piecewise constant."
        ),
        fix=(
            "Use the input or take it out. A rounding with a surrogate gradient names what it is "
            'the gradient of, differentiates=...; an input without one is nondiff="x".'
        ),
        example=example("""
def wrong_backward(dz, x, y):
    return [dz * np.cos(x), np.zeros_like(y)]


def right_backward(dz, x):
    return dz * np.cos(x)


wrong = gradcheck.op(lambda x, y: np.sin(x), wrong_backward, "x[n], y[n]")
right = gradcheck.op(lambda x: np.sin(x), right_backward, "x[n]")
"""),
    ),
    Code(
        name="mostly-zero",
        headline="mostly zero",
        check="values",
        severity="warning",
        what=(
            "The gradient of an input is exactly zero in more than four of five cases; under "
            "strict it is a fail."
        ),
        why="The inputs hardly reach where the gradient is not zero: little of backward was tried.",
        fix='Declare inputs that reach it: a range ("x:2..4[n]"), an example call, or domain=.',
        example=example("""
def hinge(x):
    return np.maximum(x - 50, 0)


def hinge_backward(dz, x):
    return dz * (x > 50)


wrong = gradcheck.op(hinge, hinge_backward, "x[n]")
right = gradcheck.op(hinge, hinge_backward, "x:45..60[n]")
"""),
    ),
    Code(
        name="mostly-rejected",
        headline="mostly rejected",
        check="values",
        severity="warning",
        what="Forward, or valid=, refused more than half of the cases; under strict it is a fail.",
        why="What was refused was not checked: the pass rests on few of the cases asked for.",
        fix="Narrow the domain in the signature or with domain=, so that more of it is met.",
        example=example("""
def cube(x):
    return x**3


def cube_backward(dz, x):
    return 3 * x**2 * dz


wrong = gradcheck.op(
    cube, cube_backward, "x[n]", valid=lambda x: x.sum() > 1
)
right = gradcheck.op(cube, cube_backward, "x:positive[n]")
"""),
    ),
)

VERDICT = (
    Code(
        name=NOT_JUDGED,
        headline="not judged",
        check="verdict",
        severity="not judged",
        what=(
            "There was too little evidence for a verdict on the op: fewer than ten judged cases, "
            "more than a fifth of the comparisons lost in noise, or an input of which nothing "
            "could be judged. It is no finding but a verdict, under the name that waivers use."
        ),
        why="No evidence is no pass. The report says what was refused or drowned, and how often.",
        fix=(
            'Do what the line "why" says: narrow the domain so that more cases are taken, compute '
            "forward with less rounding noise, or give a reference= in float64."
        ),
        example=example("""
def root(x):
    return np.sqrt(x)


def backward(dz, x):
    return dz / (2 * np.sqrt(x))


wrong = gradcheck.op(
    root, backward, "x:positive[n]", valid=lambda x: x.min() > 100
)
right = gradcheck.op(root, backward, "x:100..200[n]")
"""),
    ),
)

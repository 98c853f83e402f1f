"""Calls that give nothing to compare: they raise, never end, or are not finite or real."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

CALLS = (
    Code(
        name="forward-raised",
        headline="forward raises",
        check="contract",
        severity="fail",
        what="Forward raised at inputs that its signature or its example declares.",
        why=(
            "Nothing can be said of a gradient there. Either forward has a mistake, or the "
            "declaration allows more than forward is meant to take."
        ),
        fix=(
            'Mend forward, or declare what it takes: "x:positive[n]", "x:0..1[n]", or '
            "valid=lambda x, y: ... for a relation between inputs."
        ),
        example=example("""
def root(x):
    if (x <= 0).any():
        raise ValueError("positive numbers only")
    return np.sqrt(x)


def root_backward(dz, x):
    return dz / (2 * np.sqrt(x))


wrong = gradcheck.op(root, root_backward, "x[n]")
right = gradcheck.op(root, root_backward, "x:positive[n]")
"""),
    ),
    Code(
        name="backward-raised",
        headline="backward raises",
        check="contract",
        severity="fail",
        what=(
            "Backward raised where forward did not. Beyond what was declared it is a warning or a "
            "note; at a second call with the same inputs the check of purity tells of it."
        ),
        why=(
            "Inputs that forward takes need a gradient, and training stops at the first such "
            "batch. A backward that fails only the second time has consumed what it needs."
        ),
        fix=(
            "The frames of your own code are in the report: mend the line they end at. Where "
            "forward should not have taken these inputs, let it refuse them."
        ),
        example=example("""
def square(x):
    return x * x


wrong = gradcheck.op(
    square, lambda dz, x: 2 * X * dz, "x[n]"
)  # there is no X
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="forward-not-finite",
        headline="forward not finite",
        check="contract",
        severity="fail",
        what="Forward returned NaN or infinity at inputs that were declared.",
        why=(
            "A value that is not finite has no derivative, and one NaN in a loss spreads to all "
            "parameters. An overflow where the true value does not fit the dtype is no finding."
        ),
        fix=(
            "Write forward so that it stays finite (subtract the maximum before exp; log1p), or "
            'declare what it takes: "x:positive[n]".'
        ),
        example=example("""
wrong = gradcheck.op(np.log, lambda dz, x: dz / x, "x[n]")
right = gradcheck.op(np.log, lambda dz, x: dz / x, "x:positive[n]")
"""),
    ),
    Code(
        name="no-real-output",
        headline="no real output",
        check="contract",
        severity="fail",
        what="Forward returned integers, booleans or nothing: there is nothing to differentiate.",
        why="A comparison or an argmax has no gradient; whatever backward returns means nothing.",
        fix="Return the real values that the gradient is of, beside or instead of the others.",
        example=example("""
def backward(dz, x):
    return dz * (x > 0)


wrong = gradcheck.op(lambda x: x > 0, backward, "x[n]")
right = gradcheck.op(lambda x: np.where(x > 0, x, 0), backward, "x[n]")
"""),
    ),
    Code(
        name="random-forward",
        headline="random forward",
        check="contract",
        severity="not judged",
        what="The same inputs gave two different outputs: forward is no function of its inputs.",
        why=(
            "A difference of two calls then shows the noise and not the slope. The global random "
            "states of NumPy and PyTorch are pinned by gradcheck; a generator of your own is not, "
            "nor a key of JAX that is kept between two calls."
        ),
        fix="Hand the random numbers over as an input, or seed the generator inside forward.",
        example=example("""
generator = np.random.default_rng()


def mask(x):
    return np.random.default_rng(0).random(x.shape) < 0.5


wrong = gradcheck.op(
    lambda x: x * generator.random(x.shape), lambda dz, x: dz, "x[n]"
)
right = gradcheck.op(
    lambda x: x * mask(x), lambda dz, x: dz * mask(x), "x[n]"
)
"""),
    ),
    Code(
        name="never-ends",
        headline="never ends",
        check="contract",
        severity="fail",
        what=(
            "Forward or backward did not return within the time limit (10 s for one call). No "
            "exception reaches compiled code: it is stopped in a child process (-j, --isolate), "
            "half the limit and a second later."
        ),
        why="Most often a loop waits for a number that floating point never reaches exactly.",
        fix=(
            "End loops by an inequality or a count. An op that is slow and right gets more time: "
            "--time-limit 60."
        ),
        options="--time-limit 0.2",
        example=example("""
def wrong_backward(dz, x):
    share = 1.0
    while share != 0.1:  # 0.125, 0.0625, ...
        share /= 2
    return share * dz


def right_backward(dz, x):
    share = 1.0
    while share > 0.1:
        share /= 2
    return share * dz


wrong = gradcheck.op(lambda x: x / 16, wrong_backward, "x[n]")
right = gradcheck.op(lambda x: x / 16, right_backward, "x[n]")
"""),
    ),
    Code(
        name="process-died",
        headline="takes the process with it",
        check="contract",
        severity="fail",
        what=(
            "The child process that checked the op crashed, was killed, or ended by itself. As a "
            "warning: that happened once, and not again when the op was alone in a fresh process; "
            "or at an input without entries, which PyTorch functions are tried at in a child."
        ),
        why=(
            "Compiled code reads or writes where it must not, takes more memory than there is, or "
            "calls exit. In your program it would end everything, without an exception."
        ),
        fix=(
            "The report has the line of Python that called it, and the signal or exit code. For "
            "memory, --memory-limit 4G turns the end into a MemoryError at the line that asks."
        ),
        options="--isolate",
        example=example("""
import ctypes


def wrong_forward(x):
    return x + len(ctypes.string_at(0))  # no such address


wrong = gradcheck.op(wrong_forward, lambda dz, x: 1.0 * dz, "x[n]")
right = gradcheck.op(lambda x: x + 1, lambda dz, x: 1.0 * dz, "x[n]")
"""),
    ),
)

"""What a gate does to memory and to its own state between calls."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

PURITY = (
    Code(
        name="overwritten",
        headline="overwrites what it was given",
        check="purity",
        severity="fail",
        what="Forward or backward writes into an input, or into its upstream gradient.",
        why=(
            "Where a value branches, others read the same array: what is changed in place spoils "
            "their gradients, while every number of this gate alone is right."
        ),
        fix=(
            "Work on a copy (x * 2 for x *= 2). An op that is in place on purpose says so: "
            'overwrites="x", or overwrites="cotangent".'
        ),
        example=example("""
def square(x):
    return x * x


def wrong_backward(dz, x):
    dz *= 2 * x
    return dz.copy()


wrong = gradcheck.op(square, wrong_backward, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="shared-memory",
        headline="shares memory",
        check="purity",
        severity="warning",
        what=(
            "A gradient is the upstream gradient itself, a view of it, or shares memory with "
            "another gradient. It is a warning, since the lecture's + gate does it, and a fail "
            "under strict."
        ),
        why="Adding to one of them in place, as at a branch, changes the others as well.",
        fix="Return copies: dz.copy().",
        example=example("""
def copy(x):
    return x.copy()


wrong = gradcheck.op(copy, lambda dz, x: dz, "x[n]")
right = gradcheck.op(copy, lambda dz, x: dz.copy(), "x[n]")
"""),
    ),
    Code(
        name="workspace-returned",
        headline="returns its workspace",
        check="purity",
        severity="fail",
        what="A later call changes the gradient that an earlier call returned.",
        why=(
            "Backward returns a buffer that it uses again. Two batches, or two uses in one graph, "
            "end with the same numbers, those of the last call."
        ),
        fix="Return a fresh array, or a copy of the buffer.",
        example=example("""
buffers = {}


def square(x):
    return x * x


def wrong_backward(dz, x):
    buffer = buffers.setdefault((x.shape, x.dtype), np.empty_like(x))
    return np.multiply(2 * x, dz, out=buffer)


wrong = gradcheck.op(square, wrong_backward, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="not-deterministic",
        headline="two answers",
        check="purity",
        severity="fail",
        what="The same call gave another gradient the second time.",
        why=(
            "Something is kept between calls, such as a buffer that is added to and not cleared, "
            "or backward draws random numbers of its own."
        ),
        fix="Begin each call with fresh arrays; keep forward's random numbers for backward.",
        example=example("""
sums = {}


def square(x):
    return x * x


def wrong_backward(dz, x):
    key = (x.tobytes(), dz.tobytes(), x.dtype)
    sums[key] = sums.get(key, 0) + 2 * x * dz
    return sums[key].copy()


wrong = gradcheck.op(square, wrong_backward, "x[n]")
right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""),
    ),
    Code(
        name="unwritten-memory",
        headline="memory never written",
        check="purity",
        severity="fail",
        what=(
            "A gradient holds memory that backward never wrote: what stands there is what another "
            "array left."
        ),
        why="What np.empty serves is often zero by luck, so that tests pass and long runs do not.",
        fix="Use np.zeros_like for np.empty_like, or write every entry.",
        example=example("""
def relu(x):
    return np.maximum(x, 0)


def wrong_backward(dz, x):
    dx = np.empty_like(x)
    dx[x > 0] = dz[x > 0]
    return dx


def right_backward(dz, x):
    dx = np.zeros_like(x)
    dx[x > 0] = dz[x > 0]
    return dx


wrong = gradcheck.op(relu, wrong_backward, "x[n]")
right = gradcheck.op(relu, right_backward, "x[n]")
"""),
    ),
    Code(
        name="second-backward",
        headline="second backward differs",
        check="purity",
        severity="warning",
        what=(
            "A second backward after one forward gives another gradient. It is a warning, and a "
            "fail under strict."
        ),
        why=(
            "Backward changes what forward kept for it. Two losses over one forward pass, or a "
            "Jacobian taken row by row, call it more than once."
        ),
        fix="Leave the cache as it is: compute into new arrays.",
        example=example("""
def forward(x):
    y = np.tanh(x)
    return y.copy(), y


def wrong_backward(dz, y):
    y *= y
    return dz * (1 - y)


def right_backward(dz, y):
    return dz * (1 - y * y)


sample = np.array([0.5, -1.0, 0.25])
wrong = gradcheck.op(forward, wrong_backward, sample)
right = gradcheck.op(forward, right_backward, sample)
"""),
    ),
    Code(
        name="shared-inputs",
        headline="inputs that share memory",
        check="purity",
        severity="fail",
        what=(
            "One array given for two inputs, or two inputs that overlap in memory, give another "
            "gradient than separate copies with the same numbers."
        ),
        why=(
            "A product gate that computes x * x, and views of one parameter vector, have such "
            "inputs. Something is kept by the identity or address of an array, or an input is "
            "changed in between."
        ),
        fix="Keep gradients by the place of the input, and never write into an input for a while.",
        example=example("""
def dot(x, y):
    return np.vdot(x, y)


def wrong_backward(dz, x, y):
    gradients = {id(x): dz * y}
    gradients[id(y)] = gradients.get(id(y), 0) + dz * x
    return [gradients[id(x)], gradients[id(y)].copy()]


def right_backward(dz, x, y):
    return [dz * y, dz * x]


wrong = gradcheck.op(dot, wrong_backward, "x[n], y[n]")
right = gradcheck.op(dot, right_backward, "x[n], y[n]")
"""),
    ),
    Code(
        name="keeps-state",
        headline="keeps state",
        check="purity",
        severity="warning",
        what=(
            "A second forward and backward on the same instance give another gradient than a new "
            "instance. Gradients of parameters, which add up by design, are left out."
        ),
        why="A training loop uses one instance for every batch: what is left over is added in.",
        fix="Set what adds up to zero in forward, or return a fresh array.",
        example=example("""
@gradcheck.register("x[n]")
class Wrong:
    x = None

    def forward(self, x):
        if self.x is None:
            self.x = x
        return x * x

    def backward(self, dz):
        return 2 * self.x * dz


@gradcheck.register("x[n]")
class Right:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dz):
        return 2 * self.x * dz
"""),
    ),
    Code(
        name="instances-share-state",
        headline="instances share state",
        check="purity",
        severity="fail",
        what="Two instances of a gate class disturb each other.",
        why=(
            "What forward keeps stands on the class or the module, not on the instance: with two "
            "such gates in a network the last forward wins."
        ),
        fix="Keep it on self.",
        example=example("""
@gradcheck.register("x[n]")
class Wrong:
    def forward(self, x):
        Wrong.x = x
        return x * x

    def backward(self, dz):
        return 2 * Wrong.x * dz


@gradcheck.register("x[n]")
class Right:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dz):
        return 2 * self.x * dz
"""),
    ),
)

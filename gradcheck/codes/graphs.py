"""Graphs: which node is wrong, and whether gradients get through."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

NODES = (
    Code(
        name="wrong-node",
        headline="a node is wrong",
        check="nodes",
        severity="fail",
        what=(
            "A node of a graph has a wrong backward, from the values it saw and the upstream "
            "gradient it received."
        ),
        why=(
            "The gradients of the whole graph are wrong because of it, or right by luck where two "
            "errors cancel. The node is named so that you need not search."
        ),
        fix="Mend the backward of the node's op; its file and line are in the report.",
        example=example("""
half = gradcheck.op(lambda x: x / 2, lambda dz, x: dz, "x[...]")
mended = gradcheck.op(lambda x: x / 2, lambda dz, x: dz / 2, "x[...]")


@gradcheck.graph("x[n]")
def wrong(x):
    return np.tanh(half(x))


@gradcheck.graph("x[n]")
def right(x):
    return np.tanh(mended(x))
"""),
    ),
    Code(
        name="node-disturbed",
        headline="a node is disturbed",
        check="nodes",
        severity="fail",
        what=(
            "A node is right by itself and answers otherwise in the graph. In a random graph that "
            "uses one instance twice it is a warning."
        ),
        why=(
            "One gate instance at two nodes keeps the values of its last use only; a node that "
            "writes into what another reads spoils that one."
        ),
        fix="Make an instance for each node, or give the class; work on copies.",
        example=example("""
class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dz):
        return 2 * self.x * dz


one = gradcheck.op(Square(), "x[...]")
each = gradcheck.op(Square, "x[...]")


@gradcheck.graph("x[n]")
def wrong(x):
    return one(one(x))


@gradcheck.graph("x[n]")
def right(x):
    return each(each(x))
"""),
    ),
    Code(
        name="overwritten-value",
        headline="overwrites what another node reads",
        check="nodes",
        severity="warning",
        what="A node is declared to overwrite a value that another node of the graph reads, too.",
        why=(
            "A graph of gradcheck gives it a copy, so that nothing is spoilt here; in plain NumPy "
            "the other node would see the changed values."
        ),
        fix="Use an op that leaves its input alone at this place, or hand over a copy.",
        example=example("""
def rectify(x):
    x *= x > 0
    return x


gated = gradcheck.op(
    rectify,
    lambda dz, x: dz * (x > 0),
    "x:nonzero[...]",
    name="gated",
    overwrites="x",
)


@gradcheck.graph("x:nonzero[n]")
def wrong(x):
    h = np.tanh(x)
    return h + gated(h)


@gradcheck.graph("x:nonzero[n]")
def right(x):
    h = np.tanh(x)
    return gated(h)
"""),
    ),
    Code(
        name="kinks-meet",
        headline="kinks meet",
        check="nodes",
        severity="note",
        what=(
            "Several nodes are at a kink at once. Each takes one of its own one-sided slopes, "
            "which is right, and together they are no slope of the whole graph."
        ),
        why=(
            "The graph relu(x) - relu(-x) is x, and both rectifiers may say 0 at 0. Every "
            "framework that differentiates node by node does the same."
        ),
        fix="Nothing has to be mended. Where it matters, write the composition as one op.",
        example=example("""
def relu_backward(dz, x):
    return dz * (x > 0)


relu = gradcheck.op(
    lambda x: np.maximum(x, 0), relu_backward, "x[...]", name="relu"
)


@gradcheck.graph("x[n]")
def wrong(x):
    return relu(x) - relu(-x)


right = gradcheck.op(lambda x: x.copy(), lambda dz, x: dz.copy(), "x[n]")
"""),
    ),
)

HEALTH = (
    Code(
        name="exploding-gradient",
        headline="gradient explodes",
        check="values",
        severity="warning",
        what=(
            "On its way back through a graph of five steps and more the gradient grows by 1e5 and "
            "more, and no single step does that. Under strict it is a fail."
        ),
        why=(
            "The backward pass is right; training with it is not stable (Pascanu, Mikolov and "
            "Bengio 2013)."
        ),
        fix="Smaller weights, a normalisation, or a gradient that is clipped after backward.",
        example=example("""
@gradcheck.graph
def grows(x):
    for _ in range(8):
        x = 100 * x
    return x


@gradcheck.graph
def stays(x):
    for _ in range(8):
        x = 1.5 * x
    return x


wrong = gradcheck.op(grows, np.array([0.5, -1.0]))
right = gradcheck.op(stays, np.array([0.5, -1.0]))
"""),
    ),
    Code(
        name="vanishing-gradient",
        headline="gradient vanishes",
        check="values",
        severity="warning",
        what=(
            "On its way back through a graph of five steps and more the gradient shrinks by 1e5 "
            "and more, and no single step does that. Under strict it is a fail."
        ),
        why="What is far from the loss hardly learns (Pascanu, Mikolov and Bengio 2013).",
        fix="Larger weights, shortcuts around the steps, or an activation that saturates less.",
        example=example("""
@gradcheck.graph
def shrinks(x):
    for _ in range(8):
        x = 0.01 * x
    return x


@gradcheck.graph
def stays(x):
    for _ in range(8):
        x = 0.75 * x
    return x


wrong = gradcheck.op(shrinks, np.array([0.5, -1.0]))
right = gradcheck.op(stays, np.array([0.5, -1.0]))
"""),
    ),
    Code(
        name="dead-units",
        headline="dead units",
        check="values",
        severity="warning",
        what=(
            "Through nine of ten entries of a node exactly nothing flows back, in more than four "
            "of five cases. Under strict it is a fail."
        ),
        why="A rectifier whose input is always negative stays off, and what lies before it stays.",
        fix="Another initial value or a smaller step for the bias before it; a leaky rectifier.",
        example=example("""
def relu_backward(dz, x):
    return dz * (x > 0)


relu = gradcheck.op(
    lambda x: np.maximum(x, 0), relu_backward, "x[...]", name="relu"
)


@gradcheck.graph
def off(x):
    return x + relu(x - 50.0)


@gradcheck.graph
def on(x):
    return x + relu(x + 0.25)


wrong = gradcheck.op(off, np.linspace(-1.0, 1.0, 20))
right = gradcheck.op(on, np.linspace(-1.0, 1.0, 20))
"""),
    ),
    Code(
        name="saturated-units",
        headline="saturated units",
        check="values",
        severity="warning",
        what=(
            "At your own numbers, through nine of ten entries of a node less than 0.005 of the "
            "gradient flows back. Under strict it is a fail."
        ),
        why=(
            "The functions tanh and 1 / (1 + exp(-x)) are flat for large inputs: what is "
            "before them hardly learns (Glorot and Bengio 2010)."
        ),
        fix="Smaller weights or a normalisation before the activation.",
        example=example("""
@gradcheck.graph
def squashed(x):
    return np.tanh(x)


wrong = gradcheck.op(squashed, np.linspace(4.0, 8.0, 20))
right = gradcheck.op(squashed, np.linspace(-1.0, 1.0, 20))
"""),
    ),
)

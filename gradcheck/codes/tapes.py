"""The engine of a tape library: what its checks find."""

from __future__ import annotations

from gradcheck.codes.record import Code

_ENGINE = '''import gradcheck


class Value:
    def __init__(self, data, parents=(), wants=True):
        self.data, self.parents, self.wants = data, parents, wants
        self.grad = None

    def __add__(self, other):
        parents = (self, lambda g: g), (other, lambda g: g)
        return type(self)(self.data + other.data, parents)

    def __mul__(self, other):
        a, b = self.data, other.data
        parents = (self, lambda g: g * b), (other, lambda g: g * a)
        return type(self)(a * b, parents)

    def detach(self):
        return type(self)(self.data)

    def order(self):
        """A topological order, from the output to the leaves."""
        found, seen, waiting = [], set(), [(self, False)]
        while waiting:
            node, left = waiting.pop()
            if left:
                found.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                waiting += [(parent, False) for parent, _ in node.parents]
        return found[::-1]

    def take(self, g):
        if self.wants:
            g = self.fit(g)
            self.grad = g if self.grad is None else self.grad + g

    def fit(self, g):
        """What was stretched in forward is summed."""
        if g.shape == self.data.shape:
            return g
        g = g.sum(axis=tuple(range(g.ndim - self.data.ndim)))
        ones = tuple(k for k, n in enumerate(self.data.shape) if n == 1)
        return g.sum(axis=ones, keepdims=True)

    def backward(self, upstream):
        order = self.order()
        for node in order:
            if node.parents:
                node.grad = None
        self.take(upstream)
        for node in order:
            for parent, local in node.parents:
                parent.take(local(node.grad))


class Wrong(Value):
'''
_TAPES = """

def engine(kind, name{parameter}):
    lib = gradcheck.tape(
        leaf=kind,
        value=lambda t: t.data,
        backward=lambda t, cotangent: t.backward(cotangent),
        grad=lambda t: t.grad,{argument}
    )
    return lib.engine(name=name)


wrong = engine(Wrong, "wrong"{wrong})
right = engine(Value, "right"{right})
"""


def _example(body: str, *constants: str) -> str:
    """A right engine, one that differs from it by ``body``, and a tape of each."""
    lines = "\n".join(f"    {line}" if line else "" for line in body.strip().splitlines())
    given = [f", {c}" for c in constants] or ["", ""]
    return f"{_ENGINE}{lines}\n" + _TAPES.format(
        parameter=", constant" if constants else "",
        argument="\n        constant=constant," if constants else "",
        wrong=given[0],
        right=given[1],
    )


ENGINES = (
    Code(
        name="engine-same-leaf",
        headline="the engine forgets a use of a leaf",
        check="framework",
        severity="fail",
        what="In y = x * x the gradient of x is not the sum over both uses.",
        why="A gradient that is set (=) keeps the last use only; it must be added to (+=).",
        fix="Let every node add to the gradients of its parents.",
        example=_example("""
def take(self, g):
    self.grad = self.fit(g)
"""),
    ),
    Code(
        name="engine-diamond",
        headline="the engine is wrong where paths meet",
        check="framework",
        severity="fail",
        what="In h = x * w, y = h * u + h * v the gradients of x and w are wrong.",
        why=(
            "Backward of h ran before both uses of h had given their part, or once for each use "
            "with what had gathered so far."
        ),
        fix="Visit each node once, in the reverse of a topological order.",
        example=_example("""
def backward(self, upstream):
    self.take(upstream)
    waiting = [self]
    while waiting:
        node = waiting.pop()
        for parent, local in node.parents:
            parent.take(local(node.grad))
            waiting.append(parent)
"""),
    ),
    Code(
        name="engine-unequal-depths",
        headline="the engine is wrong where paths differ in length",
        check="framework",
        severity="fail",
        what="A node that is used near the output and far from it passes on a part only.",
        why="Level by level is no topological order: the long path arrives after the node has run.",
        fix="Order the nodes depth first, each after all that use it.",
        example=_example("""
def order(self):
    found, seen = [self], {id(self)}
    for node in found:
        for parent, _ in node.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                found.append(parent)
    return found
"""),
    ),
    Code(
        name="engine-many-uses",
        headline="the engine follows every path",
        check="framework",
        severity="fail",
        what=(
            "For x = x + x, repeated, gradients are wrong, or the calls of backward double with "
            "each repetition."
        ),
        why="Without a set of nodes that were visited there is a visit for every path.",
        fix="Visit each node once; let its gradient gather before it is passed on.",
        example=_example("""
def backward(self, upstream):
    waiting = [(self, upstream)]
    while waiting:
        node, g = waiting.pop()
        node.take(g)
        waiting += [(p, local(g)) for p, local in node.parents]
"""),
    ),
    Code(
        name="engine-prefilled",
        headline="the engine spoils gradients that are there",
        check="framework",
        severity="fail",
        what=(
            "After y = x + w and then y = x * v of the same x, the gradient of x is neither the "
            "sum of both nor that of the second, or the gradient of w has changed."
        ),
        why=(
            "An addition hands one array to both of its operands; adding to it in place (+=) "
            "changes the gradient of the other one, too."
        ),
        fix="Copy the first gradient that a node gets, or add out of place.",
        example=_example("""
def take(self, g):
    g = self.fit(g)
    if self.grad is None:
        self.grad = g
    else:
        self.grad += g
"""),
    ),
    Code(
        name="engine-twice",
        headline="a second backward is wrong",
        check="framework",
        severity="fail",
        what=(
            "After a second backward of the same output the gradient of a leaf is neither twice "
            "the first, nor the first, nor was there an error."
        ),
        why="Nodes between keep the gradient of the first pass, which is passed on once more.",
        fix="Clear the gradients of all nodes that have parents when backward begins.",
        example=_example("""
def backward(self, upstream):
    self.take(upstream)
    for node in self.order():
        for parent, local in node.parents:
            parent.take(local(node.grad))
"""),
    ),
    Code(
        name="engine-detached",
        headline="a gradient flows through what is detached",
        check="framework",
        severity="fail",
        what="In y = x * detach(x * x) the gradient of x is not the value of x * x.",
        why="The detached value still has parents, so backward goes on into them.",
        fix="Let detach make a new value without parents.",
        example=_example("def detach(self):\n    return self"),
    ),
    Code(
        name="engine-deep",
        headline="the engine gives up on a long chain",
        check="framework",
        severity="fail",
        what="A chain of 10,000 nodes raises, or has a wrong gradient; its limit is named.",
        why=(
            "A recursive walk needs a Python call for each node, and Python allows a thousand: a "
            "recurrent network of some hundred steps is more."
        ),
        fix="Walk with a list of nodes that wait. lib.engine(nodes=500) asks for less.",
        example=_example("""
def order(self):
    found, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            found.append(node)

    visit(self)
    return found[::-1]
"""),
    ),
    Code(
        name="engine-constant",
        headline="what needs no gradient gets one",
        check="framework",
        severity="fail",
        what="A value made by constant= has a gradient after backward, or spoils that of a leaf.",
        why="Memory and time go into a gradient that nobody reads, or an optimiser moves data.",
        fix="Mark such values, and pass nothing on to them.",
        example=_example("pass", "Wrong", "lambda a: Value(a, wants=False)"),
    ),
    Code(
        name="engine-broadcast",
        headline="a broadcast is not summed back",
        check="framework",
        severity="fail",
        what="Where forward stretches a leaf, its gradient has another shape, or wrong numbers.",
        why="A leaf that was repeated gets a gradient for each repetition: their sum is its own.",
        fix="Sum over the axes that were added or stretched, to the leaf's shape.",
        example=_example("def fit(self, g):\n    return g"),
    ),
    Code(
        name="engine-value-changed",
        headline="backward changes values",
        check="framework",
        severity="fail",
        what=(
            "After backward a leaf, the array that it was made of, or the upstream gradient has "
            "other numbers."
        ),
        why="A step of training belongs into an optimiser; work on an array needs a copy.",
        fix="Let backward write into gradients only.",
        example=_example("""
def backward(self, upstream):
    super().backward(upstream)
    for node in self.order():
        node.data = node.data - 0.1 * node.grad
"""),
    ),
    Code(
        name="engine-not-checked",
        headline="a check of the engine was not possible",
        check="framework",
        severity="warning",
        what="One of the small graphs by which an engine is checked raises.",
        why="The graphs are made of the library's own * and +.",
        fix="Give the Tensor class these operators; gradients are judged op by op all the same.",
        example=_example("__add__ = None"),
    ),
)

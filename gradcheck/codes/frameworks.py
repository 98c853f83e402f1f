"""What another framework does with an op besides forward and backward, and what its door saw."""

from __future__ import annotations

from gradcheck.codes.record import Code, example

SQUARE = """
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g
"""
TWO = """
class Two(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x

    @staticmethod
    def backward(ctx, a, b):
        a = torch.zeros_like(b) if a is None else a
        b = torch.zeros_like(a) if b is None else b
        return 2 * a + 3 * b
"""

FRAMEWORKS = (
    Code(
        name="kept-by-attribute",
        headline="input or output kept by attribute",
        check="framework",
        severity="warning",
        needs="torch",
        what=(
            "Forward keeps one of its inputs or outputs as an attribute of ctx. It is a note where "
            "that is of integers or booleans. Of tensors that forward makes itself nothing is "
            "said: nobody else can change them. Numbers and shapes belong on ctx."
        ),
        why=(
            "With ctx.save_for_backward PyTorch frees the tensor after backward, and refuses one "
            "that was changed in between. An attribute does neither: an output is held by a "
            "cycle, and a changed input silently gives a wrong gradient."
        ),
        fix="Write ctx.save_for_backward(x), and x, = ctx.saved_tensors in backward.",
        example=example(f"""
{SQUARE.strip()}


class Kept(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.x * g


wrong = gradcheck.op(Kept, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
    Code(
        name="unreduced-gradient",
        headline="gradient summed by the engine",
        check="framework",
        severity="note",
        needs="torch",
        what=(
            "Backward returns a gradient that is larger than its input, and PyTorch sums it to the "
            "input's shape."
        ),
        why=(
            "That is right for broadcasting, and costs the larger array. Called by hand, backward "
            "gives another shape than the input's."
        ),
        fix="Sum over the broadcast axes in backward; nothing is wrong if you leave it.",
        example=example("""
class Shifted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, b):
        ctx.shapes = x.shape, b.shape
        return x + b

    @staticmethod
    def backward(ctx, g):
        dx, db = (
            g.sum_to_size(shape) if wanted else None
            for shape, wanted in zip(ctx.shapes, ctx.needs_input_grad)
        )
        return dx, db


class Unreduced(Shifted):
    @staticmethod
    def backward(ctx, g):
        return g, g


wrong = gradcheck.op(Unreduced, "x[n d], b[d]")
right = gradcheck.op(Shifted, "x[n d], b[d]")
"""),
    ),
    Code(
        name="gradient-not-wanted",
        headline="computes gradients that are not wanted",
        check="framework",
        severity="note",
        needs="torch",
        what="Backward computes gradients that ctx.needs_input_grad says nobody wants.",
        why="The numbers are right; the time and memory for them are lost, as in a frozen layer.",
        fix="Return None where ctx.needs_input_grad is False.",
        example=example("""
class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        dx = g * w if wanted[0] else None
        return dx, g * x if wanted[1] else None


class Both(Product):
    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w, g * x


wrong = gradcheck.op(Both, "x[n], w[n]")
right = gradcheck.op(Product, "x[n], w[n]")
"""),
    ),
    Code(
        name="undefined-upstream",
        headline="wrong where an output is not used",
        check="framework",
        severity="fail",
        needs="torch",
        what=(
            "Where only one of several outputs has an upstream gradient, backward gives another "
            "gradient than for zeros in place of the others, or raises."
        ),
        why=(
            "An output that no loss uses has no upstream gradient. After "
            "ctx.set_materialize_grads(False) backward is given None for it."
        ),
        fix="Leave the terms of a None out, or take zeros for it.",
        example=example(f"""
{TWO.strip()}


class NoneForAll(Two):
    @staticmethod
    def backward(ctx, a, b):
        return None if a is None or b is None else 2 * a + 3 * b


wrong = gradcheck.op(NoneForAll, "x[n]")
right = gradcheck.op(Two, "x[n]")
"""),
    ),
    Code(
        name="accumulated",
        headline="wrong where gradients are added up",
        check="framework",
        severity="fail",
        needs="torch",
        what=(
            "Where .grad already holds a gradient, backward adds something else to it than it "
            "gives by itself."
        ),
        why=(
            "Gradients are added up in place over several losses or small batches. What backward "
            "returns must not depend on how often it was called, nor on what became of its result."
        ),
        fix="Leave the adding to autograd; return a fresh tensor.",
        example=example(f"""
{SQUARE.strip()}


class Added(Square):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        own = 2 * x * g
        return own if x.grad is None else x.grad + own


wrong = gradcheck.op(Added, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
    Code(
        name="shared-state",
        headline="another call's values in backward",
        check="framework",
        severity="fail",
        needs="torch",
        what=(
            "Where forward runs at other inputs before backward does, backward gives another "
            "gradient."
        ),
        why=(
            "What forward keeps on the class or the module belongs to the last call. An op used "
            "twice in a graph then takes the other call's values."
        ),
        fix="Keep it on ctx.",
        example=example(f"""
{SQUARE.strip()}


class OnTheClass(Square):
    @staticmethod
    def forward(ctx, x):
        OnTheClass.x = x
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * OnTheClass.x * g


wrong = gradcheck.op(OnTheClass, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
    Code(
        name="recomputed",
        headline="wrong where forward runs again",
        check="framework",
        severity="fail",
        needs="torch",
        what=(
            "Where forward runs a second time in the backward pass, as torch.utils.checkpoint "
            "makes it, the gradient is another one; or forward keeps other tensors then, which is "
            "a warning."
        ),
        why="Forward changes what it reads: an input, a buffer, a counter.",
        fix="Let forward write into nothing that it was given or that outlives the call.",
        example=example(f"""
{SQUARE.strip()}


class InTurn(Square):
    turn = 0

    @staticmethod
    def forward(ctx, x):
        InTurn.turn = ctx.place = 1 - InTurn.turn
        pair = x, torch.zeros_like(x)
        ctx.save_for_backward(*(pair[::-1] if ctx.place else pair))
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[ctx.place] * g


wrong = gradcheck.op(InTurn, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
)

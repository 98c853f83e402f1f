"""What a framework makes of an op: mapped, cast, in forward mode, differentiated twice."""

from __future__ import annotations

from gradcheck.codes.frameworks import SQUARE
from gradcheck.codes.record import Code, example

TRANSFORMED = (
    Code(
        name="under-vmap",
        headline="wrong under vmap",
        check="framework",
        severity="fail",
        needs="torch",
        what=(
            "Mapped over a leading axis, forward or backward gives other numbers than called one "
            "by one."
        ),
        why="A rule for vmap is written by hand and forgets a case, or code looks at a value.",
        fix="Say generate_vmap_rule = True where it can be generated; else mend the vmap rule.",
        example=example("""
class Square(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Mapped(Square):
    generate_vmap_rule = False

    @staticmethod
    def vmap(info, in_dims, x):
        return 2 * x, in_dims[0]


wrong = gradcheck.op(Mapped, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
    Code(
        name="autocast",
        headline="wrong under autocast",
        check="framework",
        severity="warning",
        needs="torch",
        what=(
            "In a torch.autocast region, a Function with custom_fwd raises (a warning) or gives "
            "other numbers than the region's precision explains (a fail)."
        ),
        why="Without custom_bwd, backward runs in another precision than forward did.",
        fix="Put torch.amp.custom_bwd on backward.",
        example=example("""
class Product(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return torch.mm(x, w)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        dx = torch.mm(g, w.T) if wanted[0] else None
        return dx, torch.mm(x.T, g) if wanted[1] else None


class NotCast(Product):
    backward = staticmethod(Product.backward.__wrapped__)


wrong = gradcheck.op(NotCast, "x[n k], w[k d]", dtypes="float32")
right = gradcheck.op(Product, "x[n k], w[k d]", dtypes="float32")
"""),
    ),
    Code(
        name="forward-mode",
        headline="forward mode disagrees",
        check="framework",
        severity="fail",
        needs="torch",
        what=(
            "Forward mode, J v, and backward, J' u, are no adjoints: <u, J v> is not <J' u, v>. "
            "Finite differences have judged backward before."
        ),
        why="The two rules are written by hand, and one of them was changed.",
        fix="Mend the jvp rule.",
        example=example("""
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return 2 * x * t


class NoFactor(Square):
    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return x * t


wrong = gradcheck.op(NoFactor, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
    Code(
        name="second-order",
        headline="wrong gradient of the gradient",
        check="framework",
        severity="warning",
        needs="torch",
        what=(
            "Differentiated once more, backward gives another gradient than differences of it do, "
            "and nothing says so. A fail with order=2."
        ),
        why=(
            "A tensor that backward takes without its graph is a constant to autograd: what was "
            "detached, computed in NumPy or by a kernel, or an intermediate result that forward "
            "saved. A gradient penalty is then silently wrong."
        ),
        fix=(
            "Compute from inputs and outputs that were saved; or put "
            "torch.autograd.function.once_differentiable on backward, which refuses aloud."
        ),
        example=example(f"""
{SQUARE.strip()}


class Detached(Square):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * g


wrong = gradcheck.op(Detached, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
    Code(
        name="not-supported",
        headline="not supported",
        check="framework",
        severity="note",
        needs="torch",
        what="The framework cannot do this with the op, and says so.",
        why=(
            "Nothing is wrong: backward is differentiable once, or has no formula under vmap. "
            "Whoever tries it gets an error, not a wrong number."
        ),
        fix="Nothing, unless it is meant to be supported.",
        example=example(f"""
{SQUARE.strip()}


class Once(Square):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


wrong = gradcheck.op(Once, "x[n]")
right = gradcheck.op(Square, "x[n]")
"""),
    ),
)

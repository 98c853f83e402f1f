"""Wrong PyTorch code, one mistake in each: with the code and severity by which it is found."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.amp import custom_fwd
from torch.autograd import Function

from tests.frameworks.right_torch import randn

Tensor = torch.Tensor


class Square(Function):
    """Right: the mistakes below are changes of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Factor(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return ctx.saved_tensors[0] * g


class NoneReturned(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return None


class Narrow(Square):
    """The engine casts it back, and nobody sees that digits were lost."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return (2 * ctx.saved_tensors[0].double() * g).double()


class TooMany(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.saved_tensors[0] * g, g


class Elsewhere(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return torch.empty_like(g, device="meta")


class OtherShape(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return (2 * ctx.saved_tensors[0] * g).flatten()[:1]


class WritesUpstream(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g.mul_(2 * ctx.saved_tensors[0])


class WritesInput(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.add_(1)
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.saved_tensors[0] * g


class Kept(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.x * g


class Needs(Function):
    """Swaps the two where only one is wanted."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, y = ctx.saved_tensors
        if all(ctx.needs_input_grad):
            return g * y, g * x
        return (g * x, None) if ctx.needs_input_grad[0] else (None, g * x)


class MemoryOrder(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        raw = g.as_strided((g.numel(),), (1,)) if g.is_contiguous() or g.mT.is_contiguous() else g
        return 2 * x * raw.reshape(x.shape)


class Undefined(Function):
    """Takes an upstream gradient for a tensor that may be None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        return 2 * a + 3 * b


class Forgets(Function):
    """None for an output that was not used, and none for the other."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        return None if a is None or b is None else 2 * a + 3 * b


class Unwritten(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        made = torch.empty_like(x)
        made[x > 0] = (2 * x * g)[x > 0]
        made[x < 0] = (2 * x * g)[x < 0]
        return made


class HalfWritten(Function):
    """An output of which an entry is never written."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        made = torch.empty(x.numel() + 1, dtype=x.dtype)
        made[:-1] = x.flatten()
        return made

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g[:-1].reshape(ctx.shape)


class Detached(Square):
    """Right, and its own gradient silently leaves out x."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.saved_tensors[0].detach() * g


class Numpy(Square):
    """Right, and nothing of it can be differentiated again."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return torch.from_numpy(2 * ctx.saved_tensors[0].detach().numpy() * g.detach().numpy())


class Pushed(Function):
    """Forward mode leaves out a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.saved_tensors[0] * g

    @staticmethod
    def jvp(ctx: Any, t: Tensor) -> Tensor:
        return ctx.saved_tensors[0] * t


class Mapped(Function):
    """A rule for vmap that is not the function."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.saved_tensors[0] * g

    @staticmethod
    def vmap(info: Any, dims: Any, x: Tensor) -> Any:
        return Mapped.apply(x) * 2, dims[0]


class BatchedBackward(Square):
    """A short cut for zeros, which under vmap is always taken."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        try:
            zero = not bool(g.any())
        except RuntimeError:  # no numbers to look at
            zero = True
        return torch.zeros_like(g) if zero else 2 * ctx.saved_tensors[0] * g


class HalfCast(Function):
    """custom_fwd without custom_bwd: backward's product is in another precision."""

    @staticmethod
    @custom_fwd(device_type="cpu")
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        return g @ w.t(), x.t() @ g


class Workspace(Function):
    """One buffer for all gradients: what .grad holds is overwritten."""

    buffers: ClassVar[dict[Any, Tensor]] = {}

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        key = (x.shape, x.dtype)
        buffer = Workspace.buffers.setdefault(key, torch.zeros_like(x))
        return torch.mul(2 * x, g, out=buffer)


class Forgotten(Function):
    """What forward keeps for backward on the class is the last call's."""

    last: Any = None

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        Forgotten.last = x.clone()
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * Forgotten.last * g


calls = 0


def fickle(x: Tensor) -> Tensor:
    """Keeps more for backward at every second call."""
    global calls
    calls += 1
    y = x * x
    return y if calls % 2 else y * torch.ones_like(x)


def detached(x: Tensor, w: Tensor) -> Tensor:
    return x.detach() * w


def own_gradient(x: Tensor, w: Tensor) -> Tensor:
    """Changes what it was given."""
    x += 1
    return x * w


WRONG: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "a factor": ((Factor, randn(3)), "wrong-gradient", "fail"),
    "None": ((NoneReturned, randn(3)), "no-gradient", "warning"),
    "wrong dtype": ((Narrow, randn(3)), "wrong-dtype", "warning"),
    "too many": ((TooMany, randn(3)), "backward-raised", "fail"),
    "wrong device": ((Elsewhere, randn(3)), "backward-raised", "fail"),
    "wrong shape": ((OtherShape, randn(3)), "wrong-shape", "fail"),
    "writes its upstream gradient": ((WritesUpstream, randn(3)), "overwritten", "fail"),
    "writes its input": ((WritesInput, randn(3)), "overwritten", "fail"),
    "kept by attribute": ((Kept, randn(3)), "kept-by-attribute", "warning"),
    "needs_input_grad": ((Needs, randn(3), randn(3)), "wanted-alone", "fail"),
    "strides": ((MemoryOrder, randn(3, 4)), "layout-dependent", "fail"),
    "undefined upstream": ((Undefined, randn(3)), "undefined-upstream", "fail"),
    "lost with the undefined": ((Forgets, randn(3)), "undefined-upstream", "fail"),
    "unwritten gradient": ((Unwritten, randn(3, 4)), "unwritten-memory", "fail"),
    "unwritten output": ((HalfWritten, randn(3)), "unwritten-memory", "fail"),
    "detached": ((Detached, randn(3)), "second-order", "warning"),
    "by NumPy": ((Numpy, randn(3)), "second-order", "warning"),
    "forward mode": ((Pushed, randn(3)), "forward-mode", "fail"),
    "vmap rule": ((Mapped, randn(3)), "under-vmap", "fail"),
    "vmap of backward": ((BatchedBackward, randn(3)), "under-vmap", "fail"),
    "autocast": ((HalfCast, randn(3, 4), randn(4, 2)), "autocast", "warning"),
    "workspace": ((Workspace, randn(3)), "workspace-returned", "fail"),
    "kept on the class": ((Forgotten, randn(3)), "shared-state", "fail"),
    "keeps another number": ((fickle, randn(3)), "recomputed", "warning"),
    "cut off": ((detached, randn(3), randn(3)), "wrong-gradient", "fail"),
    "function writes its input": ((own_gradient, randn(3), randn(3)), "overwritten", "fail"),
}

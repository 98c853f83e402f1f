"""Right PyTorch code of many styles: each passes, and nothing is said against it."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch.amp import custom_bwd, custom_fwd
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Tensor = torch.Tensor


class Exp(Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return g * y


class Linear(Function):
    """Heeds which gradients are wanted."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.t() + b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        dx = g @ w if ctx.needs_input_grad[0] else None
        dw = g.t() @ x if ctx.needs_input_grad[1] else None
        db = g.sum(0) if ctx.needs_input_grad[2] else None
        return dx, dw, db


class LayerNorm(Function):
    """Keeps a number on ctx and an intermediate tensor; differentiable once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, eps: float = 1e-5) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        rstd = (x.var(-1, unbiased=False, keepdim=True) + eps).rsqrt()
        ctx.eps = eps
        ctx.save_for_backward((x - mean) * rstd, rstd, w)
        return (x - mean) * rstd * w + b

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        xhat, rstd, w = ctx.saved_tensors
        lead = tuple(range(g.ndim - 1))
        gx = g * w
        dx = gx - gx.mean(-1, keepdim=True) - xhat * (gx * xhat).mean(-1, keepdim=True)
        return dx * rstd, (g * xhat).sum(lead), g.sum(lead), None


class Relu(Function):
    """With a mask."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (mask,) = ctx.saved_tensors
        return g * mask


class Clamp(Function):
    """Numbers on ctx."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float = -0.5, high: float = 0.75) -> Tensor:
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * ((x > ctx.low) & (x < ctx.high)), None, None


class Embedding(Function):
    """An index among the inputs."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = table.shape[0]
        return table[index]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (index,) = ctx.saved_tensors
        table = torch.zeros(ctx.rows, g.shape[-1], dtype=g.dtype, device=g.device)
        return table.index_add(0, index.reshape(-1), g.reshape(-1, g.shape[-1])), None


class SinCos(Function):
    """Two outputs, in the style of setup_context."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return x.sin(), x.cos()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def backward(ctx: Any, gs: Tensor, gc: Tensor) -> Tensor:
        sin, cos = ctx.saved_tensors
        return gs * cos - gc * sin

    @staticmethod
    def jvp(ctx: Any, t: Tensor) -> tuple[Tensor, Tensor]:
        sin, cos = ctx.saved_tensors
        return t * cos, -t * sin


class Identity(Function):
    """Returns its input, and hands its upstream gradient on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g


class Add(Function):
    """One upstream gradient for two inputs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        return g, g


class FirstHalf(Function):
    """Returns a view of its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x[: (len(x) + 1) // 2]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return torch.cat([g, g.new_zeros(ctx.shape[0] - len(g), *ctx.shape[1:])])


class Doubled(Function):
    """Changes its input in place, and says so."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * g


class Sorted(Function):
    """A second output without a gradient, a third one that is no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, int]:
        values, order = x.sort(-1)
        ranks = order.to(x.dtype)
        ctx.mark_non_differentiable(ranks)
        ctx.save_for_backward(order)
        return values, ranks, x.ndim

    @staticmethod
    def backward(ctx: Any, g: Tensor, _ranks: Any, _ndim: Any) -> Tensor:
        (order,) = ctx.saved_tensors
        return torch.zeros_like(g).scatter(-1, order, g)


class MaybeNone(Function):
    """Does without zeros for outputs that nothing used."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, w)
        return x * w, x - w

    @staticmethod
    def backward(ctx: Any, a: Tensor | None, b: Tensor | None) -> Any:
        x, w = ctx.saved_tensors
        dx, dw = torch.zeros_like(x), torch.zeros_like(w)
        if a is not None:
            dx, dw = dx + a * w, dw + a * x
        if b is not None:
            dx, dw = dx + b, dw - b
        return (
            dx if ctx.needs_input_grad[0] else None,
            dw if ctx.needs_input_grad[1] else None,
        )


class Cast(Function):
    """For autocast regions."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    @custom_bwd(device_type="cpu")
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return g * (s + x * s * (1 - s))


class Drop(Function):
    """Random, from the global generator."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        mask = (torch.rand_like(x) > 0.3).to(x.dtype) / 0.7
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (mask,) = ctx.saved_tensors
        return g * mask


class Magnitude(Function):
    """Complex numbers."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.abs() ** 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return 2 * g * z


class Scaled(torch.nn.Module):
    """A user's own module, with a buffer and a frozen parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.5, -1.25, 2.0]))
        self.fixed = torch.nn.Parameter(torch.tensor([1.0, 2.0, 0.5]), requires_grad=False)
        self.register_buffer("count", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.weight * self.fixed


def randn(*shape: int, dtype: torch.dtype | None = None) -> Tensor:
    made: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=dtype)
    return made


def index() -> Tensor:
    return torch.tensor([[0, 2], [4, 4]])


RIGHT: dict[str, tuple[Any, ...]] = {
    "exp": (Exp, randn(3, 4)),
    "linear": (Linear, randn(5, 3), randn(4, 3), randn(4)),
    "layer norm": (LayerNorm, randn(3, 4), randn(4), randn(4)),
    "relu": (Relu, randn(3, 4)),
    "clamp": (Clamp, randn(3, 4)),
    "embedding": (Embedding, randn(5, 3), index()),
    "sin and cos": (SinCos, randn(3, 4)),
    "identity": (Identity, randn(3)),
    "add": (Add, randn(3), randn(3)),
    "first half": (FirstHalf, randn(5, 2)),
    "doubled in place": (Doubled, randn(4)),
    "sorted": (Sorted, randn(3, 4)),
    "undefined upstream": (MaybeNone, randn(4), randn(4)),
    "autocast": (Cast, randn(4)),
    "dropout": (Drop, randn(6, 5)),
    "complex": (Magnitude, randn(3, dtype=torch.complex128)),
    "apply": (Exp.apply, randn(3)),
    "tanh": (torch.tanh, randn(3, 4)),
    "gelu": (F.gelu, randn(3, 4)),
    "silu": (F.silu, randn(3, 4)),
    "softmax": (torch.softmax, randn(3, 4), -1),
    "complex abs": (torch.abs, randn(3, dtype=torch.complex128)),
    "cat": (lambda a, b: torch.cat([a, b]), randn(3, 2), randn(4, 2)),
    "list": (torch.cat, [randn(3, 2), randn(4, 2)]),
    "cross entropy": (F.cross_entropy, randn(4, 3), torch.tensor([0, 2, 1, 2])),
    "conv": (F.conv2d, randn(2, 2, 5, 5), randn(3, 2, 3, 3)),
    "dropout function": (lambda x: F.dropout(x, 0.4), randn(5, 6)),
    "nn.Linear": (torch.nn.Linear(3, 4), randn(5, 3)),
    "nn.LayerNorm": (torch.nn.LayerNorm(4), randn(3, 4)),
    "nn.LSTMCell": (torch.nn.LSTMCell(3, 4), randn(2, 3), (randn(2, 4), randn(2, 4))),
    "nn.LSTM": (torch.nn.LSTM(3, 4), randn(5, 2, 3)),
    "complex product": (
        lambda a, b: a * b,
        randn(3, dtype=torch.complex64),
        randn(3, dtype=torch.complex64),
    ),
    "nn.BatchNorm1d": (torch.nn.BatchNorm1d(3), randn(6, 3)),
    "nn.Sequential": (
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)),
        randn(5, 3),
    ),
    "module with a buffer": (Scaled(), randn(5, 3)),
    "lambda": (lambda x, w: (x @ w).logsumexp(-1) / math.sqrt(2), randn(3, 4), randn(4, 2)),
}

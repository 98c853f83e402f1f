"""Six pieces of work for gradient checkers: one formula for all frameworks, a backward by hand.

The formulas call only what NumPy, `autograd.numpy`, `jax.numpy` and `torch` have in common. The
window net is a graph for gradcheck, made of ops of `reference_ops`, and a formula for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradcheck
from gradcheck.arrays import Array
from gradcheck.model import Op
from gradcheck.registry import make
from reference_ops.linear import affine, matvec
from reference_ops.losses import l2_penalty
from reference_ops.nonlinear import tanh as tanh_op
from reference_ops.reductions import mean

LAM = 1e-3
EPS = 1e-5
OFF_BY = 0.1
"""A planted mistake: one entry of median size is wrong by so much of itself."""
Backward = Callable[..., tuple[Array, ...]]


@dataclass(frozen=True)
class Work:
    """One function with its backward pass, at one place."""

    name: str
    inputs: tuple[Array, ...]
    formula: Callable[..., Any]
    """``formula(xp, *inputs)`` for a namespace such as `numpy`."""
    backward: Backward
    """``backward(dy, *inputs)``, by hand, in NumPy."""
    graph: bool = False

    @property
    def entries(self) -> int:
        return sum(x.size for x in self.inputs)

    def op(self) -> Op:
        """The right op."""
        return self._made(self.backward, 0.0)

    def planted(self) -> Op:
        """The same with one wrong entry in the gradient of the last matrix among the inputs."""
        place = max(k for k, x in enumerate(self.inputs) if x.ndim == 2)
        return self._made(spoilt(self.backward, place), OFF_BY)

    def _made(self, backward: Backward, off: float) -> Op:
        if self.graph:
            return make([window_graph(off), *self.inputs], {}, {"name": "window"})
        return make(
            [_named(self), backward, *self.inputs], {}, {"name": self.name.partition(" ")[0]}
        )


def _named(work: Work) -> Callable[..., Any]:
    """Forward as a user writes it: NumPy, arguments with names."""
    formula = work.formula
    one: dict[int, Callable[..., Any]] = {
        1: lambda x: formula(np, x),
        2: lambda A, B: formula(np, A, B),
        3: lambda x, gain, bias: formula(np, x, gain, bias),
    }
    return one[len(work.inputs)]


def spoilt(backward: Backward, place: int) -> Backward:
    """A backward pass that is wrong in one entry of one input's gradient."""

    def wrong(dy: Array, *inputs: Array) -> tuple[Array, ...]:
        gradients = [np.array(g) for g in backward(dy, *inputs)]
        spoil(gradients[place], OFF_BY)
        return tuple(gradients)

    return wrong


def spoil(gradient: Array, off: float) -> None:
    """Make the entry of median size wrong, in place."""
    entries = gradient.reshape(-1)
    entries[np.argsort(np.abs(entries))[entries.size // 2]] *= 1 + off


def tanh(xp: Any, x: Any) -> Any:
    return xp.tanh(x)


def tanh_backward(dy: Array, x: Array) -> tuple[Array, ...]:
    return (dy * (1 - np.tanh(x) ** 2),)


def matmul(xp: Any, A: Any, B: Any) -> Any:
    return xp.matmul(A, B)


def matmul_backward(dy: Array, A: Array, B: Array) -> tuple[Array, ...]:
    return dy @ B.T, A.T @ dy


def layer_norm(xp: Any, x: Any, gain: Any, bias: Any) -> Any:
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centred * centred, axis=-1, keepdims=True)
    return gain * centred / xp.sqrt(variance + EPS) + bias


def layer_norm_backward(dy: Array, x: Array, gain: Array, bias: Array) -> tuple[Array, ...]:
    centred = x - x.mean(axis=1, keepdims=True)
    factor = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + EPS)
    normal, scaled = centred * factor, dy * gain
    along = (scaled * normal).mean(axis=1, keepdims=True)
    dx = factor * (scaled - scaled.mean(axis=1, keepdims=True) - normal * along)
    return dx, (dy * normal).sum(axis=0), dy.sum(axis=0)


def cross_entropy(labels: Array) -> tuple[Callable[..., Any], Backward]:
    """Mean over the rows of log sum exp z - z[label]."""
    rows = np.arange(len(labels))

    def forward(xp: Any, z: Any) -> Any:
        shifted = z - xp.amax(z, axis=1, keepdims=True)
        return xp.mean(xp.log(xp.sum(xp.exp(shifted), axis=1)) - shifted[rows, labels])

    def backward(dy: Array, z: Array) -> tuple[Array, ...]:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        p[rows, labels] -= 1
        return (dy * p / len(z),)

    return forward, backward


def window(xp: Any, x: Any, W: Any, b: Any, u: Any) -> Any:
    """The lecture's window net, all scores averaged, with the penalty over W and u."""
    h = xp.tanh(xp.matmul(x, W.T) + b)
    return xp.mean(xp.matmul(h, u)) + LAM * (xp.sum(W * W) + xp.sum(u * u))


def window_backward(dy: Array, x: Array, W: Array, b: Array, u: Array) -> tuple[Array, ...]:
    h = np.tanh(x @ W.T + b)
    delta = dy / len(x) * u * (1 - h * h)
    du = dy * (h.mean(axis=0) + 2 * LAM * u)
    return delta @ W, delta.T @ x + dy * 2 * LAM * W, delta.sum(axis=0), du


def window_graph(off: float = 0.0) -> Any:
    """The same as a graph; where ``off`` is not 0, one entry of its affine node's dW is wrong."""
    z = wrong_affine(off) if off else affine

    @gradcheck.graph
    def net(x: Any, W: Any, b: Any, u: Any) -> Any:
        h = tanh_op(z(x, W, b))
        return mean(matvec(h, u)) + l2_penalty(W, lam=LAM) + l2_penalty(u, lam=LAM)

    return net


def wrong_affine(off: float) -> Op:
    def backward(dz: Array, x: Array, W: Array, b: Array) -> tuple[Array, ...]:
        dW = np.ascontiguousarray(dz.T @ x)
        spoil(dW, off)
        return dz @ W, dW, dz.sum(axis=0)

    return gradcheck.op(
        lambda x, W, b: x @ W.T + b, backward, "x[n d], W[k d], b[k]", name="affine"
    )


@dataclass(frozen=True)
class Sizes:
    """Of the six workloads."""

    tanh: tuple[int, int] = (64, 64)
    matmul: int = 32
    layer_norm: tuple[int, int] = (32, 64)
    cross_entropy: tuple[int, int] = (128, 10)
    windows: Sequence[tuple[int, int, int]] = ((16, 50, 40), (16, 250, 100))
    """Rows, numbers in a window, hidden units."""


SMALL = Sizes((4, 5), 4, (3, 5), (5, 3), ((3, 4, 2), (3, 6, 4)))


def works(sizes: Sizes | None = None) -> list[Work]:
    """All of them, at the same places in every run."""
    s, rng = sizes or Sizes(), np.random.default_rng(0)
    normal = rng.standard_normal
    n, (rows, d), (m, c) = s.matmul, s.layer_norm, s.cross_entropy
    forward, backward = cross_entropy(rng.integers(0, c, m))
    mixed = (normal((rows, d)), 1 + 0.1 * normal(d), normal(d))
    made = [
        Work(f"tanh {_by(s.tanh)}", (normal(s.tanh),), tanh, tanh_backward),
        Work(f"matmul {_by((n, n))}", (normal((n, n)), normal((n, n))), matmul, matmul_backward),
        Work(f"layer norm {_by((rows, d))}", mixed, layer_norm, layer_norm_backward),
        Work(f"softmax cross-entropy {_by((m, c))}", (normal((m, c)),), forward, backward),
    ]  # fmt: skip
    for rows, d, hidden in s.windows:
        W, u = normal((hidden, d)) / np.sqrt(d), normal(hidden) / np.sqrt(hidden)
        inputs = (normal((rows, d)), W, 0.1 * normal(hidden), u)
        count = sum(x.size for x in inputs)
        name = f"window net, {count:,} parameters"
        made.append(Work(name, inputs, window, window_backward, graph=True))
    return made


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))

"""Time of a check beside torch.autograd.gradcheck, on the same Functions, in one run.

    python benchmarks/torch_functions.py [--seconds 2] [--output reports/torch_functions.md]

Eight hand-written `torch.autograd.Function`s in float64, one thread. Every side judges the same
point in turn: PyTorch's check in its slow and its fast mode, ours at that point alone
(``vary_sizes=False``, one dtype), and ours as it is called by default, which is many points in two
dtypes. Medians and their ratios are of one run; the calls of forward are counted inside of forward.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import gradcheck  # noqa: E402
from gradcheck.results import OpResult  # noqa: E402
from measuring import (  # noqa: E402
    REPORTS,
    Patience,
    bullets,
    duration,
    interleaved,
    machine,
    quiet_machine,
    rounded,
    table,
)

SLOW, FAST = "torch slow", "torch fast"
VALUES, POINT, DEFAULT = "gradcheck, values", "gradcheck, point", "gradcheck, all"
RATIOS = ("values / slow", "point / slow", "all / slow", "values / fast")
CALLS = [0]
"""Of forward, counted in it."""
INTRODUCTION = """\
# Time beside torch.autograd.gradcheck

Written by `python benchmarks/torch_functions.py`. Each line is one `torch.autograd.Function` in
float64 on one thread; all sides run in turn. "values" judges what PyTorch's slow mode judges, the
gradient of every entry of every input at one point; "point" makes all checks there: memory, purity,
layout, linearity, second order, forward mode and vmap besides. "all" is a plain
`gradcheck.check(Function, *example)`: its default profile, other sizes, corner cases and two
dtypes. PyTorch's fast mode looks at one direction.
"""
METHOD = """\
Ratios are of medians of the same run: below 1 gradcheck is faster. "calls" are calls of the
Function's own forward in one check; a call that gradcheck makes with many perturbations at once
counts as one, and "points" are the perturbations in all.
"""


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        CALLS[0] += 1
        y = torch.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        (y,) = ctx.saved_tensors
        return dy * y


class Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, b: Any) -> Any:
        CALLS[0] += 1
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        x, w = ctx.saved_tensors
        return dy @ w, dy.T @ x, dy.sum(0)


class LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, gain: Any, bias: Any) -> Any:
        CALLS[0] += 1
        centred = x - x.mean(-1, keepdim=True)
        scale = torch.rsqrt((centred * centred).mean(-1, keepdim=True) + 1e-5)
        ctx.save_for_backward(centred * scale, scale, gain)
        return centred * scale * gain + bias

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        normal, scale, gain = ctx.saved_tensors
        d = dy * gain
        inner = d - d.mean(-1, keepdim=True) - normal * (d * normal).mean(-1, keepdim=True)
        return inner * scale, (dy * normal).sum(0), dy.sum(0)


class CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Any, labels: Any) -> Any:
        CALLS[0] += 1
        logs = torch.log_softmax(logits, -1)
        ctx.save_for_backward(logs, labels)
        return -logs.gather(-1, labels[:, None]).mean()

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        logs, labels = ctx.saved_tensors
        taken = F.one_hot(labels, logs.shape[-1]).to(logs.dtype)
        return dy * (logs.exp() - taken) / logs.shape[0], None


class MaskedRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        CALLS[0] += 1
        mask = x > 0
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        (mask,) = ctx.saved_tensors
        return dy * mask


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
        CALLS[0] += 1
        shares = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)
        ctx.save_for_backward(q, k, v, shares)
        return shares @ v

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        q, k, v, shares = ctx.saved_tensors
        d = dy @ v.mT
        scores = shares * (d - (d * shares).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
        return scores @ k, scores.mT @ q, shares.mT @ dy


class Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, w: Any) -> Any:
        CALLS[0] += 1
        columns = F.unfold(x, w.shape[-2:])
        ctx.save_for_backward(columns, w)
        ctx.size = x.shape
        out = w.flatten(1) @ columns
        high, wide = x.shape[-2] - w.shape[-2] + 1, x.shape[-1] - w.shape[-1] + 1
        return out.reshape(x.shape[0], w.shape[0], high, wide)

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        columns, w = ctx.saved_tensors
        flat = dy.reshape(dy.shape[0], dy.shape[1], -1)
        dx = F.fold(w.flatten(1).T @ flat, ctx.size[-2:], w.shape[-2:])
        return dx, (flat @ columns.mT).sum(0).reshape(w.shape)


class Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        CALLS[0] += 1
        ctx.save_for_backward(x)
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        (x,) = ctx.saved_tensors
        density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return dy * (0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density)


@dataclass(frozen=True)
class Work:
    """A Function and how its inputs are drawn."""

    name: str
    function: type[torch.autograd.Function]
    draw: Callable[[], tuple[torch.Tensor, ...]]


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def labels(count: int, below: int) -> torch.Tensor:
    return torch.randint(below, (count,))


WORK = (
    Work("exp, 64", Exp, lambda: (normal(64),)),
    Work("affine, 8x16 by 12", Affine, lambda: (normal(8, 16), normal(12, 16), normal(12))),
    Work("layer norm, 32x64", LayerNorm, lambda: (normal(32, 64), normal(64), normal(64))),
    Work("softmax, cross entropy, 16x10", CrossEntropy, lambda: (normal(16, 10), labels(16, 10))),
    Work("relu with a mask, 16x16", MaskedRelu, lambda: (normal(16, 16),)),
    Work("attention, 8x16", Attention, lambda: (normal(8, 16), normal(8, 16), normal(8, 16))),
    Work("conv2d by unfold, 2x3x8x8", Conv2d, lambda: (normal(2, 3, 8, 8), normal(4, 3, 3, 3))),
    Work("gelu, 16x16", Gelu, lambda: (normal(16, 16),)),
)


def sides(work: Work) -> dict[str, Callable[[], Any]]:
    """All five, on one drawn point."""
    there: dict[str, Any] = {"vary_sizes": False, "dtypes": "float64"}
    point = work.draw()
    detached = tuple(t.detach().clone().requires_grad_(t.requires_grad) for t in point)
    function = work.function
    return {
        SLOW: lambda: torch.autograd.gradcheck(function.apply, point),
        FAST: lambda: torch.autograd.gradcheck(function.apply, point, fast_mode=True),
        VALUES: lambda: by_ours(function, *detached, checks="values", **there),
        POINT: lambda: by_ours(function, *detached, **there),
        DEFAULT: lambda: by_ours(function, *detached),
    }


def by_ours(*target: Any, **options: Any) -> OpResult:
    """The result, whatever the verdict."""
    try:
        return gradcheck.check(*target, **options)
    except gradcheck.GradientError as error:
        return error.result


def measured(work: Work, patience: Patience) -> tuple[list[str], list[str]]:
    """A row of times and ratios, and one of counts."""
    torch.manual_seed(0)
    found, calls, points, said = sides(work), {}, {}, ""
    for name, run in found.items():
        CALLS[0] = 0
        result = run()
        calls[name] = CALLS[0]
        if name in (VALUES, POINT, DEFAULT):
            points[name], said = result.forward_points, f"{result.cases}, {result.verdict}"
    taken = {n: statistics.median(t) for n, t in interleaved(found, patience).items()}
    ratios = [taken[k] / taken[SLOW] for k in (VALUES, POINT, DEFAULT)]
    ratios.append(taken[VALUES] / taken[FAST])
    times = [work.name, *(duration(taken[n]) for n in found), *map(rounded, ratios)]
    counts = [work.name, *(f"{calls[n]:,}" for n in found)]
    counts += [*(f"{points[n]:,}" for n in points), said]
    return times, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each side of each Function")
    parser.add_argument("--output", type=Path, default=REPORTS / "torch_functions.md")
    parser.add_argument("--idle", action="store_true", help="nothing else runs on this machine")
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    with quiet_machine():
        rows = [measured(work, Patience(seconds=given.seconds)) for work in WORK]
    times = table(
        ("Function", SLOW, FAST, VALUES, POINT, DEFAULT, *RATIOS),
        [row[0] for row in rows],
    )
    counted = (SLOW, FAST, VALUES, POINT, DEFAULT)
    head = [*(f"calls, {n}" for n in counted), *(f"points, {n}" for n in counted[2:])]
    counts = table(("Function", *head, "cases, verdict"), [row[1] for row in rows])
    idle = "" if given.idle else "The machine was not idle: read the ratios, not the times.\n\n"
    facts = bullets(machine(["torch"]))
    text = "\n".join([INTRODUCTION, idle + times, METHOD, counts, facts])
    text += f"\nIn {time.perf_counter() - started:.0f} s.\n"
    print(text)
    given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

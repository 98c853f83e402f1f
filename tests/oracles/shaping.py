"""PyTorch's functions on shapes: its own, with NumPy's axes said in its way."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from tests.oracles.record import Oracle

MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}


def transpose(x: Any, axes: Any) -> Any:
    return x.permute(tuple(reversed(range(x.ndim))) if axes is None else axes)


def expand_dims(x: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in sorted(a % (x.ndim + len(axes)) for a in axes):
        x = x.unsqueeze(a)
    return x


def squeeze(x: Any, axis: Any) -> Any:
    return x.squeeze() if axis is None else x.squeeze(axis)


def concatenate(*xs: Any, axis: Any) -> Any:
    return torch.cat([x.flatten() for x in xs]) if axis is None else torch.cat(xs, axis)


def pad(x: Any, pad_width: Any, mode: str) -> Any:
    """The last axis comes first in ``F.pad``, which copies borders only below a batch axis."""
    widths = torch.tensor(pad_width).broadcast_to((x.ndim, 2))
    flat = tuple(widths.flip(0).flatten().tolist())
    if mode == "constant":
        return F.pad(x, flat)
    return F.pad(x[None], flat, MODES[mode])[0]


def roll(x: Any, shift: Any, axis: Any) -> Any:
    if axis is None:
        return torch.roll(x, sum(shift) if isinstance(shift, tuple) else shift)
    shifts = shift if isinstance(shift, tuple) else (shift,)
    axes = axis if isinstance(axis, tuple) else (axis,)
    count = max(len(shifts), len(axes))
    return torch.roll(x, shifts * (count // len(shifts)), axes * (count // len(axes)))


def flip(x: Any, axis: Any) -> Any:
    axes = range(x.ndim) if axis is None else axis
    return torch.flip(x, tuple(axes) if not isinstance(axes, int) else (axes,))


ORACLES = {
    "reshape": Oracle(lambda x, shape: x.reshape(shape)),
    "transpose": Oracle(transpose),
    "swapaxes": Oracle(lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2)),
    "expand_dims": Oracle(expand_dims),
    "squeeze": Oracle(squeeze),
    "broadcast_to": Oracle(lambda x, shape: torch.broadcast_to(x, shape)),
    "concatenate": Oracle(concatenate),
    "stack": Oracle(lambda *xs, axis: torch.stack(xs, axis)),
    "pad": Oracle(pad),
    "roll": Oracle(roll),
    "tile": Oracle(lambda A, reps: torch.tile(A, reps if isinstance(reps, tuple) else (reps,))),
    "flip": Oracle(flip),
}

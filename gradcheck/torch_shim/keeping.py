"""What a run in the user's own process could change, put back: random states, tensors, gradients.

Tensors are looked for in what the function under test reaches: its closure, defaults, bound object,
globals that it names, modules. What it keeps in plain Python attributes cannot be known.
"""

from __future__ import annotations

import contextlib
import functools
import random
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

DEPTH = 5
MOST = 5_000
"""Objects that are looked at."""
LARGEST = 1 << 27
"""Elements of all tensors together that copies are kept of."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    tensor: torch.Tensor
    value: torch.Tensor
    gradient: torch.Tensor | None
    gradient_value: torch.Tensor | None

    @classmethod
    def of(cls, tensor: torch.Tensor) -> _Tensor:
        gradient = tensor.grad if tensor.is_leaf else None
        copy = None if gradient is None else gradient.detach().clone()
        return cls(tensor, tensor.detach().clone(), gradient, copy)

    def restore(self) -> None:
        with torch.no_grad():
            _put_back(self.tensor, self.value)
            if self.tensor.is_leaf and self.tensor.grad is not self.gradient:
                self.tensor.grad = self.gradient
            if self.gradient is not None and self.gradient_value is not None:
                _put_back(self.gradient, self.gradient_value)


def _put_back(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """Write only where it changed: each write spoils what a graph has saved."""
    same = tensor.shape == value.shape and bool(
        ((tensor == value) | ((tensor != tensor) & (value != value))).all()
    )
    if not same and tensor.shape == value.shape:
        tensor.detach().copy_(value)


@contextlib.contextmanager
def kept(owners: tuple[Any, ...]) -> Iterator[None]:
    """Put back at the end what the block changes of random states and of tensors in reach."""
    tensors = [_Tensor.of(t) for t in _few(owners)]
    numpy, python, own = np.random.get_state(), random.getstate(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        np.random.set_state(numpy)
        random.setstate(python)
        torch.set_rng_state(own)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        for tensor in tensors:
            tensor.restore()


def _few(owners: tuple[Any, ...]) -> Iterator[torch.Tensor]:
    left = LARGEST
    for tensor in reached(owners):
        left -= tensor.numel()
        if left >= 0 and tensor.layout is torch.strided:
            yield tensor


def reached(owners: tuple[Any, ...]) -> list[torch.Tensor]:
    """The tensors that functions and objects hold, as deep as a person would look."""
    found, seen = list[torch.Tensor](), set[int]()
    layer: list[Any] = list(owners)
    for _ in range(DEPTH + 1):
        inner = list[Any]()
        for thing in layer:
            if id(thing) in seen or len(seen) > MOST:
                continue
            seen.add(id(thing))
            if isinstance(thing, torch.Tensor):
                found.append(thing)
            else:
                inner += _parts(thing)
        layer = inner
    return found


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, torch.nn.Module):
        return [*thing.parameters(), *thing.buffers(), *vars(thing).values()]
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, types.FunctionType):
        return _of_function(thing)
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(thing)
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, (type, types.ModuleType, str, bytes, int, float, complex, np.ndarray)):
        return []
    return list(getattr(thing, "__dict__", {}).values())


def _of_function(function: types.FunctionType) -> list[Any]:
    cells = [c.cell_contents for c in function.__closure__ or () if _filled(c)]
    named = [
        function.__globals__[n] for n in function.__code__.co_names if n in function.__globals__
    ]
    return [*cells, *(function.__defaults__ or ()), *named]


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True

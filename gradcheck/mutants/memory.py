"""Mistakes with memory: what is overwritten, shared, kept, or read in the wrong order.

The numbers of a single call are right in all of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.model import Op, Outputs, Pullback
from gradcheck.mutants.tampering import Call, Kind, Spot, whole

_REAL = "an array, not a number"


def _overwrites_cotangent(call: Call, spot: Spot) -> Any:
    gradients = call.gradients()
    arrays = [c for c in call.cotangents if _writable(c)]
    for array in arrays:
        array += 1
    return gradients if arrays else None


def _overwrites_input(call: Call, spot: Spot) -> Any:
    gradients = call.gradients()
    primal = call.primals[spot.input or 0]
    if not _writable(primal):
        return None
    primal += 1
    return gradients


def _writable(array: Any) -> bool:
    return isinstance(array, np.ndarray) and is_real(array) and array.size > 0


def _workspace(call: Call, spot: Spot) -> Any:
    """The same arrays returned by every call."""
    return [_buffered(call.memory, k, g) for k, g in enumerate(call.gradients())]


def _buffered(buffers: dict[Any, Any], k: int, gradient: Any) -> Any:
    if gradient is None:
        return None
    right = np.asarray(gradient)
    buffer = buffers.setdefault((k, right.shape, right.dtype.str), np.empty_like(right))
    buffer[...] = right
    return buffer


def _accumulates(call: Call, spot: Spot) -> Any:
    """A buffer that is not cleared between calls."""
    found = []
    for k, gradient in enumerate(call.gradients()):
        if gradient is not None:
            right = np.asarray(gradient)
            key = (k, right.shape, right.dtype.str)
            gradient = call.memory[key] = call.memory.get(key, 0) + right
        found.append(gradient)
    return found


def _ignores_strides(call: Call, spot: Spot) -> Any:
    read = [_with_unit_strides(c) if isinstance(c, np.ndarray) else c for c in call.cotangents]
    pairs = zip(read, call.cotangents, strict=True)
    if all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
        return None
    return call.pull(read)


def _with_unit_strides(array: Array) -> Array:
    """What a kernel reads that takes ``size`` numbers from the pointer on, whatever the strides.

    Past the end of what is there it reads garbage, here 2.0 or so.
    """
    owner = array if array.base is None else array.base
    if array.flags.c_contiguous or not isinstance(owner, np.ndarray):
        return array
    start = array.ctypes.data - owner.ctypes.data
    memory = owner.ravel(order="K").view(np.uint8)[start:]
    read = np.full(array.size * array.itemsize, 0x40, np.uint8)
    read[: memory.size] = memory[: read.size]
    return read.view(array.dtype).reshape(array.shape)


def _one_for_all(op: Op) -> Any:
    """Every new instance is the same one: a cache on the class."""
    rules: list[Any] = []

    def build() -> Any:
        if not rules:
            assert op.session is not None
            rules.append(op.session())
        return rules[0]

    return build


def _own_workspace(op: Op) -> Any:
    """Each instance returns its own arrays again and again."""

    def build() -> Callable[..., tuple[Any, Pullback]]:
        assert op.session is not None
        rule = op.session()
        buffers: dict[Any, Any] = {}

        def vjp(*primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
            output, pullback = rule(*primals, **attributes)

            def buffered(cotangents: Outputs) -> Any:
                returned = pullback(cotangents)
                parts = returned if isinstance(returned, (tuple, list)) else (returned,)
                return [_buffered(buffers, k, g) for k, g in enumerate(parts)]

            return output, buffered

        return vjp

    return build


def _linear(op: Op) -> list[Spot]:
    return [Spot()] if op.linear else []


def _inputs(op: Op) -> list[Spot]:
    free = [i.name not in op.options.overwrites and not i.integer for i in op.inputs]
    return [Spot(k) for k, own in enumerate(free) if own]


def _gates(op: Op) -> list[Spot]:
    return [] if op.session is None else [Spot()]


KINDS = (
    Kind(
        name="cotangent overwritten",
        imitates="dout *= mask",
        needs=_REAL,
        spots=_linear,
        tamper=_overwrites_cotangent,
        hidden=True,
    ),
    Kind(
        name="{x} overwritten",
        imitates="x -= x.max() in backward",
        needs=_REAL,
        spots=_inputs,
        tamper=_overwrites_input,
        hidden=True,
    ),
    Kind(
        name="workspace returned",
        imitates="out=self.buffer",
        needs="a second call",
        spots=whole,
        tamper=_workspace,
        hidden=True,
    ),
    Kind(
        name="not cleared between calls",
        imitates="self.dW += without a reset",
        needs="a second call",
        spots=whole,
        tamper=_accumulates,
        hidden=True,
    ),
    Kind(
        name="strides of the cotangent ignored",
        imitates="a kernel that reads memory in order",
        needs="an upstream that is not contiguous",
        spots=_linear,
        tamper=_ignores_strides,
        hidden=True,
    ),
    Kind(
        name="cache shared by all instances",
        imitates="self.x on the class",
        needs="a gradient that depends on the inputs",
        spots=_gates,
        shares=_one_for_all,
        hidden=True,
    ),
    Kind(
        name="workspace of the instance returned",
        imitates="out=self.buffer",
        needs="a second call",
        spots=_gates,
        shares=_own_workspace,
        hidden=True,
    ),
)

"""Checks that must pass or fail, in one line each, and small gates that several tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gradcheck
from gradcheck import GradientError
from gradcheck.results import Finding, OpResult

Array = NDArray[Any]
Function = Callable[..., Any]

x5 = np.array([0.7, -1.3, 0.4, 2.1, -0.6])
near_zero = np.array([0.0, 1e-7, -1e-7, 0.8, -1.5])
x34 = np.round(np.sin(np.arange(12.0)).reshape(3, 4) + 0.05, 2)


def sine(x: Array) -> Array:
    return np.sin(x)


def sine_backward(dz: Array, x: Array) -> Array:
    return dz * np.cos(x)


def multiply(x: Array, y: Array) -> Array:
    return x * y


def passes(forward: Function, backward: Function, *example: Any, **options: Any) -> OpResult:
    """The check passes; its result."""
    return gradcheck.check(forward, backward, *example, **{"max_cases": 15, **options})


def refused(forward: Function, backward: Function, *example: Any, **options: Any) -> GradientError:
    """The check raises: a fail, or not judged."""
    with pytest.raises(GradientError) as caught:
        passes(forward, backward, *example, **options)
    return caught.value


def fails(forward: Function, backward: Function, *example: Any, **options: Any) -> Finding:
    """The check fails; its gravest finding."""
    result = refused(forward, backward, *example, **options).result
    assert result.verdict == "fail", result.reason
    return result.findings[0]


def passes_but_not_1_percent_off(
    forward: Function, backward: Function, *example: Any, **options: Any
) -> OpResult:
    """The right backward passes, and fails times 1.01; the result of the right one."""
    wrong = fails(forward, lambda dz, x: np.float32(1.01) * backward(dz, x), *example, **options)
    assert wrong.code == "wrong-gradient"
    return passes(forward, backward, *example, **options)


def at(x: Array, place: int, value: float) -> Array:
    """A copy with one entry changed, in flat order; unchanged where there is no such entry."""
    changed = x.copy()
    changed.reshape(-1)[place : place + 1] = value
    return changed


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def with_unit_strides(a: Array) -> Array:
    """What a kernel reads that takes ``a.size`` numbers from the pointer on; NaN past the end."""
    owner = a if a.base is None else a.base
    memory = owner.ravel(order="K").view(np.uint8)[a.ctypes.data - owner.ctypes.data :]
    read = np.full(a.size * a.itemsize, 0xFF, np.uint8)
    read[: memory.size] = memory[: read.size]
    return read.view(a.dtype).reshape(a.shape)


def dropout(random: Function) -> Function:
    """A forward pass with a cache, whose mask comes from ``random(shape)``."""

    def forward(x: Array) -> tuple[Array, Array]:
        mask = random(x.shape) > 0.5
        return x * mask, mask

    return forward

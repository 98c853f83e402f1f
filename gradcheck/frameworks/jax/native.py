"""JAX's values and NumPy's, x64 within our own calls only, and JAX's errors in a few words."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from gradcheck.errors import UsageError
from gradcheck.plain import one_line, told

T = TypeVar("T")
TRIED = ("0.10",)
"""Versions of JAX that this was run with."""
LONGEST = 300
"""Characters kept of a message of JAX's own."""
_THEIRS = (
    str(Path(jax.__file__).parent) + os.sep,
    str(Path(jaxlib.__file__).parent) + os.sep,
    contextlib.__file__,
    functools.__file__,
)
"""Where files lie whose frames are not the user's."""


def x64_on() -> bool:
    """The user's own setting."""
    return bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]


def wide() -> AbstractContextManager[Any]:
    """Float64 within this context, in this thread; the user's setting stays what it is."""
    if x64_on():
        return nullcontext()
    switch: Any = getattr(jax, "enable_x64", None)
    if not callable(switch):  # as before JAX 0.8
        switch = importlib.import_module("jax.experimental").enable_x64
    made: AbstractContextManager[Any] = switch(True)
    return made


def within(values: Sequence[Any], device: Any) -> ExitStack:
    """The context to run in: x64 where a value is of float64, else as the user has it."""
    stack = ExitStack()
    if any(getattr(v, "dtype", None) in (np.float64, np.complex128) for v in values):
        stack.enter_context(wide())
    if device is not None:
        stack.enter_context(jax.default_device(device))
    return stack


def device_of(name: str | None) -> Any:
    """The device of a name such as "cpu", "gpu" or "cuda:1".

    Raises
    ------
    UsageError
        JAX has none of that name.
    """
    if name is None:
        return None
    kind, _, number = name.partition(":")
    try:
        return jax.devices(kind)[int(number or 0)]
    except (RuntimeError, IndexError, ValueError) as error:
        have = ", ".join(sorted({d.platform for d in jax.devices()}))
        raise UsageError(
            f"device={name!r}: JAX has no such device here (it has {have}): leave device= out, or "
            "install a jaxlib for it"
        ) from error


def is_key(value: Any) -> bool:
    """A key of jax.random, of the new type."""
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def is_array(value: Any) -> bool:
    """An array of numbers, JAX's or NumPy's."""
    if isinstance(value, jax.Array):
        return not is_key(value)
    return isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, np.str_)


def demand_numbers(value: Any) -> None:
    """An argument of the example holds numbers.

    Raises
    ------
    UsageError
        It is traced, or its memory was given away.
    """
    if isinstance(value, jax.core.Tracer):
        raise UsageError("the example is traced: check outside of jax.jit, jax.grad and jax.vmap")
    if isinstance(value, jax.Array) and value.is_deleted():
        raise UsageError("an array of the example was deleted or donated: pass one with numbers")


def to_numpy(value: Any) -> Any:
    """A copy: JAX hands out one memory for equal results, and it is read-only."""
    return np.array(value)


def to_jax(value: Any) -> jax.Array:
    """A copy: on the CPU JAX may otherwise use NumPy's memory as its own."""
    return jnp.array(value, copy=True)


def version() -> str:
    """A sentence on the version, and on how it is run."""
    own = ".".join(jax.__version__.split(".")[:2])
    new = "" if own in TRIED else f" (gradcheck was tried with {', '.join(TRIED)} only)"
    return (
        f"JAX {jax.__version__}{new}: compiled for each shape, compared with op by op at one case"
    )


def short(error: Exception) -> Exception:
    """The error with the user's frames only, and the beginning of what it says.

    A new exception of the same name where JAX wrote a long message; else the very same.
    """
    frames = list[tuple[Any, int, int]]()
    step = error.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_THEIRS):
            frames.append((step.tb_frame, step.tb_lasti, step.tb_lineno))
        step = step.tb_next
    kept: TracebackType | None = None
    for frame, last, line in reversed(frames):
        kept = TracebackType(kept, frame, last, line)
    text = told(error)
    if len(text) > LONGEST or "\n" in text:
        beginning = one_line(text.strip().partition("\n")[0], LONGEST)
        error = type(type(error).__name__, (Exception,), {})(beginning)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(kept)


def shortened(function: Callable[..., T]) -> Callable[..., T]:
    """The function, whose errors are `short`."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> T:
        try:
            return function(*args, **kwargs)
        except UsageError:
            raise
        except Exception as error:
            made = short(error)
        raise made

    return call

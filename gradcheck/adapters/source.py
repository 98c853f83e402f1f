"""Where the user's code stands: file and line, for reports and annotations."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.results import Source


def source_of(forward: Any, backward: Any = None) -> Source:
    """File and first line of backward (of forward where there is no backward of its own)."""
    forward_file, forward_line = _place(forward)
    file, line = _place(backward) if backward is not None else (forward_file, forward_line)
    return Source(file=file or forward_file, line=line or forward_line, forward_line=forward_line)


def _place(function: Any) -> tuple[str, int]:
    function = inspect.unwrap(function) if callable(function) else function
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return "", 0
    return short_path(code.co_filename), int(code.co_firstlineno)


_TRUSTED = ("numpy", "scipy", "math", "cmath", "_operator", "builtins")
"""Packages whose compiled functions do not crash on arrays, or not more than NumPy itself."""


def is_compiled(function: Any) -> bool:
    """Not written in Python, and not by those whose arrays are checked: C, a JIT, ctypes."""
    while isinstance(function, functools.partial):
        function = function.func
    if not callable(function) or isinstance(function, (type, np.ufunc)):
        return False
    module = str(getattr(function, "__module__", None) or "")
    if inspect.isroutine(function) and module.partition(".")[0] in _TRUSTED:
        return False
    if type(function).__module__.partition(".")[0] == "numpy":
        return False
    if inspect.isfunction(function) or inspect.ismethod(function):
        return False
    return not inspect.isfunction(inspect.getattr_static(type(function), "__call__", None))


def short_path(path: str) -> str:
    """Relative to the current folder where it lies below it."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if relative.startswith("..") else relative


def name_of(function: Callable[..., Any] | type | Any) -> str:
    """A short name: ``affine`` for affine_forward, MultiplyGate, a Linear() instance's class."""
    name = getattr(function, "__name__", None) or type(function).__name__
    if name == "<lambda>":
        return "lambda"
    for affix in ("_naive_forward", "_forward", "_fwd", "forward_", "fwd_"):
        if name.endswith(affix) and len(name) > len(affix):
            return str(name[: -len(affix)])
        if affix.endswith("_") and name.startswith(affix):
            return str(name[len(affix) :])
    return str(name)

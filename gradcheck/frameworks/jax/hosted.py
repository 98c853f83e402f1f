"""Functions of JAX arrays (a reference, a hand-written backward) as functions of NumPy's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.arguments import Layout, outputs_of


def hosted(function: Callable[..., Any], device: Any, layout: Layout | None) -> Callable[..., Any]:
    """A function of NumPy arrays, of the same parameters.

    Parameters
    ----------
    function : callable
    device : jax.Device or None
    layout : Layout, optional
        Where its positional arguments are the flat ones of a gate, whose call it takes.
    """

    @native.shortened
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = [*jax.tree_util.tree_leaves((args, kwargs))]
        with native.within(leaves, device):
            given, named = jax.tree_util.tree_map(_in, (args, kwargs))
            if layout is None:
                return jax.tree_util.tree_map(_out, function(*given, **named))
            if layout.names:
                own = dict(zip(layout.names, given, strict=True))
                given, named = layout.call({**own, **named})
            made = function(*given, **named)
            if isinstance(made, (bool, np.bool_)):
                return made
            flat = tuple(map(native.to_numpy, outputs_of(made)))
            return flat[0] if len(flat) == 1 else flat

    functools.update_wrapper(call, function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return call
    if layout is None:
        call.__signature__ = signature  # type: ignore[attr-defined]
    else:
        del call.__wrapped__  # type: ignore[attr-defined]
    return call


def _in(value: Any) -> Any:
    return native.to_jax(value) if isinstance(value, (np.ndarray, np.generic)) else value


def _out(value: Any) -> Any:
    return native.to_numpy(value) if isinstance(value, jax.Array) else value

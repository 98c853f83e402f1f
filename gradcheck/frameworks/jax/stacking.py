"""Many points of one input in one call, by jax.vmap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from gradcheck.foreign import Arrays, Unavailable
from gradcheck.frameworks.jax.native import short, shortened
from gradcheck.frameworks.jax.parts import Named, Parts
from gradcheck.frameworks.jax.programs import Programs, as_given, as_numpy, quick

FEWEST = 8
"""Rows of a stack: fewer are filled up, so that a function is compiled for few sizes of a stack."""
STACKS_FROM = 1000
"""Rows that pay for a compilation."""
_MOST = 64
"""Stacked functions kept."""


class Stacked:
    """Forward at many values of one input.

    What it costs: a compilation for each shape, input and power of four of rows (50 to 100 ms),
    and then about as much as one point. A compiled point costs some 50 microseconds, so that it
    pays from a thousand points on.
    """

    def __init__(self, programs: Programs, named: Named) -> None:
        self._programs, self._named = programs, named
        self._kept: dict[Any, Any] = {}

    def release(self) -> None:
        """Let go of all stacked functions."""
        self._kept.clear()

    @shortened
    def __call__(self, primals: Arrays, k: int, values: Any, attributes: Mapping[str, Any]) -> Any:
        """Outputs at each of the values of input ``k``, by jax.vmap.

        Raises
        ------
        Unavailable
            JAX cannot map the function, or it cannot be compiled.
        """
        if self._programs.eager:
            raise Unavailable("it is not compiled, and is called point by point")
        parts = Parts(self._programs, self._named(primals, attributes), len(primals))
        count = len(values)
        rows = FEWEST
        while rows < count:
            rows *= 4
        full = np.concatenate([values, np.repeat(values[-1:], rows - count, axis=0)])
        with parts.within():
            leaves = as_given(parts.named)
            leaves[k] = full
            key = (k, tuple((v.shape, str(v.dtype)) for v in leaves), repr(parts.rest))
            mapped = self._kept.get(key)
            if mapped is None:
                axes = tuple(0 if j == k else None for j in range(len(leaves)))
                mapped = quick(jax.vmap(parts.program().flat, in_axes=axes), parts.size)
                if len(self._kept) >= _MOST:
                    self._kept.clear()
                self._kept[key] = mapped
            try:
                made = mapped(*leaves)
            except (NotImplementedError, ValueError) as error:
                raise Unavailable(f"JAX cannot map it: {short(error)}") from None
            return as_numpy([v[:count] for v in made])

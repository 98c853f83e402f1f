"""One call of a gate taken apart: its arrays, the rest, and passes on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradcheck.foreign import Arrays
from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.native import shortened
from gradcheck.frameworks.jax.programs import Program, Programs, arrays_of, as_jax, as_numpy

Named = Callable[..., Mapping[str, Any]]


class Parts:
    """One call of a gate taken apart."""

    def __init__(self, programs: Programs, named: Mapping[str, Any], count: int) -> None:
        self._programs, self.named, self._count = programs, named, count
        self.names = tuple(arrays_of(named))
        self.rest = {n: v for n, v in named.items() if n not in self.names}
        self.size = sum(int(np.size(named[n])) for n in self.names)

    def within(self) -> Any:
        """The context to run in."""
        return native.within(list(self.named.values()), self._programs.device)

    def program(self) -> Program:
        """Not compiled, and kept by nobody."""
        real = [
            k for k, n in enumerate(self.names) if jnp.issubdtype(self.named[n].dtype, jnp.floating)
        ]
        return Program(self._programs.flat(self.names, self.rest), tuple(real), eager=True)

    def placed(self, gradients: Sequence[Any], program: Program) -> tuple[Any, ...]:
        """One gradient for each input, None for integers."""
        made = dict(zip(program.wrt, map(native.to_numpy, gradients), strict=True))
        return tuple(made.get(k) for k in range(self._count))

    def passes(self, started: Callable[[list[Any]], Any]) -> Any:
        """Outputs and a pullback on NumPy arrays, from those on JAX's."""
        return shortened(self._passes)(started)

    def _passes(self, started: Callable[[list[Any]], Any]) -> Any:
        with self.within():
            leaves = as_jax(self.named)
            outputs, (_, pull) = self.program().flat(*leaves), started(leaves)

        @shortened
        def back(cotangents: Arrays) -> Any:
            with self.within():
                return self.placed(pull([native.to_jax(c) for c in cotangents]), self.program())

        return as_numpy(outputs), back

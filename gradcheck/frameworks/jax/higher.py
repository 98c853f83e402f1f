"""The gradient of the gradient: the pullback as a function of inputs and upstream gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradcheck.arrays import is_real
from gradcheck.floats import eps_of
from gradcheck.foreign import Arrays, Unavailable
from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.native import short, shortened
from gradcheck.frameworks.jax.parts import Named, Parts
from gradcheck.frameworks.jax.programs import Program, Programs, arrays_of, forget

_MOST = 8
"""Programs kept."""


class Higher:
    """The gradients of one gate, and their own pullback."""

    def __init__(self, programs: Programs, named: Named) -> None:
        self._programs, self._named = programs, named
        self._kept: dict[Any, Program] = {}

    def release(self) -> None:
        """Let go of all programs."""
        forget(self._kept)

    def _parts(self, primals: Arrays, attributes: Mapping[str, Any]) -> Parts:
        return Parts(self._programs, self._named(primals, attributes), len(primals))

    def _gradient(self, parts: Parts, cotangents: Arrays) -> tuple[Program, list[Any]]:
        """The gradients as a function of leaves and cotangents, compiled."""
        prepare = np.asarray if not self._programs.eager else native.to_jax
        leaves = [prepare(v) for v in (*arrays_of(parts.named).values(), *cotangents)]
        key = tuple((v.shape, str(v.dtype)) for v in leaves), repr(parts.rest)
        found = self._kept.get(key)
        if found is None:
            first, count = parts.program(), len(leaves) - len(cotangents)

            def gradients(*values: Any) -> tuple[Any, ...]:
                return tuple(first.pulled(values[:count])[1](values[count:]))

            real = [k for k, v in enumerate(leaves) if jnp.issubdtype(v.dtype, jnp.floating)]
            found = Program(gradients, tuple(real), self._programs.eager)
            if not self._programs.eager:
                found.compiled(parts.size)
            if len(self._kept) >= _MOST:
                forget(self._kept)
            self._kept[key] = found
        return found, leaves

    @shortened
    def gradients(
        self, primals: Arrays, cotangents: Arrays, attributes: Mapping[str, Any]
    ) -> Arrays:
        """The gradients of the real inputs, as a function of inputs and upstream gradients."""
        parts = self._parts(primals, attributes)
        with parts.within():
            program, leaves = self._gradient(parts, cotangents)
            made = tuple(map(native.to_numpy, program.run(*leaves)))
        finest = min((eps_of(p.dtype) for p in primals if is_real(p)), default=0.0)
        if any(not is_real(g) or eps_of(g.dtype) > finest for g in made):
            raise Unavailable("the gradients are narrower than their inputs")
        return made

    @shortened
    def rule(
        self, primals: Arrays, cotangents: Arrays, attributes: Mapping[str, Any]
    ) -> tuple[Arrays, Any]:
        """The same, and their pullback to gradients of inputs and of upstream gradients."""
        parts = self._parts(primals, attributes)
        outputs = self.gradients(primals, cotangents, attributes)

        @shortened
        def pull(second: Arrays) -> tuple[Any, ...]:
            with parts.within():
                program, leaves = self._gradient(parts, cotangents)
                try:
                    _, found = program.both(tuple(leaves), tuple(second))
                except Exception as error:
                    why = short(error)
                    raise Unavailable(f"{type(why).__name__}: {why}") from None
                whole = list[Any](map(native.to_numpy, found))
                made = dict(zip(program.wrt, whole, strict=True))
                # arrays among the attributes come after the primals, and have no place
                own = [*range(len(primals)), *range(len(leaves) - len(cotangents), len(leaves))]
                return tuple(made.get(k) for k in own)

        return outputs, pull

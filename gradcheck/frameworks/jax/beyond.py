"""What JAX promises of a gate besides: jit, vmap, forward mode, the gradient of the gradient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradcheck.foreign import Arrays, Derived, Foreign, ForwardMode, Unavailable, Variant
from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.higher import Higher
from gradcheck.frameworks.jax.native import short, shortened
from gradcheck.frameworks.jax.parts import Named, Parts
from gradcheck.frameworks.jax.passes import Passes
from gradcheck.frameworks.jax.programs import arrays_of, as_given, as_jax, quick
from gradcheck.frameworks.jax.stacking import STACKS_FROM, Stacked

_LEAKED = re.compile("UnexpectedTracerError|No constant handler")
"""What JAX says of a tracer that was kept; only words of ours depend on it."""
PLAIN = "JAX function"
"""The kind of a function that nobody wrote a rule for or compiles."""


class Beyond:
    """Everything of one gate that is not its plain passes."""

    def __init__(self, passes: Passes, named: Named, kind: str) -> None:
        self._passes, self._named, self._kind = passes, named, kind
        self._programs = passes.programs

    def foreign(self, *, forward_mode: bool) -> Foreign:
        """The whole. To look at it compiles anew, so that it is done at one case."""
        higher = Higher(self._programs, self._named)
        stacked = Stacked(self._programs, self._named)

        def release(whole: bool) -> None:
            for kept in (self._programs, higher, stacked):
                kept.release()
            if whole:  # else the user's own functions would be compiled again
                jax.clear_caches()  # type: ignore[no-untyped-call]

        return Foreign(
            framework=f"jax {jax.__version__}",
            variants=tuple(self._variants()),
            derived=(
                Derived(
                    code="second-order",
                    said="in the gradient of the gradient",
                    forward=higher.gradients,
                    rule=higher.rule,
                ),
            ),
            forward_mode=ForwardMode(code="forward-mode", jvp=self._jvp) if forward_mode else None,
            remarks=self._passes.remarks,
            stacked=stacked,
            stacks_from=STACKS_FROM,
            release=release,
            any_size=False,
            looks=1,
            each_dtype=False,
        )

    def _variants(self) -> Iterator[Variant]:
        yield Variant(
            code="shared-state",
            said="with another call between forward and backward",
            rule=self._between,
        )
        if self._passes.untraceable is not None and self._kind == PLAIN:
            return  # said among the assumptions
        yield Variant(code="under-jit", said="op by op, without jax.jit,", rule=self._by_op)
        yield Variant(
            code="under-jit", said="under jax.grad of jax.jit", rule=self._of_jit, raised="fail"
        )
        yield Variant(code="under-vmap", said="under jax.vmap", rule=self._mapped)

    def _parts(self, primals: Arrays, attributes: Mapping[str, Any]) -> Parts:
        return Parts(self._programs, self._named(primals, attributes), len(primals))

    def _by_op(self, primals: Arrays, attributes: Mapping[str, Any]) -> Any:
        """The variant that nothing is compiled in."""
        parts = self._parts(primals, attributes)
        return parts.passes(parts.program().pulled)

    def _between(self, primals: Arrays, attributes: Mapping[str, Any]) -> Any:
        parts = self._parts(primals, attributes)
        program = parts.program()

        def started(leaves: list[Any]) -> Any:
            outputs, pull = program.pulled(leaves)
            program.pulled([native.to_jax(_other(np.asarray(v))) for v in leaves])
            return outputs, pull

        return parts.passes(started)

    def _of_jit(self, primals: Arrays, attributes: Mapping[str, Any]) -> Any:
        if self._passes.untraceable is not None:
            self._cannot(self._passes.untraceable)
        parts = self._parts(primals, attributes)
        program = parts.program()
        program.flat = jax.jit(program.flat)
        outputs, pull = parts.passes(program.pulled)

        def watched(cotangents: Arrays) -> Any:
            try:
                return pull(cotangents)
            except Exception as error:
                if not _LEAKED.search(f"{type(error).__name__}: {error}"):
                    raise
            raise RuntimeError(
                "bwd uses a value that fwd left somewhere else than in its residuals, and that "
                "JAX says has leaked (UnexpectedTracerError): return it as a residual"
            )

        return outputs, watched

    def _cannot(self, why: Exception) -> None:
        """A rule written for JAX is meant to be compiled; of a plain function it is only said."""
        if self._kind == PLAIN:
            raise Unavailable(f"{type(why).__name__}: {why}")
        raise why

    def _mapped(self, primals: Arrays, attributes: Mapping[str, Any]) -> Any:
        """The second of three rows of jax.vmap, the others with other values."""
        parts = self._parts(primals, attributes)
        program = parts.program()

        def row(leaves: tuple[Any, ...], cotangents: tuple[Any, ...]) -> Any:
            outputs, pull = program.pulled(leaves)
            return outputs, pull(cotangents)

        def rows(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(np.stack([_other(v), v, v]) for v in values)

        outputs, _ = parts.passes(parts.program().pulled)

        @shortened
        def pull(cotangents: Arrays) -> Any:
            with parts.within():
                stacked = rows(as_given(parts.named)), rows(cotangents)
                try:
                    _, gradients = quick(jax.vmap(row), parts.size)(*stacked)
                except (NotImplementedError, ValueError) as error:
                    raise Unavailable(f"JAX cannot map it: {short(error)}") from None
                return parts.placed([g[1] for g in gradients], program)

        return outputs, pull

    @shortened
    def _jvp(self, primals: Arrays, tangents: Arrays, attributes: Mapping[str, Any]) -> Arrays:
        parts = self._parts(primals, attributes)
        own = iter(tangents)
        along = {n: next(own, None) for n in arrays_of(parts.named)}
        with parts.within():
            leaves = as_jax(parts.named)
            moved = [
                jnp.asarray(t, v.dtype)
                if t is not None and jnp.issubdtype(v.dtype, jnp.floating)
                else _still(v)
                for v, t in zip(leaves, along.values(), strict=True)
            ]
            flat = parts.program().flat
            try:
                if not self._programs.eager:
                    flat = quick(flat, parts.size)
                outputs, pushed = jax.jvp(flat, tuple(leaves), tuple(moved))
            except TypeError as error:
                if "custom_vjp" not in str(error):
                    raise
                raise Unavailable("JAX has no forward mode for a custom_vjp function") from None
            return tuple(
                native.to_numpy(p if jnp.issubdtype(o.dtype, jnp.floating) else jnp.zeros_like(o))
                for o, p in zip(outputs, pushed, strict=True)
            )


def _other(value: Any) -> Any:
    """Other numbers of the same kind and about the same size."""
    turned = value[::-1] if value.ndim else value
    if value.dtype.kind in "iub" or not np.array_equal(turned, value):
        return turned
    return (value * value.dtype.type(0.75)).astype(value.dtype)


def _still(value: Any) -> Any:
    """The tangent of what does not move."""
    if jnp.issubdtype(value.dtype, jnp.floating):
        return jnp.zeros_like(value)
    return np.zeros(value.shape, jax.dtypes.float0)

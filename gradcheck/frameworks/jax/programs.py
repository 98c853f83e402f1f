"""Forward and backward of one function, compiled once for each set of shapes and attributes.

Op by op JAX compiles each primitive for each shape, which takes longer than the whole function in
one program, and each call then takes a hundred times longer. So the judged passes are compiled; the
variants (`beyond`) compare them with the same function op by op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.arguments import outputs_of

Flat = Callable[..., tuple[Any, ...]]
"""A function of arrays that returns a tuple of arrays, all real or integer."""
MOST = 96
"""Programs kept of one function."""
SMALL = 2**14
"""Numbers up to which less time is spent on compiling a program."""
_QUICK: tuple[tuple[str, Any], ...] = (
    ("xla_backend_optimization_level", 0),
    ("xla_llvm_disable_expensive_passes", True),
    ("xla_cpu_use_fusion_emitters", False),
    ("xla_cpu_parallel_codegen_split_count", 1),
)
"""What makes a small program three times cheaper to compile. XLA's options come and go."""
UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
"""What jit raises where a function wants to see its numbers."""


@dataclass(slots=True)
class Program:
    """One function at one set of shapes and dtypes."""

    flat: Flat
    wrt: tuple[int, ...]
    """Which of its arguments are differentiated."""
    eager: bool
    run: Flat = field(init=False)
    both: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        self.run, self.both = self.flat, self._both

    def compiled(self, size: int) -> Program:
        """The same under jax.jit."""
        self.run, self.both = quick(self.flat, size), quick(self._both, size)
        return self

    def close(self) -> None:
        """Let go of what was compiled, at once: it refers to itself."""
        self.run, self.both = self.flat, self._both

    def pulled(self, leaves: Sequence[Any]) -> tuple[Any, Any]:
        """Outputs of the forward rule, and the pullback to what is differentiated."""

        def own(*chosen: Any) -> tuple[Any, ...]:
            whole = list(leaves)
            for place, value in zip(self.wrt, chosen, strict=True):
                whole[place] = value
            return self.flat(*whole)

        outputs, pull = jax.vjp(own, *(leaves[k] for k in self.wrt))
        return outputs, lambda cotangents: pull(given(outputs, cotangents))

    def _both(self, leaves: Sequence[Any], cotangents: Sequence[Any]) -> Any:
        outputs, pull = self.pulled(leaves)
        return outputs, pull(cotangents)


def quick(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """The function under jax.jit; a small one is compiled without costly optimisation."""
    if size <= SMALL and jax.default_backend() == "cpu":
        return jax.jit(function, **_options())
    return jax.jit(function)


@cache
def _options() -> dict[str, Any]:
    """Of `_QUICK` what this XLA takes, as jax.jit takes it."""
    known = {name: value for name, value in _QUICK if _is_known({name: value})}
    return {"compiler_options": known} if known else {}


def _is_known(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(np.float32(0)).compile()
    except Exception:  # before JAX 0.4.36 a TypeError, of an option's name JAX's own
        return False
    return True


def given(outputs: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
    """Cotangents as JAX wants them: float0 for integers."""
    return tuple(
        jnp.asarray(c, o.dtype)
        if jnp.issubdtype(o.dtype, jnp.floating)
        else np.zeros(o.shape, jax.dtypes.float0)
        for o, c in zip(outputs, cotangents, strict=True)
    )


class Programs:
    """A function of named values, and its programs."""

    def __init__(
        self,
        function: Callable[..., Any],
        bind: Callable[[Mapping[str, Any]], tuple[list[Any], dict[str, Any]]],
        device: Any,
    ) -> None:
        self._function, self._bind, self.device = function, bind, device
        self._kept: dict[Any, Program] = {}
        self.eager = False
        """It cannot be compiled, or is no function of its inputs."""

    def release(self) -> None:
        """Let go of all programs: a hundred of them take 50 to 150 MB."""
        forget(self._kept)

    def flat(self, names: Sequence[str], rest: Mapping[str, Any]) -> Flat:
        """The function of the arrays of these names, the other values fixed."""

        def flat(*leaves: Any) -> tuple[Any, ...]:
            args, kwargs = self._bind({**rest, **dict(zip(names, leaves, strict=True))})
            return outputs_of(self._function(*args, **kwargs))

        return flat

    def program(self, named: Mapping[str, Any], wanted: frozenset[str] | None = None) -> Program:
        """The program for these values, the arrays among which may change."""
        names, rest = arrays_of(named), {}
        rest = {n: v for n, v in named.items() if n not in names}
        shapes = tuple((n, np.shape(v), str(v.dtype)) for n, v in names.items())
        key = (shapes, tuple((n, _key(v)) for n, v in rest.items()), wanted, self.eager)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST:
                self._kept.pop(next(iter(self._kept))).close()
            wrt = [
                k
                for k, (n, v) in enumerate(names.items())
                if jnp.issubdtype(v.dtype, jnp.floating) and (wanted is None or n in wanted)
            ]
            found = Program(self.flat(tuple(names), rest), tuple(wrt), self.eager)
            if not self.eager:
                found.compiled(sum(int(np.size(v)) for v in names.values()))
            self._kept[key] = found
        return found


def forget(kept: dict[Any, Program]) -> None:
    """Let go of programs."""
    for program in kept.values():
        program.close()
    kept.clear()


def arrays_of(named: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are arrays, in order."""
    return {n: v for n, v in named.items() if isinstance(v, (np.ndarray, np.generic))}


def _key(value: Any) -> Any:
    """What tells one attribute's value from another."""
    try:
        hash(value)
    except TypeError:
        return type(value), repr(value)
    return type(value), value


def as_given(named: Mapping[str, Any]) -> list[Any]:
    """The arrays for a compiled program: it takes NumPy's, and ten times faster than we copy."""
    return [np.asarray(v) for v in arrays_of(named).values()]


def as_jax(named: Mapping[str, Any]) -> list[Any]:
    """The arrays as JAX's, for what is not compiled."""
    return [native.to_jax(v) for v in arrays_of(named).values()]


def as_numpy(arrays: Sequence[Any]) -> Any:
    """One array, or a tuple of several."""
    made = tuple(native.to_numpy(a) for a in arrays)
    return made[0] if len(made) == 1 else made

"""Which targets and values are JAX's, and what a target of it is as a gate."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gradcheck.arrays import is_real
from gradcheck.errors import UsageError
from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.arguments import Layout, layout_of
from gradcheck.frameworks.jax.beyond import PLAIN, Beyond
from gradcheck.frameworks.jax.hosted import hosted
from gradcheck.frameworks.jax.native import short
from gradcheck.frameworks.jax.passes import Blame, Passes
from gradcheck.frameworks.jax.programs import UNTRACEABLE, Program, Programs
from gradcheck.frameworks.protocol import Call, Gate, Named

_OWN = ("jax", "jaxlib")
_X64 = (
    "x64 is off in JAX: it is switched on within gradcheck's own calls, for float64 only; float32 "
    "is judged as you run it"
)


class _Jax:
    """The door."""

    name = "jax"
    numbers = True

    def owns(self, value: Any) -> bool:
        """An array of JAX's, or a pytree with one."""
        return any(isinstance(v, jax.Array) for v in jax.tree_util.tree_leaves(value))

    def takes(self, target: Any) -> bool:
        """A custom_vjp, custom_jvp or jit function, or one of JAX's own."""
        inner = _inner(target)
        modules = (type(inner).__module__, getattr(inner, "__module__", None) or "")
        return callable(inner) and any(m.partition(".")[0] in _OWN for m in modules)

    def array(self, value: Any) -> Any:
        """A JAX array as NumPy's."""
        return native.to_numpy(value) if isinstance(value, jax.Array) else value

    def hosted(self, function: Callable[..., Any], device: str | None) -> Callable[..., Any]:
        """A function of JAX arrays as one of NumPy's."""
        return hosted(function, native.device_of(device), None)

    def gate(self, target: Any, call: Call) -> Gate:
        """The target as functions of NumPy arrays.

        Raises
        ------
        UsageError
            It is no function, has no backward rule, or there is no such device.
        """
        inner = _demanded(target)
        device = native.device_of(call.device)
        layout = layout_of(target, call.example, call.attributes, _static(inner))
        programs = Programs(target, layout.call, device)
        plain_vjp = isinstance(target, jax.custom_vjp)
        passes = Passes(programs, Blame(target, layout) if plain_vjp else None)
        kind = _kind(inner)
        trial = _Trial(passes, layout, kind)

        def foreign(named: Callable[..., Named]) -> Any:
            mode = not isinstance(inner, jax.custom_vjp) and trial.forward_mode()
            return Beyond(passes, named, kind).foreign(forward_mode=mode)

        notes = [native.version(), *layout.notes]
        if not native.x64_on():
            notes.append(_X64)
        notes += trial.look()
        return Gate(
            kind=kind,
            forward=layout.forward(),
            run=trial.run,
            vjp=passes.vjp,
            example=tuple(layout.example),
            attributes=layout.attributes,
            selective=isinstance(inner, jax.custom_vjp) and bool(inner.symbolic_zeros),
            written=_written(inner),
            notes=tuple(notes),
            foreign=foreign,
            pairs=frozenset(layout.complexes),
            hosted=lambda function: hosted(function, device, layout),
        )


class _Trial:
    """What the example call shows before anything is judged."""

    def __init__(self, passes: Passes, layout: Layout, kind: str) -> None:
        self._passes, self._layout, self._kind = passes, layout, kind
        self._narrow = ""

    def run(self, named: Named) -> Any:
        """Forward, which refuses float64 where only float32 can be differentiated."""
        if self._narrow and any(getattr(v, "dtype", None) == np.float64 for v in named.values()):
            raise TypeError(self._narrow)
        return self._passes.run(named)

    def look(self) -> tuple[str, ...]:
        """Trace the example call, compiling nothing; sentences about what it showed.

        A float32 example whose backward fails in float64 only is judged in float32.

        Raises
        ------
        UsageError
            It returns no numbers.
        """
        example = self._named()
        if not example:
            return ()
        try:
            self._traced(example, backward=False)
        except UNTRACEABLE as error:
            self._passes.untraceable = short(error)
            self._passes.programs.eager = True
            why = f"JAX cannot compile it ({type(error).__name__})"
            return (f"{why}: judged op by op, which is slow",) if self._kind == PLAIN else ()
        except UsageError:
            raise
        except Exception:  # the first case says so
            return ()
        wide = {n: v.astype(np.float64) if is_real(v) else v for n, v in example.items()}
        own = {str(v.dtype) for v in example.values() if v.dtype.kind == "f"}
        narrow = own == {"float32"} and not native.x64_on()
        if narrow and not self._works(wide) and self._works(example):
            self._narrow = "its rule works in float32 only"
        return ()

    def _works(self, arrays: dict[str, Any]) -> bool:
        try:
            self._traced(arrays, backward=True)
        except Exception:
            return False
        return True

    def _traced(self, arrays: dict[str, Any], *, backward: bool) -> None:
        programs = self._passes.programs
        flat = programs.flat(tuple(arrays), self._layout.attributes)
        real = [k for k, v in enumerate(arrays.values()) if is_real(v)]
        program = Program(flat, tuple(real), eager=True)
        leaves = tuple(arrays.values())
        with native.within(leaves, programs.device):
            outputs = jax.eval_shape(flat, *leaves)
            if backward:
                jax.eval_shape(program.both, leaves, tuple(np.ones(o.shape) for o in outputs))

    def forward_mode(self) -> bool:
        """JAX has a forward mode of it: there is no custom_vjp inside, or nothing is known."""
        example = self._named()
        if not example:
            return True
        flat = self._passes.programs.flat(tuple(example), self._layout.attributes)
        leaves = tuple(np.asarray(v) for v in example.values())
        real = [k for k, v in enumerate(leaves) if v.dtype.kind not in "iub"]

        def moved(*chosen: Any) -> Any:
            whole = list(leaves)
            for k, value in zip(real, chosen, strict=True):
                whole[k] = value
            return flat(*whole)

        own = tuple(leaves[k] for k in real)
        try:
            with native.within(leaves, self._passes.programs.device):
                jax.jit(lambda *v: jax.jvp(moved, v, v)[1]).lower(*own)
        except TypeError as error:
            return "custom_vjp" not in str(error)
        except Exception:
            return True
        return True

    def _named(self) -> dict[str, Any]:
        return {
            n: np.asarray(v) for n, v in zip(self._layout.names, self._layout.example, strict=True)
        }


def _inner(target: Any) -> Any:
    """What stands behind functools.partial."""
    while isinstance(target, functools.partial):
        target = target.func
    return target


def _demanded(target: Any) -> Any:
    """What stands behind a target, if it is a function with its rule.

    Raises
    ------
    UsageError
        It is none, or has none.
    """
    if not callable(target):
        raise UsageError(
            f"{target!r} is no function: pass one, and its arguments as an example call"
        )
    inner = _inner(target)
    if isinstance(inner, jax.custom_vjp) and getattr(inner, "bwd", None) is None:
        raise UsageError(
            f"{_called(inner)} has no rule yet: call {_called(inner)}.defvjp(fwd, bwd) first"
        )
    if isinstance(inner, jax.custom_jvp) and getattr(inner, "jvp", None) is None:
        raise UsageError(f"{_called(inner)} has no rule yet: call its defjvp first")
    return inner


def _kind(inner: Any) -> str:
    for cls, name in ((jax.custom_vjp, "jax.custom_vjp"), (jax.custom_jvp, "jax.custom_jvp")):
        if isinstance(inner, cls):
            return name
    return "jax.jit function" if hasattr(inner, "lower") else PLAIN


def _called(inner: Any) -> str:
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def _static(inner: Any) -> frozenset[str]:
    """Names of the parameters that are neither differentiated nor traced."""
    numbers = list(getattr(inner, "nondiff_argnums", None) or ())
    names = set(getattr(inner, "nondiff_argnames", None) or ())
    info = getattr(inner, "_jit_info", None)  # not public: without it, they are traced
    numbers += getattr(info, "static_argnums", None) or ()
    names |= set(getattr(info, "static_argnames", None) or ())
    try:
        parameters = list(inspect.signature(inner).parameters)
    except (TypeError, ValueError):
        return frozenset(names)
    return frozenset(
        names | {parameters[k] for k in numbers if -len(parameters) <= k < len(parameters)}
    )


def _written(inner: Any) -> tuple[Any, ...]:
    """The user's forward, backward and helpers: Python functions, not JAX's own."""
    names = {jax.custom_vjp: ("fun", "bwd", "fwd"), jax.custom_jvp: ("fun", "jvp")}
    own = names.get(type(inner), ())
    parts = [getattr(inner, name) for name in own] or [inner]
    plain = [inspect.unwrap(_inner(p)) for p in parts]
    kept = [p for p in plain if inspect.isroutine(p) and not _theirs(p)]
    return tuple(kept) if len(kept) == len(plain) else ()


def _theirs(function: Any) -> bool:
    return str(getattr(function, "__module__", "") or "").partition(".")[0] in _OWN


DOOR = _Jax()

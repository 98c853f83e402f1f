"""The two passes of a gate: outputs, and the pullback with what the user's bwd returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gradcheck.arrays import is_real
from gradcheck.floats import eps_of
from gradcheck.foreign import Remark
from gradcheck.frameworks.jax import native
from gradcheck.frameworks.jax.arguments import Layout
from gradcheck.frameworks.jax.native import short, shortened
from gradcheck.frameworks.jax.programs import (
    UNTRACEABLE,
    Programs,
    arrays_of,
    as_given,
    as_jax,
    as_numpy,
)

Pull = Callable[[Sequence[Any]], Any]
_CLOSE = 64
"""Units of rounding by which two forward passes may differ."""


class Passes:
    """Forward and backward on NumPy arrays by name."""

    def __init__(self, programs: Programs, blame: Blame | None) -> None:
        self.programs, self._blame = programs, blame
        self._seen: list[Remark] = []
        self._settled = self._differs = False
        self.untraceable: Exception | None = None
        """Why it cannot be compiled."""

    def remarks(self) -> list[Remark]:
        """What was seen since it was asked last."""
        seen, self._seen = self._seen, []
        return seen

    def note(self, remark: Remark) -> None:
        """Tell of something at the end of the case."""
        self._seen.append(remark)

    @shortened
    def run(self, named: Mapping[str, Any]) -> Any:
        """Outputs."""
        with native.within(list(named.values()), self.programs.device):
            return as_numpy(self._outputs(named))

    def _outputs(self, named: Mapping[str, Any]) -> Any:
        if not self._settled:
            self._settle(named)
        program = self.programs.program(named)
        return program.run(*(as_jax if program.eager else as_given)(named))

    def _settle(self, named: Mapping[str, Any]) -> None:
        """Whether it is compiled: not where two calls differ, or it asks for its numbers."""
        flat, leaves = self._flat(named), as_jax(named)
        first, second = (as_numpy(flat(*leaves)) for _ in range(2))
        self._settled = True
        pairs = zip(_several(first), _several(second), strict=False)
        if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs):
            self.programs.eager = True
            return
        try:
            self.programs.program(named).run(*leaves)
        except UNTRACEABLE as error:
            self.untraceable, self.programs.eager = short(error), True

    def _flat(self, named: Mapping[str, Any]) -> Any:
        names = arrays_of(named)
        return self.programs.flat(tuple(names), {n: v for n, v in named.items() if n not in names})

    @shortened
    def vjp(self, named: Mapping[str, Any], wanted: frozenset[str] | None) -> tuple[Any, Pull]:
        """Outputs of the function itself, and the pullback through its rule."""
        values = list(named.values())
        with native.within(values, self.programs.device):
            outputs = as_numpy(self._outputs(named))
            program = self.programs.program(named, wanted)
            started = program.pulled(as_jax(named)) if program.eager else None
            leaves = as_given(named)
        names = [list(arrays_of(named))[k] for k in program.wrt]

        @shortened
        def pull(cotangents: Sequence[Any]) -> Any:
            with native.within(values, self.programs.device):
                try:
                    if started is not None:
                        again, gradients = started[0], started[1](cotangents)
                    else:
                        again, gradients = program.both(tuple(leaves), tuple(cotangents))
                except UNTRACEABLE as error:
                    if self.programs.eager:
                        raise
                    self.untraceable, self.programs.eager = short(error), True
                    again, after = self.programs.program(named, wanted).pulled(as_jax(named))
                    gradients = after(cotangents)
                except (TypeError, ValueError) as error:
                    why = "" if self._blame is None else self._blame(named, cotangents)
                    if not why:
                        raise
                    raise type(error)(why) from None
                self._compare(outputs, as_numpy(again))
                return dict(zip(names, map(native.to_numpy, gradients), strict=True))

        return outputs, pull

    def _compare(self, outputs: Any, again: Any) -> None:
        """The forward rule returns what the function itself returns."""
        if self._differs:
            return
        for place, (a, b) in enumerate(zip(_several(outputs), _several(again), strict=True)):
            where = "" if a.shape == b.shape else f"has shape {b.shape}, the function's {a.shape}"
            where = where or apart(a, b)
            if where:
                self._differs = True
                which = f"output {place + 1}" if len(_several(outputs)) > 1 else "the output"
                message = (
                    f"the forward rule (fwd, or the custom jvp's primal) does not return what the "
                    f"function returns: {which} {where}; under jax.grad the rule's is used"
                )
                self._seen.append(
                    Remark(code="forward-rule-differs", message=message, severity="fail")
                )


def apart(a: Any, b: Any) -> str:
    """Where two arrays differ by more than rounding; empty where they do not."""
    wide_a, wide_b = (np.asarray(v).astype(np.float64) for v in (a, b))
    eps = eps_of(a.dtype) if is_real(a) else 0.0
    size = float(np.abs(wide_a[np.isfinite(wide_a)]).max(initial=0.0))
    with np.errstate(all="ignore"):
        wrong = np.abs(wide_a - wide_b) > _CLOSE * eps * max(size, 1.0)
    wrong |= np.isfinite(wide_a) != np.isfinite(wide_b)
    if not wrong.any():
        return ""
    entry = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"at {entry} is {wide_b[entry]:.6g} instead of {wide_a[entry]:.6g}"


def _several(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


class Blame:
    """Why JAX refuses what fwd or bwd returned, in the words of a contract."""

    def __init__(self, target: Any, layout: Layout) -> None:
        self._target, self._layout = target, layout

    def __call__(self, named: Mapping[str, Any], cotangents: Sequence[Any]) -> str:
        """A sentence; empty where bwd is not to blame.

        Raises
        ------
        Exception
            What fwd or bwd raises.
        """
        target, static = self._target, tuple(self._target.nondiff_argnums or ())
        if self._layout.complexes or target.symbolic_zeros:
            return ""
        leaves = dict(zip(arrays_of(named), as_jax(named), strict=True))
        args, kwargs = self._layout.call({**named, **leaves})
        if kwargs:
            return ""
        pair = target.fwd(*args)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            return "fwd must return (output, residuals), a pair: what f returns, and what bwd needs"
        structure = jax.tree_util.tree_structure(pair[0])
        upstream = jax.tree_util.tree_unflatten(structure, list(map(native.to_jax, cotangents)))
        plain = [a for k, a in enumerate(args) if k in static]
        returned = target.bwd(*plain, pair[1], upstream)
        names = [p.name for k, p in enumerate(self._layout.parameters) if k not in static]
        own = [a for k, a in enumerate(args) if k not in static]
        return _unlike(returned, dict(zip(names, own, strict=False)))


def _unlike(returned: Any, own: Mapping[str, Any]) -> str:
    """How what bwd returned differs from one gradient for each argument, in its shape."""
    if not isinstance(returned, (tuple, list)) or len(returned) != len(own):
        got = len(returned) if isinstance(returned, (tuple, list)) else "no tuple but 1"
        return (
            f"bwd must return a tuple with one gradient for each argument ({', '.join(own)}), and "
            f"returns {got}"
        )
    for (name, value), gradient in zip(own.items(), returned, strict=True):
        wanted, got = map(jax.tree_util.tree_structure, (value, gradient))
        if gradient is None:
            continue
        if wanted != got:
            return (
                f"bwd's gradient of {name} has the structure {_said(got)}, {name} {_said(wanted)}"
            )
        pairs = zip(*map(jax.tree_util.tree_leaves_with_path, (value, gradient)), strict=True)
        for (path, a), (_, b) in pairs:
            if np.shape(a) != np.shape(b):
                leaf = name + jax.tree_util.keystr(path)
                return (
                    f"bwd's gradient of {leaf} has shape {np.shape(b)}, {leaf} has {np.shape(a)} "
                    "(shape convention: a gradient has the shape of its input)"
                )
    return ""


def _said(structure: Any) -> str:
    text = str(structure)
    return text.removeprefix("PyTreeDef(").removesuffix(")")[:120]

"""The door for a whole model: a closure and its live parameters, perturbed and restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.functions import leaves_in, scaled, spellings
from gradcheck.adapters.source import name_of, source_of
from gradcheck.arrays import Array, is_real
from gradcheck.errors import UsageError
from gradcheck.floats import HALF
from gradcheck.model import Domain, Input, Op, Options, Outputs, Pullback


class LiveModel:
    """``closure()`` evaluated with values written into the arrays that it reads."""

    def __init__(self, closure: Callable[[], Any], params: Any, gradients: Any) -> None:
        self._closure, self._gradients = closure, gradients
        try:
            self.arrays = live(params)
        except TypeError as error:
            raise UsageError(
                f"check_params: {error}; pass a dict or list of NumPy arrays"
            ) from None
        if not self.arrays:
            raise UsageError("check_params: there is no real array among the parameters")
        frozen = [n for n, a in self.arrays.items() if not a.flags.writeable]
        if frozen:
            raise UsageError(f"check_params: {frozen[0]} is read-only, so it cannot be perturbed")

    def forward(self, *values: Any) -> Any:
        return self._loss(self._run(values))

    def vjp(self, *values: Any) -> tuple[Any, Pullback]:
        returned = self._run(values)
        source = self._gradients
        if source is None:
            if not (isinstance(returned, tuple) and len(returned) > 1):
                raise UsageError(
                    "check_params: the closure must return (loss, gradients), or name the live "
                    "gradients: check_params(closure, params, gradients=net.grads)"
                )
            source = returned[1]
        gradients = [_copy(g) for g in self._in_order(source)]

        def pullback(cotangents: Outputs) -> list[Any]:
            return [scaled(g, cotangents[0]) for g in gradients]

        return self._loss(returned), pullback

    def _run(self, values: Sequence[Any]) -> Any:
        """The closure at these values; the live arrays are restored whatever happens."""
        saved = [a.copy() for a in self.arrays.values()]
        try:
            for array, value in zip(self.arrays.values(), values, strict=True):
                array[...] = value
            return self._closure()
        finally:
            for array, old in zip(self.arrays.values(), saved, strict=True):
                array[...] = old

    @staticmethod
    def _loss(returned: Any) -> Any:
        loss = returned[0] if isinstance(returned, tuple) else returned
        return np.array(loss)

    def _in_order(self, gradients: Any) -> list[Any]:
        if isinstance(gradients, Mapping):
            return [self._by_key(gradients, name) for name in self.arrays]
        return list(leaves_in(gradients).values())

    @staticmethod
    def _by_key(gradients: Mapping[Any, Any], name: str) -> Any:
        by_text = {str(k): v for k, v in gradients.items()}
        for key in spellings(name):
            if key in by_text:
                return by_text[key]
        return None


def live(params: Any) -> dict[str, Array]:
    """The arrays of a model's live parameter dict or list, by name.

    Raises
    ------
    TypeError
        It is neither a mapping nor a sequence of real arrays.
    """
    items: Any = params.items() if isinstance(params, MutableMapping) else enumerate(params)
    found: dict[str, Array] = {}
    for key, value in items:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"parameter {key!r} is a {type(value).__name__}, not an array")
        if is_real(value):
            found[str(key)] = value
    return found


def adapt_live(closure: Callable[[], Any], params: Any, gradients: Any, options: Options) -> Op:
    """The op of a model: its inputs are the parameters at their current values."""
    model = LiveModel(closure, params, gradients)
    inputs = tuple(Input(n, a.shape, Domain()) for n, a in model.arrays.items())
    dtypes = {str(a.dtype) for a in model.arrays.values()}
    return Op(
        name=name_of(closure) if name_of(closure) != "lambda" else "model",
        forward=model.forward,
        vjp=model.vjp,
        inputs=inputs,
        example=tuple(a.copy() for a in model.arrays.values()),
        kind="model",
        source=source_of(closure),
        linear=False,
        sizes_declared=False,
        assumptions=("parameters are perturbed in place and restored",),
        options=Options(
            scope=options.scope,
            strict=options.strict,
            signif=options.signif,
            dtypes=options.dtypes or (_narrowest(dtypes),),
            checks=options.checks,
            vary_sizes=False,
        ),
    )


def _narrowest(dtypes: set[str]) -> str:
    """What a step must survive to be seen: that of the narrowest half, else the widest array."""
    half = [name for name in HALF if name in dtypes]
    return half[-1] if half else ("float32" if dtypes == {"float32"} else "float64")


def _copy(gradient: Any) -> Any:
    return gradient.copy() if isinstance(gradient, np.ndarray) else gradient

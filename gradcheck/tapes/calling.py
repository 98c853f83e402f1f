"""A tape library called with NumPy arrays: forward, and backward with a cotangent.

`Recorded` is any library with a Tensor class: leaves are made, a function is called on them,
backward walks the tape, gradients are read off the leaves. `Functional` is one that gives output
and pullback of a function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gradcheck.arrays import Array, as_outputs, is_real
from gradcheck.floats import eps_of
from gradcheck.model import Outputs
from gradcheck.tapes import trying

Function = Callable[..., Any]
"""On the library's own values."""
Pull = Callable[[Outputs], list[Any]]
"""From a cotangent for each output to a gradient for each input, None where there is none."""


_GRAD = "what grad= gives of a leaf", "grad=lambda t: t.grad.data"
_VALUE = "what value= gives of an output", "value=lambda t: t.data"


class Library(Protocol):
    """What a function on a library's values is called by."""

    @property
    def selective(self) -> bool:
        """Some gradients can be asked for alone."""
        ...

    def run(self, function: Function, primals: Sequence[Array], more: Mapping[str, Any]) -> Any:
        """Outputs as arrays."""
        ...

    def vjp(
        self,
        function: Function,
        primals: Sequence[Array],
        wanted: Sequence[bool],
        more: Mapping[str, Any],
    ) -> tuple[Any, Pull]:
        """Outputs as arrays, and a pullback."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A library with leaves, a tape, and gradients on the leaves."""

    leaf: Callable[[Any], Any]
    value: Callable[[Any], Any]
    backward: Callable[..., Any]
    grad: Callable[[Any], Any]
    constant: Callable[[Any], Any] | None = None
    """A value that needs no gradient."""
    scalar: bool = False
    """Its values are numbers: an array is an array of them."""

    @property
    def selective(self) -> bool:
        return self.constant is not None

    @property
    def takes_cotangent(self) -> bool:
        """Backward takes an upstream gradient beside the output."""
        return _arguments(self.backward) > 1

    def run(self, function: Function, primals: Sequence[Array], more: Mapping[str, Any]) -> Any:
        return self._values(self._called(function, [self.made(p) for p in primals], more))

    def vjp(
        self,
        function: Function,
        primals: Sequence[Array],
        wanted: Sequence[bool],
        more: Mapping[str, Any],
    ) -> tuple[Any, Pull]:
        pairs = list(zip(primals, wanted, strict=True))

        def recorded() -> tuple[Any, list[Any]]:
            leaves = [self.made(p, differentiated=w) for p, w in pairs]
            return self._called(function, leaves, more), leaves

        tapes = [recorded()]
        values = self._values(tapes[0][0])

        def pullback(cotangents: Outputs) -> list[Any]:
            output, leaves = tapes.pop() if tapes else recorded()  # gradients add up on a leaf
            self.pull(output, cotangents)
            return [
                self.gradient(leaf) if w and is_real(p) else None
                for leaf, (p, w) in zip(leaves, pairs, strict=True)
            ]

        return values, pullback

    def _called(self, function: Function, leaves: Sequence[Any], more: Mapping[str, Any]) -> Any:
        try:
            output = function(*leaves, **more)
        except TypeError as error:
            trying.hinted(error, scalar=self.scalar)
            raise
        trying.demand_output(output)
        return output

    def made(self, array: Array, *, differentiated: bool = True) -> Any:
        """A leaf, or a constant where no gradient is wanted; integers stay what they are."""
        if not is_real(array):
            return array
        kind = self.leaf if differentiated or self.constant is None else self.constant
        if not self.scalar:
            return kind(array)
        return _each(lambda number: kind(number.item()), array)

    def pull(self, output: Any, cotangents: Sequence[Array]) -> None:
        """Backward from the outputs, which are contracted with their cotangents where need be."""
        parts = output if isinstance(output, (tuple, list)) else (output,)
        cotangents = [np.asarray(c) for c in cotangents]  # which may be NumPy numbers
        if self.takes_cotangent and not self.scalar and len(parts) == 1:
            self.backward(parts[0], cotangents[0])
            return
        terms = [self._contracted(p, c) for p, c in zip(parts, cotangents, strict=True)]
        total = next((t for t in terms if t is not None), None)
        if total is None:  # no entry at all: nothing flows
            return
        for term in terms[terms.index(total) + 1 :] if len(terms) > 1 else ():
            total = total if term is None else total + term
        one = (np.ones((), cotangents[0].dtype),) if self.takes_cotangent else ()
        self.backward(total, *one)

    def gradient(self, leaf: Any) -> Any:
        """The gradient of what `made` returned."""
        if not isinstance(leaf, np.ndarray) or not self.scalar:
            found = self.grad(leaf)
            return found if found is None else trying.numbers(found, *_GRAD)
        found = [self.grad(v) for v in leaf.flat]
        if found and all(g is None for g in found):
            return None
        return np.array([0.0 if g is None else g for g in found]).reshape(leaf.shape)

    def _contracted(self, output: Any, cotangent: Array) -> Any:
        """The sum of output times cotangent by the library itself; None where there is no entry."""
        if not self.scalar:
            product = output * self.made(cotangent, differentiated=False)
            if cotangent.ndim:
                trying.demand_sum(product)
            return product.sum() if cotangent.ndim else product
        cells = output.flat if isinstance(output, np.ndarray) else [output]
        total = None
        for value, number in zip(cells, cotangent.flat, strict=True):
            term = value * self.made(np.asarray(number), differentiated=False)
            total = term if total is None else total + term
        return total

    def _values(self, output: Any) -> Any:
        if isinstance(output, (tuple, list)):
            return tuple(self.array(o) for o in output)
        return self.array(output)

    def array(self, value: Any) -> Array:
        """One of the library's values as an array."""
        if self.scalar and isinstance(value, np.ndarray) and value.dtype == object:
            numbers = [self.value(v) for v in value.flat]
            return np.array(numbers, dtype=None if numbers else np.float64).reshape(value.shape)
        plain = isinstance(value, (np.ndarray, np.generic, float, int))
        if plain and not self._owned(value):
            return np.asarray(value)
        return trying.numbers(self.value(value), *_VALUE)

    def _owned(self, value: Any) -> bool:
        """A subclass of ndarray or of a number may be the library's Tensor."""
        return type(value).__module__.partition(".")[0] not in ("numpy", "builtins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Functional:
    """A library that differentiates functions: ``vjp(f, *xs)`` is output and pullback."""

    fused: Callable[..., tuple[Any, Callable[[Any], Any]]]
    value: Callable[[Any], Any] = np.asarray
    selective: bool = True

    def run(self, function: Function, primals: Sequence[Array], more: Mapping[str, Any]) -> Any:
        return self._values(function(*primals, **more))

    def vjp(
        self,
        function: Function,
        primals: Sequence[Array],
        wanted: Sequence[bool],
        more: Mapping[str, Any],
    ) -> tuple[Any, Pull]:
        traced = [k for k, p in enumerate(primals) if wanted[k] and is_real(p)]

        def of_traced(*xs: Any) -> Any:
            full = list(primals)
            for k, x in zip(traced, xs, strict=True):
                full[k] = x
            return function(*full, **more)

        output, pull = trying.demand_pair(self.fused(of_traced, *(primals[k] for k in traced)))

        def pullback(cotangents: Outputs) -> list[Any]:
            several = isinstance(output, (tuple, list))
            returned = pull(cotangents if several else cotangents[0])
            parts = returned if isinstance(returned, (tuple, list)) else (returned,)
            trying.demand_as_many(parts, len(traced))
            found: list[Any] = [None] * len(primals)
            for k, gradient in zip(traced, parts, strict=True):
                if gradient is not None:  # a copy: values of such a library are shared
                    found[k] = np.array(self.value(gradient))
            return found

        plain = self.run(function, primals, more)
        recorded = self._values(output)
        return plain if _alike(plain, recorded) else recorded, pullback

    def _values(self, output: Any) -> Any:
        if isinstance(output, (tuple, list)):
            return tuple(np.asarray(self.value(o)) for o in output)
        return np.asarray(self.value(output))


def _alike(a: Any, b: Any) -> bool:
    """The same but for rounding: ``x ** 2`` of an array is a square, of a traced value a power."""
    pairs = list(zip(as_outputs(a), as_outputs(b), strict=False))
    return all(p.shape == q.shape and p.dtype == q.dtype and _near(p, q) for p, q in pairs)


def _near(a: Array, b: Array) -> bool:
    """Half of the digits agree, of the largest entry's: what cancels has lost some."""
    if not is_real(a):
        return bool(np.array_equal(a, b))
    share = eps_of(a.dtype) ** 0.5
    largest = float(np.abs(b[np.isfinite(b)]).max(initial=1.0))
    return bool(np.allclose(a, b, rtol=share, atol=share * largest, equal_nan=True))


def _each(make: Callable[[Any], Any], array: Array) -> Any:
    """An object array of what is made of each entry; of a number, what is made of it."""
    if array.ndim == 0:
        return make(array)
    cells = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        cells[place] = make(array[place])
    return cells


def _arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a function takes; 2 where Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)

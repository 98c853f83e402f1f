"""Doors for functions: forward/backward pairs, ``(out, cache)``, fused, registered vjps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.adapters.binding import (
    COTANGENT,
    NEEDS_GRAD,
    OUTPUT,
    Binding,
    keywords_of,
    settled,
    single,
    split_cache,
)
from gradcheck.arrays import as_outputs
from gradcheck.examples import Place, Reading
from gradcheck.guards import quiet
from gradcheck.model import Outputs, Pullback


@dataclass(slots=True)
class Arguments:
    """Forward's positional arguments from an op's primals: constants go back to their places."""

    names: Sequence[str]
    places: Sequence[Place]
    constants: Mapping[int, Any] = field(default_factory=dict)
    tuples: frozenset[int] = frozenset()
    """Places at which a tuple of arrays stands, not a list."""
    as_they_are: bool = field(init=False)
    """The primals are the arguments."""
    _keyed: frozenset[int] = field(init=False)
    """Places at which a dict of arrays stands."""

    def __post_init__(self) -> None:
        self.as_they_are = not self.constants and all(index is None for _, index in self.places)
        self._keyed = frozenset(k for k, j in self.places if isinstance(j, str))

    def __call__(self, primals: Sequence[Any]) -> Sequence[Any]:
        if self.as_they_are:
            return primals
        full: dict[int, Any] = {}
        for (place, index), primal in zip(self.places, primals, strict=True):
            if index is None:
                full[place] = primal
            elif isinstance(index, str):
                full.setdefault(place, {})[index] = primal
            else:
                full.setdefault(place, []).append(primal)
        for place in self.tuples:
            full[place] = tuple(full[place])
        for place, constant in self.constants.items():
            full[place] = copy.deepcopy(constant)
        return [full[place] for place in sorted(full)]

    def all(self, primals: Sequence[Any]) -> Sequence[Any]:
        """Forward's arguments, and after them a layer's parameters."""
        count = len(self.places)
        return [*self(primals[:count]), *primals[count:]]

    def gradients(self, returned: Any, own: Sequence[str] = ()) -> Any:
        """What backward returned, with gradients by name put into the order of the inputs.

        ``own``: parameters, whose gradients are read elsewhere.

        Raises
        ------
        LookupError
            A name is that of no input.
        """
        if type(returned) in (np.ndarray, tuple) and not self._keyed:  # as nearly always
            return returned
        if isinstance(returned, Mapping):
            names = [self.names[k] if j is None else j for k, j in self.places]
            known = {key for name in own if name not in names for key in spellings(name)}
            return _by_name({k: v for k, v in returned.items() if k not in known}, names)
        if not self._keyed or not isinstance(returned, (tuple, list)):
            return returned
        return [
            _by_name(r, [j for k, j in self.places if k == n])
            if n in self._keyed and isinstance(r, Mapping)
            else r
            for n, r in enumerate(returned)
        ]

    def named(self, full: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(self.names, full, strict=False))


def spellings(name: Any) -> tuple[Any, ...]:
    """Keys under which a dict of gradients holds the one of an input."""
    return (name, f"d{name}", f"grad_{name}", f"{name}_grad")


def _by_name(gradients: Mapping[Any, Any], names: Sequence[Any]) -> list[Any]:
    own = [next((k for k in spellings(n) if k in gradients), None) for n in names]
    strange = [k for k in gradients if k not in own]
    if strange:
        raise LookupError(
            f"backward returns a gradient named {strange[0]!r}, and the inputs are "
            f"{', '.join(map(str, names))} (the gradients of parameters stay on the instance, as "
            "in self.grads['W'] for self.params['W'])"
        )
    return [None if k is None else gradients[k] for k in own]


def beside(reading: Reading | None) -> Callable[[Sequence[Any]], Any] | None:
    """How primals become the arguments of a function beside forward; None where as they are."""
    if reading is None:
        return None
    return Arguments((), reading.places, reading.constants, reading.tuples).all


class Pair:
    """A forward function and its backward, called as their `Binding` says."""

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        arguments: Arguments,
        binding: Binding,
    ) -> None:
        self._forward, self._backward = forward, backward
        self._arguments = arguments
        taken = keywords_of(backward) or ()
        self._needs_grad = next((n for n in NEEDS_GRAD if n in taken), None)
        self._take(binding)

    def _take(self, binding: Binding) -> None:
        self.binding = binding
        self._bare = not binding.ask and not binding.with_cache
        """Forward returns its outputs and no more."""
        usual = binding.slots == (COTANGENT, *self._arguments.names) and self._needs_grad is None
        self._plain = self._bare and self._arguments.as_they_are and usual
        """Backward takes the cotangent and forward's arguments, as nearly always."""

    @property
    def function(self) -> Callable[..., Any]:
        """`forward`, or what the user wrote where that is the same: it is called very often."""
        return self._forward if self._bare and self._arguments.as_they_are else self.forward

    def forward(self, *primals: Any, **attributes: Any) -> Any:
        """The outputs alone."""
        full = self._arguments(primals)
        returned = self._forward(*full, **attributes)
        if self._bare:
            return returned
        self.settle(returned, full, attributes)
        return split_cache(returned)[0] if self.binding.with_cache else returned

    @property
    def takes_needs_grad(self) -> bool:
        """Backward wants to know which gradients are wanted."""
        return self._needs_grad is not None

    def vjp(self, *primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
        """The outputs, and the pullback."""
        if self._plain and len(primals) == len(self.binding.slots) - 1:
            return self._plainly(primals, attributes)
        return self._vjp(primals, attributes, (True,) * len(primals))

    def vjp_wanting(
        self, wanted: tuple[bool, ...], *primals: Any, **attributes: Any
    ) -> tuple[Any, Pullback]:
        """The vjp where only some gradients are wanted."""
        return self._vjp(primals, attributes, wanted)

    def _plainly(
        self, primals: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[Any, Pullback]:
        output, backward = self._forward(*primals, **attributes), self._backward
        keywords = self.binding.attributes(attributes) if attributes else {}
        in_order = self._arguments.gradients

        def pullback(cotangents: Outputs) -> Any:
            return in_order(backward(single(cotangents), *primals, **keywords))

        return output, pullback

    def _vjp(
        self, primals: tuple[Any, ...], attributes: dict[str, Any], wanted: tuple[bool, ...]
    ) -> tuple[Any, Pullback]:
        full = self._arguments(primals)
        returned = self._forward(*full, **attributes)
        self.settle(returned, full, attributes)
        more = {} if self._needs_grad is None else {self._needs_grad: wanted}
        binding = self.binding
        output, cache = split_cache(returned) if binding.with_cache else (returned, None)

        def pullback(cotangents: Outputs) -> Any:
            named = {OUTPUT: output, **attributes, **self._arguments.named(full)}
            given = binding.arguments(cotangents, named, cache)
            keywords = binding.attributes(attributes) if attributes else {}
            return self._arguments.gradients(self._backward(*given, **keywords, **more))

        return output, pullback

    def settle(self, returned: Any, full: Sequence[Any], attributes: Mapping[str, Any]) -> None:
        """Decide what backward's second argument is, by what forward returned for some inputs."""
        if self.binding.ask:
            self._take(
                settled(self.binding, returned, lambda b: self._fits(b, returned, full, attributes))
            )

    def _fits(
        self, binding: Binding, returned: Any, full: Sequence[Any], attributes: Mapping[str, Any]
    ) -> bool:
        """Backward, called so, returns gradients of the inputs' shapes."""
        output, cache = split_cache(returned) if binding.with_cache else (returned, None)
        try:
            with quiet():
                ones = tuple(np.ones_like(o) for o in as_outputs(output))
                named = {OUTPUT: output, **attributes, **self._arguments.named(full)}
                given = binding.arguments(ones, named, cache)
                made = self._backward(*given, **binding.attributes(dict(attributes)))
        except Exception:
            return False
        gradients = made if isinstance(made, (tuple, list)) else (made,)
        shapes = [np.shape(a) for a in full if isinstance(a, (np.ndarray, np.generic, float))]
        return len(gradients) == len(shapes) and all(
            g is None or np.shape(g) == shape for g, shape in zip(gradients, shapes, strict=True)
        )


class Fused:
    """One function that returns ``(value, gradient)``: a loss with its own gradient.

    There is no upstream to give: the returned gradients are multiplied by the cotangent of the
    scalar value.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: Arguments, wrt: Mapping[int, Leaf]
    ) -> None:
        self._function, self._arguments, self._wrt = function, arguments, wrt

    def forward(self, *primals: Any, **attributes: Any) -> Any:
        return self._function(*self._arguments(primals), **attributes)[0]

    def vjp(self, *primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
        returned = self._function(*self._arguments(primals), **attributes)
        leaves = leaves_in(returned[1:])

        def pullback(cotangents: Outputs) -> list[Any]:
            return [
                scaled(leaves.get(self._wrt[k]), cotangents[0]) if k in self._wrt else None
                for k in range(len(primals))
            ]

        return returned[0], pullback


Leaf = tuple[Any, ...]
"""Where a gradient stands in a return value: positions and keys."""


def leaves_in(value: Any, path: Leaf = ()) -> dict[Leaf, Any]:
    """The arrays of nested tuples, lists and dicts, by their place."""
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, (tuple, list)):
        items = enumerate(value)
    else:
        return {path: value}
    return {p: v for key, item in items for p, v in leaves_in(item, (*path, key)).items()}


def scaled(gradient: Any, cotangent: Any) -> Any:
    """A scalar loss' gradient times its cotangent; None stays None."""
    if gradient is None:
        return None
    try:
        array = np.asarray(gradient)
        return array * array.dtype.type(cotangent)
    except (TypeError, ValueError):
        return gradient

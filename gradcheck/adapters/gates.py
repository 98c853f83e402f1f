"""Doors for objects: the lecture's gate class, layers with parameters, model objects.

Every evaluation works on a deep copy of the instance: real layers append to lists in forward.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.binding import Binding, bind, positional
from gradcheck.adapters.copies import copied
from gradcheck.adapters.functions import Arguments, scaled
from gradcheck.adapters.parameters import Parameter
from gradcheck.errors import UsageError
from gradcheck.model import Outputs, Pullback


def methods(target: Any) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """(forward, backward) of a class or instance, or None where it has no such pair."""
    forward = getattr(target, "forward", None)
    if forward is None and not inspect.isclass(target):
        forward = target if callable(target) and hasattr(target, "backward") else None
    backward = getattr(target, "backward", None)
    return (forward, backward) if callable(forward) and callable(backward) else None


def demand_self(cls: type) -> None:
    """The slide's ``def forward(x, y)`` without ``self`` gets a helpful message.

    Raises
    ------
    UsageError
        forward or backward is a plain function whose first parameter is not ``self``.
    """
    for name in ("forward", "backward"):
        function = inspect.getattr_static(cls, name, None)
        if not inspect.isfunction(function):
            continue  # staticmethod, classmethod, inherited C function
        parameters = [p.name for p in positional(function)]
        if not parameters or parameters[0] not in ("self", "this", "s", "_"):
            listed = ", ".join(["self", *parameters])
            raise UsageError(
                f"{cls.__name__}.{name}({', '.join(parameters)}) has no 'self': Python passes the "
                f"gate itself as the first argument. Write def {name}({listed}), and keep what "
                "backward needs on self, as in self.x = x (the lecture's slide leaves it out)"
            )


class Gate:
    """A class, or a prototype instance, with forward and backward; parameters are primals too."""

    def __init__(
        self,
        make: Callable[..., Any],
        arguments: Arguments,
        binding: Binding,
        *,
        constructor: frozenset[str] = frozenset(),
        parameters: Sequence[Parameter] = (),
        first_only: bool = False,
    ) -> None:
        self._make, self._arguments, self._binding = make, arguments, binding
        self._constructor, self._parameters = constructor, parameters
        self._first_only = first_only

    def forward(self, *primals: Any, **attributes: Any) -> Any:
        own, rest = self._split(attributes)
        return self._run(self._make(**own), primals, rest)[0]

    def vjp(self, *primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
        own, rest = self._split(attributes)
        instance = self._make(**own)
        output, full = self._run(instance, primals, rest)
        return output, self._pullback(instance, full, rest)

    def session(self) -> Callable[..., tuple[Any, Pullback]]:
        """The vjp rule of one instance, kept over its calls."""
        instance: Any = None

        def vjp(*primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
            nonlocal instance
            own, rest = self._split(attributes)
            if instance is None:
                instance = self._make(**own)
            output, full = self._run(instance, primals, rest)
            return output, self._pullback(instance, full, rest)

        return vjp

    def _split(self, attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        own = {k: v for k, v in attributes.items() if k in self._constructor}
        return own, {k: v for k, v in attributes.items() if k not in self._constructor}

    def _run(
        self, instance: Any, primals: Sequence[Any], rest: Mapping[str, Any]
    ) -> tuple[Any, Sequence[Any]]:
        count = len(primals) - len(self._parameters)
        for parameter, value in zip(self._parameters, primals[count:], strict=True):
            parameter.write(instance, value)
        full = self._arguments(primals[:count])
        forward = instance.forward if hasattr(instance, "forward") else instance
        output = forward(*full, **rest)
        if self._first_only and isinstance(output, (tuple, list)):
            output = output[0]
        return output if self._binding.slots else summed(output), full

    def _pullback(self, instance: Any, full: Sequence[Any], rest: Mapping[str, Any]) -> Pullback:
        def pullback(cotangents: Outputs) -> Any:
            for parameter in self._parameters:
                parameter.clear(instance)
            named = {**rest, **self._arguments.named(full)}
            upstream = self._binding.slots
            given = self._binding.arguments(cotangents, named) if upstream else []
            returned = instance.backward(*given, **self._binding.attributes(rest))
            own_names = [p.name for p in self._parameters]
            returned = self._arguments.gradients(returned, own_names)
            if not upstream:
                returned = _times(returned, cotangents[0])
            if not self._parameters:
                return returned
            inputs, beside = split_returned(returned, len(self._arguments.places))
            own = [
                p.gradient(instance) if p.returned is None else beside[p.returned]
                for p in self._parameters
            ]
            if not upstream:
                own = [scaled(g, cotangents[0]) for g in own]
            return [*inputs, *own]

        return pullback


def split_returned(returned: Any, count: int) -> tuple[list[Any], list[Any]]:
    """The gradients of forward's arguments, and what a layer returns beside: ``(dX, [dW, db])``."""
    gradients = flat(returned)
    return (gradients + [None] * count)[:count], gradients[count:]


def flat(value: Any) -> list[Any]:
    """The leaves of nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def summed(output: Any) -> Any:
    """What a backward without an upstream gradient is the gradient of: the sum of the output."""
    if isinstance(output, (tuple, list)):
        output = output[0]
    return output if np.ndim(output) == 0 else np.sum(output)


def _times(returned: Any, cotangent: Any) -> Any:
    if isinstance(returned, (tuple, list)):
        return [scaled(g, cotangent) for g in returned]
    return scaled(returned, cotangent)


def bind_method(
    backward: Callable[..., Any],
    primals: Sequence[str],
    attributes: Sequence[str],
    call: str | None = None,
) -> Binding:
    """As `bind`; a method without parameters takes no upstream at all."""
    if not positional(backward) and "*" not in str(inspect.signature(backward)):
        return Binding(
            (), frozenset(), "backward takes no cotangent: its gradients are multiplied by it"
        )
    return bind(backward, primals, attributes, call)


def constructor_of(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor's named parameters, ``self`` left out."""
    function = inspect.getattr_static(cls, "__init__")
    if function is object.__init__:
        return {}
    parameters = list(inspect.signature(function).parameters.values())[1:]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p for p in parameters if p.kind in named}


def copier(instance: Any) -> Callable[..., Any]:
    """Makes a deep copy of a prototype for each evaluation.

    Raises
    ------
    UsageError
        The instance cannot be copied.
    """
    try:
        copied(instance)
    except Exception as error:
        raise UsageError(
            f"{type(instance).__name__} cannot be copied ({error}): gradcheck runs each evaluation "
            "on a fresh copy; pass the class, or a pair of functions"
        ) from None
    return lambda: copied(instance)

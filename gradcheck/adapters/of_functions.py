"""Doors for functions: a pair, and a fused value and gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.adapters.binding import bind, doubted, keywords_of
from gradcheck.adapters.description import (
    Described,
    Description,
    arguments_of,
    op_from,
    takes_any,
)
from gradcheck.adapters.functions import Arguments, Fused, Leaf, Pair, leaves_in, spellings
from gradcheck.adapters.source import name_of
from gradcheck.arrays import Array, as_outputs, is_real
from gradcheck.constants import package_of
from gradcheck.errors import UsageError
from gradcheck.examples import Reading
from gradcheck.guards import TimeLimit, quiet, time_limit
from gradcheck.model import Attribute, Input, Op
from gradcheck.plain import told

EXAMPLE_SECONDS = 10


def pair_door(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    description: Description,
    call: str | None,
    name: str | None,
) -> Op:
    for function, what in ((forward, "forward"), (backward, "backward")):
        if not callable(function):
            raise UsageError(f"{what} must be callable, not a {type(function).__name__}")
    reading, inputs, attributes = description.inputs(forward)
    if call is None and package_of(forward) != package_of(backward):
        attributes = _known_to(backward, attributes, description.attributes)

    def made(inputs: tuple[Input, ...]) -> Op:
        described = (reading, inputs, attributes)
        return _pair(forward, backward, description, described, call)

    op = replace(made(inputs), name=name or name_of(forward))
    variadic = reading is None and takes_any(forward) and takes_any(backward)
    return replace(op, any_number=made) if variadic else op


def _pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    description: Description,
    described: Described,
    call: str | None,
) -> Op:
    reading, inputs, attributes = described
    arguments = arguments_of(forward, reading, inputs)
    binding = bind(backward, arguments.names, [a.name for a in attributes], call)
    if call is None:
        binding = doubted(binding, forward)
    pair = Pair(forward, backward, arguments, binding)
    if binding.ask and reading is not None:
        given = [v.copy() for v in reading.values]
        returned = _on_example(forward, arguments, given, description)
        pair.settle(returned, arguments(given), description.attributes)
    return op_from(
        description,
        described,
        name=name_of(forward),
        forward=pair.function,
        vjp=pair.vjp,
        vjp_wanting=pair.vjp_wanting if pair.takes_needs_grad else None,
        kind="function pair",
        written=(forward, backward),
        notes=(pair.binding.sentence,),
    )


def _known_to(
    backward: Callable[..., Any], attributes: tuple[Attribute, ...], given: Mapping[str, Any]
) -> tuple[Attribute, ...]:
    """Attributes of a forward from another package, without what its backward does not take.

    ``np.sum`` has seven keywords. A backward that was written for it and takes no ``axis`` is not
    meant for every axis, but for the one of the example call.
    """
    taken = keywords_of(backward)
    kept = (a for a in attributes if taken is None or a.name in taken or a.name in given)
    return tuple(
        a if taken is None or a.name in taken else Attribute(a.name, (given[a.name],)) for a in kept
    )


def fused_door(function: Callable[..., Any], description: Description, name: str | None) -> Op:
    reading, inputs, attributes = description.inputs(function)
    if reading is None:
        raise UsageError(
            f"{name_of(function)}: a function without backward must return (value, gradient); "
            "give one example call, so that its gradients can be matched to its inputs"
        )
    arguments = arguments_of(function, reading, inputs)
    returned = _on_example(function, arguments, [v.copy() for v in reading.values], description)
    wrt = _matched(returned, inputs, reading, name_of(function))
    fused = Fused(function, arguments, wrt)
    unmatched = [i.name for k, i in enumerate(inputs) if i.differentiable and k not in wrt]
    notes = ["returns (value, gradient of " + ", ".join(inputs[k].name for k in wrt) + ")"]
    notes += [f"{n}: no gradient returned, not checked" for n in unmatched]
    checked = tuple(
        i if k in wrt else Input(i.name, i.dims, i.domain, differentiable=False, scalar=i.scalar)
        for k, i in enumerate(inputs)
    )
    return op_from(
        description,
        (reading, checked, attributes),
        name=name or name_of(function),
        forward=fused.forward,
        vjp=fused.vjp,
        kind="value and gradient",
        written=(function,),
        notes=tuple(notes),
        linear=False,
    )


def _matched(
    returned: Any, inputs: tuple[Input, ...], reading: Reading, name: str
) -> dict[int, Leaf]:
    """Which inputs the returned gradients belong to: by key, else by shape and order.

    Raises
    ------
    UsageError
        The function does not return a scalar and at least one gradient of an input's shape.
    """
    problem = (
        f"{name} has no backward, so it must return (value, gradient) with a scalar value and "
        "gradients of its inputs' shapes; pass check(forward, backward, ...) otherwise"
    )
    if not isinstance(returned, (tuple, list)) or len(returned) < 2:
        raise UsageError(problem)
    value = as_outputs(returned[0])[0]
    if value.size != 1 or not is_real(value):
        raise UsageError(problem)
    keys = [j for _, j in reading.places]
    names = [j if isinstance(j, str) else i.name for i, j in zip(inputs, keys, strict=True)]
    wrt: dict[int, Leaf] = {}
    for place, gradient in leaves_in(returned[1:]).items():
        fitting = [
            k
            for k, input in enumerate(inputs)
            if k not in wrt
            and input.differentiable
            and np.shape(gradient) == reading.values[k].shape
        ]
        named = [k for k in fitting if place[-1] in spellings(names[k])]
        later = [k for k in fitting if k > max(wrt, default=-1)]
        keyed = isinstance(place[-1], str)
        if chosen := named or ([] if keyed and _any_named(place[-1], names) else later):
            wrt[chosen[0]] = place
    if not wrt:
        raise UsageError(problem)
    return dict(sorted(wrt.items()))


def _any_named(key: Any, names: list[str]) -> bool:
    return any(key in spellings(n) for n in names)


def _on_example(
    function: Callable[..., Any],
    arguments: Arguments,
    given: Sequence[Array],
    description: Description,
) -> Any:
    """What a function returns on the example call.

    Raises
    ------
    UsageError
        It raises; its own error is named.
    """
    try:
        with quiet(), time_limit(EXAMPLE_SECONDS):
            return function(*arguments(given), **description.attributes)
    except TimeLimit:
        raise UsageError(
            f"{name_of(function)} did not return from its example call in {EXAMPLE_SECONDS} s"
        ) from None
    except Exception as error:
        raise UsageError(
            f"{name_of(function)} raises {type(error).__name__} on its example call: {told(error)}"
        ) from error

"""Doors for objects: a gate class, and an instance with its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck.adapters import parameters
from gradcheck.adapters.binding import Binding
from gradcheck.adapters.description import Described, Description, arguments_of, op_from
from gradcheck.adapters.functions import Arguments
from gradcheck.adapters.gates import (
    Gate,
    bind_method,
    constructor_of,
    copier,
    demand_self,
    methods,
    split_returned,
)
from gradcheck.adapters.unpaired import Unpaired, unpaired
from gradcheck.arrays import Array, as_outputs
from gradcheck.attributes import attributes_of
from gradcheck.errors import UsageError
from gradcheck.examples import Reading
from gradcheck.guards import GlobalRandom, TimeLimit, quiet, time_limit
from gradcheck.model import Input, Op, Outputs
from gradcheck.plain import told
from gradcheck.signed import Signed


def class_door(cls: type, description: Description, call: str | None, name: str | None) -> Op:
    found = methods(cls)
    if found is None:
        raise UsageError(
            f"{cls.__name__} has no forward and backward methods; it has "
            + ", ".join(n for n in vars(cls) if not n.startswith("_"))
        )
    demand_self(cls)
    constructor = constructor_of(cls)
    _demand_arguments(cls, constructor, description)
    forward, backward = _unbound(cls, found)
    reading, inputs, attributes = _described(description, forward, constructor)
    arguments = arguments_of(forward, reading, inputs)
    binding = bind_method(backward, arguments.names, [a.name for a in attributes], call)
    rest = description.without(constructor)
    make = _maker(cls, {k: v for k, v in description.attributes.items() if k in constructor})
    own: list[parameters.Parameter] = []
    alone = Unpaired()
    if make is not None and inputs and parameters.held(make()):
        own, _, alone = _parameters_of(make, arguments, binding, reading, rest)
    undeclared = description.signature is None and (reading is not None or not inputs)
    if undeclared and make is not None and (own or not inputs):
        return layer_door(make(), rest, call, name or cls.__name__)
    alone = alone.with_paired(own, cls.__name__)
    gate = Gate(cls, arguments, binding, constructor=frozenset(constructor))
    return op_from(
        description,
        (reading, inputs, attributes),
        name=name or cls.__name__,
        forward=gate.forward,
        vjp=gate.vjp,
        kind="gate class",
        written=(*found, *(v for v in vars(cls).values() if inspect.isfunction(v))),
        notes=(*alone.notes, *_upstream_notes(binding, False)),
        held=alone.names,
        unpaired=alone.warned,
        session=gate.session,
        linear=bool(binding.slots),
    )


def _maker(cls: type, given: Mapping[str, Any]) -> Callable[..., Any] | None:
    """Makes copies of one instance; None where it cannot be made, which the check reports."""
    try:
        with quiet():
            return copier(cls(**given))
    except (Exception, TimeLimit):
        return None


def _demand_arguments(
    cls: type, constructor: Mapping[str, inspect.Parameter], description: Description
) -> None:
    """Every constructor argument without a default is given, by keyword or in the signature.

    Raises
    ------
    UsageError
        Names those that are missing.
    """
    said = (description.signature or "").replace(" ", "")
    missing = [
        n
        for n, p in constructor.items()
        if p.default is inspect.Parameter.empty
        and n not in description.attributes
        and f"{n}=" not in said
    ]
    if missing:
        raise UsageError(
            f"{cls.__name__}() needs {', '.join(missing)}: give constructor arguments as keywords, "
            "or pass an instance"
        )


def _described(
    description: Description,
    forward: Callable[..., Any],
    constructor: Mapping[str, inspect.Parameter],
) -> Described:
    """Inputs of forward; attributes of forward and of the constructor together."""
    if description.signature is not None:
        return description.inputs(_with(forward, constructor))
    given = {k: v for k, v in description.attributes.items() if k in constructor}
    reading, inputs, attributes = description.without(constructor).inputs(forward)
    rank = max((v.ndim for v in reading.values), default=0) if reading else 0
    return reading, inputs, (*attributes_of(constructor, given, rank), *attributes)


def _with(forward: Callable[..., Any], more: Mapping[str, inspect.Parameter]) -> Signed:
    """Forward as `inspect` sees it with the constructor's parameters as keywords besides."""
    own = list(inspect.signature(forward).parameters.values())
    keywords = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=p.default)
        for n, p in more.items()
        if n not in {o.name for o in own}
    ]
    star = inspect.Parameter.VAR_KEYWORD
    tail = [o for o in own if o.kind is star]
    own = [o for o in own if o.kind is not star]
    return Signed([*own, *keywords, *tail])


def _unbound(
    cls: type, found: tuple[Callable[..., Any], Callable[..., Any]]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Forward and backward as an instance would see them: without ``self``."""
    if inspect.getattr_static(cls, "__new__") is not object.__new__:
        return found
    bound = object.__new__(cls)
    return getattr(bound, "forward", found[0]), getattr(bound, "backward", found[1])


def layer_door(instance: Any, description: Description, call: str | None, name: str | None) -> Op:
    found = methods(instance)
    assert found is not None
    forward, backward = found
    reading, inputs, attributes = description.inputs(forward, has_parameters=True)
    arguments = arguments_of(forward, reading, inputs)
    binding = bind_method(backward, arguments.names, [a.name for a in attributes], call)
    make = copier(instance)
    own, first_only, rest = _parameters_of(make, arguments, binding, reading, description)
    if not own and not any(i.differentiable for i in inputs):
        reading, inputs, attributes = description.inputs(forward)  # says what is missing
        _demand_inputs(instance, inputs)
    gate = Gate(make, arguments, binding, parameters=own, first_only=first_only)
    taken = {i.name for i in inputs}
    more = tuple(
        Input(
            p.name if p.name not in taken else f"self.{p.name}",
            p.value.shape,
            optional=True,
            parameter=True,
        )
        for p in own
    )
    description = description.with_dtypes({str(p.value.dtype) for p in own})
    return op_from(
        description,
        (reading, (*inputs, *more), attributes),
        name=name or type(instance).__name__,
        forward=gate.forward,
        vjp=gate.vjp,
        kind="layer" if own else "gate object",
        written=(forward, backward),
        session=gate.session,
        one_instance=True,
        notes=(*(p.sentence() for p in own), *rest.notes, *_upstream_notes(binding, first_only)),
        held=rest.names,
        unpaired=rest.warned,
        more_example=tuple(p.value for p in own),
        linear=bool(binding.slots),
    )


def _demand_inputs(instance: Any, inputs: tuple[Input, ...]) -> None:
    """There is something to differentiate.

    Raises
    ------
    UsageError
        Forward takes nothing, and no parameter was found; says so, or what the instance raises.
    """
    if inputs:
        return
    name = type(instance).__name__
    try:
        with quiet(), time_limit(10):
            ran = copier(instance)()
            ran.forward()
            ran.backward()
    except (Exception, TimeLimit) as error:
        what = f"{type(error).__name__}: {told(error)}"
        raise UsageError(f"{name}: forward() and backward() raise {what}") from error
    raise UsageError(
        f"{name}.forward() takes no input, and {name} holds no array that has a gradient after "
        "backward(), as self.W and self.dW or self.params['W'] and self.grads['W']: say which they "
        "are with gradcheck.check_params(closure, params)"
    )


NO_UPSTREAM = (
    "backward takes no upstream gradient: it is the gradient of the sum of the output, and is "
    "multiplied by the cotangent of that sum"
)
FIRST_ONLY = "backward takes the cotangent of the first output only: the others are not checked"


def _upstream_notes(binding: Binding, first_only: bool) -> list[str]:
    return [FIRST_ONLY] * first_only + [NO_UPSTREAM] * (not binding.slots)


def _parameters_of(
    make: Callable[..., Any],
    arguments: Arguments,
    binding: Binding,
    reading: Reading | None,
    description: Description,
) -> tuple[list[parameters.Parameter], bool, Unpaired]:
    """The layer's parameters, found by running it once on the example.

    Also whether backward takes the cotangent of the first of several outputs only, and what it
    holds besides.
    """
    prototype = ran = make()
    values = reading.values if reading is not None else description.plain_values()
    for first_only in (False, True):
        ran = make()
        returned = _run_once(ran, first_only, (arguments, binding), (values, description))
        if returned is not None:
            _, beside = split_returned(returned, len(values))
            own = parameters.find(prototype, ran) or parameters.match_returned(prototype, beside)
            break
    else:  # what it raises is found again, and reported, when the op is checked
        own, first_only = parameters.find(prototype, ran), False
    moved = make()
    run = partial(_run_forward, call=(arguments, binding), example=(values, description))
    own = parameters.lasting(own, moved, partial(run, moved))
    return own, first_only, unpaired((make, prototype, ran), run, own, description.nondiff)


def _run_forward(
    instance: Any,
    call: tuple[Arguments, Binding],
    example: tuple[tuple[Array, ...], Description],
) -> Outputs | None:
    """Outputs of an instance on the example; None where it raises, which says nothing here."""
    values = [v.copy() if v.ndim else v[()] for v in example[0]]
    random = GlobalRandom(0)
    try:
        with random.restored(), quiet(), time_limit(10):
            random.pin()
            returned = Gate(lambda: instance, *call).forward(*values, **example[1].attributes)
            return tuple(o.copy() for o in as_outputs(returned))
    except (Exception, TimeLimit):
        return None


def _run_once(
    instance: Any,
    first_only: bool,
    call: tuple[Arguments, Binding],
    example: tuple[tuple[Array, ...], Description],
) -> list[Any] | None:
    """One forward and backward pass of an instance on the example; None where it raises."""
    gate = Gate(lambda: instance, *call, first_only=first_only)
    values = [v.copy() if v.ndim else v[()] for v in example[0]]
    try:
        with quiet(), time_limit(10):
            output, pullback = gate.vjp(*values, **example[1].attributes)
            return [pullback(tuple(np.ones_like(o) for o in as_outputs(output)))]
    except (Exception, TimeLimit):
        return None

"""Doors: whatever a user calls a gate, as an `Op`.

`adapt` looks at the object and picks the door; behind it nothing knows where an op came from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.adapters import parameters
from gradcheck.adapters.binding import Binding, bind, positional
from gradcheck.adapters.functions import Arguments, Fused, Pair, gradients_in
from gradcheck.adapters.gates import (
    Gate,
    bind_method,
    constructor_of,
    copier,
    demand_self,
    methods,
    split_returned,
)
from gradcheck.adapters.source import name_of, source_of
from gradcheck.arrays import as_outputs, is_real
from gradcheck.errors import UsageError
from gradcheck.examples import Reading, attributes_of, read
from gradcheck.guards import quiet
from gradcheck.model import Attribute, Input, Op, Options
from gradcheck.signatures import from_annotations, parse


Described = tuple[Reading | None, tuple[Input, ...], tuple[Attribute, ...]]


class Description:
    """What the user said of an op's inputs: an example call, a signature, or annotations."""

    def __init__(
        self,
        signature: str | None,
        example: Sequence[Any],
        attributes: Mapping[str, Any],
        options: Options,
        nondiff: Sequence[str] = (),
    ) -> None:
        self.signature, self.example = signature, tuple(example)
        self.attributes, self.options, self.nondiff = dict(attributes), options, tuple(nondiff)

    def inputs(
        self, forward: Callable[..., Any], *, has_parameters: bool = False
    ) -> Described:
        """Inputs and attributes of a forward, from the most exact description there is."""
        primals, keywords = _parameters(forward, len(self.example))
        reading = None
        if self.example:
            reading = read(primals, self.example, has_parameters=has_parameters)
        if self.signature is not None:
            names = [*primals, *keywords] if not _takes_any(forward) else []
            inputs, declared = parse(self.signature, names)
        elif reading is not None:
            rank = max((v.ndim for v in reading.values), default=0)
            inputs, declared = reading.inputs, attributes_of(keywords, self.attributes, rank)
        else:
            annotations = getattr(forward, "__annotations__", {})
            required = [p for p in primals if p not in keywords]
            inputs, declared = from_annotations(annotations, required), ()
        inputs = tuple(self._undifferentiated(i) for i in inputs)
        return reading, inputs, declared

    def with_dtypes(self, own: set[str]) -> Description:
        """A layer is judged in the precision of its parameters, where nothing else is said."""
        if not own or self.options.dtypes is not None:
            return self
        options = replace(self.options, dtypes=tuple(sorted(own, reverse=True)))
        return Description(self.signature, self.example, self.attributes, options, self.nondiff)

    def _undifferentiated(self, input: Input) -> Input:
        if input.name not in self.nondiff:
            return input
        return Input(
            input.name, input.dims, input.domain, differentiable=False, scalar=input.scalar
        )


def adapt(
    target: Any,
    backward: Any,
    description: Description,
    *,
    call: str | None = None,
    name: str | None = None,
) -> Op:
    """The op of a target: a function (with its backward, or fused), a gate class, or a layer.

    Raises
    ------
    UsageError
        The target has none of the forms that can be checked; says which there are.
    """
    if backward is not None:
        return _pair(target, backward, description, call, name)
    if inspect.isclass(target):
        return _class(target, description, name)
    if methods(target) is not None:
        return _layer(target, description, name)
    if callable(target):
        return _fused(target, description, name)
    raise UsageError(
        f"{target!r} cannot be checked: pass forward and backward functions, a class or object "
        "with forward and backward methods, or a function that returns (value, gradient)"
    )


def _parameters(
    forward: Callable[..., Any], given: int
) -> tuple[list[str], dict[str, inspect.Parameter]]:
    """Names for the positional arguments, and the parameters that are attributes."""
    named = positional(forward)
    required = [p for p in named if p.default is inspect.Parameter.empty]
    count = max(given, len(required)) if given else len(required)
    primals = [p.name for p in named[:count]]
    primals += [f"x{k}" for k in range(len(primals), given)]
    keywords = {p.name: p for p in named[count:]}
    try:
        everything = inspect.signature(forward).parameters.values()
        keywords |= {p.name: p for p in everything if p.kind is inspect.Parameter.KEYWORD_ONLY}
    except (TypeError, ValueError):
        pass
    return primals, keywords


def _takes_any(forward: Callable[..., Any]) -> bool:
    try:
        kinds = [p.kind for p in inspect.signature(forward).parameters.values()]
    except (TypeError, ValueError):
        return True
    return inspect.Parameter.VAR_POSITIONAL in kinds


def _arguments(
    forward: Callable[..., Any], reading: Reading | None, inputs: tuple[Input, ...]
) -> Arguments:
    """How an op's primals become forward's positional arguments."""
    if reading is None:
        names = [i.name for i in inputs]
        return Arguments(names, [(k, None) for k in range(len(names))])
    total = len({k for k, _ in reading.places}) + len(reading.constants)
    names, _ = _parameters(forward, total)
    return Arguments(names, reading.places, reading.constants)


def _pair(
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
    arguments = _arguments(forward, reading, inputs)
    binding = bind(backward, arguments.names, [a.name for a in attributes], call)
    pair = Pair(forward, backward, arguments, binding)
    return _op(
        description,
        (reading, inputs, attributes),
        name=name or name_of(forward),
        forward=pair.forward,
        vjp=pair.vjp,
        kind="function pair",
        source=source_of(forward, backward),
        notes=(binding.sentence,),
    )


def _fused(function: Callable[..., Any], description: Description, name: str | None) -> Op:
    reading, inputs, attributes = description.inputs(function)
    if reading is None:
        raise UsageError(
            f"{name_of(function)}: a function without backward must return (value, gradient); "
            "give one example call, so that its gradients can be matched to its inputs"
        )
    arguments = _arguments(function, reading, inputs)
    with quiet():
        returned = function(*arguments(reading.values), **description.attributes)
    wrt = _matched(returned, inputs, reading, name_of(function))
    fused = Fused(function, arguments, wrt)
    unmatched = [i.name for k, i in enumerate(inputs) if i.differentiable and k not in wrt]
    notes = ["returns (value, gradient of " + ", ".join(inputs[k].name for k in wrt) + ")"]
    notes += [f"{n}: no gradient returned, not checked" for n in unmatched]
    checked = tuple(
        i if k in wrt else Input(i.name, i.dims, i.domain, differentiable=False, scalar=i.scalar)
        for k, i in enumerate(inputs)
    )
    return _op(
        description,
        (reading, checked, attributes),
        name=name or name_of(function),
        forward=fused.forward,
        vjp=fused.vjp,
        kind="value and gradient",
        source=source_of(function),
        notes=tuple(notes),
        linear=False,
    )


def _matched(returned: Any, inputs: tuple[Input, ...], reading: Reading, name: str) -> list[int]:
    """Which inputs the returned gradients belong to, by shape and order.

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
    wrt: list[int] = []
    for gradient in gradients_in(returned[1:]):
        start = wrt[-1] + 1 if wrt else 0
        places = [
            k
            for k in range(start, len(inputs))
            if inputs[k].differentiable and np.shape(gradient) == reading.values[k].shape
        ]
        if places:
            wrt.append(places[0])
    if not wrt:
        raise UsageError(problem)
    return wrt


def _class(cls: type, description: Description, name: str | None) -> Op:
    found = methods(cls)
    if found is None:
        raise UsageError(
            f"{cls.__name__} has no forward and backward methods; it has "
            + ", ".join(n for n in vars(cls) if not n.startswith("_"))
        )
    demand_self(cls)
    constructor = constructor_of(cls)
    given = {k: v for k, v in description.attributes.items() if k in constructor}
    missing = [
        n
        for n, p in constructor.items()
        if p.default is inspect.Parameter.empty
        and n not in given
        and (description.signature is None or f"{n}=" not in description.signature.replace(" ", ""))
    ]
    if missing:
        raise UsageError(
            f"{cls.__name__}() needs {', '.join(missing)}: give constructor arguments as keywords, "
            "or pass an instance"
        )
    forward, backward = _unbound(cls, found)
    own = Description(
        description.signature,
        description.example,
        {k: v for k, v in description.attributes.items() if k not in constructor},
        description.options,
        description.nondiff,
    )
    if own.signature is not None:
        both = _With(forward, constructor)
        reading, inputs, attributes = own.inputs(both)
    else:
        reading, inputs, attributes = own.inputs(forward)
        rank = max((v.ndim for v in reading.values), default=0) if reading else 0
        attributes = (*attributes_of(constructor, given, rank), *attributes)
    arguments = _arguments(forward, reading, inputs)
    binding = bind_method(backward, arguments.names, [a.name for a in attributes])
    gate = Gate(cls, arguments, binding, constructor=frozenset(constructor))
    return _op(
        description,
        (reading, inputs, attributes),
        name=name or cls.__name__,
        forward=gate.forward,
        vjp=gate.vjp,
        kind="gate class",
        source=source_of(found[0], found[1]),
        stateful=gate.stateful,
        linear=bool(binding.slots),
    )


class _With:
    """Forward as `inspect` sees it with the constructor's parameters as keywords besides."""

    def __init__(self, forward: Callable[..., Any], more: Mapping[str, inspect.Parameter]) -> None:
        own = list(inspect.signature(forward).parameters.values())
        keywords = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=p.default)
            for n, p in more.items()
            if n not in {o.name for o in own}
        ]
        star = inspect.Parameter.VAR_KEYWORD
        tail = [o for o in own if o.kind is star]
        own = [o for o in own if o.kind is not star]
        self.__signature__ = inspect.Signature([*own, *keywords, *tail])

    def __call__(self) -> None:
        raise NotImplementedError("only its signature is read")


def _unbound(
    cls: type, found: tuple[Callable[..., Any], Callable[..., Any]]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Forward and backward as an instance would see them: without ``self``."""
    if inspect.getattr_static(cls, "__new__") is not object.__new__:
        return found
    bound = object.__new__(cls)
    return getattr(bound, "forward", found[0]), getattr(bound, "backward", found[1])


def _layer(instance: Any, description: Description, name: str | None) -> Op:
    found = methods(instance)
    assert found is not None
    forward, backward = found
    reading, inputs, attributes = description.inputs(forward, has_parameters=True)
    arguments = _arguments(forward, reading, inputs)
    binding = bind_method(backward, arguments.names, [a.name for a in attributes])
    make = copier(instance)
    own, first_only = _parameters_of(make, arguments, binding, reading, description)
    if not own and not any(i.differentiable for i in inputs):
        reading, inputs, attributes = description.inputs(forward)  # says what is missing
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
    return _op(
        description,
        (reading, (*inputs, *more), attributes),
        name=name or type(instance).__name__,
        forward=gate.forward,
        vjp=gate.vjp,
        kind="layer" if own else "gate object",
        source=source_of(forward, backward),
        stateful=gate.stateful,
        notes=(*(p.sentence() for p in own), *([FIRST_ONLY] if first_only else [])),
        more_example=tuple(p.value for p in own),
        linear=bool(binding.slots),
    )


FIRST_ONLY = "backward takes the cotangent of the first output only: the others are not checked"


def _parameters_of(
    make: Callable[..., Any],
    arguments: Arguments,
    binding: Binding,
    reading: Reading | None,
    description: Description,
) -> tuple[list[parameters.Parameter], bool]:
    """The layer's parameters, found by running it once on the example.

    Also whether backward takes the cotangent of the first of several outputs only.
    """
    prototype = make()
    if reading is None:
        return parameters.find(prototype, prototype), False
    for first_only in (False, True):
        ran = make()
        returned = _run_once(ran, first_only, (arguments, binding), (reading, description))
        if returned is not None:
            _, beside = split_returned(returned, len(reading.places))
            own = parameters.find(prototype, ran) or parameters.match_returned(prototype, beside)
            return own, first_only
    # what it raises is found again, and reported, when the op is checked
    return parameters.find(prototype, ran), False


def _run_once(
    instance: Any,
    first_only: bool,
    call: tuple[Arguments, Binding],
    example: tuple[Reading, Description],
) -> list[Any] | None:
    """One forward and backward pass of an instance on the example; None where it raises."""
    gate = Gate(lambda: instance, *call, first_only=first_only)
    values = [v.copy() for v in example[0].values]
    try:
        with quiet():
            output, pullback = gate.vjp(*values, **example[1].attributes)
            return [pullback(tuple(np.ones_like(o) for o in as_outputs(output)))]
    except Exception:
        return None


def _op(
    description: Description,
    described: Described,
    *,
    notes: tuple[str, ...] = (),
    more_example: tuple[Any, ...] = (),
    **facts: Any,
) -> Op:
    reading, inputs, attributes = described
    example = None if reading is None else (*reading.values, *more_example)
    loose = reading is not None and description.signature is None
    assumptions = (*notes, *(reading.assumptions if reading and loose else ()))
    if description.signature is not None and reading is not None and len(reading.inputs) != len(inputs):
        raise UsageError(
            f"the signature has {len(inputs)} inputs, the example call {len(reading.inputs)}"
        )
    return Op(
        inputs=inputs,
        attributes=attributes,
        example=example,
        sizes_declared=not loose,
        assumptions=assumptions,
        options=description.options,
        **facts,
    )

"""The door for what other frameworks differentiate: a `frameworks.protocol.Gate` as an `Op`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.adapters.description import Description, arguments_of, op_from
from gradcheck.adapters.functions import Arguments
from gradcheck.adapters.of_functions import pair_door
from gradcheck.adapters.source import name_of
from gradcheck.arrays import is_real
from gradcheck.frameworks.protocol import Call, Framework, Gate
from gradcheck.model import Domain, Input, Op, Outputs, Pullback
from gradcheck.signed import Signed


def framework_door(
    framework: Framework, target: Any, description: Description, name: str | None
) -> Op:
    """The op of a framework's own target, or of a function of its values."""
    options = description.options
    call = Call(
        example=description.example,
        attributes=description.attributes,
        signature=description.signature,
        device=options.device,
        order=options.order,
        nondiff=description.nondiff,
    )
    gate = framework.gate(target, call)
    own = _described(framework, description, (gate.example, gate.attributes), gate.hosted)
    forward = _as_keywords(gate.forward, own, framework.numbers)
    reading, inputs, attributes = own.inputs(forward, has_parameters=bool(gate.parameters))
    arguments = arguments_of(forward, reading, inputs)
    inputs = _in_pairs(inputs, [arguments.names[k] in gate.pairs for k, _ in arguments.places])
    made = _Called(gate, arguments)
    more = tuple(
        Input(n, p.shape, optional=True, parameter=True) for n, p in gate.parameters.items()
    )
    own = own.with_dtypes({str(p.dtype) for p in gate.parameters.values()})
    return op_from(
        own,
        (reading, (*inputs, *more), attributes),
        name=name or name_of(target),
        forward=made.forward,
        vjp=made.vjp,
        vjp_wanting=made.vjp_wanting if gate.selective else None,
        kind=gate.kind,
        written=gate.written,
        notes=gate.notes,
        one_instance=bool(gate.parameters),
        more_example=tuple(gate.parameters.values()),
        foreign=gate.foreign(made) if gate.foreign is not None else None,
    )


def hosted_pair_door(
    framework: Framework,
    pair: tuple[Callable[..., Any], Callable[..., Any]],
    description: Description,
    call: str | None,
    name: str | None,
) -> Op:
    """The op of a forward and a backward function on a framework's values."""
    example = tuple(map(framework.array, description.example))
    own = _described(framework, description, (example, description.attributes))
    device = description.options.device
    forward, backward = (framework.hosted(f, device) for f in pair)
    return pair_door(forward, backward, own, call, name or name_of(pair[0]))


def _described(
    framework: Framework,
    description: Description,
    call: tuple[Sequence[Any], Mapping[str, Any]],
    hosted: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
) -> Description:
    """The same description with arrays in it; what its options call takes arrays, too."""
    options, (example, attributes) = description.options, call
    own: dict[str, Any] = {
        key: hosted(function) if hosted else framework.hosted(function, options.device)
        for key in ("reference", "differentiates", "valid")
        if (function := getattr(options, key)) is not None
    }
    made = replace(options, **own)
    return Description(description.signature, tuple(example), attributes, made, description.nondiff)


def _in_pairs(inputs: tuple[Input, ...], paired: Sequence[bool]) -> tuple[Input, ...]:
    """Complex inputs as any real numbers with a last axis of size 2, whatever the example is."""
    return tuple(
        replace(i, dims=(*i.dims[:-1], 2), domain=Domain(), differentiable=True) if pair else i
        for i, pair in zip(inputs, paired, strict=True)
    )


def _as_keywords(
    forward: Callable[..., Any], description: Description, numbers: bool
) -> Callable[..., Any]:
    """Forward's parameters, those of an example's plain values as keywords: they are attributes.

    Takes them out of the example and puts them among the attributes; arrays that are given by name
    the other way, though forward takes them by name only.
    """
    parameters = list(inspect.signature(forward).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    kept, plain = list[Any](), set[str]()
    for place, value in enumerate(description.example):
        if place < len(positional) and _is_plain(value, numbers):
            plain.add(positional[place].name)
            description.attributes[positional[place].name] = value
        else:
            kept.append(value)
    description.example = tuple(kept)
    made = [p.replace(kind=p.KEYWORD_ONLY) if p.name in plain else p for p in parameters]
    if description.signature is None:
        given = {p.name for p in positional[: len(kept) + len(plain)]}
        made = _with_named(made, description, given)
    made.sort(key=lambda p: p.kind)
    return Signed(made)


def _with_named(
    parameters: list[inspect.Parameter], description: Description, given: Set[str]
) -> list[inspect.Parameter]:
    """Arrays that are given by name stand behind those that are given by their place.

    What is not given between them has a default, and becomes a keyword.
    """
    values, empty = description.attributes, inspect.Parameter.empty
    any_named = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    rest = [p for p in parameters if p.name not in given and p not in any_named]
    named = [p for p in rest if _is_numbers(values.get(p.name))]
    left_out = [p for p in rest if p.default is empty and p.name not in values]
    if not named or left_out:  # ``*xs`` among them
        return parameters
    description.example += tuple(values.pop(p.name) for p in named)
    first = [p for p in parameters if p.name in given]
    last = [p.replace(kind=p.KEYWORD_ONLY) for p in rest if p not in named]
    first += [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in named]
    return [*first, *last, *any_named]


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and (is_real(value) or value.dtype.kind in "iu")


def _is_plain(value: Any, numbers: bool) -> bool:
    """A number, flag or word that is not differentiated."""
    if isinstance(value, float):
        return not numbers
    return value is None or isinstance(value, (bool, int, str))


class _Called:
    """A gate called with an op's primals: arguments by name, gradients one per input."""

    def __init__(self, gate: Gate, arguments: Arguments) -> None:
        self._gate, self._arguments = gate, arguments
        self._order = list(inspect.signature(gate.forward).parameters)

    def __call__(self, primals: Sequence[Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Forward's arguments by name, in its own order, and then the parameters."""
        count = len(self._arguments.places)
        values = self._arguments.named(self._arguments(primals[:count])) | dict(attributes)
        rank = {name: place for place, name in enumerate(self._order)}
        named = dict(sorted(values.items(), key=lambda item: rank.get(item[0], len(rank))))
        return named | dict(zip(self._gate.parameters, primals[count:], strict=True))

    def forward(self, *primals: Any, **attributes: Any) -> Any:
        return self._gate.run(self(primals, attributes))

    def vjp(self, *primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
        return self._pulled(self(primals, attributes), None)

    def vjp_wanting(
        self, wanted: tuple[bool, ...], *primals: Any, **attributes: Any
    ) -> tuple[Any, Pullback]:
        owners = [self._arguments.names[k] for k, _ in self._arguments.places]
        owners += list(self._gate.parameters)
        chosen = frozenset(n for n, w in zip(owners, wanted, strict=True) if w)
        return self._pulled(self(primals, attributes), chosen)

    def _pulled(self, named: dict[str, Any], wanted: frozenset[str] | None) -> tuple[Any, Pullback]:
        outputs, pull = self._gate.vjp(named, wanted)

        def pullback(cotangents: Outputs) -> Any:
            returned = pull(cotangents)
            return self.listed(returned) if isinstance(returned, Mapping) else returned

        return outputs, pullback

    def listed(self, by_name: Mapping[str, Any]) -> list[Any]:
        """One gradient per input, from gradients by argument and parameter."""
        return [self._gradient(by_name, k, j) for k, j in self._arguments.places] + [
            by_name.get(n) for n in self._gate.parameters
        ]

    def _gradient(self, by_name: Mapping[str, Any], k: int, j: int | str | None) -> Any:
        found = by_name.get(self._arguments.names[k])
        return found if j is None or found is None else found[j]

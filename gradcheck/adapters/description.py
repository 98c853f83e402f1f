"""What the user said of an op's inputs, and the op that follows from it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.adapters.agreement import demand_agreement
from gradcheck.adapters.binding import parameters_of, positional
from gradcheck.adapters.functions import Arguments, beside
from gradcheck.adapters.source import is_compiled, source_of
from gradcheck.arrays import Array, is_real
from gradcheck.attributes import attributes_of, with_constants
from gradcheck.constants import harvest
from gradcheck.domains import decode, resolve
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.examples import Reading, read
from gradcheck.floats import FORMATS, HALF
from gradcheck.model import Attribute, Input, Op, Options
from gradcheck.options import OPTION_NAMES, SETTING_NAMES
from gradcheck.results import Source
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
        self.also_known: tuple[str, ...] = ()
        """Attributes that are the constructor's, for "did you mean"."""

    def inputs(self, forward: Callable[..., Any], *, has_parameters: bool = False) -> Described:
        """Inputs and attributes of a forward, from the most exact description there is."""
        self._take_array_keywords(forward)
        primals, keywords = _parameters(forward, len(self.example))
        self._demand_arguments(forward, keywords)
        reading = None
        if self.example:
            reading = read(primals, self.example, has_parameters=has_parameters)
        if self.signature is not None:
            names = [*primals, *keywords] if not takes_any(forward) else []
            inputs, declared = parse(self.signature, names)
            inputs = tuple(sorted(inputs, key=lambda i: names.index(i.name) if names else 0))
            declared = _given_first(declared, self.attributes)
        elif reading is not None:
            rank = max((v.ndim for v in reading.values), default=0)
            inputs, declared = reading.inputs, attributes_of(keywords, self.attributes, rank)
        else:
            annotations = {p.name: p.annotation for p in parameters_of(forward) or []}
            required = [p for p in primals if p not in keywords]
            inputs, declared = from_annotations(annotations, required), ()
            self._take_dtypes(annotations)
        inputs = tuple(self._undifferentiated(i) for i in inputs)
        return reading, inputs, declared

    def _take_dtypes(self, annotations: Mapping[str, Any]) -> None:
        """``Float32[...]`` throughout names the precision."""
        said = {tuple(map(str, getattr(a, "dtypes", ()))) for a in annotations.values()}
        for name in FORMATS:
            if {s for s in said if any("float" in w for w in s)} == {(name,)}:
                self.options = replace(self.options, dtypes=self.options.dtypes or (name,))

    def _take_array_keywords(self, forward: Callable[..., Any]) -> None:
        """``check(f, b, x, w=W)``: an array given by name is an input like the others."""
        if not self.example or isinstance(forward, np.ufunc):
            return
        for parameter in positional(forward)[len(self.example) :]:
            value = self.attributes.get(parameter.name)
            if not (isinstance(value, np.ndarray) and (is_real(value) or value.dtype.kind in "iu")):
                return
            self.example = (*self.example, self.attributes.pop(parameter.name))

    def _demand_arguments(
        self, forward: Callable[..., Any], keywords: Mapping[str, inspect.Parameter]
    ) -> None:
        """The example has the arguments that forward takes, and attributes that it knows.

        Raises
        ------
        UsageError
            An argument too few or too many, or a keyword that forward does not have.
        """
        if takes_any(forward):
            return
        named = positional(forward)
        required = [p.name for p in named if p.default is inspect.Parameter.empty]
        missing = [n for n in required[len(self.example) :] if n not in self.attributes]
        only = [n for n, p in keywords.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        shown = [*(p.name for p in named), *(["*"] * bool(only)), *only]
        call = f"forward({', '.join(shown)})"
        if self.example and missing and self.signature is None:
            raise UsageError(f"the example call leaves out {', '.join(missing)} of {call}")
        if len(self.example) > len(named):
            raise UsageError(f"the example call has {len(self.example)} arguments for {call}")
        if takes_keywords(forward):
            return
        for name in self.attributes:
            known = [*keywords, *(p.name for p in named)]
            if name not in known:
                near = [*known, *self.also_known]
                options = (
                    near
                    if difflib.get_close_matches(name, near)
                    else [*near, *OPTION_NAMES, *SETTING_NAMES]
                )
                raise UsageError(f"{name}: no attribute of {call}.{did_you_mean(name, options)}")

    def with_dtypes(self, own: set[str]) -> Description:
        """A layer is judged in the precision of its parameters, where nothing else is said."""
        if not own or self.options.dtypes is not None:
            return self
        known = own | {str(getattr(e, "dtype", "")) for e in self.example}
        if self.example and known & set(HALF):
            return self  # the example decides, see `_own_precision`
        options = replace(self.options, dtypes=tuple(sorted(own, reverse=True)))
        return Description(self.signature, self.example, self.attributes, options, self.nondiff)

    def without(self, names: Iterable[str]) -> Description:
        """The same without some attributes, which are known all the same."""
        known = tuple(names)
        rest = {k: v for k, v in self.attributes.items() if k not in known}
        made = Description(self.signature, self.example, rest, self.options, self.nondiff)
        made.also_known = known
        return made

    def plain_values(self) -> tuple[Array, ...]:
        """Plain values for a signature's inputs, all sizes 3."""
        if self.signature is None:
            return ()
        values = []
        for input in parse(self.signature, [])[0]:
            dims = [3 if isinstance(d, str) else d for d in input.dims if d != "..."]
            sizes = dict.fromkeys((d for d in input.dims if isinstance(d, str)), 3)
            numbers = np.zeros(int(np.prod(dims)), np.int64)
            domain = resolve(input.domain, sizes)
            values.append(decode(numbers, tuple(dims), domain, "generic"))
        return tuple(values)

    def _undifferentiated(self, input: Input) -> Input:
        if input.name not in self.nondiff:
            return input
        return Input(
            input.name, input.dims, input.domain, differentiable=False, scalar=input.scalar
        )


def _given_first(
    declared: tuple[Attribute, ...], given: Mapping[str, Any]
) -> tuple[Attribute, ...]:
    """A signature's attributes, with values given as keywords before the others."""
    known = {a.name: a for a in declared}
    for name, value in given.items():
        others = known[name].values if name in known else ()
        known[name] = Attribute(name, (value, *(v for v in others if v != value)))
    return tuple(known.values())


def takes_keywords(forward: Callable[..., Any]) -> bool:
    """It has ``**attributes``, or Python cannot tell."""
    try:
        kinds = [p.kind for p in inspect.signature(forward).parameters.values()]
    except (TypeError, ValueError):
        return True
    return inspect.Parameter.VAR_KEYWORD in kinds


def _parameters(
    forward: Callable[..., Any], given: int
) -> tuple[list[str], dict[str, inspect.Parameter]]:
    """Names for the positional arguments, and the parameters that are attributes."""
    if isinstance(forward, np.ufunc):  # its out=, where= and dtype= are no attributes
        return [f"x{k}" if k else "x" for k in range(max(given, forward.nin))], {}
    named = positional(forward)
    required = [p for p in named if p.default is inspect.Parameter.empty]
    count = max(given, len(required)) if given else len(required)
    primals = [str(p.name) for p in named[:count]]  # a door's own may be a kind of str
    primals += [f"x{k}" for k in range(len(primals), given)]
    keywords = {p.name: p for p in named[count:]}
    everything = parameters_of(forward) or []
    keywords |= {p.name: p for p in everything if p.kind is inspect.Parameter.KEYWORD_ONLY}
    return primals, keywords


def takes_any(forward: Callable[..., Any]) -> bool:
    """It has ``*xs``, or Python cannot tell."""
    if isinstance(forward, np.ufunc):
        return True
    try:
        kinds = [p.kind for p in inspect.signature(forward).parameters.values()]
    except (TypeError, ValueError):
        return True
    return inspect.Parameter.VAR_POSITIONAL in kinds


def arguments_of(
    forward: Callable[..., Any], reading: Reading | None, inputs: tuple[Input, ...]
) -> Arguments:
    """How an op's primals become forward's positional arguments."""
    if reading is None:
        names = [i.name for i in inputs]
        return Arguments(names, [(k, None) for k in range(len(names))])
    total = len({k for k, _ in reading.places}) + len(reading.constants)
    names, _ = _parameters(forward, total)
    return Arguments(names, reading.places, reading.constants, reading.tuples)


def _own_precision(inputs: tuple[Input, ...], example: Sequence[Any]) -> tuple[str, ...] | None:
    """A half-precision example is judged in its own dtype; None where the settings decide.

    Raises
    ------
    UsageError
        Half precision and another one are mixed: which one to judge in is not said.
    """
    own = {str(v.dtype): i.name for i, v in zip(inputs, example, strict=False) if is_real(v)}
    if not any(name in HALF for name in own):
        return None
    if len(own) > 1:
        shown = " and ".join(f"{name} is {dtype}" for dtype, name in own.items())
        raise UsageError(
            f"{shown}: give arrays of one precision, or say in which one to judge, as in "
            f'dtypes="{next(n for n in own if n in HALF)}"'
        )
    return tuple(own)


def op_from(
    description: Description,
    described: Described,
    *,
    written: tuple[Any, ...],
    notes: tuple[str, ...] = (),
    more_example: tuple[Any, ...] = (),
    **facts: Any,
) -> Op:
    """The op of a description. ``written``: the user's forward, backward, and their helpers."""
    reading, inputs, attributes = described
    example = None if reading is None else (*reading.values, *more_example)
    loose = reading is not None and description.signature is None
    constants = harvest(*written)
    untouched = (f"{n}: not differentiated, as declared" for n in description.nondiff)
    assumptions = (*notes, *(reading.assumptions if reading and loose else ()), *untouched)
    if description.signature is not None and reading is not None:
        demand_agreement(inputs, reading)
    options = description.options
    if example is not None and options.dtypes is None:
        options = replace(options, dtypes=_own_precision(inputs, example))
    return Op(
        arguments=beside(reading),
        slots=tuple(k for k, _ in reading.places) if reading else (),
        arity=len({k for k, _ in reading.places}) + len(reading.constants) if reading else 0,
        inputs=inputs,
        attributes=with_constants(attributes, constants) if loose else attributes,
        constants=constants,
        source=source_of(*written[:2]) if written else Source(),
        compiled=any(map(is_compiled, written)),
        example=example,
        sizes_declared=not loose,
        assumptions=assumptions,
        options=options,
        **facts,
    )

"""The words of a check as plain data: an op, its inputs and attributes, a recipe, a case.

Everything that can be checked is an `Op`, a vjp rule in the sense of JAX and ChainRules::

    op.forward(*primals, **attributes) -> output(s)
    op.vjp(*primals, **attributes)     -> output(s), pullback
    pullback(cotangents)               -> gradients, as the user's backward returned them

The doors in `adapters` turn gate classes, function pairs, layers and graphs into that form;
nothing behind them knows where an op came from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gradcheck.constants import Constants
from gradcheck.floats import dtype_of
from gradcheck.foreign import Foreign, Generator
from gradcheck.node import recorder_of
from gradcheck.plain import NAME, clean
from gradcheck.results import Source

Array = NDArray[Any]
Outputs = tuple[Array, ...]
Pullback = Callable[[Outputs], Any]
Scope = Literal["declared", "forward"]
Beyond = Literal[
    "", "broadcast", "axis", "sample", "rank", "size", "values", "labels", "mode", "numbers"
]
"""In what a case goes beyond the declaration; empty: in nothing."""

REAL, POSITIVE, NONNEGATIVE, NEGATIVE = "real", "positive", "nonnegative", "negative"
NONZERO, UNIT, SIMPLEX = "nonzero", "unit", "simplex"
SYMMETRIC, DEFINITE = "symmetric", "definite"  # symmetric with positive eigenvalues
MIRRORED = (SYMMETRIC, DEFINITE)
ONE_HOT, BINARY, INDEX, BOOLEAN = "one-hot", "binary", "index", "boolean"
REAL_DOMAINS = (REAL, POSITIVE, NONNEGATIVE, NEGATIVE, NONZERO, UNIT, SIMPLEX, SYMMETRIC, DEFINITE)


@dataclass(frozen=True, slots=True)
class Domain:
    """Which values an input may take.

    ``kind`` is one of the names above; ``low`` and ``high`` bound a real range or an index range
    (half open); an index may be bounded by the size of a dimension instead, ``below``.
    """

    kind: str = REAL
    low: float | None = None
    high: float | None = None
    below: str | int | None = None
    size: float | None = None
    """The largest |value| of the example: values are drawn of that size."""

    @property
    def ranged(self) -> bool:
        """Reals between two numbers, or on one side of a number, which are left out."""
        return self.kind != INDEX and (self.low is not None or self.high is not None)

    def __str__(self) -> str:
        if self.ranged and self.high is None:
            return f"above {self.low:g}"
        if self.ranged and self.low is None:
            return f"below {self.high:g}"
        if self.kind == INDEX:
            return f"integers {int(self.low or 0)} <= i < {self.below}"
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        words = {
            SIMPLEX: "rows that sum to one",
            ONE_HOT: "one-hot rows",
            BINARY: "zeros and ones",
            UNIT: "between 0 and 1",
            NONZERO: "not zero",
        }
        return words.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class Input:
    """One argument of forward: its name, shape in named dimensions, and domain.

    A dimension is a name (equal names have equal sizes), a number (fixed), or ``"..."`` for any
    number of dimensions, which is the same for all inputs of an op.
    """

    name: str
    dims: tuple[str | int, ...]
    domain: Domain = Domain()
    differentiable: bool = True
    optional: bool = False
    """Backward may return None for it: nobody declared that it has a gradient."""
    scalar: bool = False
    """Handed over as a NumPy scalar, because the example was a Python or NumPy scalar."""
    parameter: bool = False
    """A parameter that lives on a layer, not an argument of forward."""
    strategy: Any = None
    """A Hypothesis strategy given by the user; overrides everything else."""

    @property
    def integer(self) -> bool:
        return self.domain.kind in (INDEX, BOOLEAN)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A keyword of forward that is not differentiated, and the values worth trying."""

    name: str
    values: tuple[Any, ...]
    """The default first, then declared ones."""
    made_up: tuple[Any, ...] = ()
    """Values nobody declared: forward's refusal is a rejection."""

    @property
    def all_values(self) -> tuple[Any, ...]:
        return (*self.values, *self.made_up)


@dataclass(frozen=True, slots=True)
class Pinned:
    """Conventions that an author demands of one input's gradient, as shares of the larger slope."""

    places: Mapping[float, tuple[float, ...]] = field(default_factory=dict)
    """At a value of the input, the shares that are allowed."""
    ties: tuple[float, ...] = ()
    """Where an entry is exactly equal to another one; empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Facts about an op that its author states; all optional."""

    scope: Scope | None = None
    strict: bool | None = None
    dtypes: tuple[str, ...] | None = None
    signif: float | None = None
    """Relative errors up to this are not failures; 0 is strict."""
    overwrites: tuple[str, ...] = ()
    valid: Callable[..., bool] | None = None
    """valid(*primals, **attributes) -> bool: relations between inputs."""
    checks: tuple[str, ...] | None = None
    conventions: Mapping[str, Pinned] = field(default_factory=dict)
    """By input, the choices at kinks and ties that are demanded."""
    vary_sizes: bool = True
    """False where sizes are given by live data (`check_params`)."""
    reference: Callable[..., Any] | None = None
    """Another implementation of forward, called in float64 with forward's own arguments."""
    differentiates: Callable[..., Any] | None = None
    """The function that a straight-through or surrogate backward is the gradient of."""
    tails: Literal["exact", "note"] | None = None
    """A gradient of 0 where the true one is 1e-18 is a fail, or a note; None: a fail where there is
    a reference."""
    framework: str | None = None
    """Whose values a function takes that is described by a signature only."""
    device: str | None = None
    """Where a framework's values are put."""
    order: int | None = None
    """2: the gradient of the gradient is demanded, too; a wrong one is a fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """Anything with a forward and a backward, in the one internal form."""

    name: str
    forward: Callable[..., Any]
    vjp: Callable[..., tuple[Any, Pullback]]
    inputs: tuple[Input, ...]
    attributes: tuple[Attribute, ...] = ()
    example: tuple[Any, ...] | None = None
    """The example call's primals, where one was given."""
    kind: str = "function pair"
    source: Source = field(default_factory=Source)
    target: str = ""
    """What `gradcheck run` and `replay` load it by: ``my_gates.py::affine``."""
    module: str = ""
    assumptions: tuple[str, ...] = ()
    constants: Constants = field(default_factory=Constants)
    """What the source compares with: sizes, values and words worth a case."""
    options: Options = Options()
    slots: tuple[int, ...] = ()
    """Positions of the inputs among forward's arguments, where constants stand between them."""
    arity: int = 0
    """How many arguments forward takes, constants included."""
    any_number: Callable[[tuple[Input, ...]], Op] | None = None
    """Where forward takes ``*xs``: the same for other inputs."""
    arguments: Callable[[tuple[Any, ...]], Any] | None = None
    """Forward's own arguments from the primals, where lists or constants stand among them."""
    sizes_declared: bool = True
    """Sizes other than the example's are declared (signature), not made up (example)."""
    session: Callable[[], Callable[..., tuple[Any, Pullback]]] | None = None
    """Makes one fresh instance: the vjp rule whose calls all use it, as a training loop's do."""
    one_instance: bool = False
    """Made from an instance, which all its uses in a graph share; a class makes one for each."""
    vjp_wanting: Callable[..., tuple[Any, Pullback]] | None = None
    """``vjp_wanting(wanted, *primals)``, where backward takes which gradients are wanted."""
    linear: bool = True
    """Backward takes a cotangent (a fused value-and-gradient function does not)."""
    named: bool = False
    """``name=`` says what it is called, not the name that it is assigned to in a module."""
    compiled: bool = False
    """Forward or backward is no Python function, and may take the process with it."""
    held: tuple[str, ...] = ()
    """Names of the arrays that an object holds and that are no inputs."""
    unpaired: tuple[str, ...] = ()
    """Sentences about those of them that look like parameters: their gradients are not compared."""
    detail: Any = None
    """Door-specific: the Graph behind a graph op."""
    foreign: Foreign | None = None
    """What another framework's door can do with it besides."""
    scalars: bool = field(init=False)
    """Some input's example was a number, and forward is given one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "scalars", any(i.scalar for i in self.inputs))

    @property
    def random(self) -> Generator | None:
        """The random state of the framework that it belongs to."""
        return self.foreign.random if self.foreign is not None else None

    @property
    def id(self) -> str:
        return f"{self.module}::{self.name}" if self.module else self.name

    def __repr__(self) -> str:
        return f"<gradcheck op: {clean(self.id, NAME)}>"

    def __call__(self, *primals: Any, **attributes: Any) -> Any:
        """Forward on arrays; on graph nodes the op is recorded there."""
        recorder = recorder_of(primals)
        if recorder is not None:
            return recorder.call(self, primals, attributes)
        return self.forward(*primals, **attributes)

    def of(self, count: int) -> Op:
        """The op for that many inputs, where forward takes any number; else itself."""
        if self.any_number is None or count in (0, len(self.inputs)):
            return self
        last = self.inputs[-1]
        taken = {i.name for i in self.inputs}
        numbered = (f"{last.name}_{k}" for k in itertools.count(2))
        free = itertools.islice((n for n in numbered if n not in taken), count)
        inputs = (*self.inputs, *(replace(last, name=n) for n in free))[:count]
        made = self.any_number(inputs)
        made = replace(made, name=self.name, target=self.target, module=self.module)
        return replace(made, attributes=self.attributes, options=self.options, source=self.source)


def by_arguments(pullback: Pullback) -> Callable[..., Any]:
    """A pullback that takes the cotangents one by one, as one writes a call."""
    return lambda *cotangents: pullback(cotangents)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to build one case again: small, JSON, independent of Hypothesis' version."""

    regime: str
    """What kind of values: "example", "generic", "zeros", "ties", ..."""
    shapes: tuple[tuple[int, ...], ...] = ()
    dtype: str = "float64"
    attributes: dict[str, int] = {}
    """Which of the attribute's values, by position: a value itself may be anything."""
    grids: tuple[str, ...] = ()
    """Per input: hex bytes, two a value; or ``seed:N`` above the grid limit."""
    values: tuple[Any, ...] | None = None
    """By value, where a user's own strategy drew them."""
    domains: tuple[str, ...] = ()
    """Per input, where it differs from the op's own: the domain's kind."""
    cotangent: str = "random"
    cotangent_seed: int = 0
    pool: tuple[float, ...] = ()
    """The values to choose from, in the regime "thresholds"."""
    beyond: Beyond = ""
    """A wrong gradient is a fail where empty; else a warning (a fail under scope="forward")."""
    refusable: bool = False
    """Made up, so forward may refuse it: rejected and counted, not a finding."""
    note: str = ""
    """For made-up cases, what goes beyond the declaration ("0-d", "broadcast", ...)."""


class Case(msgspec.Struct, frozen=True):
    """One set of inputs for an op. Arrays are read-only; callers copy."""

    recipe: Recipe
    primals: tuple[Array, ...]
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        return dtype_of(self.recipe.dtype)

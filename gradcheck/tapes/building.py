"""An ordinary op of a function on a tape library's values."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.adapters.description import Described, Description, op_from
from gradcheck.adapters.source import short_path, source_of
from gradcheck.model import Op, Options, Pullback
from gradcheck.options import demand_inputs, split_options, with_domains, words
from gradcheck.results import Source
from gradcheck.signed import Signed
from gradcheck.tapes.calling import Function, Library, Recorded
from gradcheck.tapes.naming import numpys
from gradcheck.tapes.trying import tried

SAME = "numpy"
"""``reference=``: NumPy's function of the same name, where there is one."""
_OURS = str(Path(__file__).parents[1]) + os.sep
_CONTRACTED = (
    "backward takes no upstream gradient: outputs are contracted with it by the library's own * "
    "and sum"
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is said of a whole library."""

    options: Mapping[str, Any]
    modules: tuple[Any, ...]
    detach: Callable[[Any], Any] | None
    prefix: str
    module: str
    """The user's module, whose ops these are."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the ops of one library."""

    library: Library
    defaults: Defaults

    def op(
        self, name: str, function: Function, signature: str, given: Mapping[str, Any], domain: Any
    ) -> Op:
        facts = {**self.defaults.options, **given}
        same = isinstance(facts.get("reference"), str) and facts["reference"] == SAME
        options, extras = split_options(
            {k: v for k, v in facts.items() if v is not None and not (same and k == "reference")}
            | ({"domain": domain} if domain else {})
        )
        understood = described(signature, options, extras.nondiff)
        if same:
            reference = numpys(name, understood[1], understood[2])  # which nobody asked for
            options = replace(options, reference=reference, tails=options.tails or "note")
        prefix = self.defaults.prefix
        made = op_from(
            Description(signature, (), {}, options, extras.nondiff),
            understood,
            written=(function,),
            notes=self._notes(),
            name=f"{prefix}.{name}" if prefix else name,
            named=True,
            module=self.defaults.module,
            kind="op of a tape library",
            **_rules(self.library, function, several=len(understood[1]) > 1),
        )
        made = replace(made, compiled=False, source=_source(function))
        for option in ("nondiff", "overwrites"):
            demand_inputs(made, option, words(option, facts.get(option)))
        demand_inputs(made, "conventions", list(options.conventions))
        return with_domains(made, extras.domain)

    def _notes(self) -> tuple[str, ...]:
        library = self.library
        without = isinstance(library, Recorded) and not library.takes_cotangent
        return (_CONTRACTED,) if without else ()


def _rules(library: Library, function: Function, *, several: bool) -> dict[str, Any]:
    """Forward and vjp of an op, on arrays."""

    def forward(*primals: Any, **attributes: Any) -> Any:
        return library.run(function, [np.asarray(p) for p in primals], attributes)

    def vjp(*primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
        return wanting((True,) * len(primals), *primals, **attributes)

    def wanting(wanted: tuple[bool, ...], *primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
        return library.vjp(function, [np.asarray(p) for p in primals], wanted, attributes)

    alone = several and library.selective
    return {"forward": forward, "vjp": vjp, "vjp_wanting": wanting if alone else None}


_ANY = Signed(
    [
        inspect.Parameter("primals", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("attributes", inspect.Parameter.VAR_KEYWORD),
    ]
)
"""A forward of any inputs: their names are the description's."""


def described(signature: str, options: Options, nondiff: Sequence[str] = ()) -> Described:
    return Description(signature, (), {}, options, nondiff).inputs(_ANY)


def is_scalar(library: Library) -> bool:
    return isinstance(library, Recorded) and library.scalar


def first_dtype(dtypes: Sequence[str]) -> np.dtype[Any]:
    """The first dtype of NumPy's own; float64 where none is named."""
    return np.dtype(next((d for d in dtypes if d.startswith("float")), "float64"))


def tensor_of(library: Recorded, dtype: np.dtype[Any]) -> type:
    """The Tensor class, from a leaf.

    Raises
    ------
    UsageError
        No leaf can be made, or it has no value.
    """
    given: Any = 1.0 if library.scalar else np.ones(2, dtype)
    if library.constant is not None:
        tried("constant", library.constant, library.value, copy(given))
    return type(tried("leaf", library.leaf, library.value, given))


def _source(function: Function) -> Source:
    """The library's function; the user's line where that cannot be read, or is a wrapper of all."""
    own = inspect.unwrap(function)
    code = getattr(own, "__code__", None)
    if code is not None and code.co_name == getattr(own, "__name__", ""):
        found = source_of(own)
        if not code.co_filename.startswith(_OURS):
            return found
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    if frame is None:
        return Source()
    line = int(frame.f_lineno)
    return Source(file=short_path(frame.f_code.co_filename), line=line, forward_line=line)

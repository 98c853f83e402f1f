"""Copies of a user's object that have nothing in common with it.

`copy.deepcopy` leaves functions as they are: one that was made inside of an engine, and keeps its
nodes in a closure (``def step(): x.grad += y.value * out.grad``), would go on with the original's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import CellType, FunctionType
from typing import Any, TypeVar

T = TypeVar("T")


def copied(instance: T) -> T:
    """A deep copy whose functions keep parts of the copy where they kept parts of the original."""
    memo: dict[int, Any] = {}
    made = copy.deepcopy(instance, memo)
    originals = memo.pop(id(memo), [])
    for original in originals:
        twin: Any = memo.get(id(original))
        for place, function in _functions(original):
            bound = _bound_anew(function, memo)
            if bound is function:
                continue
            if isinstance(original, (dict, list)):
                twin[memo.get(id(place), place)] = bound
            else:
                object.__setattr__(twin, place, bound)  # a frozen dataclass, too
    return made


def _functions(owner: Any) -> Iterator[tuple[Any, FunctionType]]:
    """Functions that an object holds, with where."""
    if isinstance(owner, dict):
        held: Any = owner.items()
    elif isinstance(owner, list):
        held = enumerate(owner)
    else:
        slots = [s for c in type(owner).__mro__ for s in getattr(c, "__slots__", ())]
        held = [(s, getattr(owner, s, None)) for s in slots if isinstance(s, str)]
        held += list(getattr(owner, "__dict__", {}).items())
    return ((place, value) for place, value in held if type(value) is FunctionType)


def _bound_anew(function: FunctionType, memo: dict[int, Any]) -> FunctionType:
    """The function with copies in its closure and defaults; itself where it keeps nothing."""
    cells = function.__closure__ or ()
    held = [_content(c) for c in cells]
    defaults = function.__defaults__ or ()
    if not any(id(part) in memo for part in (*held, *defaults)):
        return function
    made = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        tuple(memo.get(id(d), d) for d in defaults) or None,
        tuple(
            CellType(memo[id(h)]) if id(h) in memo else c for c, h in zip(cells, held, strict=True)
        ),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    return made


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return cell

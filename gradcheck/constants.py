"""Constants in the source of forward and backward: the places where a rule may change its mind.

A block size, a clip bound, an unroll limit, the words of a mode: they stand in the code, and one
below, at and above each is worth a case. They are read from the compiled functions, and from the
functions of the same package that these call.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DEPTH = 4
"""Calls followed from forward and backward into their own helpers."""
MOST = 12
"""Numbers kept, those that are compared with something first."""
SMALLEST, LARGEST = 1e-3, 4096.0
"""Sizes of the numbers kept: an epsilon is no threshold, and larger ones are limits of types."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What the source of an op compares with, and what it mentions."""

    compared: tuple[float, ...] = ()
    """Numbers in a comparison."""
    numbers: tuple[float, ...] = ()
    """All numbers, the compared ones first."""
    words: tuple[str, ...] = ()
    """Strings in a comparison, or keys of a literal dict."""


def harvest(*written: Any) -> Constants:
    """The constants of some functions and of the helpers that they call."""
    compared: dict[float, None] = {}
    mentioned: dict[float, None] = {}
    words: dict[str, None] = {}
    seen: set[Any] = set()
    for function in written:
        for code, known in _codes(function, seen, DEPTH):
            mentioned.update(dict.fromkeys(known))
            for value, is_compared in _loaded(code):
                if isinstance(value, str):
                    words.update(dict.fromkeys([value] if is_compared else []))
                else:
                    (compared if is_compared else mentioned)[value] = None
    kept = [c for c in compared if _useful(c)]
    others = [c for c in mentioned if _useful(c) and c not in compared]
    others.sort(key=lambda c: c in (1, 2))  # these stand in all code
    return Constants(tuple(kept[:MOST]), tuple([*kept, *others][:MOST]), tuple(words))


def _useful(number: float) -> bool:
    return number == 0 or SMALLEST <= abs(number) <= LARGEST


def _codes(
    function: Any, seen: set[Any], depth: int
) -> Iterator[tuple[types.CodeType, list[float]]]:
    """Code of a function and of its helpers, each with the numbers its names stand for."""
    if isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType) or function.__code__ in seen:
        return
    for code in _nested(function.__code__):
        seen.add(code)
        named = [function.__globals__.get(n) for n in code.co_names]
        yield code, [n for v in named for n in _number(v)]
        if depth:
            for value in named:
                if _is_own(value, function):
                    yield from _codes(value, seen, depth - 1)
    for cell in function.__closure__ or ():
        content = _content(cell)
        if depth and isinstance(content, types.FunctionType):
            yield from _codes(content, seen, depth - 1)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


def _is_own(value: Any, function: types.FunctionType) -> bool:
    """A function of the same package: its thresholds are this op's."""
    if not isinstance(value, types.FunctionType):
        return False
    return package_of(value) == package_of(function)


def package_of(function: Any) -> str:
    """The package that a function was written in; empty where the code was exec'd."""
    if isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__module__", "") or "").partition(".")[0]


def _loaded(code: types.CodeType) -> Iterator[tuple[Any, bool]]:
    """Each constant that is loaded, and whether it is compared with something."""
    steps = [s for s in dis.get_instructions(code) if s.opname not in ("CACHE", "RESUME")]
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if step.opname not in ("LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST"):
            continue
        follows = after.opname if after is not None else ""
        is_compared = follows.startswith(("COMPARE_OP", "CONTAINS_OP", "BUILD_CONST_KEY_MAP"))
        for value in step.argval if isinstance(step.argval, (tuple, frozenset)) else (step.argval,):
            for found in [value] if isinstance(value, str) else _number(value):
                yield found, is_compared


def _number(value: Any) -> list[float]:
    """A number as a float; flags, and integers beyond all floats, are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > LARGEST:
        return []
    return [float(value)]

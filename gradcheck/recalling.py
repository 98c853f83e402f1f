"""From the text of a recipe back to one that fits its op: it may be cut, old or of another op."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import msgspec

from gradcheck.cases import build
from gradcheck.errors import UsageError, did_you_mean
from gradcheck.floats import FORMATS, MIXED
from gradcheck.model import BINARY, BOOLEAN, INDEX, ONE_HOT, REAL_DOMAINS, Op, Recipe

REGIMES = (
    "generic",
    "example",
    "zeros",
    "all zero",
    "ties",
    "equal",
    "thresholds",
    "blocked",
    "small integers",
    "whole numbers",
    "mixed magnitude",
    "large",
)
"""Every kind of values that a template asks for."""
COTANGENTS = ("random", "one-hot", "tiny", "huge", "zero")
KINDS = ("", *REAL_DOMAINS, ONE_HOT, BINARY, INDEX, BOOLEAN)
MOST = 10**8
"""Entries of all inputs together: no recipe of ours asks for so many."""
_SEED, _HEX = re.compile(r"seed:[0-9]{1,18}"), re.compile(r"[0-9a-fA-F]*")
_NEXT = "copy it whole from a report, or make a new one with gradcheck run"


def recalled(text: str, op: Op, where: str) -> Recipe:
    """The recipe that a text holds, of which a case of the op can be built.

    Parameters
    ----------
    text : str
        One line of JSON.
    op : Op
    where : str
        What the text is, for messages.

    Raises
    ------
    UsageError
        It is no JSON, no recipe, or not one of this op's inputs and attributes.
    """
    try:
        recipe = msgspec.json.decode(text, type=Recipe)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise UsageError(f"{where} cannot be read: {error}; {_NEXT}") from None
    reason = next(_misfits(recipe, op), "") or _unbuildable(recipe, op)
    if reason:
        raise UsageError(f"{where} is damaged, or not of {op.id}: {reason}; {_NEXT}")
    return recipe


def demand_judged(recipe: Recipe, op: Op, dtypes: Sequence[str]) -> None:
    """Refuse a recipe in a dtype that its op is not judged in.

    Raises
    ------
    UsageError
    """
    if recipe.dtype not in dtypes:
        raise UsageError(
            f"the recipe is in {recipe.dtype}, and {op.id} is judged in {', '.join(dtypes)}: name "
            "the dtype in the settings (dtypes), or make a new recipe with gradcheck run"
        )


def _misfits(recipe: Recipe, op: Op) -> Iterator[str]:
    """What is wrong, in words; the first of it counts."""
    for name, value, known in (
        ("regime", recipe.regime, REGIMES),
        ("dtype", recipe.dtype, (*FORMATS, MIXED)),
        ("cotangent", recipe.cotangent, COTANGENTS),
        *(("domain", kind, KINDS) for kind in recipe.domains),
    ):
        if value not in known:
            yield f"there is no {name} {value!r}.{did_you_mean(value, known)}".rstrip("?.")
    if recipe.cotangent_seed < 0:
        yield f"cotangent_seed is {recipe.cotangent_seed}, below 0"
    example = recipe.regime == "example" and not recipe.shapes
    if example and op.example is None:
        yield "it is the op's example call, and the op has none"
    yield from _counts(recipe, op, example=example)
    yield from _attributes(recipe, op)
    if not example:
        yield from _sizes(recipe)


def _counts(recipe: Recipe, op: Op, *, example: bool) -> Iterator[str]:
    """One entry for each input."""
    count = len(op.inputs)
    wanted = f"{count} input{'s' * (count != 1)}"
    for name, entries in (
        ("shapes", recipe.shapes),
        ("grids", recipe.grids),
        ("values", recipe.values or ()),
        ("domains", recipe.domains),
    ):
        needed = bool(entries) or (name == "shapes" and not example)
        if needed and len(entries) != count:
            yield f"{name} has {len(entries)} entries, and the op {wanted}"


def _attributes(recipe: Recipe, op: Op) -> Iterator[str]:
    known = {a.name: len(a.all_values) for a in op.attributes}
    for name, place in recipe.attributes.items():
        if name not in known:
            yield f"the op has no attribute {name!r}"
        elif not 0 <= place < known[name]:
            yield f"attribute {name!r} has {known[name]} values, and none at place {place}"


def _sizes(recipe: Recipe) -> Iterator[str]:
    """Shapes, and grids of just so many numbers: a grid that is cut would be another case."""
    if any(size < 0 for shape in recipe.shapes for size in shape):
        yield "a size is below 0"
    if sum(map(math.prod, recipe.shapes)) > MOST:
        yield f"its shapes hold more than {MOST:,} entries"
    for shape, grid in zip(recipe.shapes, recipe.grids, strict=False):
        count = 4 * math.prod(shape)  # two bytes each, in hex
        whole = len(grid) == count and _HEX.fullmatch(grid)
        if not (whole or _SEED.fullmatch(grid)):
            yield f"the grid {grid[:20]!r} is not {count} hexadecimal digits, nor seed:N"


def _unbuildable(recipe: Recipe, op: Op) -> str:
    """Why no case can be made of it: what its values hold, and whatever else is wrong."""
    try:
        build(op, recipe)
    except Exception as error:
        return f"no case can be made of it ({type(error).__name__}: {error})"
    return ""

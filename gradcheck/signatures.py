"""One-line signatures: ``x[n d], W[k d], b[k], y:int[n]<k, stride=1|2``.

``name[dims]`` is a real input, its dimensions separated by blanks: a name (equal names, equal
sizes), a multiple of one (``4*h``), a number, or ``...`` for any rank. After a colon stands
``int``, a domain (``positive``, ``unit``, ...) or a range (``-1..1``, ``-1..``; its ends are left
out); ``<`` bounds an integer input by a dimension or a number. ``name=value|value`` is an attribute
with its values, the default first. NumPy's gufunc form ``(n,d),(k,d)->(n,k)`` is understood too;
names come from forward.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import (
    BINARY,
    BOOLEAN,
    INDEX,
    MIRRORED,
    ONE_HOT,
    REAL_DOMAINS,
    Attribute,
    Domain,
    Input,
)

_INPUT = re.compile(
    r"(?P<name>\w+)(?::(?P<word>[\w.+-]+))?\[(?P<dims>[^\]]*)\](?:\s*<\s*(?P<below>\w+))?"
)
_ATTRIBUTE = re.compile(r"(?P<name>\w+)\s*=\s*(?P<values>.+)", re.DOTALL)
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_GUFUNC = re.compile(r"\s*\(.*")
_WORDS = ("int", "bool", *REAL_DOMAINS, ONE_HOT, BINARY)


def parse(text: str, names: list[str]) -> tuple[tuple[Input, ...], tuple[Attribute, ...]]:
    """Inputs and attributes of a signature.

    Parameters
    ----------
    text : str
        The signature.
    names : list of str
        Forward's parameters, to name a gufunc's inputs and to catch misspelt ones; may be empty.

    Raises
    ------
    UsageError
        Anything that cannot be read, with the place and what was expected.
    """
    inputs: list[Input] = []
    attributes: list[Attribute] = []
    if _GUFUNC.fullmatch(text):
        return tuple(_gufunc(text, names)), ()
    for part in _split(text):
        if match := _INPUT.fullmatch(part):
            inputs.append(_input(match, text))
        elif match := _ATTRIBUTE.fullmatch(part):
            attributes.append(Attribute(match["name"], _values(match["values"], part)))
        else:
            raise UsageError(
                f"signature {text!r}: cannot read {part!r}; write name[dims], for instance "
                "'x[n d]', 'y:int[n]<k', 'x:positive[...]', or an attribute 'stride=1|2'"
            )
    _check_names([i.name for i in inputs] + [a.name for a in attributes], names, text)
    _check_bounds(inputs, text)
    if not inputs:
        raise UsageError(f"signature {text!r} has no input: write at least one, as in 'x[n d]'")
    return tuple(inputs), tuple(attributes)


def _split(text: str, separator: str = ",") -> list[str]:
    """Parts between separators that are outside brackets and quotes."""
    parts, depth, current, quote = [], 0, "", ""
    for char in text:
        if char in "'\"":
            quote = "" if char == quote else quote or char
        if quote:
            current += char
            continue
        depth += (char in "[({") - (char in "])}")
        if char == separator and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [p for p in [*parts, current.strip()] if p]


def _input(match: re.Match[str], text: str) -> Input:
    word = match["word"]
    named = word is None or word in _WORDS
    limits = None if named else range_of(word)
    if not named and limits is None:
        raise UsageError(
            f"signature {text!r}: {word!r} is neither a dtype nor a domain, nor a range such as "
            f"-1..1 or 0..{did_you_mean(word, _WORDS)}"
        )
    dims = _dims(match["dims"].split(), text)
    below = match["below"]
    if below is not None and word != "int":
        raise UsageError(
            f"signature {text!r}: only an integer input has a bound, as in 'y:int[n]<k'"
        )
    if word == "int":
        bound: str | int | None = int(below) if below is not None and below.isdigit() else below
        domain = Domain(INDEX, 0, None, 3 if bound is None else bound)
    elif limits is not None:
        domain = limits
    elif word == "bool":
        domain = Domain(BOOLEAN)
    else:
        domain = Domain(word) if word else Domain()
    real = word not in ("int", "bool")
    demand_square(dims, word, match["name"])
    return Input(match["name"], dims, domain, differentiable=real, scalar=not dims)


def range_of(text: str) -> Domain | None:
    """``-1..1``, ``0..`` or ``..-1`` as the reals between, ends left out; None where it is none."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    low, high = (None if part == "" else float(part) for part in match.groups())
    if (low is None and high is None) or (low is not None and high is not None and low >= high):
        return None
    return Domain(low=low, high=high)


def demand_square(dims: tuple[str | int, ...], word: str | None, name: str) -> None:
    """A symmetric or definite input has its last two dimensions in common.

    Raises
    ------
    UsageError
        It has not.
    """
    if word in MIRRORED and dims != ("...",) and (len(dims) < 2 or dims[-1] != dims[-2]):
        shown = " ".join(map(str, dims))
        raise UsageError(f"{name}:{word}[{shown}] cannot be symmetric: write {name}[n n]")


def _dims(words: list[str], text: str) -> tuple[str | int, ...]:
    dims: list[str | int] = []
    for word in words:
        if word.isdigit():
            dims.append(int(word))
        elif word == "..." or re.fullmatch(r"(\d+\*)?[^\W\d]\w*", word):
            dims.append(word)
        else:
            raise UsageError(
                f"signature {text!r}: {word!r} is no dimension; use names, numbers or '...', "
                "separated by blanks"
            )
    if dims.count("...") > 1:
        raise UsageError(f"signature {text!r}: '...' may stand once in an input")
    return tuple(dims)


def _values(text: str, part: str) -> tuple[Any, ...]:
    values = []
    for word in _split(text, "|"):
        try:
            values.append(ast.literal_eval(word))
        except (ValueError, SyntaxError):
            if not word.isidentifier():
                raise UsageError(
                    f"attribute {part!r}: {word!r} is no Python literal and no plain word"
                ) from None
            values.append(word)
    return tuple(values)


def _gufunc(text: str, names: list[str]) -> list[Input]:
    if text.count("(") != text.count(")"):
        raise UsageError(f"signature {text!r}: a bracket is not closed")
    operands = re.findall(r"\(([^()]*)\)", text.partition("->")[0])
    if names and len(names) < len(operands):
        raise UsageError(
            f"signature {text!r} has {len(operands)} inputs, forward({', '.join(names)}) takes "
            f"{len(names)}"
        )
    named = names or [f"x{k}" for k in range(len(operands))]
    dims = [[d.strip() for d in o.split(",") if d.strip()] for o in operands]
    return [Input(n, _dims(d, text), scalar=not d) for n, d in zip(named, dims, strict=False)]


def _check_names(given: list[str], names: list[str], text: str) -> None:
    twice = {n for n in given if given.count(n) > 1}
    if twice:
        raise UsageError(f"signature {text!r}: {', '.join(sorted(twice))} is named twice")
    for name in given:
        if names and name not in names:
            raise UsageError(
                f"signature {text!r}: forward has no parameter {name!r}.{did_you_mean(name, names)}"
            )


def _check_bounds(inputs: list[Input], text: str) -> None:
    dims = {d for i in inputs for d in i.dims if isinstance(d, str)}
    for input in inputs:
        below = input.domain.below
        if isinstance(below, int) and input.integer and below < 1:
            raise UsageError(f"signature {text!r}: no integer is below {below}: at least 1")
        if isinstance(below, str) and below not in dims:
            raise UsageError(
                f"signature {text!r}: {input.name} is bounded by {below!r}, which is no dimension "
                f"of any input.{did_you_mean(below, dims)}"
            )


def from_annotations(annotations: dict[str, Any], names: list[str]) -> tuple[Input, ...]:
    """Inputs from shape annotations, read by duck typing (jaxtyping's ``dim_str``, ``dtypes``).

    Raises
    ------
    UsageError
        A parameter without a shape annotation.
    """
    inputs = []
    for name in names:
        annotation: Any = annotations.get(name)
        if annotation is float:
            inputs.append(Input(name, (), scalar=True))
            continue
        if not hasattr(annotation, "dim_str"):
            raise UsageError(
                f"parameter {name!r} has no shape: give an example, a signature such as "
                f"'{name}[n d]', or annotate it, as in Float[ndarray, 'n d']"
            )
        words = [
            "..." if w.startswith(("*", "...")) else w.lstrip("#").rpartition("=")[2]
            for w in annotation.dim_str.split()
        ]
        words = [f"{name}_{k}" if w in ("_", "") else w.lstrip("_") for k, w in enumerate(words)]
        kinds = [str(d) for d in getattr(annotation, "dtypes", ("float",))]
        integer = all("int" in k for k in kinds)
        boolean = all("bool" in k for k in kinds)
        dims = _dims(words, annotation.dim_str)
        domain = Domain(INDEX, 0, None, 3) if integer else Domain(BOOLEAN) if boolean else Domain()
        real = not (integer or boolean)
        inputs.append(Input(name, dims, domain, differentiable=real, scalar=not dims))
    return tuple(inputs)

"""What is said of ops by name: domain words, and NumPy's or another reference."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import REAL_DOMAINS, Input
from gradcheck.options import OPTION_NAMES

_PLACE = re.compile(r"([\w.]+)(?:\[(\w+)\])?")


@dataclass(frozen=True, slots=True)
class Wish:
    """A domain for the inputs of an op, or for one of them."""

    op: str
    input: str | None
    domain: Any


def separated(options: Mapping[str, Any]) -> tuple[list[Wish], dict[str, Any]]:
    """Domains by op, and the options of all ops.

    Raises
    ------
    UsageError
        A keyword is neither, or a domain names no op.
    """
    wishes: list[Wish] = []
    rest: dict[str, Any] = {}
    for key, value in options.items():
        if key in REAL_DOMAINS:
            words = value.split() if isinstance(value, str) else list(value)
            wishes += [_wish(word, key, key) for word in words]
        elif key == "domain":
            pairs = value.items() if isinstance(value, Mapping) else [(value, None)]
            wishes += [_wish(word, domain, key) for word, domain in pairs]
        elif key in OPTION_NAMES and key not in ("name", "example", "call"):
            rest[key] = value
        else:
            known = (*REAL_DOMAINS, *OPTION_NAMES)
            raise UsageError(
                f"tape: unknown option {key!r}.{did_you_mean(key, known)} (What the function "
                "takes stands in the signature, as in 'x[n m], axis=0|1'.)"
            )
    return wishes, rest


def _wish(word: Any, domain: Any, key: str) -> Wish:
    found = _PLACE.fullmatch(word) if isinstance(word, str) else None
    if found is None or domain is None:
        raise UsageError(
            f"tape: {key}={word!r}: name ops, or one input of an op, as in positive='log pow[a]' "
            "or domain={'arcsin': '-1..1'}"
        )
    return Wish(found[1], found[2], domain)


def demand_meant(wishes: Sequence[Wish], names: Sequence[str]) -> None:
    """Every domain is that of an op.

    Raises
    ------
    UsageError
        One is not.
    """
    for wish in wishes:
        if wish.op not in names:
            raise UsageError(
                f"tape: {wish.op!r} has a domain and is none of the ops."
                f"{did_you_mean(wish.op, names)}"
            )


def domains_of(name: str, inputs: Sequence[Input], wishes: Sequence[Wish]) -> dict[str, Any]:
    """By input, as ``domain=`` of `gradcheck.op`."""
    found: dict[str, Any] = {}
    for wish in wishes:
        if wish.op == name:
            own = [i.name for i in inputs if i.differentiable and not i.integer]
            found |= dict.fromkeys([wish.input] if wish.input else own, wish.domain)
    return found


def keywords(function: Callable[..., Any]) -> frozenset[str]:
    """Names of a function's parameters; empty where it takes any, or Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return frozenset()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return frozenset()
    return frozenset(p.name for p in parameters)

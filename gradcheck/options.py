"""The keywords of `op`, `register` and `check` that are facts about an op."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import BINARY, ONE_HOT, REAL_DOMAINS, Domain, Op, Options, Pinned
from gradcheck.signatures import demand_square, range_of

OPTION_NAMES = (
    "scope",
    "strict",
    "dtypes",
    "signif",
    "overwrites",
    "valid",
    "checks",
    "nondiff",
    "domain",
    "call",
    "name",
    "example",
    "vary_sizes",
    "conventions",
    "reference",
    "differentiates",
    "tails",
    "framework",
    "device",
    "order",
)

SETTING_NAMES = ("seed", "profile", "max_cases", "method", "step", "time_limit", "budget")
"""Keywords of `check` that are settings of the run."""
_AS_THEY_ARE = (
    *("scope", "strict", "signif", "valid", "reference", "differentiates", "tails"),
    *("framework", "order"),
)
"""Options that are kept as they were given."""
DOMAIN_WORDS = (*REAL_DOMAINS, ONE_HOT, BINARY)


@dataclass(frozen=True, slots=True)
class Extras:
    """Options that describe inputs or the call, not the check."""

    nondiff: tuple[str, ...] = ()
    domain: tuple[tuple[str, Any], ...] = ()
    call: str | None = None
    name: str | None = None
    example: tuple[Any, ...] = ()


def split_options(given: dict[str, Any]) -> tuple[Options, Extras]:
    """Facts about the check, and facts about inputs and call.

    Raises
    ------
    UsageError
        An option that does not exist, or a value of the wrong kind.
    """
    for key in given:
        if key not in OPTION_NAMES:
            raise UsageError(f"unknown option {key!r}.{did_you_mean(key, OPTION_NAMES)}")
    if given.get("scope") not in (None, "declared", "forward"):
        raise UsageError(f"scope={given['scope']!r}: 'declared' or 'forward'")
    if not callable(given.get("valid", len)):
        raise UsageError(f"valid={given['valid']!r}: a function of the inputs that returns a bool")
    for key in ("reference", "differentiates"):
        if given.get(key) is not None and not callable(given[key]):
            raise UsageError(
                f"{key} must be a function with forward's arguments, not {given[key]!r}"
            )
    if given.get("tails") not in (None, "exact", "note"):
        raise UsageError(f"tails={given['tails']!r}: 'exact' or 'note', or leave it out")
    _demand_names(given)
    options = Options(
        **{key: given[key] for key in _AS_THEY_ARE if key in given},
        dtypes=words("dtypes", given.get("dtypes")) or None,
        overwrites=words("overwrites", given.get("overwrites")),
        checks=words("checks", given.get("checks")) or None,
        conventions=_pinned(given.get("conventions")),
        vary_sizes=bool(given.get("vary_sizes", True)),
        device=None if given.get("device") is None else str(given["device"]),
    )
    example = given.get("example", ())
    extras = Extras(
        nondiff=words("nondiff", given.get("nondiff")),
        domain=_domains(given.get("domain")),
        call=given.get("call"),
        name=given.get("name"),
        example=tuple(example) if isinstance(example, (tuple, list)) else (example,),
    )
    return options, extras


def _demand_names(given: Mapping[str, Any]) -> None:
    if not isinstance(given.get("framework", ""), str | None):
        raise UsageError(f'framework={given["framework"]!r}: its name, as in framework="torch"')
    if given.get("order") not in (None, 1, 2):
        raise UsageError(
            f"order={given['order']!r}: 2 where the gradient of the gradient is meant to be right, "
            "too; else leave it out"
        )


def _domains(value: Any) -> tuple[tuple[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise UsageError(f"domain={value!r}: name the input, as in domain={{'x': 'positive'}}")
    return tuple(value.items())


def _pinned(value: Any) -> dict[str, Pinned]:
    """``{"x": {0: 0}}``, ``{"x": {"tie": (0, 1)}}``.

    Raises
    ------
    UsageError
        It has another form.
    """
    if value is None:
        return {}
    try:
        return {str(name): _pinned_one(dict(places)) for name, places in value.items()}
    except (AttributeError, TypeError, ValueError):
        raise UsageError(
            f"conventions={value!r}: say by input and place what share of the larger slope is "
            'taken, as in conventions={"x": {0: 0}} or {"x": {"tie": (0, 1)}}'
        ) from None


def _pinned_one(places: dict[Any, Any]) -> Pinned:
    ties = _shares(places.pop("tie", ()))
    kinks = {float(place): _shares(shares) for place, shares in places.items()}
    if not all(map(math.isfinite, kinks)):
        raise ValueError(places)
    return Pinned(kinks, ties)


def _shares(value: Any) -> tuple[float, ...]:
    shares = tuple(map(float, value if isinstance(value, (tuple, list)) else (value,)))
    if not all(map(math.isfinite, shares)):
        raise ValueError(value)
    return shares


def words(option: str, value: Any) -> tuple[str, ...]:
    """The names that an option holds.

    Raises
    ------
    UsageError
        It holds something else, or an empty text.
    """
    if value is None:
        return ()
    found = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(found, (tuple, list, set, frozenset)) or not all(
        isinstance(word, str) for word in found
    ):
        raise UsageError(f"{option}={value!r}: a name, or several, as text")
    if isinstance(value, str) and not found:
        raise UsageError(f"{option}={value!r} names nothing: leave it out")
    return tuple(found)


def with_domains(made: Op, domains: Sequence[tuple[str, Any]]) -> Op:
    """The op with domains or strategies for some inputs.

    Raises
    ------
    UsageError
        A name that is no input.
    """
    inputs = {i.name: i for i in made.inputs}
    for name, domain in domains:
        if name not in inputs:
            raise UsageError(f"domain: there is no input {name!r}.{did_you_mean(name, inputs)}")
        if isinstance(domain, str) and domain not in DOMAIN_WORDS:
            limits = range_of(domain)
            if limits is None:
                raise UsageError(
                    f"domain: {domain!r} is no domain, nor a range such as -1..1 or 0.."
                    f"{did_you_mean(domain, DOMAIN_WORDS)}"
                )
            domain = limits
        if isinstance(domain, str):
            demand_square(inputs[name].dims, domain, name)
            inputs[name] = replace(inputs[name], domain=Domain(domain))
        elif isinstance(domain, Domain):
            inputs[name] = replace(inputs[name], domain=domain)
        elif not hasattr(domain, "example"):  # what every Hypothesis strategy has
            raise UsageError(
                f"domain={{{name!r}: {domain!r}}}: a Hypothesis strategy, or a word such as "
                "'positive'"
            )
        else:
            inputs[name] = replace(inputs[name], strategy=domain)
    return replace(made, inputs=tuple(inputs.values()))


def demand_inputs(made: Op, option: str, names: Sequence[str]) -> None:
    known = [i.name for i in made.inputs]
    known += made.held if option == "nondiff" else ()
    for name in names:
        if name not in (*known, "cotangent"):
            raise UsageError(f"{option}: there is no input {name!r}.{did_you_mean(name, known)}")

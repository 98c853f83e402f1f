"""The keywords of `op`, `register` and `check` that are facts about an op."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import BINARY, ONE_HOT, REAL_DOMAINS, Domain, Op, Options, Pinned
from gradcheck.signatures import demand_square

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
)

SETTING_NAMES = ("seed", "profile", "max_cases", "method", "step", "time_limit", "budget")
"""Keywords of `check` that are settings of the run."""
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
                f"{key} must be a function with forward's arguments, not a "
                f"{type(given[key]).__name__}"
            )
    if given.get("tails") not in (None, "exact"):
        raise UsageError(f"tails={given['tails']!r}: 'exact', or leave it out")
    options = Options(
        scope=given.get("scope"),
        strict=given.get("strict"),
        dtypes=words(given.get("dtypes")) or None,
        signif=given.get("signif"),
        overwrites=words(given.get("overwrites")),
        valid=given.get("valid"),
        checks=words(given.get("checks")) or None,
        conventions=_pinned(given.get("conventions")),
        vary_sizes=bool(given.get("vary_sizes", True)),
        reference=given.get("reference"),
        differentiates=given.get("differentiates"),
        tails=given.get("tails"),
    )
    example = given.get("example", ())
    extras = Extras(
        nondiff=words(given.get("nondiff")),
        domain=_domains(given.get("domain")),
        call=given.get("call"),
        name=given.get("name"),
        example=tuple(example) if isinstance(example, (tuple, list)) else (example,),
    )
    return options, extras


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
    return Pinned({float(place): _shares(shares) for place, shares in places.items()}, ties)


def _shares(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value if isinstance(value, (tuple, list)) else (value,)))


def words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return tuple(value)


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
            raise UsageError(
                f"domain: {domain!r} is no domain.{did_you_mean(domain, DOMAIN_WORDS)}"
            )
        if isinstance(domain, str):
            demand_square(inputs[name].dims, domain, name)
            inputs[name] = replace(inputs[name], domain=Domain(domain))
        elif isinstance(domain, Domain):
            inputs[name] = replace(inputs[name], domain=domain)
        else:
            inputs[name] = replace(inputs[name], strategy=domain)
    return replace(made, inputs=tuple(inputs.values()))


def demand_inputs(made: Op, option: str, names: Sequence[str]) -> None:
    known = [i.name for i in made.inputs]
    for name in names:
        if name not in (*known, "cotangent"):
            raise UsageError(f"{option}: there is no input {name!r}.{did_you_mean(name, known)}")

"""Whether gradients get through a graph: what a right backward pass still does to training.

Figures per node, over the generic cases: the root mean square of its gradient beside that at the
result, and of its values; where its input has its shape, the share of entries that pass nothing
back (dead: exactly 0) or almost nothing (saturated: less than `LITTLE` of it). The rules, each a
warning, and a fail under ``strict``:

* *exploding-gradient*, *vanishing-gradient*: over five steps and more the gradient grows, or falls,
  by 1e5, its largest single step not counted: a unit of measurement is one step (Pascanu, Mikolov
  and Bengio, On the difficulty of training recurrent neural networks, 2013).
* *dead-units*: 90 % of a node's entries are dead in more than four of five cases (Karpathy, Yes you
  should understand backprop, 2016).
* *saturated-units*: the same, dead or saturated (Glorot and Bengio, Understanding the difficulty of
  training deep feedforward neural networks, 2010).

The user's own numbers, an example call or strategies, are judged as they stand. Made-up ones have a
size that nobody chose: tanh of a sum of many is saturated, and thirty products grow. With those
alone growth has to be `OURS` a step more, and nothing is said of saturation.

An input whose gradient is zero in most cases is told of by `vacuity`, for all ops.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from gradcheck.checks import values
from gradcheck.evaluation import UserCodeRaised
from gradcheck.figures import NodeHealth
from gradcheck.graphs.flow import LITTLE, SOURCE, Passing, Readings, readings
from gradcheck.records import num
from gradcheck.results import (
    Finding,
    Severity,
)
from gradcheck.trial import Trial

FAR = 5.0
"""Powers of ten."""
DEEP = 5
OURS = math.log10(2)
"""Powers of ten a step. Measured: stacks of 30 affine layers with values up to 2 reach 1.4."""
NEARLY_ALL = 0.9
MOST = 0.8
CASES = 8
ENTRIES = 16
"""Half of all ReLUs are dead at random values; so many are not, by chance."""
NAMED = 4
LARGEST = 2000
"""Nodes above which a graph is not read: nobody reads such a table."""


Told = tuple[str, str, str, int]
"""Code, node, message, and of how many cases."""


def growth(case: Readings, pick: Callable[[Iterable[float]], float]) -> tuple[int, float]:
    """The depth of a case, and the powers of ten that the gradient grows by on the way there.

    Without its largest single step; 0 where that is all of it, as at a node through which nothing
    but rounding flows back (a maximum that is subtracted). ``pick`` chooses among the gradients of
    one depth; those of sources are left out, which sum up over all depths that a source is used at.
    """
    levels: dict[int, list[float]] = defaultdict(list)
    for one in _made(case):
        levels[one.depth].append(one.relative)
    ways = [math.log10(max(pick(levels[d]), 1e-300)) for d in sorted(levels) if d]
    if not ways:
        return 0, 0.0
    steps = [b - a for a, b in zip([0.0, *ways], ways, strict=False)]
    rest = sum(steps) - (max(steps) if ways[-1] > 0 else min(steps))
    return max(levels), rest if rest * ways[-1] > 0 else 0.0


def _made(case: Readings) -> Readings:
    """Without the sources."""
    return [r for r in case if r.op != SOURCE]


@dataclass(slots=True)
class Health:
    """Readings of the generic cases of one op."""

    given: list[Readings] = field(default_factory=list)
    """At the user's own numbers."""
    made_up: list[Readings] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """Read one case, where it is a graph's and says what others would."""
        facts, recipe = trial.facts, trial.recipe
        usual = recipe.regime in ("generic", "example") and not recipe.beyond
        if facts is None or not usual or recipe.cotangent in ("zero", "one-hot"):
            return
        try:
            passed = facts.passed() if trial.judged else None
        except UserCodeRaised:
            return
        if passed is None or len(passed[0].steps) > LARGEST:
            return
        with np.errstate(all="ignore"):
            case = readings(*passed)
        if case:
            given = recipe.regime == "example" or recipe.values is not None
            (self.given if given else self.made_up).append(case)

    def nodes(self) -> list[NodeHealth]:
        """The figures of each node, medians over the cases; the deepest first."""
        grouped = _by_name([*self.given, *self.made_up])
        made = [_aggregate(name, found) for name, found in grouped.items()]
        return sorted(made, key=lambda n: -n.depth)

    def findings(self, severity: Severity) -> Iterator[Finding]:
        """What is unhealthy; each kind once, at the user's own numbers if it shows there."""
        told: set[str] = set()
        for cases, given in ((self.given, True), (self.made_up, False)):
            for code, name, message, count in (*_far(cases, given), *_blocked(cases, given)):
                if code not in told:
                    told.add(code)
                    yield Finding(
                        code=code,
                        check=values.NAME,
                        severity=severity,
                        message=message,
                        input=name,
                        cases=count,
                    )


def _by_name(cases: Iterable[Readings]) -> dict[str, Readings]:
    grouped: dict[str, Readings] = {}
    for case in cases:
        for one in case:
            grouped.setdefault(one.name, []).append(one)
    return grouped


def _aggregate(name: str, found: Readings) -> NodeHealth:
    passing = _passings(found)
    entries = sum(p.entries for p in passing)
    return NodeHealth(
        node=name,
        op=found[0].op,
        depth=max(r.depth for r in found),
        cases=len(found),
        value_rms=num(median(r.value for r in found)),
        gradient_rms=num(median(r.gradient for r in found)),
        relative=num(median(r.relative for r in found)),
        dead=sum(p.dead for p in passing) / entries if entries else None,
        saturated=sum(p.saturated for p in passing) / entries if entries else None,
    )


def _passings(found: Readings) -> list[Passing]:
    """Of a node whose input has its shape in every case: not by chance, as a square matrix has."""
    passing = [r.passing for r in found if r.passing is not None]
    return [p for p in passing if p.entries] if len(passing) == len(found) else []


def _far(cases: list[Readings], given: bool) -> Iterator[Told]:
    """Gradients that explode or vanish: the weakest at each depth explodes, the strongest vanishes.

    So one large input is not taken for the whole, nor a penalty's small share.
    """
    for code, sign, pick in (("exploding-gradient", 1, min), ("vanishing-gradient", -1, max)):
        grown = [(*growth(case, pick), case) for case in cases]
        deep = sorted((sign * g, d, k) for k, (d, g, _) in enumerate(grown) if d >= DEEP)
        beyond = [g - FAR - (0 if given else OURS * d) for g, d, _ in deep]
        if len(deep) < (1 if given else CASES) or not median(beyond) > 0:  # NaN
            continue
        case = cases[deep[len(deep) // 2][2]]
        end = max(_made(case), key=lambda r: r.depth)
        does, so = "grows", "smaller weights, or a gradient that is clipped, train better"
        if sign < 0:
            does, so = "shrinks", "larger weights, or shortcuts, train better"
        message = (
            f"the gradient {does} on its way back: {_where(given)} it is {end.relative:.1g} times "
            f"that at the result at {end.name}, {end.depth} steps from it, and no single step does "
            f"that; {so} (Pascanu, Mikolov and Bengio 2013)"
        )
        yield code, end.name, message, len(deep)


def _blocked(cases: list[Readings], given: bool) -> Iterator[Told]:
    """Nodes through which nothing, or almost nothing, flows back."""
    dead, saturated = [], []
    for found in _by_name(cases).values():
        passing = _passings(found)
        if len(passing) < (1 if given else CASES) or sum(p.entries for p in passing) < ENTRIES:
            continue
        if _mostly(p.dead / p.entries for p in passing):
            dead.append((found[0], len(passing)))
        elif given and _mostly((p.dead + p.saturated) / p.entries for p in passing):
            saturated.append((found[0], len(passing)))
    little = f"less than {LITTLE:g} of it"
    for code, nodes, what, source in (
        ("dead-units", dead, "exactly nothing", "Karpathy 2016"),
        ("saturated-units", saturated, little, "Glorot and Bengio 2010"),
    ):
        if nodes:
            node, count = nodes[0]
            message = (
                f"the gradient gets no further than node {_named([n for n, _ in nodes])}: through "
                f"nine of ten entries {what} flows back, {_where(given)}; what lies before it "
                f"hardly learns ({source})"
            )
            yield code, node.name, message, count


def _mostly(shares: Iterable[float]) -> bool:
    known = list(shares)
    return sum(s >= NEARLY_ALL for s in known) > MOST * len(known)


def _named(nodes: Readings) -> str:
    first = nodes[0]
    name = f"{first.name} = {first.op}(...)" if first.name != first.op else first.name
    others = ", ".join(n.name for n in nodes[1:NAMED]) + ", ..." * (len(nodes) > NAMED)
    return name + (f" (and {len(nodes) - 1} more: {others})" if others else "")


def _where(given: bool) -> str:
    return "at your own numbers" if given else "in most generic cases"

"""Our three ways to judge a gradient, on one case of the suite: quick, ladder, and as a check does.

Each way gives a `Reading`: what it says of the right gradient, what that cost, and whether it
flags one entry that is off by a given relative error. A hundred errors are judged on the same
finite differences, which do not depend on the gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from gradcheck import compare
from gradcheck.arrays import Array, Float, projection
from gradcheck.checks.facts import Facts
from gradcheck.claims import Claims, rounding
from gradcheck.compare import Rules, Status
from gradcheck.estimate import Estimate
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom
from gradcheck.judging import Judge
from gradcheck.model import Recipe
from gradcheck.point import Move, Point
from gradcheck.quotients import Quick
from gradcheck.screening import Screened
from gradcheck.settings import Settings
from gradcheck.trial import Bench
from suite import SuiteOp


@dataclass(frozen=True)
class Subject:
    """One case with its right gradient, and the entry that will be made wrong."""

    facts: Facts
    gradients: tuple[Float, ...]
    wrong: tuple[int, int]
    """(input, flat entry): one of those with at least a tenth of the largest gradient."""
    sign: float

    @staticmethod
    def of(op: SuiteOp, recipe: Recipe) -> Subject:
        """Evaluate a right op at a recipe; which entry to spoil depends on the recipe alone."""
        evaluator = Evaluator(op.op, GlobalRandom(0))
        bench = Bench(op.op, evaluator, Settings(time_limit=0), {recipe.dtype: recipe.dtype})
        facts = bench.run(recipe, ("contract",)).facts
        assert facts is not None, f"{op.name} refuses its own points"
        gradients = tuple(g for g in facts.gradients if g is not None)
        rng = np.random.default_rng(recipe.cotangent_seed)
        largest = max(float(np.abs(g).max()) for g in gradients)
        places = [
            (k, int(i))
            for k, g in enumerate(gradients)
            for i in np.flatnonzero(np.abs(g.reshape(-1)) >= 0.1 * largest)
        ]
        return Subject(
            facts, gradients, places[rng.integers(len(places))], float(rng.choice([-1.0, 1.0]))
        )

    @property
    def size(self) -> int:
        """How many derivatives there are to judge."""
        return sum(g.size for g in self.gradients)

    def off_by(self, eta: float) -> tuple[Float, ...]:
        """The gradients with the chosen entry times 1 +- eta; a zero entry becomes +- eta."""
        k, flat = self.wrong
        spoilt = self.gradients[k].copy()
        entry = spoilt.reshape(-1)[flat]
        spoilt.reshape(-1)[flat] = self.sign * eta if entry == 0 else entry * (1 + self.sign * eta)
        return (*self.gradients[:k], spoilt, *self.gradients[k + 1 :])


@dataclass(frozen=True)
class Reading:
    """What a way of checking says of one case."""

    derivatives: int
    false_alarms: int
    """Right derivatives that were called wrong."""
    inconclusive: int
    evaluations: float
    """Forward passes for the right gradient."""
    flags: Callable[[float], bool]
    """Whether the chosen entry is flagged when it is off by this relative error."""


def point_of(subject: Subject) -> Point:
    """Where the case's derivatives are taken."""
    facts = subject.facts
    here, cotangent = projection(facts.answer.outputs, facts.cotangents)
    primals, attributes = facts.case.primals, facts.case.attributes
    return Point(facts.evaluator, primals, attributes, here, cotangent, facts.precision)


KINKED = 1e-2
"""A truncation of this share of the scale is a kink to the quick path alone."""


class Recalling(Judge):
    """A judge that takes each finite difference once, however many gradients it is asked about."""

    def __init__(self, subject: Subject) -> None:
        point, rules = point_of(subject), Rules.of(subject.facts.precision, 0.0)
        facts = subject.facts
        claims = Claims(subject.gradients, lambda k: point.eps, facts.noise, facts.pulled)
        super().__init__(point, claims, rules)
        sizes = [g.size for g in subject.gradients]
        self._along = [[Move.entry(k, i) for i in range(n)] for k, n in enumerate(sizes)]
        self._memory: dict[Any, Any] = {}

    def statuses(self, k: int, gradients: tuple[Float, ...]) -> Array:
        """Status of each entry of one input's gradient."""
        claims = msgspec.structs.replace(self.claims, gradients=gradients)
        Judge.__init__(self, self.point, claims, self.rules)
        return self.compare(self._along[k]).status

    def differences(self, along: Sequence[Move]) -> Quick:
        # a copy: what the ladder finds is written over what the quick path said
        return copy.deepcopy(self._once(id(along), lambda: Judge.differences(self, along)))

    def ladder(self, move: Move, stretch: float) -> Estimate:
        return self._once((id(move), stretch), lambda: Judge.ladder(self, move, stretch))

    def _once(self, key: Any, take: Callable[[], Any]) -> Any:
        if key not in self._memory:
            self._memory[key] = take()
        return self._memory[key]


class LadderForAll(Recalling):
    """Nothing is settled on three evaluations; as ever they are a witness against a fail."""

    def screen(self, along: Sequence[Move]) -> Screened:
        made, nothing = super().screen(along), np.zeros(len(along), bool)
        return replace(made, settled=nothing, obvious=nothing)

    def look_again(self, screened: Screened) -> None:
        """At no other three either."""


class QuickAlone(Recalling):
    """No ladder: a fail is what lies outside the quick path's own bound, where it sees no kink."""

    def statuses(self, k: int, gradients: tuple[Float, ...]) -> Array:
        found = self.differences(self._along[k])
        analytic = gradients[k].reshape(-1)
        noise = rounding(1.0, self.point.eps) * np.abs(analytic)
        scale = np.fmax(np.fmax(np.abs(analytic), np.abs(found.value)), found.scale)
        settled = compare.settled(analytic, noise, found, self.rules, np.zeros_like(analytic))
        outside = np.abs(analytic - found.value) > found.bound + noise
        smooth = found.truncation <= KINKED * scale
        otherwise = np.where(outside & smooth, Status.FAIL, Status.INCONCLUSIVE)
        return np.asarray(np.where(settled, Status.PASS, otherwise))


OURS: dict[str, type[Recalling]] = {
    "quick path alone": QuickAlone,
    "quick, then ladder": Recalling,
    "ladder for all": LadderForAll,
}
"""By name; the second is what every check does."""


def read(way: type[Recalling], subject: Subject) -> Reading:
    """Judge the right gradient, and be ready to judge wrong ones."""
    subject.facts.noise()  # backward passes, taken once: not to be counted as evaluations
    counters = subject.facts.evaluator.counters
    judge, before = way(subject), counters.forward_points
    every = [judge.statuses(k, subject.gradients) for k in range(len(subject.gradients))]
    statuses = np.concatenate(every)

    def flags(eta: float) -> bool:
        k, flat = subject.wrong
        return bool(judge.statuses(k, subject.off_by(eta))[flat] == Status.FAIL)

    return Reading(
        derivatives=len(statuses),
        false_alarms=int((statuses == Status.FAIL).sum()),
        inconclusive=int((statuses == Status.INCONCLUSIVE).sum()),
        evaluations=counters.forward_points - before,
        flags=flags,
    )

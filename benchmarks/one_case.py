"""One case of one op, checked fully or along random directions: what the benchmarks of cost time.

A check is what a run does with a case: build it, evaluate forward there, draw a cotangent, pull it
back, and compare the gradients with finite differences, each with its bound and its test for kinks.
A large graph is checked fully by every entry of each of its nodes, and along a direction as a
whole. How fully a case is checked is asked for by the settings here and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gradcheck.arrays import Array
from gradcheck.checks import nodes, values
from gradcheck.evaluation import Evaluator
from gradcheck.graphs.composed import Composed
from gradcheck.guards import GlobalRandom
from gradcheck.model import Op, Recipe
from gradcheck.settings import Settings
from gradcheck.trial import Bench, Trial

UNLIMITED = Settings(time_limit=0, op_time_limit=0)
FULL: dict[str, Any] = {"budget": 10**9}
"""Every entry is verified, whatever it costs."""
PROJECTED: dict[str, Any] = {"budget": 4}
"""Random directions only."""
AS_USUAL: dict[str, Any] = {}
"""What a run does by itself: fully within its budget, then along directions."""
DIRECTIONS = "projected"
"""The mode of comparisons along directions, as `Outcome.modes` names it."""


@dataclass(frozen=True)
class Count:
    """What a check of one case did and found."""

    entries: int
    """Of all gradients that are compared."""
    comparisons: int
    inconclusive: int
    modes: Mapping[str, int]
    """How the comparisons were made."""
    shows_from: float
    """The smallest error of a single entry that shows in the coarsest of them, of its input's
    largest entry; 0 where every entry was looked at."""
    forward_calls: int
    forward_points: int
    backward_calls: int
    failed: bool
    judged: bool


class OneCase:
    """An op at given primals, ready to be checked again and again.

    Parameters
    ----------
    op : Op
        Of a door: `gradcheck.op`, or a graph with an example.
    recipe : Recipe
        The case; "example" stands for the op's example call.
    how : mapping
        `FULL`, `PROJECTED` or `AS_USUAL`: settings over the defaults.
    """

    def __init__(self, op: Op, recipe: Recipe, how: Mapping[str, Any]) -> None:
        self.recipe = recipe
        evaluator = Evaluator(op, GlobalRandom(0))
        settings = msgspec.structs.replace(UNLIMITED, **how)
        self.bench = Bench(op, evaluator, settings, {recipe.dtype: recipe.dtype})
        each = isinstance(op.detail, Composed) and how is not PROJECTED
        self.checks: tuple[str, ...] = (nodes.NAME, values.NAME) if each else (values.NAME,)
        self._known_to_be_random = False

    def run(self) -> Trial:
        """One check of the case, everything included."""
        trial = self.bench.run(self.recipe, self.checks)
        if not self._known_to_be_random:  # as a run asks after its first case
            self.bench.evaluator.random.observe()
            self._known_to_be_random = True
        return trial

    def count(self) -> Count:
        """Check once, and say what that took and found."""
        counters = self.bench.evaluator.counters
        before = (counters.forward_calls, counters.forward_points, counters.backward_calls)
        trial = self.run()
        after = (counters.forward_calls, counters.forward_points, counters.backward_calls)
        calls, points, backward = (b - a for a, b in zip(before, after, strict=True))
        outcome = trial.outcomes.get(values.NAME)
        made = [o for n, o in trial.outcomes.items() if n in (nodes.NAME, values.NAME)]
        modes = sum((Counter(o.modes) for o in made), Counter[str]())
        facts = trial.facts
        sizes = [facts.case.primals[k].size for k in facts.compared] if facts else []
        return Count(
            entries=sum(sizes),
            comparisons=sum(o.comparisons for o in made),
            inconclusive=sum(o.inconclusive for o in made),
            modes={k: v for k, v in modes.items() if v},
            shows_from=max(outcome.coarse.values(), default=0.0) if outcome else 0.0,
            forward_calls=calls,
            forward_points=points,
            backward_calls=backward,
            failed=trial.failed,
            judged=trial.judged,
        )


def at(op: Op, primals: Sequence[Array], how: Mapping[str, Any]) -> OneCase:
    """The op at these primals."""
    return OneCase(replace(op, example=tuple(primals)), Recipe(regime="example"), how)


def check_full(op: Op, primals: Sequence[Array]) -> Count:
    """Every entry of every gradient at these primals."""
    return at(op, primals, FULL).count()


def check_projected(op: Op, primals: Sequence[Array]) -> Count:
    """The gradients at these primals along random directions."""
    return at(op, primals, PROJECTED).count()


def finds(op: Op, primals: Sequence[Array], how: Mapping[str, Any]) -> bool:
    """The check of values alone, without a graph's nodes, calls the op wrong at these primals."""
    case = at(op, primals, how)
    case.checks = (values.NAME,)
    return case.run().failed


def is_what_was_asked(count: Count, *, along_directions: bool) -> bool:
    """Nothing but directions where they were asked for, and something else where they were not."""
    return (set(count.modes) == {DIRECTIONS}) == along_directions

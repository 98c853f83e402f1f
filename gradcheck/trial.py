"""One case of one op: evaluate, run the checks in order, decide what counts.

*Forward defines the domain*: what it refuses among made-up inputs is rejected and counted. What
it accepts beyond the declaration and backward gets wrong is a warning, or a fail under
``scope="forward"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from gradcheck import editions, fatal, unusable
from gradcheck.answer import Answer, Begun, without_pullback
from gradcheck.arrays import LARGE, all_same_bits
from gradcheck.beyond import Usual, is_accident, usual
from gradcheck.cases import build
from gradcheck.checks import contract, framework, meeting, memory, nodes, order, values
from gradcheck.checks.facts import Facts, Outcome, usable_gradients
from gradcheck.cotangents import make
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.folding import Known, is_known
from gradcheck.graphs.again import Kept
from gradcheck.graphs.composed import Composed
from gradcheck.guards import TimeLimit, time_limit, timed
from gradcheck.model import Case, Op, Recipe
from gradcheck.repeating import random_forward
from gradcheck.results import Finding, Severity
from gradcheck.settings import CHECKS, Settings

SLOW = 2e-3
"""Seconds of a forward pass above which the budget counts in time instead of evaluations."""
BUDGET_SECONDS = 0.5


@dataclass(slots=True)
class Trial:
    """What one case showed."""

    recipe: Recipe
    rejected: str = ""
    """Why forward refused it, or empty."""
    empty: bool = False
    """Forward's outputs have no entries there."""
    findings: list[Finding] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    facts: Facts | None = None

    @property
    def judged(self) -> bool:
        """Some comparison of this case came to a conclusion."""
        made = self.outcomes.get(values.NAME)
        return bool(self.outcomes) if made is None else made.comparisons > made.inconclusive

    @property
    def failed(self) -> bool:
        return any(f.severity == "fail" for f in self.findings)


@dataclass(slots=True)
class Bench:
    """What trials of one op share."""

    op: Op
    evaluator: Evaluator
    settings: Settings
    precision: dict[str, str]
    """Working precision by dtype."""
    sharp: dict[str, frozenset[int]] = field(default_factory=dict)
    """By dtype, the inputs that are judged in it though others go through a narrower one."""
    usually: Usual = field(default_factory=Usual)
    """What forward does at the first case."""
    known: Known = ()
    """What is waived: it makes no check be left out."""
    doubted: bool = False
    """At some case there was something to say of it: forward runs twice at all that follow."""

    def look(self, recipe: Recipe) -> None:
        """Measure a forward pass once; a slow one lowers the budget for a full check.

        Also see what it does there, beside which cases beyond the declaration are judged.
        """
        try:
            case = build(self.op, recipe)
            call = partial(self.evaluator.forward, case.primals, case.attributes)
            outputs, seconds = timed(call)
            if seconds > SLOW:  # or the machine was busy: what is checked must not depend on that
                counted = replace(self.evaluator.counters)
                seconds = min(seconds, *(timed(call)[1] for _ in range(2)))
                self.evaluator.counters = counted
            self.usually = usual(self.op, case, outputs, self.evaluator.forward)
        except (UserCodeRaised, UsageError):
            return
        if seconds > SLOW:
            points = max(64, 2 ** int(math.log2(BUDGET_SECONDS / seconds)))
            points = min(points, self.settings.budget)
            self.settings = msgspec.structs.replace(self.settings, budget=points)

    def run(self, recipe: Recipe, checks: Iterable[str] | None = None) -> Trial:
        """Run one case, within the time limit.

        With the check "contract", forward runs twice at the case: one that is random, or reads
        memory that nobody has written, is seen. Else once, where nothing is to be said of it.
        """
        names = tuple(checks or self.settings.checks or CHECKS)
        twice = self.doubted or contract.NAME in names or self.op.foreign is not None
        trial = self._tried(recipe, names, twice=twice)
        if _plain(trial):
            return trial
        self.doubted = True
        if twice or trial.facts is None or self._same_again(trial.facts):
            return trial
        return self._tried(recipe, names, twice=True)

    def _same_again(self, facts: Facts) -> bool:
        """Forward gives what it gave before; of a graph it is not known yet."""
        if isinstance(facts.op.detail, Composed):
            return False
        try:
            again = self.evaluator.forward(facts.case.primals, facts.case.attributes)
        except UserCodeRaised:
            return False
        return all_same_bits(again, facts.answer.outputs)

    def _tried(self, recipe: Recipe, checks: tuple[str, ...], *, twice: bool) -> Trial:
        trial = Trial(recipe)
        stage = ["forward"]
        try:
            with time_limit(self.settings.time_limit):
                self._evaluate(trial, stage, each=nodes.NAME in checks, twice=twice)
            if trial.facts is not None:
                stage[0] = "checks"
                with time_limit(self.settings.op_time_limit):
                    self._check(trial, trial.facts, checks)
        except TimeLimit:
            self._out_of_time(trial, stage[0])
        return trial

    def _evaluate(self, trial: Trial, stage: list[str], *, each: bool, twice: bool) -> None:
        case = build(self.op, trial.recipe)
        trial.rejected = unusable.invalid(self.op, case)
        if trial.rejected:
            return
        if died := fatal.finding(self.evaluator, case):
            grave = self.beyond(trial) if trial.recipe.beyond else died.severity
            trial.findings.append(msgspec.structs.replace(died, severity=grave))
            return
        kept = Kept.of(self.op, case.primals, each=each)
        run = kept or self.op
        begun = self._begun(trial, case, run.forward if twice else run.vjp, forward_only=twice)
        if begun is None:
            return
        outputs = begun.outputs
        trial.empty = not any(o.size for o in outputs)
        cotangents = make(trial.recipe, outputs)
        stage[0] = "backward"
        try:
            if twice:
                del begun  # its copies of the inputs
                begun = self.evaluator.begun(case, run.vjp, outputs)
            answer = self.evaluator.answered(begun, case, cotangents)
        except UserCodeRaised as error:
            self._raised(trial, error)
            return
        if answer.outputs is not outputs and not framework.rounded(self.op, answer, outputs):
            unwritten = memory.unwritten_output(self.evaluator, case)
            self._add(trial, random_forward(self.op, unwritten))
            return
        trial.facts = self._facts(trial, case, (cotangents, answer), kept)

    def _facts(
        self, trial: Trial, case: Case, given: tuple[Any, Answer], kept: Kept | None
    ) -> Facts:
        (cotangents, answer), dtype = given, trial.recipe.dtype
        large = sum(c.size for c in cotangents) >= LARGE
        if large and "cotangent (by backward)" not in answer.overwritten:
            cotangents = answer.cotangents  # one copy less
        shared = self.op, self.settings, self.evaluator
        own = kept.own if kept is not None else ()
        gradients = usable_gradients(self.op, case, answer.gradients, own)
        answer = answer.holding(gradients)
        found = self.precision[dtype], gradients, trial.outcomes
        sharp = self.sharp.get(dtype, frozenset())
        tape = kept.base if kept is not None else None
        made = Facts(*shared, case, cotangents, answer, *found, tape, sharp)
        if kept is not None and kept.passed is not None:
            made.know(kept.passed)
        return made

    def _check(self, trial: Trial, facts: Facts, checks: tuple[str, ...]) -> None:
        failed = False
        for name in CHECKS:
            if name not in checks or not order.applies(name, facts.op, failed=failed):
                continue
            try:
                outcome = order.IN_ORDER[name](facts)
            except UserCodeRaised as error:
                self._raised(trial, error)
                return
            trial.outcomes[name] = outcome
            for finding in outcome.findings:
                self._add(trial, finding)
            if outcome.findings and name in (values.NAME, nodes.NAME):
                counted = (f for f in outcome.findings if not is_known(f, self.known))
                failed |= editions.failing(counted, self.settings.edition)
            if name == values.NAME and outcome.failed and nodes.NAME in trial.outcomes:
                self._accuse(trial, facts)

    def _accuse(self, trial: Trial, facts: Facts) -> None:
        """A graph is wrong though no node was accused: look along what is wrong in it."""
        try:
            found = nodes.along_fails(facts)
            places = () if found.findings else meeting.kinked(facts)
            excused = [f for f in trial.findings if meeting.meet(facts, f, places)]
        except UserCodeRaised:
            return  # what values found stays found
        trial.outcomes[nodes.NAME].hearings.update(found.hearings)
        for finding in found.findings:
            self._add(trial, finding)
        trial.findings = [meeting.at_kinks(f) if f in excused else f for f in trial.findings]

    def _begun(
        self, trial: Trial, case: Case, run: Callable[..., Any], *, forward_only: bool
    ) -> Begun | None:
        """A first forward pass, or None after noting why it is not to be used.

        ``forward_only``: no backward pass follows, ``run`` returns outputs and no more.
        """
        try:
            begun = self.evaluator.begun(case, without_pullback(run) if forward_only else run)
        except UserCodeRaised as error:
            self._raised(trial, error)
            return None
        except UsageError as error:  # no arrays, as np.gradient of a number: a list of nothing
            if not trial.recipe.refusable:
                raise
            trial.rejected = str(error)
            return None
        made = unusable.outputs(self.evaluator, case, begun.outputs)
        if made is None:
            return begun
        if isinstance(made, str):
            trial.rejected = made
        else:
            self._add(trial, made)
        return None

    def _raised(self, trial: Trial, error: UserCodeRaised) -> None:
        """Forward or backward raised: a rejection, or a finding with the user's own frames."""
        if error.where == "forward" and trial.recipe.refusable:
            if not trial.findings:  # what was found before it refused stays found
                trial.rejected = error.summary
            return
        found = unusable.raised(self.op, trial.recipe, error, self.settings.scope, trial.empty)
        self._add(trial, found)

    def _out_of_time(self, trial: Trial, stage: str) -> None:
        if stage == "checks" and trial.findings:
            return  # what was found in time stays found
        if stage == "checks":
            trial.outcomes.clear()
            trial.rejected = f"out of time ({self.settings.op_time_limit:g} s for one case)"
            return
        message = f"{stage} did not return within {self.settings.time_limit:g} s (--time-limit)"
        self._add(trial, contract.noted("never-ends", message))

    def _add(self, trial: Trial, finding: Finding) -> None:
        """Note a finding; beyond what was declared a fail is a warning, except by scope."""
        if trial.recipe.beyond and finding.severity == "fail":
            accepts = f"forward accepts this ({trial.recipe.note}), backward is wrong for it: "
            finding = msgspec.structs.replace(
                finding, severity=self.beyond(trial), message=accepts + finding.message
            )
        elif trial.recipe.beyond and finding.severity == "not judged":
            finding = msgspec.structs.replace(finding, severity="note")
        trial.findings.append(editions.demoted(finding, self.settings.edition))

    def beyond(self, trial: Trial) -> Severity:
        """How grave an error beyond the declaration is: by scope, and less by accident."""
        facts, meant = trial.facts, True
        if facts is not None:
            meant = not is_accident(self.op, facts.case, facts.answer.outputs, self.usually)
        if self.settings.scope == "forward":
            return "fail" if meant else "warning"
        return "warning" if meant else "note"


def _plain(trial: Trial) -> bool:
    """Every comparison of values passed, and nothing else is to be said of the case."""
    made = trial.outcomes.get(values.NAME)
    if made is None or trial.findings or not made.comparisons:
        return False
    return not any(o.inconclusive or o.conventions for o in trial.outcomes.values())

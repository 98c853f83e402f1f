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

from gradcheck import editions, fatal, finite
from gradcheck.arrays import all_finite, as_outputs, copy_tuple, is_real
from gradcheck.attributes import guessed_numbers
from gradcheck.beyond import Usual, is_accident, usual
from gradcheck.cases import build
from gradcheck.checks import contract, framework, meeting, memory, nodes, order, values
from gradcheck.checks.facts import Facts, Outcome, usable_gradients
from gradcheck.cotangents import make
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, OtherOutputs, UserCodeRaised
from gradcheck.folding import Known, is_known
from gradcheck.foreign import advice_of
from gradcheck.graphs.again import Kept
from gradcheck.guards import TimeLimit, time_limit, timed
from gradcheck.model import Case, Op, Outputs, Recipe
from gradcheck.plain import told
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
        """Run one case, within the time limit."""
        trial = Trial(recipe)
        stage = ["forward"]
        try:
            with time_limit(self.settings.time_limit):
                self._evaluate(trial, stage)
            if trial.facts is not None:
                stage[0] = "checks"
                with time_limit(self.settings.op_time_limit):
                    self._check(trial, trial.facts, tuple(checks or self.settings.checks or CHECKS))
        except TimeLimit:
            self._out_of_time(trial, stage[0])
        return trial

    def _evaluate(self, trial: Trial, stage: list[str]) -> None:
        case = build(self.op, trial.recipe)
        if not self._valid(case, trial):
            return
        if died := fatal.finding(self.evaluator, case):
            grave = self.beyond(trial) if trial.recipe.beyond else died.severity
            trial.findings.append(msgspec.structs.replace(died, severity=grave))
            return
        kept = Kept.of(self.op)
        outputs = self._outputs(trial, case, kept.forward if kept else self.op.forward)
        if outputs is None:
            return
        trial.empty = not any(o.size for o in outputs)
        cotangents = make(trial.recipe, outputs)
        stage[0] = "backward"
        try:
            answer = self.evaluator.answer(case, cotangents, kept.vjp if kept else None, outputs)
        except UserCodeRaised as error:
            self._raised(trial, error)
            return
        if answer.outputs is not outputs and not framework.rounded(self.op, answer, outputs):
            unwritten = memory.unwritten_output(self.evaluator, case)
            self._add(trial, random_forward(self.op, unwritten))
            return
        large = sum(c.size for c in cotangents) >= values.LARGE
        if large and "cotangent (by backward)" not in answer.overwritten:
            cotangents = answer.cotangents  # one copy less
        trial.facts = Facts(
            self.op,
            self.settings,
            self.evaluator,
            case,
            cotangents,
            answer,
            self.precision[trial.recipe.dtype],
            usable_gradients(self.op, case, answer.gradients),
            trial.outcomes,
            tape=kept.base if kept else None,
            sharp=self.sharp.get(trial.recipe.dtype, frozenset()),
        )

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
            counted = (f for f in outcome.findings if not is_known(f, self.known))
            new = editions.failing(counted, self.settings.edition)
            failed |= name in (values.NAME, nodes.NAME) and new
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

    def _valid(self, case: Case, trial: Trial) -> bool:
        valid = self.op.options.valid
        if valid is None:
            return True
        try:
            accepted = bool(valid(*case.primals, **case.attributes))
        except Exception as error:
            trial.rejected = f"valid() raises {type(error).__name__}: {told(error)}"
            return False
        if not accepted:
            trial.rejected = "valid() refuses it"
        return accepted

    def _outputs(self, trial: Trial, case: Case, forward: Callable[..., Any]) -> Outputs | None:
        """Outputs of a first forward pass, or None after noting why there are none."""
        try:
            primals = copy_tuple(case.primals)
            made = self.evaluator.call_forward(forward, primals, case.attributes)
            outputs = tuple(o.copy() for o in as_outputs(made))
        except UserCodeRaised as error:
            self._raised(trial, error)
            return None
        except UsageError as error:  # no arrays, as np.gradient of a number: a list of nothing
            if not trial.recipe.refusable:
                raise
            trial.rejected = str(error)
            return None
        if not any(is_real(o) for o in outputs):
            kinds = ", ".join(str(o.dtype) for o in outputs) or "an empty tuple"
            message = f"forward returns no real output, but {kinds}: nothing to differentiate"
            if trial.recipe.beyond:  # a sum over nothing may be an integer
                trial.rejected = message
                return None
            self._add(trial, _finding("no-real-output", "fail", message))
            return None
        if not all_finite(outputs):
            refusable = trial.recipe.refusable
            trial.rejected = finite.refusal(self.evaluator, case, outputs, refusable=refusable)
            if not trial.rejected:
                self._add(trial, finite.not_finite())
            return None
        return outputs

    def _raised(self, trial: Trial, error: UserCodeRaised) -> None:
        """Forward or backward raised: a rejection, or a finding with the user's own frames."""
        if error.where == "forward" and trial.recipe.refusable:
            if not trial.findings:  # what was found before it refused stays found
                trial.rejected = error.summary
            return
        if isinstance(error, OtherOutputs):
            self._add(trial, _finding("output-count", "fail", error.summary))
            return
        hint = ""
        if error.where == "forward":
            hint = (
                f"; {advice}"
                if (advice := advice_of(error.error))
                else (
                    "; these inputs are declared: narrow the domain in the signature, or give "
                    "valid=lambda ...: ... for a relation between inputs"
                )
            )
        severity: Severity = "fail"
        chosen = trial.recipe.attributes
        made_up = trial.recipe.refusable and not any(chosen.values())
        loud = bool(trial.recipe.beyond) or (made_up and self.settings.scope == "declared")
        loud |= guessed_numbers(self.op.attributes, chosen) > 0
        loud |= trial.empty and trial.recipe.refusable
        if error.where == "backward" and loud:
            quiet = bool(trial.recipe.beyond) and self.settings.scope == "declared"
            severity = "note" if quiet else "warning"
            hint = f"; forward accepts this ({trial.recipe.note}), but nobody declared it"
        message = f"{error.where} raises {error.summary}{hint}"
        finding = _finding(f"{error.where}-raised", severity, message)
        self._add(trial, msgspec.structs.replace(finding, traceback=error.frames()))

    def _out_of_time(self, trial: Trial, stage: str) -> None:
        if stage == "checks" and trial.findings:
            return  # what was found in time stays found
        if stage == "checks":
            trial.outcomes.clear()
            trial.rejected = f"out of time ({self.settings.op_time_limit:g} s for one case)"
            return
        message = f"{stage} did not return within {self.settings.time_limit:g} s (--time-limit)"
        self._add(trial, _finding("never-ends", "fail", message))

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


def _finding(code: str, severity: Severity, message: str) -> Finding:
    return Finding(code=code, check=contract.NAME, severity=severity, message=message)

"""Are an op's inputs strong enough? Its backward is broken in every way that applies, and checked.

A mistake that the run passes has survived, unless it is no mistake: then no case, beyond the
declared inputs too, tells it from the right backward. First of all the right backward must pass
and a forced failure must fail; else there is no score.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np

from gradcheck.environment import environment
from gradcheck.equivalence import Witness, exactly, tells_apart, witnesses
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom, one_blas_thread, quiet
from gradcheck.model import Op
from gradcheck.mutants import FORCED, Mutant, mutants_of
from gradcheck.preparing import Ready, prepare
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.scores import NOT_JUDGED, Planted, Score, Scores
from gradcheck.series import Problems, one_by_one
from gradcheck.settings import CHECKS, Settings, for_op
from gradcheck.tally import Tally
from gradcheck.trial import Trial

REMEMBERED = 50_000
"""Forward passes of an op that are kept; then forgotten all together."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What stopped a mutant."""

    check: str
    code: str
    cases: int


@dataclass(slots=True)
class Course:
    """The cases that every mutant of an op has to pass, and those that decide what it is."""

    ready: Ready
    trials: list[Trial]
    """What the right op did in each case."""
    _rest: Iterator[Witness]
    _known: list[Witness] = field(default_factory=list)

    @staticmethod
    def of(ready: Ready) -> Course:
        trials = [ready.bench.run(d.value) for d in ready.drawn]
        if not any(t.facts.answer.overwritten for t in trials if t.facts is not None):
            op = ready.bench.op
            ready.bench.op = replace(op, forward=remembering(op.forward))
        return Course(ready, trials, witnesses(ready, trials))

    def witnesses(self) -> Iterator[Witness]:
        """Made when the first mutant asks for them, and kept for the next."""
        yield from self._known
        for witness in self._rest:
            self._known.append(witness)
            yield witness

    @property
    def compared(self) -> int:
        return len(self._known)

    def attempt(self, mutant: Mutant) -> Caught | None:
        """Run a mutant over the cases until the first fail.

        Where its gradients are the right ones to the last bit, so is what the checks say of them:
        there the right op's trial stands for its own.
        """
        right = self.ready.bench
        op = mutant.of(right.op)
        bench = replace(right, op=op, evaluator=Evaluator(op, right.evaluator.random))
        probe = Evaluator(mutant.of(right.op), right.evaluator.random)
        tally = Tally(op, right.settings, planned=self.ready.tally.planned)
        started, limit = time.perf_counter(), right.settings.op_time_limit
        for number, (drawn, trial) in enumerate(zip(self.ready.drawn, self.trials, strict=True), 1):
            if self._differs(trial, probe, mutant):
                trial = bench.run(drawn.value)
            for finding in trial.findings:
                if finding.severity == "fail":
                    return Caught(finding.check, finding.code, number)
            tally.add(trial, drawn)
            if limit and time.perf_counter() - started > limit:
                return None  # what was not run has caught nothing
        verdict = self._verdict(tally)
        return Caught(NOT_JUDGED, "", len(self.trials)) if verdict != "pass" else None

    def _differs(self, trial: Trial, probe: Evaluator, mutant: Mutant) -> bool:
        if trial.facts is None:
            return False  # forward refused the case
        return bool(tells_apart(trial.facts, probe, exactly, hidden=mutant.kind.hidden))

    def _verdict(self, tally: Tally) -> str:
        findings = [f for f, _, _ in tally.representatives()]
        return tally.result(findings, self.ready.bench.evaluator.counters, 0.0).verdict


def remembering(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The same forward, asked once at each point: mutants share it, and differ in backward."""
    known: dict[Any, Any] = {}

    def remembered(*primals: Any, **attributes: Any) -> Any:
        arrays = [np.asarray(p) for p in primals]
        key = (repr(attributes), *((a.dtype.str, a.shape, a.tobytes()) for a in arrays))
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = forward(*primals, **attributes)
        return copy.deepcopy(known[key])

    return remembered


def selftest_one(op: Op, settings: Settings, *, fixed: Mapping[str, Any] | None = None) -> Score:
    """Break one op in every way that applies, and count what the checks catch.

    Parameters
    ----------
    op : Op
        Its backward must be right.
    settings : Settings
        Settings of the run; the op's own facts go over them.
    fixed : mapping, optional
        Settings given on the command line, which go over the op's own.

    Returns
    -------
    Score
        Without numbers, and with the reason, where the right op does not pass or a forced failure
        does not fail.
    """
    started = time.perf_counter()
    clean = run_one(op, settings, fixed=fixed)
    score = Score(
        op=op.id, target=op.target, kind=op.kind, source=op.source, reason=_not_clean(clean)
    )
    if not score.reason:
        random = GlobalRandom(settings.seed, op.random)
        own = for_op(settings, op.options, fixed)
        with random.restored(), quiet(), one_blas_thread():
            score = _scored(score, Course.of(prepare(Evaluator(op, random), own, fixed=fixed)))
    return msgspec.structs.replace(score, seconds=time.perf_counter() - started)


def _not_clean(clean: OpResult) -> str:
    if clean.verdict == "pass":
        return ""
    found = [f.message for f in clean.findings if f.severity == "fail"]
    what = "is not judged" if clean.verdict == "inconclusive" else "fails"
    return f"the unbroken op {what}: {found[0] if found else clean.reason}"


def _scored(score: Score, course: Course) -> Score:
    if failed := [f for t in course.trials if t.failed for f in t.findings if f.severity == "fail"]:
        reason = f"the unbroken op fails when it is run again: {failed[0].message}"
        return msgspec.structs.replace(score, reason=reason)
    if course.attempt(FORCED) is None:
        reason = (
            f"a forced failure ({FORCED.label}) passes: these settings, or this op's options, "
            "switch off what would see it"
        )
        return msgspec.structs.replace(score, reason=reason)
    planted = [judge(course, mutant) for mutant in mutants_of(course.ready.bench.op)]
    states = [p.state for p in planted]
    return msgspec.structs.replace(
        score,
        killed=states.count("killed"),
        equivalent=states.count("equivalent"),
        survived=states.count("survived"),
        cases=len(course.ready.drawn),
        compared=course.compared,
        planted=planted,
    )


def judge(course: Course, mutant: Mutant) -> Planted:
    """Killed by a check, or else equivalent, or else a survivor."""
    said = Planted(
        mutant=mutant.label,
        kind=mutant.kind.name,
        imitates=mutant.kind.imitates,
        trap=mutant.kind.trap,
        state="killed",
    )
    caught = course.attempt(mutant)
    if caught is None:
        return _passed(course, mutant, said)
    return msgspec.structs.replace(said, check=caught.check, code=caught.code, cases=caught.cases)


def _passed(course: Course, mutant: Mutant, said: Planted) -> Planted:
    """A mutant that the run passed: is there a case that tells it from the right backward?"""
    conventions = 0
    unseen: tuple[Witness, str] | None = None
    evaluator: Evaluator | None = None
    for witness in course.witnesses():
        if evaluator is None or evaluator.op.inputs is not witness.bench.op.inputs:
            evaluator = Evaluator(mutant.of(witness.bench.op), witness.bench.evaluator.random)
        why = tells_apart(witness.facts, evaluator, hidden=mutant.kind.hidden)
        if not why:
            continue
        trial = _alone(mutant, witness)
        if trial.failed:
            return _survived(mutant, said, witness, why)
        if any(o.conventions for o in trial.outcomes.values()):
            conventions += 1
        else:
            unseen = unseen or (witness, why)
    if unseen is not None:
        return msgspec.structs.replace(_survived(mutant, said, *unseen), unseen=True)
    return msgspec.structs.replace(
        said, state="equivalent", reason=_equivalent(course, mutant, conventions)
    )


def _alone(mutant: Mutant, witness: Witness) -> Trial:
    """The mutant at one case, with all the checks there are."""
    op = mutant.of(witness.bench.op)
    evaluator = Evaluator(op, witness.bench.evaluator.random)
    return replace(witness.bench, op=op, evaluator=evaluator).run(witness.recipe, CHECKS)


def _survived(mutant: Mutant, said: Planted, witness: Witness, why: str) -> Planted:
    name = mutant.subject(witness.bench.op)
    return msgspec.structs.replace(
        said,
        state="survived",
        reason=why,
        needs=mutant.kind.needs.replace("{x}", name),
        shown_with=witness.beyond or _switched_off(witness.bench.settings),
        recipe=msgspec.json.encode(witness.recipe).decode(),
    )


def _switched_off(settings: Settings) -> str:
    return f"checks other than {', '.join(settings.checks)}" if settings.checks else ""


def _equivalent(course: Course, mutant: Mutant, conventions: int) -> str:
    if conventions:
        return (
            f"differs in {conventions} cases, at kinks or ties alone, and stays between the "
            "one-sided slopes there: a convention"
        )
    if not mutant.acted:
        needs = mutant.kind.needs.replace("{x}", mutant.subject(course.ready.bench.op))
        return f"nothing to break: no case has {needs}"
    return f"the same as the right backward in all {course.compared} cases"


def selftest(
    ops: Iterable[Op],
    settings: Settings,
    *,
    fixed: Mapping[str, Any] | None = None,
    errors: Iterable[str] = (),
    progress: Callable[[Score], None] | None = None,
) -> Scores:
    """Score ops one after the other; an interrupt keeps what there is.

    Raises
    ------
    UsageError
        Never: an op whose settings are wrong is counted among the errors.
    """
    started = time.perf_counter()
    problems = Problems(list(errors))
    work = partial(selftest_one, settings=settings, fixed=fixed)
    scores, interrupted = one_by_one(ops, work, problems, progress)
    return Scores(
        seed=settings.seed,
        profile=settings.profile,
        environment=environment(),
        scores=scores,
        errors=problems.said,
        faults=problems.faults,
        interrupted=interrupted,
        seconds=time.perf_counter() - started,
    )

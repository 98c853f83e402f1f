"""From an op to its result: generate cases, try each, shrink what fails, decide.

`run_one` is what every door calls (CLI, pytest item, `gradcheck.check`); `run` adds results up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

import msgspec

from gradcheck import cost, engine
from gradcheck.environment import environment
from gradcheck.evaluation import Evaluator
from gradcheck.execution.data import Shared
from gradcheck.execution.driver import Listener
from gradcheck.execution.place import Place
from gradcheck.execution.spreading import Apart, Asked, Done, spread
from gradcheck.figures import Cost, Figures
from gradcheck.folding import Known
from gradcheck.foreign import release
from gradcheck.gathering import diagnose
from gradcheck.guards import (
    GlobalRandom,
    crashes_told,
    one_blas_thread,
    process_kept,
    quiet,
    within_limit,
)
from gradcheck.history import History
from gradcheck.illustrating import illustrate
from gradcheck.model import Op, Recipe
from gradcheck.preparing import Ready, prepare
from gradcheck.results import Finding, OpResult, Report, summarise
from gradcheck.series import LATE, InTime, Problems, deadline, one_by_one
from gradcheck.settings import Settings, for_op, in_force
from gradcheck.shrinking import smallest
from gradcheck.tally import Tally
from gradcheck.trial import Bench, Trial

RUN_ONLY = (
    *("profile", "max-cases", "checks", "cost", "max-time", "waivers"),
    *("jobs", "isolate"),
)
"""Settings of a run that say nothing of one case."""
SHORTEST = 0.1
"""Seconds that the checks of a case get, however little the run has left."""
ENOUGH_FAILURES = 10
"""Failing cases after which an op has had its chance."""


def run_one(
    op: Op,
    settings: Settings,
    *,
    fixed: Mapping[str, Any] | None = None,
    only: list[Recipe] | None = None,
    illustrated: bool = False,
    brief: bool = False,
    until: float = math.inf,
    known: Known = (),
    own: bool = False,
) -> OpResult:
    """Check one op.

    Parameters
    ----------
    op : Op
        What to check.
    settings : Settings
        Settings of the run; the op's own facts go over them.
    fixed : mapping, optional
        Settings given on the command line, which go over the op's own.
    only : list of Recipe, optional
        Exactly these cases, instead of generated ones (`gradcheck replay`).
    illustrated : bool, optional
        A report is going to show it: also gather the figures of an op that passes.
    brief : bool, optional
        Only the verdict counts: do not shrink, diagnose and draw what fails.
    until : float, optional
        When the run is out of time (`series.deadline`); an op with cases left is then not judged,
        unless it has failed.
    known : collection of (str, str), optional
        Code and input of what waivers name in this op ("" is any input). All else is then checked
        as if that were right, and the result gives a reason where it could not be judged.
    own : bool, optional
        The process is gradcheck's own: nobody needs what a framework has compiled in it.

    Returns
    -------
    OpResult
        Never raises for what the user's code does.

    Raises
    ------
    UsageError
        The op's settings are wrong.
    """
    started = time.perf_counter()
    settings = _in_time(for_op(settings, op.options, fixed), until - started)
    random = GlobalRandom(settings.seed, op.random)
    with random.restored(), process_kept(), crashes_told(), quiet(), one_blas_thread():
        ready = prepare(Evaluator(op, random), settings, only, fixed=fixed, known=known)
        history = History()
        _try_all(ready.bench, ready.drawn, (ready.tally, history), started, until)
        found = ready.tally.representatives()
        if brief:
            shown, figures = [(finding, trial) for finding, _, trial in found], Figures()
        else:
            shown = [_explained(ready, history, one) for one in found]
            figures = illustrate(ready.tally, shown, every=illustrated)
        costs = _costs(ready, random, settings) if settings.cost and only is None else []
        release(op.foreign, whole=own)
    counters = ready.bench.evaluator.counters
    findings = [finding for finding, _ in shown]
    result = ready.tally.result(findings, counters, time.perf_counter() - started)
    return cost.attached(msgspec.structs.replace(result, figures=figures), costs)


def _in_time(settings: Settings, left: float) -> Settings:
    """One case of an op may take no longer than the run has left."""
    if math.isinf(left):
        return settings
    limit = min(settings.op_time_limit or math.inf, max(left, SHORTEST))
    return msgspec.structs.replace(settings, op_time_limit=limit)


def _try_all(
    bench: Bench,
    drawn: list[engine.Drawn],
    notes: tuple[Tally, History],
    started: float,
    until: float,
) -> None:
    """Run the cases in order; stop where going on tells nothing new."""
    limit = bench.settings.op_time_limit
    tally, history = notes
    for number, case in enumerate(drawn):
        trial = bench.run(case.value)
        tally.add(trial, case)
        history.add(trial)
        if tally.hopeless or tally.failing >= ENOUGH_FAILURES:
            why = "more would tell nothing new" if tally.hopeless else "it has failed often enough"
            tally.note_stop(number + 1, len(drawn), why)
            return
        now, done = time.perf_counter(), number + 1
        if now > until and done < len(drawn):
            tally.unfinished = f"{done} of {len(drawn)} cases were run: {LATE}"
            return
        if limit and now - started > limit and done < len(drawn):
            tally.note_stop(number + 1, len(drawn), f"the op's time limit of {limit:g} s")
            return


def _costs(ready: Ready, random: GlobalRandom, settings: Settings) -> list[Cost]:
    first = ready.drawn[0].value if ready.drawn else None
    return cost.measure(random, ready.made, first, time_limit=settings.time_limit)


def _explained(
    ready: Ready, history: History, found: tuple[Finding, engine.Drawn, Trial]
) -> tuple[Finding, Trial]:
    """A finding with its smallest case, that case, and the diagnosis of all that failed."""
    bench, made = ready.bench, ready.made
    finding, trial = smallest(bench, made, found)
    limit = bench.settings.time_limit
    why = within_limit(lambda: diagnose(bench, made, history, found[0]), limit, None)
    if why is None:
        return finding, trial
    return msgspec.structs.replace(finding, diagnosis=why.text, likely=why.name), trial


def run(
    ops: Iterable[Op],
    settings: Settings,
    *,
    fixed: Mapping[str, Any] | None = None,
    errors: Iterable[str] = (),
    progress: Callable[[OpResult], None] | None = None,
    planned: int | None = None,
    until: float | None = None,
    known: Mapping[str, Known] | None = None,
    begun: Callable[[str], None] = lambda name: None,
    executor: Executor | Place | None = None,
    costs: Mapping[str, float] | None = None,
) -> Report:
    """Check ops; an interrupt, or the end of the time, keeps what there is.

    One after the other, or ``jobs`` of the settings at a time, or wherever ``executor`` runs them:
    the report is the same but for times.

    Parameters
    ----------
    ops : iterable of Op
        Taken one by one; what has no length needs ``planned``, how many there are.
    settings : Settings
        Settings of the run.
    fixed : mapping, optional
        Settings given on the command line, which go over an op's own.
    errors : iterable of str, optional
        Targets that could not be loaded.
    progress : callable, optional
        Is told of each result.
    planned : int, optional
        How many ops there are.
    until : float, optional
        When the time is over (`series.deadline`); default: ``max-time`` from now.
    known : mapping, optional
        What waivers name, by the op's id (`waivers.by_op`).
    begun : callable, optional
        Is told the name of each op that is begun.
    executor : concurrent.futures.Executor or Place, optional
        What checks the ops that a target names; the others are checked here.
    costs : mapping, optional
        Seconds of an earlier run by the op's id: several at a time begin with the longest.
    """
    started, unloaded = time.perf_counter(), list(errors)
    until = deadline(settings.max_time) if until is None else until
    if planned is None:
        planned = len(ops) if isinstance(ops, Sized) else 0
    shared = Shared(settings=settings, fixed=dict(fixed or {}), illustrated=True)
    asked = Asked(shared, known or {}, until, costs or {})
    done = _checked(ops, asked, Listener(begun, progress or (lambda _: None)), executor)
    results, problems = done.results, [*unloaded, *done.problems.said]
    late = done.late or any(r.reason.endswith(LATE) for r in results)
    return Report(
        seed=settings.seed,
        profile=settings.profile,
        settings={k: v for k, v in (fixed or {}).items() if k not in RUN_ONLY},
        in_force=in_force(settings),
        environment=environment(),
        summary=summarise(results, len(problems), time.perf_counter() - started),
        results=results,
        errors=problems,
        faults=done.problems.faults,
        interrupted=done.interrupted,
        planned=max(planned - len(done.problems.said), len(results)),
        cut_short=out_of_time(settings) if late and not done.interrupted else "",
    )


def _checked(
    ops: Iterable[Op], asked: Asked, listener: Listener, executor: Executor | Place | None
) -> Done:
    """Here and in order, or several at a time."""
    shared = asked.shared

    def here(op: Op) -> OpResult:
        return run_one(
            op,
            settings=shared.settings,
            fixed=shared.fixed,
            illustrated=shared.illustrated,
            until=asked.until,
            known=tuple(asked.known.get(op.id, ())),
            own=True,
        )

    if executor is not None or shared.settings.jobs != 1:  # in children on one CPU too
        return spread(list(ops), asked, listener, here, executor)
    timed, done = InTime(_announced(ops, listener.begun), asked.until), Done([], Problems([]))
    with closing(Apart(asked)) as apart:
        done.results, done.interrupted = one_by_one(
            timed,
            lambda op: (apart.check if apart.wants(op) else here)(op),
            done.problems,
            listener.done,
        )
    done.late = timed.late
    return done


def _announced(ops: Iterable[Op], begun: Callable[[str], None]) -> Iterator[Op]:
    for op in ops:
        begun(op.name)
        yield op


def out_of_time(settings: Settings) -> str:
    """Why a run was cut short."""
    return f"out of time (--max-time {settings.max_time:g})"

"""How a run is spread: what stays in this process, what goes to children, and to how many."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import msgspec

from gradcheck.errors import UsageError, faults_told
from gradcheck.execution import death
from gradcheck.execution.crew import Crew
from gradcheck.execution.data import Chunk, Shared
from gradcheck.execution.driver import Driver, Listener, Outcome, portions, shared_of, tasks_of
from gradcheck.execution.place import Borrowed, Place
from gradcheck.execution.process import Terms
from gradcheck.model import Op
from gradcheck.results import OpResult
from gradcheck.series import Problems
from gradcheck.settings import Settings

Known = Mapping[str, Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked to do."""

    shared: Shared
    known: Known = field(default_factory=dict)
    until: float = math.inf
    costs: Mapping[str, float] = field(default_factory=dict)
    """Seconds of an earlier run, by the op's id."""


def workers(settings: Settings) -> int:
    """How many ops are checked at a time."""
    if settings.jobs != "auto":
        return settings.jobs
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def import_apart(names: Iterable[str], folder: str) -> dict[str, str]:
    """How the process died that imported a target, for those that do not let it live.

    Parameters
    ----------
    names : iterable of str
        Targets, imported one after the other as they will be here.
    folder : str
        What they are relative to; empty: the current one.

    Raises
    ------
    UsageError
        No process can be started.
    """
    crew = Crew(1, Terms(folder=folder, paths=(folder,) * bool(folder)))
    try:
        shared = Shared(settings=Settings(), loaded=tuple(names))
        crew.submit(Chunk(tasks=(), shared=shared)).result()
    finally:
        crew.close()
    return crew.fatal


class Apart:
    """Checks single ops in a child process, which is started with the first of them."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._crew: Crew | None = None

    def wants(self, op: Op) -> bool:
        """Whether an op goes to a child: asked for, or it is no Python function."""
        settings = self._asked.shared.settings
        wanted = settings.isolate or bool(settings.memory_limit) or op.compiled
        wanted |= op.foreign is not None and op.foreign.compiled
        return wanted and bool(op.target)

    def check(self, op: Op, recipe: str = "") -> OpResult:
        """The result of one op; of one case of it, where there is a recipe.

        Raises
        ------
        UsageError
            Its settings are wrong, or no child can be started.
        """
        if self._crew is None:
            self._crew = Crew(1, Terms.of(self._asked.shared.settings))
        until = self._asked.until
        (task,) = tasks_of({0: op}, self._asked.known)
        chunk = Chunk(
            tasks=(msgspec.structs.replace(task, recipe=recipe),),
            shared=shared_of([op], self._asked.shared),
            left=None if math.isinf(until) else max(until - time.perf_counter(), 0.0),
            sent=time.time(),
        )
        return death.judged(op, self._crew.submit(chunk).result()[0])

    def close(self) -> None:
        """End the child."""
        if self._crew is not None:
            self._crew.close()


@dataclass(slots=True)
class Done:
    """What became of the ops of a run."""

    results: list[OpResult]
    """In the order of the ops."""
    problems: Problems
    """Ops that could not be checked, and why."""
    interrupted: bool = False
    late: bool = False
    """The time was over before the ops were."""


def spread(
    ops: Sequence[Op],
    asked: Asked,
    listener: Listener,
    here: Callable[[Op], OpResult],
    executor: Executor | Place | None = None,
) -> Done:
    """Check ops at several places at a time; those that no target names, here.

    Parameters
    ----------
    ops : sequence of Op
        In the order in which the results come back.
    asked : Asked
        What for.
    listener : Listener
        Who is told of what.
    here : callable
        Checks one op in this process.
    executor : Executor or Place, optional
        Default: as many children as the settings say.

    Raises
    ------
    UsageError
        Settings that hold in children alone are asked of an executor.
    """
    sent = {number: op for number, op in enumerate(ops) if op.target}
    outcome = _sent(sent, asked, listener, executor) if sent else Outcome()
    results, problems = dict(outcome.results), dict(outcome.problems)
    done = Done([], Problems([]), outcome.interrupted, outcome.late)
    try:
        for number, op in enumerate(ops):
            if number in sent or done.interrupted or done.late:
                continue
            listener.begun(op.name)
            try:
                with faults_told():
                    results[number] = here(op)
            except UsageError as error:
                problems[number] = error
                continue
            listener.done(results[number])
    except KeyboardInterrupt:
        done.interrupted = True
    done.results = [results[k] for k in sorted(results)]
    for k in sorted(problems):
        done.problems.note(ops[k], problems[k])
    return done


def _sent(
    ops: Mapping[int, Op], asked: Asked, listener: Listener, executor: Executor | Place | None
) -> Outcome:
    place = _place(asked.shared.settings, executor, len(ops))
    graphs = {op.id for op in ops.values() if op.kind == "graph"}  # which take longest, as a rule
    tasks = tasks_of(ops, asked.known)
    try:
        driver = Driver(ops, place, shared_of(ops.values(), asked.shared), listener)
        sent = portions(tasks, asked.costs, lambda t: t.op in graphs, place.capacity)
        return driver.run(sent, asked.until)
    finally:
        if place is not executor:
            place.close()


def _place(settings: Settings, executor: Executor | Place | None, count: int) -> Place:
    """Where ``count`` ops are checked."""
    if executor is None:
        return Crew(min(workers(settings), count), Terms.of(settings))
    if not isinstance(executor, Executor):
        return executor
    if settings.isolate or settings.memory_limit:
        asked = "isolate" if settings.isolate else "memory-limit"
        raise UsageError(
            f"{asked} cannot be kept in an executor, whose processes are not ours to start: leave "
            "out executor= (jobs= checks several at a time), or the setting"
        )
    return Borrowed(executor)

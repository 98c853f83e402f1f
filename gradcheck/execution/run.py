"""How a run is spread: what stays in this process, what goes to children, and to how many."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from gradcheck.errors import UsageError
from gradcheck.execution import death
from gradcheck.execution.crew import Crew
from gradcheck.execution.data import Chunk, Shared, Task
from gradcheck.execution.driver import Driver, Outcome, Told, chunks, shared_of, tasks_of
from gradcheck.execution.place import Borrowed, Place
from gradcheck.execution.process import Terms
from gradcheck.model import Op
from gradcheck.results import OpResult
from gradcheck.settings import Settings, bytes_of

Known = Mapping[str, Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked to do."""

    shared: Shared
    known: Known = field(default_factory=dict)
    until: float = math.inf
    costs: Mapping[str, float] = field(default_factory=dict)
    """Seconds of an earlier run, by the op's id."""


def jobs(settings: Settings) -> int:
    """How many ops are checked at a time."""
    if settings.jobs != "auto":
        return settings.jobs
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def terms(settings: Settings) -> Terms:
    """What each child is given."""
    return Terms(memory=bytes_of(settings.memory_limit), fresh=settings.isolate)


def import_apart(names: Iterable[str], folder: str) -> dict[str, str]:
    """How the process died that imported a target, for those that do not let it live.

    Parameters
    ----------
    names : iterable of str
        Targets.
    folder : str
        What they are relative to; empty: the current one.
    """
    died: dict[str, str] = {}
    crew = Crew(1, Terms(folder=folder, paths=(folder,) * bool(folder)))
    try:
        for name in names:
            tasks = (Task(target=name, op="", module=""),)
            answer = crew.submit(Chunk(tasks=tasks, shared=Shared(settings=Settings()))).result()[0]
            if answer.death is not None and not answer.problem:
                died[name] = death.told(answer.death)
    finally:
        crew.close()
    return died


class Apart:
    """Checks single ops in a child process, which is started with the first of them."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._crew: Crew | None = None

    def wants(self, op: Op) -> bool:
        """Whether an op goes to a child: asked for, or it is no Python function."""
        settings = self._asked.shared.settings
        wanted = settings.isolate or bool(settings.memory_limit) or op.compiled
        return wanted and bool(op.target)

    def check(self, op: Op) -> OpResult:
        """The result of one op.

        Raises
        ------
        UsageError
            Its settings are wrong, or no child can be started.
        """
        if self._crew is None:
            self._crew = Crew(1, terms(self._asked.shared.settings))
        until = self._asked.until
        chunk = Chunk(
            tasks=tuple(tasks_of([op], self._asked.known)),
            shared=shared_of([op], self._asked.shared),
            left=None if math.isinf(until) else max(until - time.perf_counter(), 0.0),
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
    problems: list[str]
    """Ops that could not be checked, and why."""
    interrupted: bool = False
    late: bool = False
    """The time was over before the ops were."""


def spread(
    ops: Sequence[Op],
    asked: Asked,
    told: Told,
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
    told : Told
        Who is told of what.
    here : callable
        Checks one op in this process.
    executor : Executor or Place, optional
        Default: as many children as the settings say.
    """
    places: dict[str, int] = {}
    for place, op in enumerate(ops):
        if op.target:
            places.setdefault(op.id, place)
    sent = [ops[k] for k in places.values()]
    outcome = _sent(sent, asked, told, executor) if sent else Outcome()
    results = {places[op]: result for op, result in outcome.results.items()}
    problems = {places[op]: problem for op, problem in outcome.problems.items()}
    done = Done([], [], outcome.interrupted, outcome.late)
    own = set(places.values())
    try:
        for place, op in enumerate(ops):
            if place in own or done.interrupted or done.late:
                continue
            told.begun(op.name)
            try:
                results[place] = here(op)
            except UsageError as error:
                problems[place] = str(error)
                continue
            told.done(results[place])
    except KeyboardInterrupt:
        done.interrupted = True
    done.results = [results[k] for k in sorted(results)]
    done.problems = [f"{ops[k].id}: {problems[k]}" for k in sorted(problems)]
    return done


def _sent(
    ops: Sequence[Op], asked: Asked, told: Told, executor: Executor | Place | None
) -> Outcome:
    settings = asked.shared.settings
    if executor is None:
        place: Place = Crew(min(jobs(settings), len(ops)), terms(settings))
    else:
        place = Borrowed(executor) if isinstance(executor, Executor) else executor
    graphs = {op.id for op in ops if op.kind == "graph"}  # which take longest, as a rule
    portions = chunks(
        tasks_of(ops, asked.known), asked.costs, lambda t: t.op in graphs, place.capacity
    )
    try:
        driver = Driver(ops, place, shared_of(ops, asked.shared), told)
        return driver.run(portions, asked.until)
    finally:
        if place is not executor:
            place.close()

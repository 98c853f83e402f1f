"""The work itself: from a chunk of tasks to their answers, in whatever process this runs."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gradcheck import targets
from gradcheck.errors import OwnFault, TargetError, TooLarge, UsageError, faults_told
from gradcheck.execution.data import Answer, Answers, Chunk, Shared, Task, packed, unpacked
from gradcheck.model import Op
from gradcheck.recalling import recalled

_ONE = threading.Lock()
"""Time limits, the global random state and what is printed belong to a whole process."""


def work(chunk: bytes) -> bytes:
    """What any executor is given: `data.Answers` to a `data.Chunk`, both `data.packed`.

    In threads of one process the chunks take turns.
    """
    with _ONE:
        given, loaded = unpacked(chunk, Chunk), Loaded()
        loaded.load(given.shared)
        return packed(Answers(each=tuple(answers(given, loaded))))


class Loaded:
    """The ops that a process has loaded, each file once: one that fails would run again."""

    def __init__(self, importing: Callable[[int], None] = lambda place: None) -> None:
        """``importing`` is told before each file which of `Shared.loaded` it is."""
        self._importing = importing
        self._found: dict[str, dict[str, Op] | str] = {}
        """Ops by their target; or why there are none."""

    def load(self, shared: Shared) -> None:
        """All files, in their order; what one of them lacks is said of the op that needs it."""
        for place, file in enumerate(shared.loaded):
            if file not in shared.fatal and file not in self._found:
                self._importing(place)
                self._load(file)

    def op(self, task: Task, fatal: Mapping[str, str]) -> Op:
        """The op of a task, called what it is called where the task was made.

        Raises
        ------
        TargetError
            There is no such op here, or no process survives the import of its file.
        """
        if (how := fatal.get(task.file)) is not None:
            raise TargetError(f"{task.file} cannot be imported in a process of its own: {how}")
        if task.file not in self._found:
            self._load(task.file)
        found = self._found[task.file]
        if isinstance(found, str):
            raise TargetError(found)
        op = found.get(task.target) or targets.load(task.target)[0]  # which says what it lacks
        return replace(op, module=task.module, target=task.target)

    def _load(self, file: str) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                self._found[file] = {op.target: op for op in targets.load(file)}
            except UsageError as error:
                self._found[file] = str(error)


def answers(chunk: Chunk, loaded: Loaded) -> Iterator[Answer]:
    """The answer to each task, as soon as it is there."""
    until = chunk.until()
    for task in chunk.tasks:
        if time.perf_counter() > until:
            yield Answer(number=task.number, late=True)
        else:
            yield _answer(task, chunk.shared, until, loaded)


def _answer(task: Task, shared: Shared, until: float, loaded: Loaded) -> Answer:
    from gradcheck.runner import run_one  # which itself sends work here

    try:
        op = loaded.op(task, shared.fatal)
        with faults_told():
            result = run_one(
                op,
                shared.settings,
                fixed=shared.fixed,
                only=[recalled(task.recipe, op, "the recipe")] if task.recipe else None,
                illustrated=shared.illustrated,
                until=until,
                known=task.known,
                own=True,
            )
    except OwnFault as fault:
        return Answer(number=task.number, fault=fault.trace)
    except TooLarge as error:
        if not shared.settings.memory_limit:
            return Answer(number=task.number, problem=str(error))
        trace = "".join(traceback.format_exception(error.__cause__))
        return Answer(number=task.number, fault=trace)
    except UsageError as error:
        return Answer(number=task.number, problem=str(error))
    except BaseException:
        return Answer(number=task.number, fault=traceback.format_exc())
    return Answer(number=task.number, result=result)

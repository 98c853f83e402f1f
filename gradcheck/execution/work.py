"""The work itself: from a chunk of tasks to their answers, in whatever process this runs."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace

from gradcheck import targets
from gradcheck.errors import TargetError, UsageError
from gradcheck.execution.data import Answer, Answers, Chunk, Task, packed, unpacked
from gradcheck.model import Op

_ONE = threading.Lock()
"""Time limits, the global random state and what is printed belong to a whole process."""


def work(chunk: bytes) -> bytes:
    """What any executor is given: `data.Answers` to a `data.Chunk`, both `data.packed`.

    In threads of one process the chunks take turns.
    """
    with _ONE:
        return packed(Answers(each=tuple(answers(unpacked(chunk, Chunk)))))


def answers(chunk: Chunk) -> Iterator[Answer]:
    """The answer to each task, as soon as it is there."""
    until = math.inf if chunk.left is None else time.perf_counter() + chunk.left
    with contextlib.redirect_stdout(sys.stderr):
        for name in chunk.shared.loaded:
            with contextlib.suppress(UsageError):  # it is said of the op that needs it
                targets.import_target(name)
    for task in chunk.tasks:
        yield _answer(task, chunk, until)


def _answer(task: Task, chunk: Chunk, until: float) -> Answer:
    from gradcheck.runner import run_one  # which itself sends work here

    shared = chunk.shared
    try:
        if not task.op:
            _quietly(task.target)
            return Answer(op="", problem="nothing was to be checked")
        result = run_one(
            _found(task),
            shared.settings,
            fixed=shared.fixed,
            illustrated=shared.illustrated,
            until=until,
            known=task.known,
        )
    except UsageError as error:
        return Answer(op=task.op, problem=str(error))
    except BaseException:
        return Answer(op=task.op, fault=traceback.format_exc())
    return Answer(op=task.op, result=result)


def _found(task: Task) -> Op:
    """The op of a task, called what it is called where the task was made.

    Raises
    ------
    TargetError
        There is no such op here.
    """
    found = _quietly(task.target)
    if len(found) != 1:
        raise TargetError(f"{task.target}: {len(found)} ops in the process that checks it, not 1")
    return replace(found[0], module=task.module, target=task.target)


def _quietly(target: str) -> list[Op]:
    with contextlib.redirect_stdout(sys.stderr):
        return targets.load(target)

"""Working through ops one after the other, as `gradcheck run` and `gradcheck selftest` do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from gradcheck.errors import OwnFault, UsageError, faults_told
from gradcheck.model import Op

T = TypeVar("T")
LATE = "the run is out of time"
"""How the reason of an op ends that was left because of that."""


def deadline(seconds: float) -> float:
    """When a run that is begun now is out of time; 0 seconds: never. Of ``time.perf_counter``."""
    return time.perf_counter() + seconds if seconds else math.inf


class InTime:
    """Ops, as long as there is time to begin one."""

    def __init__(self, ops: Iterable[Op], until: float) -> None:
        self._ops, self._until = ops, until
        self.late = False
        """The time was over before the ops were."""

    def __iter__(self) -> Iterator[Op]:
        for op in self._ops:
            if time.perf_counter() > self._until:
                self.late = True
                return
            yield op


@dataclass(slots=True)
class Problems:
    """Why some ops could not be checked: their settings are wrong, or there is a fault of ours."""

    said: list[str]
    """A sentence each."""
    faults: list[str] = field(default_factory=list)
    """Tracebacks of the latter."""

    def note(self, op: Op, error: UsageError) -> None:
        """That an op could not be checked."""
        self.said.append(f"{op.id}: {error}")
        if isinstance(error, OwnFault):
            self.faults.append(error.trace)


def one_by_one(
    ops: Iterable[Op],
    work: Callable[[Op], T],
    problems: Problems,
    progress: Callable[[T], None] | None = None,
) -> tuple[list[T], bool]:
    """What ``work`` says of each op, and whether it was interrupted: then with what there is.

    An op that cannot be checked is put among the ``problems``.
    """
    done: list[T] = []
    try:
        for op in ops:
            try:
                with faults_told():
                    done.append(work(op))
            except UsageError as error:
                problems.note(op, error)
                continue
            if progress is not None:
                progress(done[-1])
    except KeyboardInterrupt:  # between two ops as well
        return done, True
    return done, False

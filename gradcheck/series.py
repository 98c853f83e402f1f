"""Working through ops one after the other, as `gradcheck run` and `gradcheck selftest` do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from gradcheck.errors import UsageError
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


def one_by_one(
    ops: Iterable[Op],
    work: Callable[[Op], T],
    problems: list[str],
    progress: Callable[[T], None] | None = None,
) -> tuple[list[T], bool]:
    """What ``work`` says of each op, and whether it was interrupted: then with what there is.

    An op whose settings are wrong is put among the ``problems``.
    """
    done: list[T] = []
    try:
        for op in ops:
            try:
                done.append(work(op))
            except UsageError as error:
                problems.append(f"{op.id}: {error}")
                continue
            if progress is not None:
                progress(done[-1])
    except KeyboardInterrupt:  # between two ops as well
        return done, True
    return done, False

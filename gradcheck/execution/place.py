"""What a driver gives work to: a crew of ours, somebody's executor, or a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Protocol

from gradcheck.execution.data import Answer, Answers, Chunk, Death, packed, unpacked
from gradcheck.execution.work import work


class Lost(Exception):
    """A place gave up a chunk: its workers died, again and again."""

    def __init__(self, how: Death) -> None:
        super().__init__(how.how)
        self.death = how


class Place(Protocol):
    """Somewhere that chunks can be sent to."""

    capacity: int
    """How many chunks are worth sending at a time."""

    def submit(self, chunk: Chunk) -> Future[list[Answer]]:
        """An answer to each task, in their order; an exception where the place itself fails."""

    def trouble(self) -> str:
        """Why no answer will come any more; empty where there is no reason."""

    def close(self) -> None:
        """Give everything back; what is still at work there is of no interest any more."""


class Borrowed:
    """Any `concurrent.futures.Executor`, which its owner shuts down."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        workers = getattr(executor, "_max_workers", None)  # of the standard library's, and loky's
        self.capacity = 2 * (workers if isinstance(workers, int) else os.cpu_count() or 1)
        self._sent: list[Future[bytes]] = []

    def submit(self, chunk: Chunk) -> Future[list[Answer]]:
        sent = self._executor.submit(work, packed(chunk))
        self._sent = [f for f in self._sent if not f.done()] + [sent]
        return translated(sent)

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        for future in self._sent:
            future.cancel()


def translated(
    sent: Future[bytes], understood: Callable[[BaseException], BaseException] = lambda error: error
) -> Future[list[Answer]]:
    """The answers that will come back as bytes; errors of the place as we call them."""
    made: Future[list[Answer]] = Future()

    def done(future: Future[bytes]) -> None:
        if future.cancelled():
            made.cancel()
            made.set_running_or_notify_cancel()
            return
        error = future.exception()
        if error is not None:
            made.set_exception(understood(error))
            return
        try:
            made.set_result(list(unpacked(future.result(), Answers).each))
        except Exception as damaged:
            made.set_exception(damaged)

    sent.add_done_callback(done)
    return made

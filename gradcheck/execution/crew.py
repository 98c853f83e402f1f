"""Child processes that check ops, one thread of ours beside each.

A child that dies is replaced. The op that it was at is tried again, alone in a fresh child, so that
none is blamed for what an earlier one left behind; the rest of the chunk goes on. A file whose
import kills a child is left out from then on, and so are its ops.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from gradcheck.errors import UsageError
from gradcheck.execution import death
from gradcheck.execution.child import NONE
from gradcheck.execution.data import Answer, Chunk, Death, Task
from gradcheck.execution.process import Child, Terms

Waiting = queue.SimpleQueue[tuple[Chunk, Future[list[Answer]]] | None]


@dataclass(frozen=True, slots=True)
class _End:
    """How a child ended, and where."""

    death: Death
    file: str
    """It was importing this; empty: it was at an op."""
    alone: bool
    """Nothing else had been done in it."""


@dataclass(slots=True)
class _Seat:
    """One child, its successors, and the thread that waits for their answers."""

    terms: Terms
    waiting: Waiting
    over: threading.Event
    fatal: dict[str, str]
    """Files that killed a child which imported them, and how; of all seats."""
    child: Child | None = None

    def work(self) -> None:
        """Answer chunks until there are no more."""
        while (item := self.waiting.get()) is not None:
            chunk, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._answers(chunk))
            except OSError as error:
                why = error.strerror or str(error)
                future.set_exception(UsageError(f"no process can be started for it: {why}"))
            except BaseException as error:
                self._dismiss()
                future.set_exception(error)
            self._renew()
        self._dismiss()

    def stop(self) -> None:
        """End the child at once; called from another thread."""
        own = self.child
        if own is not None and own.process.returncode is None:
            own.kill()

    def _dismiss(self) -> None:
        gone, self.child = self.child, None
        if gone is not None:
            gone.discard()

    def _renew(self) -> None:
        """A fresh child before there is work for it; that none can be had is said of that work."""
        if self.terms.fresh and not self.over.is_set():
            self._dismiss()
            with suppress(OSError):
                self.child = Child(self.terms)

    def _answers(self, chunk: Chunk) -> list[Answer]:
        """To all tasks, in their order; fewer where all is over."""
        made: list[Answer] = []
        left = deque(_singles(chunk) if self.terms.fresh else [chunk])
        while left and not self.over.is_set():
            part = left.popleft()
            got, end = self._try(part)
            made += got
            if end is None or self.over.is_set():
                continue
            rest = part.tasks[len(got) :]
            if end.file:
                self.fatal[end.file] = death.sentence(end.death)
            else:
                made.append(self._again(_with(part, rest[:1]), end))
                rest = rest[1:]
            if rest or end.file:
                left.appendleft(_with(part, rest))
        return made

    def _again(self, single: Chunk, end: _End) -> Answer:
        """An op at which a child died gets another try, unless it was alone in it, or hung."""
        number = single.tasks[0].number
        if end.death.limit or end.alone:
            return Answer(number=number, death=end.death)
        got, again = self._try(single)
        if again is not None:
            return Answer(number=number, death=again.death)
        return msgspec.structs.replace(got[0], death=end.death)

    def _try(self, chunk: Chunk) -> tuple[list[Answer], _End | None]:
        """The answers up to the death of the child, and that."""
        own = self._ready()
        used = own.used
        shared = msgspec.structs.replace(chunk.shared, fatal=dict(self.fatal))
        own.give(msgspec.structs.replace(chunk, shared=shared))
        got: list[Answer] = []
        how = None if own.message() is not None else own.death()
        while how is None and len(got) < len(chunk.tasks):
            answer = own.answer()
            if answer is None:
                how = own.death()
            elif answer.fault and self.terms.memory:
                how = death.of_fault(answer.fault, self.terms.said)
            else:
                got.append(answer)
        if how is None:
            return got, None
        place = own.importing()
        self._dismiss()
        file = "" if place == NONE else chunk.shared.loaded[place]
        return got, _End(how, file, alone=not (used or got))

    def _ready(self) -> Child:
        """A child that takes work.

        Raises
        ------
        OSError
            None can be started.
        UsageError
            It has ended before it took any.
        """
        if self.terms.fresh and self.child is not None and self.child.used:
            self._dismiss()
        if self.child is None:
            self.child = Child(self.terms)
        own = self.child
        if not own.used and own.message() is None and not self.over.is_set():
            why = own.trouble()
            self._dismiss()
            raise UsageError(f"a process that checks ops does not start{self.terms.said}: {why}")
        return own


def _with(chunk: Chunk, tasks: tuple[Task, ...]) -> Chunk:
    return msgspec.structs.replace(chunk, tasks=tasks)


def _singles(chunk: Chunk) -> list[Chunk]:
    return [_with(chunk, (task,)) for task in chunk.tasks]


class Crew:
    """So many children, which are started when there is work for them."""

    def __init__(self, count: int, terms: Terms) -> None:
        """As many as ``count`` work at a time.

        Raises
        ------
        UsageError
            The system is Windows, which has none of what stops and limits a process here.
        """
        if os.name != "posix":
            raise UsageError(
                "-j, --isolate and --memory-limit need a POSIX system: leave them out here"
            )
        self.capacity = count
        self.fatal: dict[str, str] = {}
        """Files that killed a process which imported them, and how."""
        self._over = threading.Event()
        self._waiting: Waiting = queue.SimpleQueue()
        spare = int(terms.fresh)  # it starts its next child while another is at work
        self._seats = [
            _Seat(terms, self._waiting, self._over, self.fatal) for _ in range(count + spare)
        ]
        self._threads = [threading.Thread(target=s.work, daemon=True) for s in self._seats]
        for thread in self._threads:
            thread.start()

    def submit(self, chunk: Chunk) -> Future[list[Answer]]:
        """An answer to each task; how a child died is one."""
        future: Future[list[Answer]] = Future()
        self._waiting.put((chunk, future))
        return future

    def trouble(self) -> str:
        """There is none: a child that dies is replaced."""
        return ""

    def close(self) -> None:
        """End all children, whatever they do."""
        self._over.set()
        for _ in self._seats:
            self._waiting.put(None)
        while any(thread.is_alive() for thread in self._threads):
            for seat in self._seats:
                seat.stop()
            for thread in self._threads:
                thread.join(0.05)

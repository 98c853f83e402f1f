"""Child processes that check ops, one thread of ours beside each.

A child that dies is replaced. The op that it was at is tried again, alone in a fresh child, so that
none is blamed for what an earlier one left behind; the rest of the chunk goes on.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec

from gradcheck.errors import UsageError
from gradcheck.execution.data import Answer, Chunk, Death
from gradcheck.execution.process import Child, Terms

Chunks = queue.SimpleQueue[tuple[Chunk, Future[list[Answer]]] | None]


@dataclass(slots=True)
class _Seat:
    """One child, its successors, and the thread that waits for their answers."""

    terms: Terms
    chunks: Chunks
    over: threading.Event
    child: Child | None = None

    def work(self) -> None:
        """Answer chunks until there are no more."""
        while (item := self.chunks.get()) is not None:
            chunk, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._answers(chunk))
            except OSError as error:
                why = error.strerror or str(error)
                future.set_exception(UsageError(f"no process can be started for it: {why}"))
            except BaseException as error:
                future.set_exception(error)
            else:
                self._renew()
        self._dismiss()

    def stop(self) -> None:
        """End the child at once; called from another thread."""
        own = self.child
        if own is not None:
            own.process.kill()

    def _dismiss(self) -> None:
        gone, self.child = self.child, None
        if gone is not None:
            gone.discard()

    def _renew(self) -> None:
        """A fresh child for the next task, before that is there."""
        if self.terms.fresh and not self.over.is_set():
            self._dismiss()
            self.child = Child(self.terms)

    def _answers(self, chunk: Chunk) -> list[Answer]:
        made: list[Answer] = []
        while len(made) < len(chunk.tasks) and not self.over.is_set():
            size = 1 if self.terms.fresh else len(chunk.tasks)
            rest = msgspec.structs.replace(chunk, tasks=chunk.tasks[len(made) :][:size])
            got, died = self._try(rest)
            made += got
            if died is not None and not self.over.is_set():
                single = msgspec.structs.replace(rest, tasks=rest.tasks[len(got) :][:1])
                made.append(self._again(single, died))
        return made

    def _again(self, single: Chunk, died: tuple[Death, bool]) -> Answer:
        """An op at which a child died gets another try, unless it was alone in it, or hung."""
        how, used = died
        op = single.tasks[0].op
        if how.limit or not used:
            return Answer(op=op, death=how)
        got, again = self._try(single)
        if again is not None:
            return Answer(op=op, death=again[0])
        return msgspec.structs.replace(got[0], death=how)

    def _try(self, chunk: Chunk) -> tuple[list[Answer], tuple[Death, bool] | None]:
        """The answers up to the death of the child, how it died, and whether others came before."""
        if self.terms.fresh and self.child is not None and self.child.used:
            self._dismiss()
        if self.child is None:
            self.child = Child(self.terms)
        own = self.child
        if not own.used and own.message() is None and not self.over.is_set():
            raise UsageError(
                f"a process that checks ops does not start{self.terms.said}: {own.trouble()}"
            )
        used = own.used
        own.give(chunk)
        got: list[Answer] = []
        while len(got) < len(chunk.tasks):
            answer = own.answer()
            if answer is None:
                how = own.death()
                self._dismiss()
                return got, (how, used or bool(got))
            got.append(answer)
        return got, None


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
        self._over = threading.Event()
        self._chunks: Chunks = queue.SimpleQueue()
        spare = int(terms.fresh)  # it starts its next child while another is at work
        self._seats = [_Seat(terms, self._chunks, self._over) for _ in range(count + spare)]
        self._threads = [threading.Thread(target=s.work, daemon=True) for s in self._seats]
        for thread in self._threads:
            thread.start()

    def submit(self, chunk: Chunk) -> Future[list[Answer]]:
        """An answer to each task; how a child died is one."""
        future: Future[list[Answer]] = Future()
        self._chunks.put((chunk, future))
        return future

    def trouble(self) -> str:
        """There is none: a child that dies is replaced."""
        return ""

    def close(self) -> None:
        """End all children, whatever they do."""
        self._over.set()
        for _ in self._seats:
            self._chunks.put(None)
        while any(thread.is_alive() for thread in self._threads):
            for seat in self._seats:
                seat.stop()
            for thread in self._threads:
                thread.join(0.05)

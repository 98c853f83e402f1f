"""Many ops over some place: what is sent when, what becomes of it, and in which order it is told.

Expensive ops go first, so that no worker is left with one at the end; the results come back in the
order of the ops, whatever was done first.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field

import msgspec

from gradcheck import plain
from gradcheck.errors import UsageError
from gradcheck.execution import death
from gradcheck.execution.crew import Crew
from gradcheck.execution.data import Answer, Chunk, Shared, Task
from gradcheck.execution.place import Lost, Place
from gradcheck.execution.process import Terms
from gradcheck.model import Op
from gradcheck.results import OpResult

CHUNK_SECONDS = 0.25
"""What ops of known cost are put together to: sending a chunk costs up to 3 ms on a cluster."""
BEAT = 1.0
"""Seconds between two looks at the place itself, where no answer comes."""
GONE = "the place where it was checked is gone"


@dataclass(slots=True)
class Listener:
    """Who is told of what, while it goes on."""

    begun: Callable[[str], None] = lambda name: None
    """The name of an op that is sent out, once."""
    done: Callable[[OpResult], None] = lambda result: None


@dataclass(slots=True)
class Outcome:
    """What became of some ops."""

    results: dict[int, OpResult] = field(default_factory=dict)
    """By the op's number, in the order in which they came."""
    problems: dict[int, UsageError] = field(default_factory=dict)
    """Why an op could not be checked, by its number."""
    interrupted: bool = False
    late: bool = False
    """The time was over before the ops were."""


def tasks_of(
    ops: Mapping[int, Op], known: Mapping[str, Iterable[tuple[str, str]]] | None = None
) -> list[Task]:
    """The tasks of some ops by their numbers; all have a target."""
    return [
        Task(
            number=number,
            target=op.target,
            op=op.id,
            module=op.module,
            known=tuple(sorted((known or {}).get(op.id, ()))),
        )
        for number, op in ops.items()
    ]


def portions(
    tasks: Sequence[Task], costs: Mapping[str, float], first: Callable[[Task], bool], seats: int
) -> Iterator[tuple[Task, ...]]:
    """Tasks in groups that are sent together, the expensive ones first.

    Parameters
    ----------
    tasks : sequence of Task
        In the order of the ops.
    costs : mapping
        Seconds of an earlier run, by the op's id; an op that is not there goes alone.
    first : callable
        Whether a task of unknown cost is probably expensive.
    seats : int
        How many portions are worked on at a time: none gets so much that another has nothing.
    """

    def order(task: Task) -> float:
        return -costs.get(task.op, math.inf if first(task) else 0.0)

    most = max(1, len(tasks) // (4 * seats))
    portion: list[Task] = []
    seconds = 0.0
    for task in sorted(tasks, key=order):
        cost = costs.get(task.op, math.inf)
        if portion and (seconds + cost > CHUNK_SECONDS or len(portion) >= most):
            yield tuple(portion)
            portion, seconds = [], 0.0
        portion.append(task)
        seconds += cost
    if portion:
        yield tuple(portion)


class Driver:
    """One run of some ops over a place."""

    def __init__(
        self, ops: Mapping[int, Op], place: Place, shared: Shared, listener: Listener
    ) -> None:
        self._ops, self._place = ops, place
        self._shared, self._listener = shared, listener
        self._waiting: deque[tuple[Task, ...]] = deque()
        self._sent: dict[Future[list[Answer]], tuple[Task, ...]] = {}
        self._begun: set[int] = set()
        self._alone: Crew | None = None
        """Where suspects of a broken executor are tried, one by one."""
        self.outcome = Outcome()

    def run(self, portions: Iterable[tuple[Task, ...]], until: float = math.inf) -> Outcome:
        """Send all and take what comes back; an interrupt, or the end of the time, keeps it.

        Every op is in the outcome, unless that was interrupted or late.
        """
        self._waiting.extend(portions)
        try:
            self._work(until)
        except KeyboardInterrupt:
            self.outcome.interrupted = True
        finally:
            for future in self._sent:
                future.cancel()
            if self._alone is not None:
                self._alone.close()
        return self.outcome

    def _work(self, until: float) -> None:
        while self._waiting or self._sent:
            while self._waiting and len(self._sent) < self._at.capacity:
                left = until - time.perf_counter()
                if left < 0:
                    self.outcome.late = True
                    self._waiting.clear()
                    break
                self._send(self._waiting.popleft(), left)
            done, _ = wait(self._sent, timeout=BEAT, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(future, self._sent.pop(future))
            if not done and (trouble := self._at.trouble()):
                self._give_up(trouble)

    @property
    def _at(self) -> Place:
        return self._alone or self._place

    def _send(self, tasks: tuple[Task, ...], left: float) -> None:
        limit = None if math.isinf(left) else left
        chunk = Chunk(tasks=tasks, shared=self._shared, left=limit, sent=time.time())
        for task in tasks:
            if task.number not in self._begun:
                self._begun.add(task.number)
                self._listener.begun(self._ops[task.number].name)
        try:
            self._sent[self._at.submit(chunk)] = tasks
        except BrokenExecutor:
            self._broken(tasks)
        except Exception as error:
            self._note(tasks, [], _failed(error))

    def _take(self, future: Future[list[Answer]], tasks: tuple[Task, ...]) -> None:
        try:
            self._note(tasks, future.result(), death.NO_ANSWER)
        except BrokenExecutor:
            self._broken(tasks)
        except Lost as lost:
            if len(tasks) > 1:
                self._waiting.extendleft((t,) for t in tasks)
                return
            died = [Answer(number=t.number, death=lost.death) for t in tasks]
            self._note(tasks, died, death.NO_ANSWER)
        except CancelledError:
            self._note(tasks, [], GONE)
        except Exception as error:
            self._note(tasks, [], _failed(error))

    def _give_up(self, why: str) -> None:
        for tasks in (*self._sent.values(), *self._waiting):
            self._note(tasks, [], why)
        self._sent.clear()
        self._waiting.clear()

    def _broken(self, tasks: tuple[Task, ...]) -> None:
        """An executor whose process died takes no more work: go on in children of our own.

        Which of the tasks that it had is to blame shows when each is tried alone.
        """
        if self._alone is None:
            terms = Terms.of(self._shared.settings)
            self._alone = Crew(max(self._place.capacity // 2, 1), terms)
        self._waiting.extendleft((t,) for t in tasks)

    def _note(self, tasks: tuple[Task, ...], answers: Iterable[Answer], otherwise: str) -> None:
        """What became of each task; ``otherwise`` of those that have no answer."""
        came = {answer.number: answer for answer in answers}
        for task in tasks:
            number = task.number
            answer = came.get(number) or Answer(number=number, problem=otherwise)
            if answer.late:
                self.outcome.late = True
                continue
            try:
                result = death.judged(self._ops[number], answer)
            except UsageError as error:
                self.outcome.problems[number] = error
                continue
            self.outcome.results[number] = result
            self._listener.done(result)


def _failed(error: Exception) -> str:
    """What a place's own failure says of the ops that it had."""
    if isinstance(error, UsageError):
        return str(error)
    return f"the place where it was checked failed: {type(error).__name__}: {plain.told(error)}"


def shared_of(ops: Iterable[Op], shared: Shared) -> Shared:
    """With what the ops were loaded from, in that order."""
    loaded = dict.fromkeys(op.target.partition("::")[0] for op in ops)
    return msgspec.structs.replace(shared, loaded=tuple(loaded))

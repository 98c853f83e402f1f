"""What travels between processes: tasks and answers, as text that any version of pickle can miss.

A task names an op as a command line does and never holds a function, so that every way of running
it makes the same result. JSON of the standard library, because a name may hold what UTF-8 does not.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any, TypeVar

import msgspec

from gradcheck.records import Record
from gradcheck.results import OpResult
from gradcheck.settings import Settings

T = TypeVar("T", bound=Record)


class Task(Record, frozen=True, kw_only=True):
    """One op to check."""

    number: int
    """Which op of the run it is: two may have one id. Its answer has the same number."""
    target: str
    """What `targets.load` finds it by: ``my_gates.py::affine``, ``my_package.gates::affine``."""
    op: str
    """Its id."""
    module: str
    """Of its id: another order of imports may give the module another name."""
    known: tuple[tuple[str, str], ...] = ()
    """Code and input of what waivers name in it."""
    recipe: str = ""
    """The only case to try, as JSON (`gradcheck replay`); empty: cases are drawn."""

    @property
    def file(self) -> str:
        """The file or module that holds it."""
        return self.target.partition("::")[0]


class Shared(Record, frozen=True, kw_only=True):
    """What all tasks of a run share."""

    settings: Settings
    fixed: dict[str, Any] = {}  # noqa: RUF012
    """Settings given on the command line, which go over an op's own."""
    illustrated: bool = False
    loaded: tuple[str, ...] = ()
    """Files and modules in the order in which the first process loaded them.

    All are loaded everywhere before the first task: what an import does to other modules is then
    the same in each process, and two files of one name are told apart."""
    fatal: dict[str, str] = {}  # noqa: RUF012
    """Of those, which killed a process that imported them, and how: they are left out."""


class Chunk(Record, frozen=True, kw_only=True):
    """Tasks that go to one process together; without any, it only loads what they share."""

    tasks: tuple[Task, ...]
    shared: Shared
    left: float | None = None
    """Seconds that the run had left when this was sent; None: no end."""
    sent: float = 0.0
    """When that was, of ``time.time``."""
    code: str = ""
    """On a cluster, the folder of the uploaded code."""
    home: str = ""
    """What that folder is called where it came from."""
    roots: tuple[str, ...] = ()
    """In it, the folders in which Python looks for modules."""

    def until(self) -> float:
        """When the run is out of time, of ``time.perf_counter`` of the process that asks.

        What a chunk waited somewhere counts. A clock that is behind the sender's gives no time
        away twice: it counts as no wait.
        """
        if self.left is None:
            return math.inf
        return time.perf_counter() + self.left - max(time.time() - self.sent, 0.0)


class Death(Record, frozen=True, kw_only=True):
    """How a process ended that was checking an op."""

    how: str
    """``was killed by signal 11 (SIGSEGV)``, ``ended with exit code 0``."""
    said: str = ""
    """The last line that it printed, if it is no trace."""
    traceback: str = ""
    """The frames that it was in, where they are known."""
    limit: float = 0.0
    """The time limit that it did not keep; 0 where it died by itself."""


class Answer(Record, frozen=True, kw_only=True):
    """What became of one task: exactly one of the fields below its number is set."""

    number: int
    """Of the task."""
    result: OpResult | None = None
    problem: str = ""
    """Why it could not be checked: settings that are wrong, a file that is not there."""
    fault: str = ""
    """The traceback of a fault of ours."""
    late: bool = False
    """The run was out of time before it was begun."""
    death: Death | None = None
    """Beside another field, its first try: the process died there, and not when it was alone."""


class Answers(Record, frozen=True, kw_only=True):
    """Those of a chunk."""

    each: tuple[Answer, ...]


def packed(record: Record) -> bytes:
    """A record as bytes of ASCII: a name may hold half a surrogate pair."""
    return json.dumps(msgspec.to_builtins(record)).encode("ascii")


def unpacked(data: bytes, kind: type[T]) -> T:
    """The record that `packed` made.

    Raises
    ------
    ValueError
        The bytes are cut off or damaged (`msgspec.ValidationError` and `json.JSONDecodeError`).
    """
    return msgspec.convert(json.loads(data), kind)

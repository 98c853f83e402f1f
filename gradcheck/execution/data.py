"""What travels between processes: tasks and answers, as text that any version of pickle can miss.

A task names an op as a command line does and never holds a function, so that every way of running
it makes the same result. JSON of the standard library, because a name may hold what UTF-8 does not.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from gradcheck.records import Record
from gradcheck.results import OpResult
from gradcheck.settings import Settings

T = TypeVar("T", bound=Record)


class Task(Record, frozen=True, kw_only=True):
    """One op to check."""

    target: str
    """What `targets.load` finds it by: ``my_gates.py::affine``, ``my_package.gates::affine``."""
    op: str
    """Its id; empty: only load the target."""
    module: str
    """Of its id: another order of imports may give the module another name."""
    known: tuple[tuple[str, str], ...] = ()
    """Code and input of what waivers name in it."""


class Shared(Record, frozen=True, kw_only=True):
    """What all tasks of a run share."""

    settings: Settings
    fixed: dict[str, Any] = {}  # noqa: RUF012
    """Settings given on the command line, which go over an op's own."""
    illustrated: bool = False
    loaded: tuple[str, ...] = ()
    """Files and modules in the order in which they were loaded: two of one name are told apart."""


class Chunk(Record, frozen=True, kw_only=True):
    """Tasks that go to one process together."""

    tasks: tuple[Task, ...]
    shared: Shared
    left: float | None = None
    """Seconds that the run has left; None: no end."""
    code: str = ""
    """On a cluster, the folder of the uploaded code."""
    home: str = ""
    """What that folder is called where it came from."""
    roots: tuple[str, ...] = ()
    """In it, the folders in which Python looks for modules."""


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
    """What became of one task: exactly one of its fields is set, beside the task's own id."""

    op: str
    result: OpResult | None = None
    problem: str = ""
    """Why it could not be checked: settings that are wrong, a file that is not there."""
    fault: str = ""
    """The traceback of a fault of ours."""
    death: Death | None = None
    """With a result, its first try: the process died there, and not when the op was alone."""


class Answers(Record, frozen=True, kw_only=True):
    """Those of a chunk, in the order of its tasks."""

    each: tuple[Answer, ...]


def packed(record: Record) -> bytes:
    """A record as bytes."""
    return json.dumps(msgspec.to_builtins(record)).encode("ascii")


def unpacked(data: bytes, kind: type[T]) -> T:
    """The record that `packed` made."""
    return msgspec.convert(json.loads(data), kind)

"""What a pytest session tells `gradcheck.check`: its options, and who keeps the results.

Outside of pytest there is no session. Imports nothing, as it is loaded in every pytest session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.results import OpResult


@dataclass(slots=True)
class Session:
    """A pytest session, or one of its tests."""

    options: Mapping[str, Any]
    """Pytest's options, as settings by key."""
    illustrated: bool = False
    """A report was asked for: also gather the figures of what passes."""
    keep: Callable[[OpResult, bool], OpResult] | None = None
    """Told of each result, and whether a test under ``@given`` calls over and over.

    Hands it back, with ``waived`` where its failure is known and let through.
    """
    known: Callable[[str, bool], Collection[tuple[str, str]]] | None = None
    """Code and input of what waivers name in the next op of a name that the test checks.

    Asked beforehand: what is wrong besides must not hide behind it (`runner.run_one`).
    """
    marked: Callable[[], Mapping[str, Any]] | None = None
    """Reads the settings of the test's markers: not before something is checked with them."""

    @property
    def given(self) -> Mapping[str, Any]:
        """The options with the markers' settings over them.

        Raises
        ------
        UsageError
            A marker is wrong.
        """
        return over(self.options, self.marked()) if self.marked is not None else self.options


_open: list[Session] = []
"""The innermost last: a test of a plugin runs pytest within pytest."""


def current() -> Session:
    """The session, or the test, that is running; outside of pytest one that says nothing."""
    return _open[-1] if _open else Session({})


def begin(session: Session) -> None:
    """From now on this is the current one."""
    _open.append(session)


def end(session: Session) -> None:
    """It is over, and those that were begun after it."""
    if session in _open:
        del _open[_open.index(session) :]


@contextlib.contextmanager
def running(session: Session) -> Iterator[Session]:
    """The session is the current one inside."""
    begin(session)
    try:
        yield session
    finally:
        end(session)


def over(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the second over the first; a profile there also overrides the first's ``max-cases``."""
    kept = {k: v for k, v in first.items() if k != "max-cases" or "profile" not in then}
    return {**kept, **then}

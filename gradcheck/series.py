"""Working through ops one after the other, as `gradcheck run` and `gradcheck selftest` do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from gradcheck.errors import UsageError
from gradcheck.model import Op

T = TypeVar("T")


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
    for op in ops:
        try:
            done.append(work(op))
        except KeyboardInterrupt:
            return done, True
        except UsageError as error:
            problems.append(f"{op.id}: {error}")
            continue
        if progress is not None:
            progress(done[-1])
    return done, False

"""Where the ops of ``gradcheck run`` are checked: here, in children, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gradcheck.execution.place import Place
from gradcheck.execution.spreading import import_apart
from gradcheck.model import Op


class _Cost(msgspec.Struct):
    op: str
    seconds: float = 0.0


class _Earlier(msgspec.Struct):
    results: list[_Cost]


def earlier(path: Path) -> dict[str, float]:
    """Seconds of each op in the result file of an earlier run; nothing where there is none."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Earlier)
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    return {cost.op: cost.seconds for cost in found.results}


def loadable(names: Sequence[str], root: Path | None, errors: list[str]) -> list[str]:
    """The targets whose import does not take a process with it; the others go to ``errors``."""
    died = import_apart(names, str(root or ""))
    errors += [f"{name} cannot be imported: {how}" for name, how in died.items()]
    return [name for name in names if name not in died]


@contextmanager
def reached(address: str, ops: Sequence[Op]) -> Iterator[Place | None]:
    """The cluster at an address, with the code of the ops on it; None for no address.

    Raises
    ------
    UsageError
        As `execution.cluster.connected`.
    """
    if not address:
        yield None
        return
    from gradcheck.execution.cluster import connected

    with connected(address, ops) as cluster:
        yield cluster

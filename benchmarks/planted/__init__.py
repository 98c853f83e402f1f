"""Right ops and the ways in which people break their backward passes, as edits of the code.

A bug is one line: what kind of mistake it is, the code that is there, and what stands there
instead. Written from the mistakes of public projects and courses, without a look at the rules that
are to name them. Some numbers allow two names (`sign` on a factor of -1, a mean over two entries):
then both kinds are listed, and either is right.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Planted:
    """One op with one mistake (or none: ``kinds`` is empty)."""

    op: str
    kinds: tuple[str, ...]
    edit: str
    source: str
    example: tuple[Any, ...]
    attributes: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.op}: {self.edit}" if self.edit else self.op

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Forward and backward, compiled anew: nothing is shared between bugs."""
        namespace: dict[str, Any] = {"np": np}
        filename = f"<{self.id}>"
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(True), filename)
        exec(compile(self.source, filename, "exec"), namespace)
        return namespace["forward"], namespace["backward"]


_RIGHT: list[Planted] = []
_BUGS: list[Planted] = []


def op(name: str, source: str, bugs: str, *example: Any, **attributes: Any) -> None:
    """Add a right op and its bugs: lines of ``kind[/kind]: code => code``."""
    source = source.strip() + "\n"
    _RIGHT.append(Planted(name, (), "", source, example, attributes))
    for line in bugs.strip().splitlines():
        kinds, _, edit = line.strip().partition(": ")
        old, arrow, new = edit.partition(" => ")
        assert arrow, f"{name}: no => in {line!r}"
        assert source.count(old) == 1, f"{name}: {source.count(old)} times {old!r}"
        broken = source.replace(old, new.replace("\\n", "\n"))
        _BUGS.append(Planted(name, tuple(kinds.split("/")), edit, broken, example, attributes))


def numbers(*shape: int, low: float = -1.5, high: float = 1.5, seed: int = 0) -> Any:
    """An example: short decimals, none near zero."""
    rng = np.random.default_rng([seed, *shape])
    values = np.round(rng.uniform(low, high, shape), 2)
    return np.where(np.abs(values) < 0.15, 0.55, values)


def right_ops() -> list[Planted]:
    """Every op as it should be."""
    _load()
    return list(_RIGHT)


def bugs() -> list[Planted]:
    """Every planted bug."""
    _load()
    return list(_BUGS)


def _load() -> None:
    from benchmarks.planted import dense, layers, losses, shapes, windows  # noqa: F401

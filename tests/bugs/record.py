"""What is kept of a bug, and how its example calls are drawn."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]


class Call(NamedTuple):
    """Arguments and keyword attributes of one call of forward."""

    primals: tuple[Any, ...]
    attributes: dict[str, Any]

    def cast(self, dtype: str) -> Call:
        """The same call with its real arrays in another dtype."""
        cast = tuple(
            p.astype(dtype) if isinstance(p, np.ndarray) and p.dtype.kind == "f" else p
            for p in self.primals
        )
        return Call(cast, self.attributes)


def call(*primals: Any, **attributes: Any) -> Call:
    return Call(primals, attributes)


class Draw:
    """Random arrays and sizes for an example call."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def __call__(self, *shape: int) -> Array:
        return np.asarray(self.rng.standard_normal(shape))

    def between(self, low: float, high: float, *shape: int) -> Array:
        return np.asarray(self.rng.uniform(low, high, shape))

    def index(self, below: int, *shape: int) -> Array:
        return self.rng.integers(0, below, shape)

    def size(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def sizes(self, count: int, low: int = 1, high: int = 5) -> list[int]:
        return [self.size(low, high) for _ in range(count)]

    def shape(self, ranks: tuple[int, int] = (1, 3), low: int = 1, high: int = 5) -> list[int]:
        return self.sizes(self.size(*ranks), low, high)

    def one_of(self, *values: Any) -> Any:
        return values[self.size(0, len(values) - 1)]

    def broadcastable(self) -> tuple[Array, Array]:
        """Two arrays, the second sometimes with size-1 or missing axes."""
        shape = self.shape()
        weaker = [1 if self.rng.random() < 0.3 else n for n in shape][self.size(0, 1) :]
        return self(*shape), self(*self.one_of(shape, weaker))


Draws = Callable[[Draw], Call]


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A wrong backward that a public project shipped or caught in review, re-created in NumPy."""

    name: str
    kind: str
    """Its class: the module it stands in."""
    source: str
    """``owner/repository#number`` of the report or the fix (``@commit`` where there is none)."""
    mistake: str
    forward: Function
    right: Function
    wrong: Function
    plain: Draws
    """What an author passes who tries the gate once: nothing in it triggers the bug on purpose."""
    generic: Draws | None = None
    """Any valid call; where None, the plain one."""
    trigger: Draws | None = None
    """A call at which the bug shows; where None, it shows at the plain one. For tests of the record
    and of the right backward only: the harness is never given it with the wrong one."""
    reset: Callable[[], object] | None = None
    """Forgets what the wrong backward keeps between calls."""
    further: bool = False
    """Looked up after the harness was written, to measure it; no test demands that it is found."""

    def example(self, which: str, dtype: str = "float64") -> Call:
        """The ``plain``, ``generic`` or ``trigger`` call; the same one every time."""
        draws: Draws = getattr(self, which) or self.plain
        rng = np.random.default_rng(zlib.crc32(f"{self.name} {which}".encode()))
        return draws(Draw(rng)).cast(dtype)

"""What one forward and one backward pass of an op at a case gave: `evaluation` makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from gradcheck.arrays import LARGE, Array
from gradcheck.model import Outputs


@dataclass(slots=True)
class Counters:
    """How often the user's code ran."""

    forward_calls: int = 0
    forward_points: int = 0
    backward_calls: int = 0


class Answer(msgspec.Struct, frozen=True):
    """One forward and backward pass: what went in, what came out, what was overwritten."""

    outputs: Outputs
    gradients: tuple[Any, ...] | None
    """As backward returned them, one per input; None where it returned no tuple at all."""
    returned: Any
    """Backward's return value, untouched but for `holding`."""
    primals: tuple[Array, ...]
    """The very arrays that forward and backward were given."""
    cotangents: Outputs
    overwritten: tuple[str, ...]
    """Names of inputs (or "cotangent") whose bytes changed, with who did it."""

    @property
    def lendable(self) -> bool:
        """The primals are as they were, writable, and too large to perturb other copies of them."""
        large = sum(p.size for p in self.primals) >= LARGE
        return large and not self.overwritten and all(p.flags.writeable for p in self.primals)

    def holding(self, copies: Sequence[Array | None]) -> Answer:
        """With these copies in place of large gradients that they are of: half the memory.

        What lies in the memory of the inputs or the cotangents stays what it is.
        """
        if self.gradients is None or all(c is None or c.size < LARGE for c in copies):
            return self
        given = (*self.primals, *self.cotangents)
        made = tuple(
            c if c is not None and c.size >= LARGE and _apart(g, c, given) else g
            for g, c in zip(self.gradients, copies, strict=True)
        )
        return msgspec.structs.replace(self, gradients=made, returned=made)


def _apart(gradient: Any, copy: Array, given: Sequence[Array]) -> bool:
    """An array of its own, with a copy of its dtype."""
    if type(gradient) is not np.ndarray or gradient.dtype != copy.dtype:
        return False
    return not any(np.may_share_memory(gradient, a) for a in given)


@dataclass(slots=True)
class Begun:
    """The forward pass of an `Answer`, whose backward is still to come."""

    primals: tuple[Array, ...]
    outputs: Outputs
    """Copies, as they were before the backward pass."""
    scalars: tuple[bool, ...]
    """Which outputs are numbers and no arrays: their cotangents are too."""
    pullback: Any
    changed: list[str]
    """Names of inputs that forward has written into."""


def without_pullback(forward: Callable[..., Any]) -> Callable[..., tuple[Any, None]]:
    """A forward function as the first half of a vjp rule whose second half is not wanted."""

    def vjp(*primals: Any, **attributes: Any) -> tuple[Any, None]:
        return forward(*primals, **attributes), None

    return vjp


def scalars_of(returned: Any) -> tuple[bool, ...]:
    """Which of the outputs that forward returned are Python's or NumPy's numbers."""
    if type(returned) is np.ndarray:
        return (False,)
    if type(returned) is np.float64:  # these two nearly always
        return (True,)
    parts = returned if isinstance(returned, (tuple, list)) else (returned,)
    return tuple([not isinstance(p, np.ndarray) for p in parts])

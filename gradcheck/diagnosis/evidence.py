"""What is known of a wrong gradient when its mistake is sought. Plain numbers, no op."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.arrays import Array, Float

SLACK = {"float64": 1e-6, "float32": 2e-3, "float16": 2e-2, "bfloat16": 1e-1}
"""How far a gradient may be from what a mistake predicts, relative to the largest entry."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A mistake: a short stable name, and a sentence with its evidence."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """One input's gradient, entry by entry, each array of the input's shape."""

    backward: Float
    difference: Float
    bound: Float

    @property
    def wrong(self) -> Array:
        """Which entries differ beyond their bounds."""
        with np.errstate(all="ignore"):
            far = np.abs(self.backward - self.difference) > self.bound + 1e-7 * self.size
        return np.asarray(far | ~np.isfinite(self.backward))

    @property
    def size(self) -> float:
        """The largest entry of either side."""
        both = np.abs(np.stack([self.backward, self.difference]))
        return float(both[np.isfinite(both)].max(initial=0.0))


@dataclass(frozen=True, slots=True)
class View:
    """One failing case as numbers."""

    name: str
    """The input whose gradient is wrong."""
    tables: Mapping[str, Table]
    """By input, where every entry was compared."""
    primals: Mapping[str, Array]
    outputs: tuple[Array, ...]
    cotangents: tuple[Array, ...]
    attributes: Mapping[str, Any]
    precision: str

    @property
    def table(self) -> Table:
        return self.tables[self.name]

    def is_backward(self, candidate: Float, bound: Float | float | None = None) -> bool:
        """Backward returned the candidate, within the bounds of what it was made of."""
        backward = self.table.backward
        if candidate.shape != backward.shape or not np.isfinite(candidate).all():
            return False
        own = np.max(self.table.bound, initial=0.0) if bound is None else bound
        largest = max(np.abs(candidate).max(initial=0.0), np.abs(backward).max(initial=0.0))
        with np.errstate(all="ignore"):
            near = np.abs(backward - candidate) <= own + SLACK[self.precision] * largest
        return bool(near.all())


@dataclass(frozen=True, slots=True)
class Pull:
    """One backward call: the cotangent, flat over the real outputs, and the gradient."""

    cotangent: Float
    gradient: Float


@dataclass(frozen=True, slots=True)
class Probe:
    """The failing case that says most, asked further: a handful of backward calls."""

    view: View
    jacobian: Float
    """(entries of the input, real outputs)."""
    pulls: tuple[Pull, ...]
    """For the case's own cotangent and for another random one."""
    zero: Float
    """Gradient for a cotangent of zeros."""
    doubled: Float
    """Gradient for twice the case's cotangent."""
    elsewhere: Callable[[], Mapping[str, Float]]
    """True gradients for other values of the input, by what those values are; made on demand."""

    @property
    def entrywise(self) -> bool:
        """Each output depends on one entry of the input: no other entry comes in."""
        jacobian = np.abs(self.jacobian)
        if jacobian.shape[0] != jacobian.shape[1]:
            return False
        away = jacobian - np.diag(np.diag(jacobian))
        return bool(away.max(initial=0.0) <= 1e-9 * jacobian.max(initial=0.0))

    def explained(self, candidates: tuple[Float, ...]) -> bool:
        """Each pull returned its candidate."""
        slack = 4 * SLACK[self.view.precision]
        for pull, candidate in zip(self.pulls, candidates, strict=True):
            largest = max(np.abs(candidate).max(initial=0.0), np.abs(pull.gradient).max(initial=0))
            gap = np.abs(pull.gradient.reshape(-1) - candidate.reshape(-1))
            if not (gap <= slack * largest).all():
                return False
        return True


@dataclass(frozen=True, slots=True)
class Tried:
    """One judged case, and whether this input's gradient was wrong in it."""

    facts: Mapping[str, str]
    """What distinguishes it: attribute values, dtype, kinds of values and sizes."""
    wrong: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the rules may look at."""

    name: str
    views: tuple[View, ...]
    """Failing cases of one precision, the richest first."""
    probe: Probe | None
    tried: tuple[Tried, ...]
    """All judged cases of the op, failing or not."""

    @property
    def entries(self) -> str:
        """How much a statement on all views rests on."""
        count = sum(v.table.backward.size for v in self.views)
        where = f"on all {count} entries" if count > 1 else "in its one entry"
        return where + (f" of {len(self.views)} failing cases" if len(self.views) > 1 else "")

"""What a mutant is: a right op whose backward pass is tampered with, as a black box.

A `Kind` says which mistake it imitates and at which spots of an op it can be made; a `Mutant` is
a kind at one spot. Forward stays as it is. A tampering function sees one backward pass (`Call`)
and returns what the wrong one would have returned; it gives the right answer, or says so with
None, where its mistake makes no difference to the code (nothing to transpose, no repeated index).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, as_outputs
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom
from gradcheck.model import Op, Outputs, Pullback

_UNUSED = GlobalRandom(0)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in an op a mistake is made; what does not matter to a kind is None."""

    input: int | None = None
    axis: int | None = None
    other: int | None = None
    """A second input."""
    attribute: str = ""

    def __str__(self) -> str:
        return "" if self.axis is None else f" along axis {self.axis}"


@dataclass(slots=True)
class Call:
    """One backward pass of the right op."""

    op: Op
    primals: tuple[Any, ...]
    attributes: dict[str, Any]
    output: Any
    pullback: Pullback
    cotangents: Outputs
    memory: dict[Any, Any]
    """What this mutant keeps between calls."""

    def gradients(self) -> list[Any]:
        """The right ones, one per input."""
        returned = self.pullback(self.cotangents)
        aligned = Evaluator(self.op, _UNUSED).align(returned)
        return list(returned if aligned is None else aligned)

    def pull(self, cotangents: Sequence[Any]) -> Any:
        """The right pullback at another upstream gradient, scalars where it had scalars."""
        given = zip(cotangents, self.cotangents, strict=True)
        return self.pullback(tuple(like(new, old) for new, old in given))

    def pull_at(self, primals: Sequence[Any], attributes: dict[str, Any]) -> Any:
        """The right pullback of another forward pass, at this upstream gradient."""
        copies = [np.array(p) if isinstance(p, np.ndarray) else p for p in primals]
        return self.op.vjp(*copies, **attributes)[1](self.cotangents)

    @property
    def outputs(self) -> Outputs:
        return as_outputs(self.output)


def like(new: Any, old: Any) -> Any:
    """An array in the dtype of ``old``; a NumPy scalar where that is one."""
    array = np.asarray(new, np.asarray(old).dtype)
    return array if isinstance(old, np.ndarray) else array[()]


Tamper = Callable[[Call, Spot], Any]
"""What the wrong backward returns; None where the mistake makes no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of mistake. ``{x}`` in the name stands for the input or attribute."""

    name: str
    imitates: str
    """What a person does to make it."""
    needs: str
    """What a case must have to show it."""
    spots: Callable[[Op], list[Spot]]
    tamper: Tamper | None = None
    shares: Callable[[Op], Any] | None = None
    """Instead of tampering: another `Op.session`."""
    trap: str = ""
    hidden: bool = False
    """The numbers of a single call are right."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A kind of mistake at one spot of an op."""

    kind: Kind
    spot: Spot
    label: str
    acted: dict[Any, Any] = field(default_factory=dict, compare=False)
    """Counts, under "acted", the calls in which the mistake made a difference to the code."""

    def subject(self, op: Op) -> str:
        """The input or attribute that it is about."""
        return self.spot.attribute or op.inputs[self.spot.input or 0].name

    def of(self, op: Op) -> Op:
        """The op with this mistake in it, as new: nothing kept from other runs."""
        if self.kind.shares is not None:
            self.acted["acted"] = 1
            return replace(op, session=self.kind.shares(op))
        return replace(op, vjp=self._vjp(op), session=None)

    def _vjp(self, op: Op) -> Callable[..., tuple[Any, Pullback]]:
        tamper, memory = self.kind.tamper, dict[Any, Any]()
        assert tamper is not None

        def vjp(*primals: Any, **attributes: Any) -> tuple[Any, Pullback]:
            output, pullback = op.vjp(*primals, **attributes)

            def mutated(cotangents: Outputs) -> Any:
                call = Call(op, primals, attributes, output, pullback, cotangents, memory)
                made = tamper(call, self.spot)
                if made is None:
                    return pullback(cotangents)
                self.acted["acted"] = self.acted.get("acted", 0) + 1
                return made

            return output, mutated

        return vjp


# --- spots --------------------------------------------------------------------------------------
def whole(op: Op) -> list[Spot]:
    """Once per op."""
    return [Spot()]


def each_input(op: Op) -> list[Spot]:
    """Each input that may have a gradient."""
    return [Spot(k) for k, i in enumerate(op.inputs) if i.differentiable]


def each_axis(op: Op) -> list[Spot]:
    """The first and the last axis of each such input."""
    found = []
    for spot in each_input(op):
        dims = op.inputs[spot.input or 0].dims
        axes = (0, -1) if len(dims) > 1 or "..." in dims else (0,) if dims else ()
        found += [Spot(spot.input, axis) for axis in axes]
    return found


def each_pair(op: Op) -> list[Spot]:
    """Each two of these inputs, in both orders."""
    own = [s.input for s in each_input(op)]
    return [Spot(k, other=m) for k in own for m in own if k != m]


# --- helpers of the tables ----------------------------------------------------------------------
def changed(array: Array, place: Any, value: Any) -> Array:
    """A copy with some entries changed."""
    copy = array.copy()
    copy[place] = value
    return copy


def has_axis(array: Array, axis: int | None) -> bool:
    """There is something to reorder along the axis; the last axis of a vector is its first."""
    if axis is None or array.ndim == 0 or (axis == -1 and array.ndim == 1):
        return False
    return array.shape[axis] > 1 and array.size > 0


def square(array: Array) -> bool:
    """The last two axes are of one size, and there is more than one entry in them."""
    return array.ndim >= 2 and array.shape[-1] == array.shape[-2] > 1

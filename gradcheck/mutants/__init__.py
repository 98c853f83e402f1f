"""Broken versions of a right op: each mistake that applies, at each spot of the op.

To add a mistake: a row in the table of the module it belongs to, with what it imitates and what a
case must have to show it.
"""

from __future__ import annotations

from gradcheck.model import Op
from gradcheck.mutants import memory, numbers, saved, upstream
from gradcheck.mutants.tampering import Call, Kind, Mutant, Spot, whole

__all__ = ["FORCED", "KINDS", "Kind", "Mutant", "mutants_of"]

KINDS: tuple[Kind, ...] = (*numbers.KINDS, *upstream.KINDS, *saved.KINDS, *memory.KINDS)


def _garbage(call: Call, spot: Spot) -> list[object]:
    return [None if g is None else g + 1 for g in call.gradients()]


FORCED = Mutant(
    Kind(name="forced failure", imitates="", needs="", spots=whole, tamper=_garbage),
    Spot(),
    "every gradient entry too large by 1",
)
"""What any check must catch; where it does not, no score is worth anything."""


def mutants_of(op: Op) -> list[Mutant]:
    """Every kind of mistake at every spot of the op."""
    return [Mutant(kind, spot, _label(op, kind, spot)) for kind in KINDS for spot in kind.spots(op)]


def _label(op: Op, kind: Kind, spot: Spot) -> str:
    """``reversed along axis 0, gradient of W``."""
    name = "" if spot.input is None else op.inputs[spot.input].name
    label = kind.name.replace("{x}", name or spot.attribute)
    if spot.other is not None:
        label = label.replace("another", op.inputs[spot.other].name)
    of = f", gradient of {name}" if name and "{x}" not in kind.name else ""
    return f"{label}{spot}{of}"

"""The checks in the order in which a person debugs, and to which ops each one applies."""

from __future__ import annotations

from collections.abc import Callable

from gradcheck.checks import (
    contract,
    framework,
    layout,
    linearity,
    nodes,
    purity,
    reference,
    values,
)
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.graphs.composed import Composed
from gradcheck.model import Op
from gradcheck.settings import CHECKS

IN_ORDER: dict[str, Callable[[Facts], Outcome]] = {
    contract.NAME: contract.check,
    reference.NAME: reference.check,
    nodes.NAME: nodes.check,
    values.NAME: values.check,
    purity.NAME: purity.check,
    linearity.NAME: linearity.check,
    layout.NAME: layout.check,
    framework.NAME: framework.check,
}
assert tuple(IN_ORDER) == CHECKS
_FOLLOWS = (values.NAME, linearity.NAME, layout.NAME, framework.NAME)
"""Checks that a wrong gradient explains: not run where values fail, or the nodes of a graph."""


def applies(name: str, op: Op, *, failed: bool) -> bool:
    """Whether a check has anything to look at in an op whose gradients have failed, or not."""
    if failed and name in _FOLLOWS:
        return False
    if name == reference.NAME:
        return op.options.reference is not None
    if name == nodes.NAME:
        return isinstance(op.detail, Composed)
    return name != framework.NAME or op.foreign is not None

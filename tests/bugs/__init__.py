"""Wrong gradients that public projects shipped, each beside the right one.

A module for each class of mistake. The code is written anew from the reports; only the mathematics
of the mistake is kept. `ALL` is measured by ``benchmarks/real_bugs.py`` and tested by
``tests/test_bugs.py``.
"""

from __future__ import annotations

from tests.bugs import (
    axes,
    broadcasting,
    data,
    geometry,
    layout,
    normalisation,
    saved_values,
    scatter,
    singular,
    state,
    ties,
    upstream,
)
from tests.bugs.record import Bug

_MODULES = (
    *(broadcasting, upstream, saved_values, ties, axes, scatter),
    *(geometry, normalisation, singular, state, layout, data),
)
ALL: tuple[Bug, ...] = tuple(bug for module in _MODULES for bug in module.BUGS)
BUGS = tuple(bug for bug in ALL if not bug.further)
FURTHER = tuple(bug for bug in ALL if bug.further)

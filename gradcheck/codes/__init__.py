"""The codes of findings, few and stable: what each means, why, what to do, and an example.

Names are data: they stand in JSON, in waivers and in the reports of CI. Renaming one is a breaking
change. Imports neither NumPy nor Hypothesis.
"""

from __future__ import annotations

from gradcheck.codes.calls import CALLS
from gradcheck.codes.contract import CONTRACT
from gradcheck.codes.frameworks import FRAMEWORKS
from gradcheck.codes.graphs import HEALTH, NODES
from gradcheck.codes.hollow import HOLLOW, VERDICT
from gradcheck.codes.likely import MISTAKES
from gradcheck.codes.of_jax import JAX
from gradcheck.codes.others import OTHERS
from gradcheck.codes.purity import PURITY
from gradcheck.codes.record import NOT_JUDGED, Code, Likely
from gradcheck.codes.tapes import ENGINES
from gradcheck.codes.transformed import TRANSFORMED
from gradcheck.codes.values import REFERENCE, VALUES

__all__ = ["CODES", "GROUPS", "LIKELY", "NOT_JUDGED", "Code", "Likely", "headline"]

_TABLES = (
    CONTRACT,
    CALLS,
    REFERENCE,
    NODES,
    VALUES,
    HOLLOW,
    HEALTH,
    PURITY,
    OTHERS,
    FRAMEWORKS,
    TRANSFORMED,
    JAX,
    ENGINES,
    VERDICT,
)

CODES: dict[str, Code] = {code.name: code for table in _TABLES for code in table}
"""By name, in the order in which checks run."""

LIKELY: dict[str, Likely] = {likely.name: likely for likely in MISTAKES}
"""The mistakes that explain a wrong gradient, by the name in `Finding.likely`."""

GROUPS: dict[str, str] = {
    "contract": "What the gate returns, and whether it ends",
    "reference": "Forward against another implementation of it",
    "nodes": "Which node of a graph is wrong",
    "values": "Gradients against finite differences, and what a pass is worth",
    "purity": "Memory and state: nothing overwritten, shared or kept",
    "linearity": "Backward is linear in its upstream gradient",
    "layout": "The same numbers in another memory layout",
    "framework": "What another framework or a tape library does besides",
    "cost": "What backward costs beside forward (--cost)",
    "verdict": "No verdict",
}
"""The checks that find them, in order, each with what it looks at."""


def headline(name: str) -> str:
    """A few words for a code; a code that is not known (of a later version) is its own."""
    code = CODES.get(name)
    return code.headline if code is not None else name

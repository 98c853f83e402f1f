"""gradcheck: tells right gradients from wrong ones, with a bound it can defend.

>>> import gradcheck
>>> gradcheck.check(forward, backward, x, w)       # doctest: +SKIP

Names are imported when they are used: an installed pytest plugin must cost other projects nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.api import check, check_params
    from gradcheck.errors import GradientError, UsageError
    from gradcheck.graphs.building import Graph
    from gradcheck.plugin.testing import parametrize
    from gradcheck.registry import graph, op, register
    from gradcheck.results import Report
    from gradcheck.tapes import tape

__all__ = [
    "GradientError",
    "Graph",
    "Report",
    "UsageError",
    "check",
    "check_params",
    "graph",
    "op",
    "parametrize",
    "register",
    "tape",
]

_HOMES = {
    "check": "gradcheck.api",
    "check_params": "gradcheck.api",
    "GradientError": "gradcheck.errors",
    "UsageError": "gradcheck.errors",
    "Graph": "gradcheck.graphs.building",
    "graph": "gradcheck.registry",
    "op": "gradcheck.registry",
    "parametrize": "gradcheck.plugin.testing",
    "register": "gradcheck.registry",
    "Report": "gradcheck.results",
    "tape": "gradcheck.tapes",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gradcheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

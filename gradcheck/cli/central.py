"""The lecture's rule beside the bound, for teaching: ``gradcheck run --method central``."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from gradcheck.model import Op
from gradcheck.results import Report
from gradcheck.settings import Settings

FATAL = ("process-died", "never-ends", "forward-raised")
"""What this process is not to meet: a crash, a hang, and memory beyond what a child may have."""


def print_central(console: Console, ops: Iterable[Op], report: Report, settings: Settings) -> None:
    """A table of each op that was judged, but for those that would take this process with them."""
    from gradcheck.teaching import central_table

    fatal = {r.op for r in report.results for f in r.findings if f.code in FATAL}
    judged = {r.op for r in report.results} - fatal
    for op in ops:
        if op.id in judged:
            console.print(central_table(op, settings), markup=False, soft_wrap=True)

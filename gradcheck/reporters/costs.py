"""What `gradcheck run --cost` prints: backward beside forward, at two sizes of each dimension."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradcheck.figures import Cost
from gradcheck.plain import NAME, clean
from gradcheck.results import (
    OpResult,
    Report,
)

_NUMBERS = ("entries", "time", "memory", "forward's")
TITLE = """\
cost of forward and backward together, at two sizes: time as a multiple of forward's (it differs
from run to run), the most memory held at the larger size, and forward's own"""


def table(report: Report) -> RenderableType:
    """A row for each op and dimension: its sizes, time, memory, and what there is to say."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("op", overflow="fold", min_width=20)
    drawn.add_column("along")
    for column in _NUMBERS:
        drawn.add_column(column, justify="right")
    drawn.add_column("")
    for result in report.results:
        for found in result.cost:
            drawn.add_row(*_row(result, found))
    return Group(Text(TITLE), drawn)


def _row(result: OpResult, found: Cost) -> list[Text]:
    cells = [
        clean(result.op, NAME),
        found.along or "-",
        _then([f"{n:,}" for n in found.elements]),
        _then([_times(r) for r in found.time_ratios]),
        *(_size(b[-1]) if b else "-" for b in (found.both_bytes, found.forward_bytes)),
    ]
    if found.steep:
        said = Text(f"{', '.join(found.steep)}: grows faster than forward's", style="yellow")
    else:
        said = Text(found.note)
    return [*map(Text, cells), said]


def _then(values: Sequence[str]) -> str:
    return " → ".join(values) or "-"


def _times(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}"


def _size(count: int) -> str:
    """Bytes as a person reads them."""
    for unit, one in (("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count} B"

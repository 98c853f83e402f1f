"""The data behind a report's figures and tables, as plain Python values.

Filled by `illustrating`, `seen`, `health` and `cost`, part of an op's result; drawn by the
reporters, which see nothing else. Imports neither NumPy nor Hypothesis.
"""

from __future__ import annotations

import math

from gradcheck.records import Number, Record


class Curve(Record, frozen=True, kw_only=True):
    """The error of plain central differences against the step size, at one gradient entry.

    Truncation falls with the step like h^2, round-off grows like 1/h; between them is the best
    step, and the chosen ones are near it. A wrong gradient stays where it is at every step.
    """

    input: str
    entry: tuple[int, ...]
    steps: tuple[float, ...]
    """h, from the coarsest to the finest; only those at which forward is finite on both sides."""
    slopes: tuple[Number, ...]
    """(phi(x+h) - phi(x-h)) / 2h at each step."""
    truncation: tuple[Number, ...]
    """What the h^2 term contributes at each step, from the steps where it stands out; else 0."""
    roundoff: tuple[Number, ...]
    """What rounding of forward's outputs contributes at each step."""
    value: Number
    """The finite difference that backward was compared with."""
    bound: Number
    """Its bound."""
    backward: Number
    chosen: tuple[float, ...] = ()
    """The steps that ``value`` was made with."""


class Heat(Record, frozen=True, kw_only=True):
    """The relative error of each entry of one input's gradient, in one case."""

    input: str
    shape: tuple[int, ...]
    """Of the input."""
    rows: int
    columns: int
    """Of the picture: the input's last axis is along a row, all others go downwards."""
    errors: tuple[Number, ...]
    """|a - D| / max(|a|, |D|) row by row; the largest of a block where ``block`` is above 1."""
    wrong: tuple[int, ...]
    """Positions in ``errors`` that are beyond their bounds."""
    block: tuple[int, int] = (1, 1)
    """Entries (down, along) that one cell of the picture stands for."""


class Spread(Record, frozen=True, kw_only=True):
    """Relative errors over the cases: for each input and case the largest, by powers of ten.

    Keys are exponents: ``"-9"`` counts those from 1e-9 to 1e-8, ``"zero"`` exact agreement,
    ``"inf"`` what is not finite.
    """

    errors: dict[str, int] = {}
    limits: dict[str, int] = {}
    """The smallest error that would have been seen in the same comparisons."""


class Met(Record, frozen=True, kw_only=True, array_like=True):
    """How many judged cases had this combination; in JSON a list in this order."""

    shapes: str
    """"generic", "square", "size 1", "size 0", "0-d"."""
    regime: str
    """What kind of values, or what goes beyond the declaration."""
    layout: str
    """"as declared" for cases of random upstream gradients, else the kind of upstream gradient."""
    dtype: str
    cases: int


class GraphNode(Record, frozen=True, kw_only=True):
    """One value of a graph at one case: a source, a constant, or an output of a node."""

    name: str
    op: str
    """Empty for a source, "constant" for a constant."""
    parents: tuple[int, ...]
    """Positions of the nodes that it was made from."""
    shape: tuple[int, ...]
    value: str
    """Its numbers, or its shape where they are many."""
    gradient: str
    """The gradient of the result with respect to it, the same way; empty where none comes back."""
    verdict: str
    """"wrong": its op's backward is; "spoilt": the gradient at it is, by a wrong node; "right";
    empty where nothing was said of it."""
    result: bool = False


class NodeHealth(Record, frozen=True, kw_only=True):
    """One node of a graph over the generic cases: how much of the gradient reaches it."""

    node: str
    op: str
    """The name of its op; "input" of a source."""
    depth: int
    """Steps to the result, on the longest way."""
    cases: int
    value_rms: Number
    """Root mean squares, medians over the cases."""
    gradient_rms: Number
    relative: Number
    """The gradient's, to that at the result."""
    dead: float | None = None
    """The share of entries that pass nothing back; None where no input has the node's shape."""
    saturated: float | None = None
    """The share of entries that pass almost nothing back."""


class Cost(Record, frozen=True, kw_only=True):
    """Time and peak memory of forward alone, and of forward and backward together.

    One entry for each size of a dimension: two, or fewer where ``note`` says why.
    """

    along: str = ""
    """The dimension that is longer; empty where none can be."""
    elements: tuple[int, ...] = ()
    """Entries of the inputs that have the dimension."""
    forward_seconds: tuple[float, ...] = ()
    both_seconds: tuple[float, ...] = ()
    forward_bytes: tuple[int, ...] = ()
    both_bytes: tuple[int, ...] = ()
    steep: tuple[str, ...] = ()
    """"time", "memory": in what both together grow markedly faster than forward alone."""
    note: str = ""

    @property
    def time_ratios(self) -> tuple[float, ...]:
        """Both passes over forward alone, at each size."""
        pairs = zip(self.both_seconds, self.forward_seconds, strict=True)
        return tuple(b / f if f else math.inf if b else 1.0 for b, f in pairs)


class Figures(Record, frozen=True, kw_only=True):
    """Everything that pictures of one op are made from.

    Of the gravest finding with numbers, or of the comparison with the largest relative error.
    """

    curve: Curve | None = None
    heat: Heat | None = None
    spread: Spread | None = None
    met: list[Met] = []
    code: str = ""
    """The source of backward (of forward where there is no backward of its own)."""
    code_line: int = 0
    """The line of the file that ``code`` begins at."""
    code_indent: int = 0
    """Blanks that were cut from the start of each of its lines."""
    graph: list[GraphNode] = []
    """Of a graph, in topological order; empty where there are too many nodes to look at."""
    path: list[str] = []
    """Of a failing graph, the names of nodes from the wrong one to the result."""

"""What a check found, as plain Python values: the words that reports are made of.

Filled by the checks, `trial`, `tally` and `runner`; read by `reporters`, `policy`, the CLI and the
pytest plugin. Imports neither NumPy nor Hypothesis, so that a report can be read without them.
Every number is a Python number: NumPy scalars do not survive the trip between xdist workers.
New fields have defaults; `SCHEMA_VERSION` goes up when a field is renamed, removed or means
something else.
"""

from __future__ import annotations

from typing import Any, Literal

from gradcheck.figures import Cost, Figures, NodeHealth
from gradcheck.plain import NAME, clean
from gradcheck.records import Number, Record, unnum

SCHEMA_VERSION = 1

Verdict = Literal["pass", "fail", "inconclusive"]
Severity = Literal["fail", "not judged", "warning", "note"]


class Source(Record, frozen=True, kw_only=True):
    """Where the code under test stands."""

    file: str = ""
    line: int = 0
    """First line of backward (of forward where there is no backward of its own)."""
    forward_line: int = 0
    """First line of forward."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "<unknown source>"


class Worst(Record, frozen=True, kw_only=True):
    """One gradient entry against one finite difference."""

    input: str
    entry: tuple[int, ...]
    backward: Number
    finite_difference: Number
    bound: Number
    """Half width of the interval that holds the true derivative, rounding of backward included."""
    relative_error: Number
    """|a - D| / max(|a|, |D|): shown, never the verdict."""
    limit: Number
    """The smallest relative error that would have been seen here."""
    steps: tuple[float, ...] = ()
    truncation: Number = 0.0
    roundoff: Number = 0.0
    wrong: int = 0
    """How many entries of this input are wrong in this case."""
    entries: int = 0
    """How many entries of this input were compared in this case."""


class Finding(Record, frozen=True, kw_only=True):
    """Something to tell the author of an op."""

    code: str
    """Stable name of the kind of finding, for instance ``wrong-gradient``."""
    check: str
    severity: Severity
    message: str
    input: str = ""
    entry: tuple[int, ...] | None = None
    diagnosis: str = ""
    """Which mistake explains the numbers, with the evidence; empty where none stands out."""
    likely: str = ""
    """Short stable name of that mistake: "sign", "transpose", "upstream-dropped", ...

    "attribute/sign" where one attribute value alone shows it.
    """
    numbers: Worst | None = None
    case: str = ""
    """The case as Python code that can be pasted."""
    regime: str = ""
    """What kind of case it was ("ties", "size 1", ...)."""
    recipe: str = ""
    """The case as one line of JSON, from which it is rebuilt without any file."""
    replay: str = ""
    """Command that runs this case again."""
    cases: int = 1
    """In how many cases it was seen."""
    edition: str = ""
    """The later edition in which it would be no note, but would fail the run."""
    nodes: tuple[str, ...] = ()
    """In a graph, the nodes that are wrong; all of one op."""
    path: str = ""
    """The way from the first of them to the result: "h -> logits -> J"."""
    source: Source | None = None
    """Where the code of that node's op stands, if not that of the op under test."""
    traceback: str = ""
    """The user's own frames, where the op raised."""


class CheckSummary(Record, frozen=True, kw_only=True):
    """One check of one op, over all its cases."""

    verdict: Verdict
    comparisons: int = 0
    inconclusive: int = 0
    conventions: int = 0


class Convention(Record, frozen=True, kw_only=True):
    """A choice that backward makes where the function has no single derivative."""

    input: str
    count: int
    left: Number
    right: Number
    yours: Number
    where: str
    """The value of the input there, or "a tie"."""

    def normalised(self) -> tuple[float, float, float]:
        """Left, right and yours as shares of the larger slope: the cotangent drops out."""
        low, high, yours = unnum(self.left), unnum(self.right), unnum(self.yours)
        scale = high if abs(high) >= abs(low) else low
        if scale == 0:
            return 0.0, 0.0, 0.0
        low, high, yours = (round(v / scale, 3) + 0.0 for v in (low, high, yours))
        return min(low, high), max(low, high), yours


class Tolerance(Record, frozen=True, kw_only=True):
    """How much of its own tolerance an op used."""

    signif: float
    tightest: Number
    """The tightest ``signif`` that would still pass: the largest error beyond all rounding."""
    used: Number
    """``tightest / signif``: the slack."""
    loose: str = ""
    """Why it is too wide, in words."""


class OpResult(Record, frozen=True, kw_only=True):
    """Everything that was found about one op."""

    op: str
    target: str = ""
    """What `gradcheck run` and `replay` load the op by."""
    kind: str
    verdict: Verdict
    reason: str = ""
    """Why it is inconclusive, in words."""
    waived: str = ""
    """Why its failure is let through, and until when; the verdict stays what it is."""
    source: Source = Source()
    checks: dict[str, CheckSummary] = {}
    worst: Worst | None = None
    findings: list[Finding] = []
    coverage: dict[str, int] = {}
    """How many judged cases met each regime."""
    rejected: dict[str, int] = {}
    """Made-up inputs that forward refused, by regime and reason."""
    conventions: list[Convention] = []
    tolerance: Tolerance | None = None
    """Where the op sets one of its own (``signif=``)."""
    health: list[NodeHealth] = []
    """Of a graph, its nodes, the deepest first."""
    figures: Figures = Figures()
    """What pictures of it are made from."""
    cost: list[Cost] = []
    """Where asked for (``--cost``): measured times, which differ from run to run."""
    assumptions: list[str] = []
    dtypes: list[str] = []
    modes: dict[str, int] = {}
    """Comparisons by how they were made: quick, ladder, projected."""
    cases: int = 0
    cases_rejected: int = 0
    comparisons: int = 0
    inconclusive: int = 0
    forward_calls: int = 0
    forward_points: int = 0
    backward_calls: int = 0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The op's name without its module."""
        return self.op.rpartition("::")[2]

    def __repr__(self) -> str:
        """``<gradcheck: affine: pass, 87 cases, worst relative error 2e-11>``."""
        worst = unnum(self.worst.relative_error) if self.worst is not None else None
        said = f", worst relative error {worst:.2g}" if worst is not None else ""
        said += ", waived" * bool(self.waived)
        return f"<gradcheck: {clean(self.name, NAME)}: {self.verdict}, {self.cases} cases{said}>"

    __rich_repr__ = None  # type: ignore[assignment]  # by which Rich would print all of it

    def _repr_html_(self) -> str:
        """In a notebook."""
        from gradcheck.reporters import notebook

        return notebook.of_result(self)


class Summary(Record, frozen=True, kw_only=True):
    """Totals of a report."""

    ops: int = 0
    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors: int = 0
    waived: int = 0
    cases: int = 0
    comparisons: int = 0
    conventions: int = 0
    rejected: int = 0
    forward_calls: int = 0
    forward_points: int = 0
    seconds: float = 0.0


class Waived(Record, frozen=True, kw_only=True):
    """One entry of the waiver file, and what this run says of it."""

    op: str
    code: str
    """Of the finding that is known; "not-judged" for a verdict that could not be reached."""
    input: str = ""
    """Empty: any."""
    reason: str
    expires: str
    """ISO date; the waiver holds on that day, and no longer."""
    state: Literal["met", "fixed", "expired", "unmet"]
    """"met" lets a failure through; the others fail the run: "fixed", the op passes now; "expired";
    "unmet", there is no such op or finding."""
    message: str = ""
    """What to do about it, where it fails the run."""


class Report(Record, frozen=True, kw_only=True):
    """One run over some ops."""

    schema_version: int = SCHEMA_VERSION
    seed: int
    profile: str
    settings: dict[str, Any] = {}
    """Settings given on the command line, with which a case is replayed."""
    in_force: dict[str, Any] = {}
    """Settings that differ from the defaults, whatever their source, and bear on verdicts."""
    environment: dict[str, str]
    summary: Summary
    results: list[OpResult]
    errors: list[str] = []
    """Targets that could not be loaded, and ops that could not be checked."""
    faults: list[str] = []
    """Tracebacks of faults of gradcheck's own, for which ops could not be checked."""
    interrupted: bool = False
    planned: int = 0
    """Ops that were to be checked: more than there are results where the run was cut short."""
    cut_short: str = ""
    """Why it was, in words; empty where all were checked, or where it was interrupted."""
    waivers: list[Waived] = []
    """The entries of the waiver file that this run can speak of, in the order of the file."""

    @property
    def missing(self) -> int:
        """Ops that were to be checked, and have no result."""
        return max(self.planned - len(self.results), 0)

    def _repr_html_(self) -> str:
        """In a notebook."""
        from gradcheck.reporters import notebook

        return notebook.of_report(self)


def summarise(results: list[OpResult], errors: int, seconds: float) -> Summary:
    """Add up the results of a run."""

    def count(verdict: Verdict) -> int:
        return sum(r.verdict == verdict for r in results)

    return Summary(
        ops=len(results),
        passed=count("pass"),
        failed=count("fail"),
        inconclusive=count("inconclusive"),
        errors=errors,
        waived=sum(bool(r.waived) for r in results),
        cases=sum(r.cases for r in results),
        comparisons=sum(r.comparisons for r in results),
        conventions=sum(c.count for r in results for c in r.conventions),
        rejected=sum(r.cases_rejected for r in results),
        forward_calls=sum(r.forward_calls for r in results),
        forward_points=sum(r.forward_points for r in results),
        seconds=seconds,
    )

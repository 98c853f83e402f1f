"""What the checks of one case share: evaluated once, read by all."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from gradcheck import backward_noise
from gradcheck.aligning import gradient_array
from gradcheck.answer import Answer
from gradcheck.arrays import Array, Float, copy_tuple, is_real, largest
from gradcheck.compare import RESOLUTION
from gradcheck.diagnosis import Table
from gradcheck.evaluation import Evaluator
from gradcheck.floats import HALF, eps_of
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.reverse import Gradients, backward
from gradcheck.graphs.tape import Tape
from gradcheck.model import Case, Input, Op, Outputs
from gradcheck.results import Convention, Finding, Severity, Worst
from gradcheck.settings import Settings

if TYPE_CHECKING:
    from gradcheck.checks.suspects import Hearing

_PART = 2**16
"""Entries of two gradients that are compared at a time."""


class Facts(msgspec.Struct, frozen=True):
    """One case, forward and backward evaluated at it."""

    op: Op
    settings: Settings
    evaluator: Evaluator
    case: Case
    cotangents: Outputs
    answer: Answer
    precision: str
    """What forward really computes in at this case's dtype."""
    gradients: tuple[Float | None, ...]
    """float64, of the input's shape; None where backward gave nothing usable."""
    so_far: Mapping[str, Outcome] = msgspec.field(default_factory=dict)
    """What the checks before this one found at the case, by name."""
    tape: Tape | None = None
    """A graph's forward pass at the case, beside which others near it are computed."""
    sharp: frozenset[int] = frozenset()
    """Inputs whose way through forward has the precision of their dtype, not ``precision``."""
    _noise: list[tuple[Float, ...]] = msgspec.field(default_factory=list)
    _passed: list[tuple[Tape, Gradients]] = msgspec.field(default_factory=list)

    def noise(self) -> tuple[Float, ...]:
        """Rounding noise of each gradient entry, measured once (14 backward passes)."""
        if not self._noise:
            measured = backward_noise.measure(
                self.evaluator, self.case, self.cotangents, self.gradients
            )
            self._noise.append(measured)
        return self._noise[0]

    def passed(self) -> tuple[Tape, Gradients] | None:
        """The pass of a graph node by node, forwards and backwards, run once; None for other ops.

        Raises
        ------
        UserCodeRaised
            A node raised.
        """
        graph = self.op.detail
        if not isinstance(graph, Composed):
            return None
        if not self._passed:
            primals = copy_tuple(self.case.primals)
            tape = recorded(self.evaluator, graph, primals, self.case.attributes)
            gradients = self.evaluator.pull(partial(backward, tape), self.cotangents)
            self._passed.append((tape, gradients))
        return self._passed[0]

    def know(self, passed: tuple[Tape, Gradients]) -> None:
        """`passed` was run already."""
        self._passed.append(passed)

    def resolution(self, k: int) -> float:
        """What a comparison of input ``k``'s gradient can resolve: its own dtype may be narrow."""
        returned = (self.answer.gradients or (None,) * (k + 1))[k]
        own = RESOLUTION.get(str(getattr(returned, "dtype", "")), 0.0)
        return max(own, RESOLUTION[self.precision])

    @property
    def compared(self) -> list[int]:
        """Places of the inputs whose gradients can be compared."""
        return [
            k for k, i in enumerate(self.op.inputs) if i.differentiable and self.usable(k) is None
        ]

    def usable(self, k: int) -> str | None:
        """Why the gradient of input ``k`` cannot be compared, or None."""
        if self.gradients[k] is None:
            return "no usable gradient"
        return None if is_real(self.case.primals[k]) else "not real"

    def pulled(self, cotangent: Float) -> tuple[Float | None, ...]:
        """The usable gradients for another cotangent, given as the real outputs flattened.

        Raises
        ------
        UserCodeRaised
            Forward or backward raised.
        """
        given, start = list[Array](), 0
        for own in self.cotangents:
            size = own.size if is_real(own) else 0
            part = cotangent[start : start + size].reshape(own.shape) if size else own
            given.append(part.astype(own.dtype))
            start += size
        return self.gradients_of(self.evaluator.answer(self.case, tuple(given)))

    def gradients_of(self, answer: Answer) -> tuple[Float | None, ...]:
        """The usable gradients of another answer at the same primals."""
        return self.aligned(answer.gradients)

    def aligned(
        self, gradients: tuple[Any, ...] | None, own: Container[int] = ()
    ) -> tuple[Float | None, ...]:
        """The usable ones of some gradients, one per input, as `usable_gradients`."""
        return usable_gradients(self.op, self.case, gradients, own)


def recorded(
    evaluator: Evaluator,
    graph: Composed,
    primals: tuple[Array, ...],
    attributes: dict[str, Any],
    *,
    pullbacks: bool = True,
) -> Tape:
    """A graph's pass at these very arrays, counted as a forward pass of the op."""

    def run(*values: Any, **given: Any) -> Tape:
        return graph.run(values, given, pullbacks=pullbacks)

    made: Tape = evaluator.call_forward(run, primals, attributes)
    return made


def usable_gradients(
    op: Op, case: Case, gradients: tuple[Any, ...] | None, own: Container[int] = ()
) -> tuple[Float | None, ...]:
    """Each gradient as float64 of its input's shape, or None.

    ``own``: places of those that are nobody else's, and need not be copied.
    """
    if gradients is None:
        return tuple(None for _ in op.inputs)
    return tuple(
        gradient_array(g, p.shape, copied=k not in own) if i.differentiable else None
        for k, (g, p, i) in enumerate(zip(gradients, case.primals, op.inputs, strict=True))
    )


class Still(msgspec.Struct, frozen=True):
    """Which side of an input's comparisons is zero throughout."""

    forward: bool
    """No perturbation moves the output."""
    backward: bool
    """The gradient is exactly zero."""


class Outcome(msgspec.Struct):
    """What one check says of one case."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    comparisons: int = 0
    inconclusive: int = 0
    conventions: list[Convention] = msgspec.field(default_factory=list)
    worst: dict[str, Worst] = msgspec.field(default_factory=dict)
    """By input, the comparison with the largest relative error."""
    judged: dict[str, int] = msgspec.field(default_factory=dict)
    """By input, how many of its entries could be judged."""
    entries: dict[str, int] = msgspec.field(default_factory=dict)
    """By input, how many of its entries were compared."""
    still: dict[str, Still] = msgspec.field(default_factory=dict)
    """By input, whether anything moved."""
    tables: dict[str, Table] = msgspec.field(default_factory=dict)
    """By input, all entries side by side, where one of them is wrong."""
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    """Why comparisons were inconclusive."""
    modes: dict[str, int] = msgspec.field(default_factory=dict)
    hearings: dict[str, Hearing] = msgspec.field(default_factory=dict)
    """In a graph, by the input of a finding, the node that was checked by itself."""
    coarse: dict[str, float] = msgspec.field(default_factory=dict)
    """By input that was not looked at entry by entry: the smallest error of one entry that shows,
    relative to the largest entry."""
    by_nodes: bool = False
    """A graph of which every entry was looked at in its nodes."""
    excess: float = 0.0
    """The largest error beyond all bounds, relative to its scale: what ``signif`` must cover."""

    @property
    def failed(self) -> bool:
        return any(f.severity == "fail" for f in self.findings)

    def find(self, check: str, code: str, message: str, *, severity: Severity = "fail") -> None:
        """Add a finding that concerns the op as a whole."""
        self.findings.append(Finding(code=code, check=check, severity=severity, message=message))

    def find_in(
        self, check: str, code: str, input: Input, message: str, *, severity: Severity = "fail"
    ) -> None:
        """Add a finding that concerns one input."""
        self.findings.append(
            Finding(code=code, check=check, severity=severity, message=message, input=input.name)
        )


def furthest(
    facts: Facts,
    got: tuple[Float | None, ...],
    base: tuple[Float | None, ...],
    noise: Callable[[], tuple[Float, ...]] | None = None,
) -> str:
    """Where two sets of gradients that should agree do not; empty when they agree within noise.

    Each entry may differ by the resolution times the largest entry of its tensor: sums taken in
    another order differ in the last bits only. Where all entries cancel to zero, rounding of the
    size of the cotangent is left. ``noise`` measures the rounding noise of each entry where that
    is not the noise of the case's own gradients.
    """
    apart = [
        (k, a, b)
        for k, (a, b) in enumerate(zip(got, base, strict=True))
        if a is not None and b is not None and not np.array_equal(a, b)
    ]
    if not apart:
        return ""
    noise = noise or facts.noise
    upstream = max((float(np.abs(c).max(initial=0.0)) for c in facts.cotangents), default=0.0)
    spacings = 8 if facts.precision in HALF else 2**14
    floor = spacings * eps_of(facts.precision) * max(upstream, 1.0)
    for k, a, b in apart:
        if not np.isfinite(b).all():
            continue
        most = facts.resolution(k) * largest(b) + floor
        if _within(a, b, most):
            continue
        with np.errstate(all="ignore"):
            wrong = ~(np.abs(a - b) <= most)
            wrong &= ~(np.abs(a - b) <= 8 * noise()[k])  # NaN is wrong too
        if wrong.any():
            entry = tuple(int(i) for i in np.argwhere(wrong)[0])
            name = facts.op.inputs[k].name
            return f"gradient of {name}, entry {entry}: {a[entry]:.6g} against {b[entry]:.6g}"
    return ""


def _within(a: Float, b: Float, most: float) -> bool:
    """No two entries are further apart; held a part at a time."""
    one, other = a.reshape(-1), b.reshape(-1)
    with np.errstate(all="ignore"):
        return all(
            bool((np.abs(one[p] - other[p]) <= most).all())
            for p in (slice(start, start + _PART) for start in range(0, one.size, _PART))
        )

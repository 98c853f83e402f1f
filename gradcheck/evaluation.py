"""Running an op on a case: copies in, arrays out, every call counted, nothing trusted.

The user's code gets writable copies (some bindings demand them); what it did to them is compared
afterwards. Everything that a check needs from a case is evaluated here once and shared.
"""

from __future__ import annotations

import copy
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.aligning import aligned
from gradcheck.arrays import (
    Array,
    Float,
    all_same_bits,
    as_outputs,
    copy_array,
    copy_tuple,
    flatten,
    is_numeric,
    is_real,
    same_bits,
)
from gradcheck.errors import UsageError
from gradcheck.guards import GlobalRandom, TimeLimit
from gradcheck.model import Case, Op, Outputs
from gradcheck.plain import told

_IMMUTABLE = (bool, int, float, str, type(None), tuple)


class NodeRaised(Exception):
    """An op in a graph raised: at which node, with which shapes, and what."""

    def __init__(self, place: str, error: BaseException) -> None:
        self.place, self.error = place, error
        super().__init__(f"node {place}: {type(error).__name__}: {told(error)}")


class UserCodeRaised(Exception):
    """Forward or backward raised. ``where`` is "forward" or "backward"."""

    def __init__(self, where: str, error: BaseException) -> None:
        place = ""
        if isinstance(error, NodeRaised):
            place, error = f" (at node {error.place})", error.error
        self.where = where
        self.error = error
        first = told(error).strip().splitlines()
        self.summary = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
        self.summary += place
        super().__init__(f"{where} raised {self.summary}")

    def frames(self) -> str:
        """The traceback below gradcheck's own frames: the user's code only."""
        stack = traceback.extract_tb(self.error.__traceback__)
        own = __file__.rpartition("gradcheck")[0] + "gradcheck"
        theirs = [f for f in stack if not f.filename.startswith(own)]
        return "".join(traceback.format_list(theirs)).rstrip()


class OtherOutputs(UserCodeRaised):
    """Forward returned another number of outputs than before at the same inputs."""

    def __init__(self, before: int, now: int) -> None:
        told = (
            f"forward returned {_counted(before)}, and {_counted(now)} when it was called again at "
            "the same inputs for the backward pass, which gets one upstream gradient for each: let "
            "their number depend on the inputs and attributes alone, not on a counter or a flag "
            "that is kept between two calls"
        )
        super().__init__("forward", ValueError(told))
        self.summary = told


def _counted(outputs: int) -> str:
    return f"{outputs} output{'s' * (outputs != 1)}"


@dataclass(slots=True)
class Counters:
    """How often the user's code ran."""

    forward_calls: int = 0
    forward_points: int = 0
    backward_calls: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One forward and backward pass: what went in, what came out, what was overwritten."""

    outputs: Outputs
    gradients: tuple[Any, ...] | None
    """As backward returned them, one per input; None where it returned no tuple at all."""
    returned: Any
    """Backward's return value, untouched."""
    primals: tuple[Array, ...]
    """The very arrays that forward and backward were given."""
    cotangents: Outputs
    overwritten: tuple[str, ...]
    """Names of inputs (or "cotangent") whose bytes changed, with who did it."""


@dataclass(slots=True)
class Evaluator:
    """Runs one op. ``random`` pins the global random state; ``counters`` add up over cases."""

    op: Op
    random: GlobalRandom
    counters: Counters = field(default_factory=Counters)
    unstackable: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How often forward has not taken an input stacked in a way (`batching`)."""
    looked: Counter[str] = field(default_factory=Counter)
    """By dtype, at how many cases a framework's own promises were looked at."""
    _scalars: bool = field(init=False)
    """Some input's example was a scalar."""

    def __post_init__(self) -> None:
        self._scalars = any(i.scalar for i in self.op.inputs)

    def forward(self, primals: tuple[Array, ...], attributes: dict[str, Any]) -> Outputs:
        """Outputs at fresh copies of the primals.

        Raises
        ------
        UserCodeRaised
            Forward raised; also when it recursed too deeply or ran out of memory.
        """
        return self.forward_in_place(copy_tuple(primals), attributes)

    def forward_in_place(self, primals: tuple[Array, ...], attributes: dict[str, Any]) -> Outputs:
        """Outputs at these very arrays: the caller owns them."""
        return as_outputs(self.call_forward(self.op.forward, primals, attributes))

    def forward_stacked(
        self,
        forward: Callable[..., Any],
        primals: tuple[Array, ...],
        attributes: dict[str, Any],
        count: int,
    ) -> Outputs:
        """One call at stacked arrays, which is ``count`` points.

        Raises
        ------
        UserCodeRaised
            Forward raised.
        """
        self.counters.forward_points += count - 1
        return as_outputs(self.call_forward(forward, primals, attributes))

    def call_forward(
        self, forward: Callable[..., Any], primals: tuple[Array, ...], attributes: dict[str, Any]
    ) -> Any:
        """Any forward of this op, counted, at these very arrays."""
        self.counters.forward_calls += 1
        self.counters.forward_points += 1
        self.random.pin()
        if attributes and any(type(v) not in _IMMUTABLE for v in attributes.values()):
            attributes = copy.deepcopy(attributes)  # option dicts are written into by real code
        try:
            return forward(*self._handed(primals), **attributes)
        except (TimeLimit, KeyboardInterrupt, UsageError):
            raise
        except BaseException as error:
            raise UserCodeRaised("forward", error) from error

    def answer(
        self,
        case: Case,
        cotangents: Outputs,
        vjp: Callable[..., Any] | None = None,
        known: Outputs = (),
    ) -> Answer:
        """One forward and one backward pass at the case; ``vjp`` stands for the op's own.

        ``known`` are outputs of an earlier pass: not copied again where they are the same.

        Raises
        ------
        UserCodeRaised
            Forward or backward raised; `OtherOutputs` where forward returned as many as the
            cotangents are not.
        """
        primals = copy_tuple(case.primals)
        given = tuple(copy_array(c) if c.flags.writeable else c for c in cotangents)
        started = self.call_forward(vjp or self.op.vjp, primals, case.attributes)
        outputs, pullback = as_outputs(started[0]), started[1]
        handed = _as_given(given, started[0])
        changed = self._changed(primals, case.primals, "forward")
        kept = known if all_same_bits(outputs, known) else copy_tuple(outputs)
        del started, outputs  # backward may need the memory
        before = copy_tuple(primals) if changed else case.primals
        returned = self.pull(pullback, handed)
        changed += self._changed(primals, before, "backward")
        if any(not same_bits(g, c) for g, c in zip(given, cotangents, strict=True)):
            changed.append("cotangent (by backward)")
        return Answer(
            kept, self.align(returned), returned, primals, given, tuple(dict.fromkeys(changed))
        )

    def _changed(
        self, primals: tuple[Array, ...], before: tuple[Array, ...], who: str
    ) -> list[str]:
        """Names of inputs whose bytes are no longer what they were."""
        return [
            f"{i.name} (by {who})"
            for i, new, old in zip(self.op.inputs, primals, before, strict=True)
            if not same_bits(new, old)
        ]

    def gradients(self, case: Case, cotangents: Outputs) -> tuple[Any, ...] | None:
        """What `answer` has as gradients, where nobody asks what else the two passes did.

        Raises
        ------
        UserCodeRaised
            Forward or backward raised.
        """
        given = tuple(copy_array(c) if c.flags.writeable else c for c in cotangents)
        output, pullback = self.call_forward(self.op.vjp, copy_tuple(case.primals), case.attributes)
        return self.align(self.pull(pullback, _as_given(given, output)))

    def pull(self, pullback: Any, cotangents: Outputs) -> Any:
        """Backward pass; what it returned, untouched."""
        self.counters.backward_calls += 1
        self.random.pin()
        try:
            return pullback(cotangents)
        except (TimeLimit, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise UserCodeRaised("backward", error) from error

    def align(self, returned: Any) -> tuple[Any, ...] | None:
        """`aligned`, for this op."""
        return aligned(self.op, returned)

    def _handed(self, primals: tuple[Array, ...]) -> tuple[Any, ...]:
        """0-d inputs whose example was a scalar are handed over as NumPy scalars."""
        if not self._scalars or 0 not in [a.ndim for a in primals]:
            return primals
        return tuple(
            a[()] if i.scalar and a.ndim == 0 else a
            for a, i in zip(primals, self.op.inputs, strict=True)
        )


def _as_given(cotangents: Outputs, returned: Any) -> Outputs:
    """The cotangents as backward gets them: scalars where forward returned Python's or NumPy's.

    Raises
    ------
    OtherOutputs
        There are more or fewer of them than outputs.
    """
    parts = returned if isinstance(returned, (tuple, list)) else (returned,)
    if len(parts) != len(cotangents):
        raise OtherOutputs(len(cotangents), len(parts))
    pairs = zip(cotangents, parts, strict=True)
    return tuple([c if isinstance(p, np.ndarray) else c[()] for c, p in pairs])


def gradient_array(value: Any, shape: tuple[int, ...]) -> Float | None:
    """A returned gradient as float64 of the input's shape; None where it is not one."""
    if value is None:
        return None
    try:
        array = np.asarray(value)
    except Exception:
        return None
    if array.shape != shape or not is_numeric(array):
        return None
    return array.astype(np.float64)  # a copy: it may be backward's own workspace


def projection(outputs: Outputs, cotangents: Outputs) -> tuple[Float, Float]:
    """Flattened real outputs and the cotangent that contracts them."""
    return flatten(outputs), flatten(
        [c for c, o in zip(cotangents, outputs, strict=True) if is_real(o)]
    )

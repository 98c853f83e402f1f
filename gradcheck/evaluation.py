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
from functools import partial
from typing import Any

from gradcheck.aligning import aligned
from gradcheck.answer import Answer, Begun, Counters, scalars_of
from gradcheck.arrays import (
    Array,
    all_same_bits,
    as_outputs,
    copy_array,
    copy_tuple,
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
class Evaluator:
    """Runs one op. ``random`` pins the global random state; ``counters`` add up over cases."""

    op: Op
    random: GlobalRandom
    counters: Counters = field(default_factory=Counters)
    unstackable: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How often forward has not taken an input stacked in a way (`batching`)."""
    looked: Counter[str] = field(default_factory=Counter)
    """By dtype, at how many cases a framework's own promises were looked at."""
    shortcut: Callable[..., Any] | None = None
    """What is called instead of the op's forward, where that is the same and takes less."""

    @property
    def function(self) -> Callable[..., Any]:
        """Forward, as it is called."""
        return self.shortcut or self.op.forward

    def with_shortcut(self, shortcut: Callable[..., Any]) -> Evaluator:
        """The same, with a function that is forward near a case."""
        shared = self.counters, self.unstackable, self.looked
        return Evaluator(self.op, self.random, *shared, shortcut)

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
        return as_outputs(self.call_forward(self.function, primals, attributes))

    def caller(self, attributes: dict[str, Any]) -> Callable[[tuple[Array, ...]], Outputs]:
        """`forward_in_place` for many calls near a case: what they have in common is asked once."""
        if self.op.scalars or not self.random.unused or _mutable(attributes):
            return partial(self.forward_in_place, attributes=attributes)
        function = self.function
        return lambda primals: as_outputs(self._called(function, primals, attributes))

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
        self.random.pin()
        if _mutable(attributes):
            attributes = copy.deepcopy(attributes)  # option dicts are written into by real code
        given = self._handed(primals) if self.op.scalars else primals
        return self._called(forward, given, attributes)

    def _called(
        self, forward: Callable[..., Any], given: tuple[Any, ...], attributes: dict[str, Any]
    ) -> Any:
        self.counters.forward_calls += 1
        self.counters.forward_points += 1
        try:
            return forward(*given, **attributes)
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
        return self.answered(self.begun(case, vjp, known), case, cotangents)

    def begun(
        self, case: Case, vjp: Callable[..., Any] | None = None, known: Outputs = ()
    ) -> Begun:
        """The forward pass of `answer`.

        Raises
        ------
        UserCodeRaised
            Forward raised.
        """
        primals = copy_tuple(case.primals)
        returned, pullback = self.call_forward(vjp or self.op.vjp, primals, case.attributes)
        outputs = as_outputs(returned)
        changed = self._changed(primals, case.primals, "forward")
        kept = known if all_same_bits(outputs, known) else copy_tuple(outputs)
        return Begun(primals, kept, scalars_of(returned), pullback, changed)

    def answered(self, begun: Begun, case: Case, cotangents: Outputs) -> Answer:
        """The backward pass of `answer`.

        Raises
        ------
        UserCodeRaised
            As `answer`.
        """
        primals, changed = begun.primals, begun.changed
        given = tuple(copy_array(c) if c.flags.writeable else c for c in cotangents)
        handed = _as_given(given, begun.scalars)
        before = copy_tuple(primals) if changed else case.primals
        returned = self.pull(begun.pullback, handed)
        changed += self._changed(primals, before, "backward")
        if not all_same_bits(given, cotangents):
            changed.append("cotangent (by backward)")
        overwritten = tuple(dict.fromkeys(changed))
        return Answer(begun.outputs, self.align(returned), returned, primals, given, overwritten)

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
        return self.align(self.pull(pullback, _as_given(given, scalars_of(output))))

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
        return tuple(
            a[()] if i.scalar and a.ndim == 0 else a
            for a, i in zip(primals, self.op.inputs, strict=True)
        )


def _mutable(attributes: dict[str, Any]) -> bool:
    """Forward could write into one of them."""
    return any(type(v) not in _IMMUTABLE for v in attributes.values())


def _as_given(cotangents: Outputs, scalars: tuple[bool, ...]) -> Outputs:
    """The cotangents as backward gets them: numbers where forward returned numbers.

    Raises
    ------
    OtherOutputs
        There are more or fewer of them than outputs.
    """
    if len(scalars) != len(cotangents):
        raise OtherOutputs(len(cotangents), len(scalars))
    return tuple([c[()] if s else c for c, s in zip(cotangents, scalars, strict=True)])

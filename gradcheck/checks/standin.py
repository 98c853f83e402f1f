"""The function that finite differences run on: forward, unless the author names another.

``differentiates=`` names what a straight-through or surrogate backward is the gradient of;
``reference=`` another implementation of forward, evaluated in float64 at the same inputs. Both
take forward's own arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, all_finite, flatten, is_real
from gradcheck.checks.facts import Facts
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.graphs.again import forward_beside
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.tape import Tape
from gradcheck.model import Op, Outputs
from gradcheck.node import Node


@dataclass(frozen=True, slots=True)
class StandIn:
    """A function beside forward, evaluated at one case."""

    evaluator: Evaluator
    primals: tuple[Array, ...]
    precision: str
    outputs: Outputs = ()
    refused: str = ""
    """Why there are no outputs to compare with: it raises, or is not finite."""
    misshapen: str = ""
    """Its outputs are not forward's in number or shape: the wrong function was named."""

    @property
    def usable(self) -> bool:
        return not (self.refused or self.misshapen)


def of_reference(facts: Facts) -> StandIn:
    """The op's reference, in float64 at the case's own (quantised) inputs."""
    primals = tuple(p.astype(np.float64) if is_real(p) else p for p in facts.case.primals)
    return _evaluated("the reference", facts, facts.op.options.reference, (primals, "float64"))


def of_surrogate(facts: Facts) -> StandIn:
    """What the op says it differentiates, at the case itself."""
    at = (facts.case.primals, facts.precision)
    return _evaluated("differentiates=", facts, facts.op.options.differentiates, at)


def of_nodes(facts: Facts) -> StandIn | None:
    """A graph whose nodes that name a surrogate follow it around the case; None without such nodes.

    At the case itself every node has its own value, so that the others see what they saw.
    """
    if facts.tape is not None and not _surrogates(facts.tape):
        return None
    passed = facts.passed()
    if passed is None or not _surrogates(passed[0]):
        return None
    graph, base = facts.op.detail, passed[0]

    def forward(*values: Any, **attributes: Any) -> Any:
        tape = _Following(base)
        tape.finish(graph.record(tape.start(graph.names, values), attributes))
        return tuple(tape.values[r] for r in tape.results)

    op = replace(facts.op, forward=forward)
    evaluator = Evaluator(op, facts.evaluator.random, facts.evaluator.counters)
    return StandIn(evaluator, facts.case.primals, facts.precision, facts.answer.outputs)


def _surrogates(tape: Tape) -> bool:
    """Some node names one."""
    return any(s.op.options.differentiates is not None for s in tape.steps)


def beside(facts: Facts) -> Evaluator:
    """Evaluates forward near the case; of a graph only what follows what was changed."""
    graph = facts.op.detail
    if facts.tape is None or not facts.evaluator.random.unused or not isinstance(graph, Composed):
        return facts.evaluator
    return facts.evaluator.with_shortcut(forward_beside(graph, facts.tape))


class _Following(Tape):
    """A forward pass on which nodes with a surrogate move as that does, from where they are."""

    def __init__(self, base: Tape) -> None:
        super().__init__(base.name, pullbacks=False)
        self._base = base

    def applied(
        self, op: Op, parents: Sequence[Node], attributes: Mapping[str, Any], name: str = ""
    ) -> Any:
        number, surrogate = len(self.steps), op.options.differentiates
        if surrogate is None or number >= len(self._base.steps):
            return super().applied(op, parents, attributes, name)
        step, values = self._base.steps[number], self._base.values
        function = _as_forward(op, surrogate)
        here = values[step.outputs[0]]
        there = np.asarray(function(*[values[p] for p in step.parents], **attributes))

        def moved(*primals: Any, **given: Any) -> Any:
            return here + (np.asarray(function(*primals, **given)) - there)

        return super().applied(replace(op, forward=moved), parents, attributes, name)


def _evaluated(
    what: str,
    facts: Facts,
    function: Callable[..., Any] | None,
    at: tuple[tuple[Array, ...], str],
) -> StandIn:
    assert function is not None
    op = replace(facts.op, forward=_as_forward(facts.op, function))
    made = StandIn(Evaluator(op, facts.evaluator.random, facts.evaluator.counters), *at)
    try:
        outputs = made.evaluator.forward(made.primals, facts.case.attributes)
    except UserCodeRaised as error:
        return replace(made, refused=f"{what} raises {error.summary}")
    except UsageError:
        return replace(made, misshapen=f"{what} returns no array, or tuple of arrays")
    outputs = tuple(o.copy() for o in outputs)
    own, other = ([o.shape for o in made] for made in (facts.answer.outputs, outputs))
    if own != other:
        shown = " where forward returns ".join(_shapes(s) for s in (other, own))
        return replace(made, misshapen=f"{what} returns {shown}")
    if flatten(outputs).shape != flatten(facts.answer.outputs).shape:
        kinds = ", ".join(dict.fromkeys(str(o.dtype) for o in outputs if not is_real(o)))
        return replace(made, misshapen=f"{what} returns {kinds} where forward returns reals")
    if not all_finite(outputs):
        return replace(made, refused=f"{what} is NaN or infinite where forward is not")
    return replace(made, outputs=outputs)


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    if len(shapes) == 1:
        return f"shape {shapes[0]}"
    return f"{len(shapes)} outputs of shapes {', '.join(map(str, shapes))}"


def _as_forward(op: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    arguments = op.arguments
    if arguments is None:
        return function
    return lambda *primals, **attributes: function(*arguments(primals), **attributes)

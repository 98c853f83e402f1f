"""The function that finite differences run on: forward, unless the author names another.

``differentiates=`` names what a straight-through or surrogate backward is the gradient of;
``reference=`` another implementation of forward, evaluated in float64 at the same inputs. Both
take forward's own arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, all_finite, flatten, is_real
from gradcheck.checks.facts import Facts
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.model import Op, Outputs


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

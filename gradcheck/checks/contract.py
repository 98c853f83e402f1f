"""Backward returns a tuple or list with one gradient per input, of the input's shape and dtype."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_numeric, is_real
from gradcheck.checks.facts import Facts, Outcome, furthest
from gradcheck.evaluation import UserCodeRaised
from gradcheck.floats import eps_of
from gradcheck.model import Input
from gradcheck.results import Finding, Severity

NAME = "contract"


def check(facts: Facts) -> Outcome:
    """Count, presence, shape convention and dtype of the gradients."""
    outcome = Outcome()
    gradients = facts.answer.gradients
    if gradients is None:
        outcome.find(NAME, "gradient-count", _count_message(facts))
        return outcome
    for input, primal, gradient in zip(facts.op.inputs, facts.case.primals, gradients, strict=True):
        if input.differentiable:
            _check_one(outcome, facts, (input, primal, gradient))
    if facts.op.vjp_wanting is not None and not outcome.findings:
        _check_some_wanted(outcome, facts)
    _widened(outcome, facts)
    return outcome


def noted(code: str, message: str, severity: Severity = "fail", traceback: str = "") -> Finding:
    """A finding of this check, made where a case is evaluated."""
    return Finding(code=code, check=NAME, severity=severity, message=message, traceback=traceback)


def _widened(outcome: Outcome, facts: Facts) -> None:
    """Forward leaves the precision of all its real inputs for a wider one: said, never red."""
    own = [p.dtype for p in facts.case.primals if is_real(p)]
    made = [o.dtype for o in facts.answer.outputs if is_real(o)]
    finest = min(map(eps_of, own), default=0.0)
    wider = [d for d in made if eps_of(d) < finest]
    if wider:
        outcome.find(
            NAME,
            "widened-output",
            f"forward returns {wider[0]} for {max(own, key=eps_of)} inputs, and what follows runs "
            "in it: a NumPy number (np.float64, np.int64) widens an array or a sum; a Python "
            "number does not",
            severity="note",
        )


def _check_some_wanted(outcome: Outcome, facts: Facts) -> None:
    """Each gradient wanted alone is the same as all together."""
    assert facts.op.vjp_wanting is not None
    for k in facts.compared:
        name = facts.op.inputs[k].name
        wanted = tuple(place == k for place in range(len(facts.op.inputs)))
        try:
            vjp = partial(facts.op.vjp_wanting, wanted)
            alone = facts.gradients_of(facts.evaluator.answer(facts.case, facts.cotangents, vjp))
        except UserCodeRaised as error:
            message = f"backward fails where only the gradient of {name} is wanted: {error}"
            outcome.find_in(NAME, "wanted-alone", facts.op.inputs[k], message)
            continue
        outcome.comparisons += 1
        one = tuple(g if w else None for g, w in zip(facts.gradients, wanted, strict=True))
        where = furthest(facts, alone, one)
        if alone[k] is None or where:
            what = f"it is another one: {where}" if where else "none is returned"
            message = f"where only the gradient of {name} is wanted (needs_grad) {what}"
            outcome.find_in(NAME, "wanted-alone", facts.op.inputs[k], message)


def _count_message(facts: Facts) -> str:
    returned = facts.answer.returned
    count = len(returned) if isinstance(returned, (tuple, list)) else 1
    names, wanted = ", ".join(i.name for i in facts.op.inputs), len(facts.op.inputs)
    if returned is None:
        return (
            f"backward returned None: let it return the gradients of forward's inputs ({names}), "
            "in that order; where it leaves them on objects of its own, return those, as in "
            f"return [{', '.join(f'{i.name}.grad' for i in facts.op.inputs[:2])}, ...]"
        )
    return (
        f"backward returned {count} gradient{'s' * (count != 1)}, but forward takes "
        f"{wanted} input{'s' * (wanted != 1)} ({names}): return one per input, in that order, "
        "None for integer inputs"
    )


def _check_one(outcome: Outcome, facts: Facts, parts: tuple[Input, Array, Any]) -> None:
    input, primal, gradient = parts
    if gradient is None:
        _missing(outcome, input)
        return
    try:
        array = np.asarray(gradient)
    except Exception:
        array = np.asarray(None)
    if not is_numeric(array):
        what = f"{type(gradient).__name__} of dtype {array.dtype}"
        outcome.find_in(
            NAME,
            "not-a-gradient",
            input,
            f"gradient of {input.name} is a {what}: return real numbers",
        )
    elif array.shape != primal.shape:
        outcome.find_in(NAME, "wrong-shape", input, _shape_message(input, primal, array))
    elif array.dtype != primal.dtype and is_real(primal):
        _dtype(outcome, facts, (input, primal, array))


def _missing(outcome: Outcome, input: Input) -> None:
    if input.optional:
        message = (
            f"no gradient for {input.name}: taken as not differentiable and not checked; "
            f'say so with a signature (nondiff="{input.name}"), or return zeros'
        )
        outcome.find_in(NAME, "no-gradient", input, message, severity="warning")
    else:
        message = (
            f"backward returned None for {input.name}, which is a real input: return its gradient"
        )
        outcome.find_in(NAME, "no-gradient", input, message)


def _shape_message(input: Input, primal: Array, array: Array) -> str:
    return (
        f"gradient of {input.name} has shape {array.shape}, {input.name} has {primal.shape} "
        "(shape convention: a gradient has the shape of its input)"
    )


def _dtype(outcome: Outcome, facts: Facts, parts: tuple[Input, Array, Array]) -> None:
    input, primal, array = parts
    if is_real(array):
        wider = eps_of(array.dtype) < eps_of(primal.dtype)
        upstream = [c.dtype for c, o in zip(facts.cotangents, facts.answer.outputs, strict=True)]
        if wider and any(d == array.dtype for d in upstream):
            return  # forward itself widened: backward only follows its upstream
    else:
        wider = False
    how = "wider" if wider else "narrower"
    outcome.find_in(
        NAME,
        "wrong-dtype",
        input,
        f"gradient of {input.name} is {array.dtype}, {how} than {input.name} ({primal.dtype})",
        severity="warning",
    )

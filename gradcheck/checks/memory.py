"""Second uses of the same memory: arrays given twice, overlapping views, unwritten results.

Parts of the purity check. Each compares the gradients of two calls with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from gradcheck.arrays import Array, all_finite, copy_tuple, is_real, poison, same_bits
from gradcheck.checks.agreement import apart
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.model import Case

NAME = "purity"


def shared_inputs(outcome: Outcome, facts: Facts) -> None:
    """One array given as two inputs, and two inputs that overlap, against separate copies."""
    for what, shared in _shared(facts):
        separate = tuple(p.copy() for p in shared)
        try:
            base = facts.evaluator.answer(_at(facts, separate), facts.cotangents)
            if not all_finite(base.outputs):
                continue
            got = facts.evaluator.answer(_at(facts, shared), facts.cotangents)
        except (UserCodeRaised, ValueError):
            continue  # not supported, or outside of the domain
        outcome.comparisons += 1
        if got.overwritten != base.overwritten or any(
            o.shape != c.shape for o, c in zip(base.outputs, facts.cotangents, strict=True)
        ):
            continue
        where = apart(facts, facts.gradients_of(got), facts.gradients_of(base))
        if where:
            outcome.find(
                NAME,
                "shared-inputs",
                f"{what} gives another gradient than separate copies with the same numbers: "
                f"{where}; is something kept by the identity or the address of an array?",
            )


def _shared(facts: Facts) -> Iterator[tuple[str, tuple[Array, ...]]]:
    pair = _alike(facts)
    if pair is None:
        return
    i, j = pair
    primals = facts.case.primals
    names = f"{facts.op.inputs[i].name} and {facts.op.inputs[j].name}"
    twice = list(primals)
    twice[j] = primals[i]
    yield f"the same array as {names}", tuple(twice)
    if primals[i].ndim and primals[i].size > 1:
        buffer = np.append(primals[i].reshape(-1), primals[j].reshape(-1)[:1])
        views = list(primals)
        views[i] = buffer[:-1].reshape(primals[i].shape)
        views[j] = buffer[1:].reshape(primals[i].shape)
        yield f"overlapping memory for {names}", tuple(views)


def _alike(facts: Facts) -> tuple[int, int] | None:
    """The first two inputs that may stand for each other: same shape, same domain."""
    inputs, primals = facts.op.inputs, facts.case.primals
    if facts.op.options.valid is not None or facts.op.options.overwrites:
        return None
    usual = [k for k, i in enumerate(inputs) if is_real(primals[k]) and not i.parameter]
    for place, i in enumerate(usual):
        for j in usual[place + 1 :]:
            same = primals[i].shape == primals[j].shape and primals[i].dtype == primals[j].dtype
            if same and inputs[i].domain.kind == inputs[j].domain.kind:
                return i, j
    return None


def _at(facts: Facts, primals: tuple[Array, ...]) -> Case:
    return Case(facts.case.recipe, primals, facts.case.attributes)


def unwritten(outcome: Outcome, facts: Facts) -> None:
    """Backward again, with NaN in the memory that it is going to be served."""
    gradients = [g for g in facts.answer.gradients or () if isinstance(g, np.ndarray)]
    foreign = facts.op.foreign
    if foreign is None or foreign.filled is None:
        filled: AbstractContextManager[Any] = nullcontext()
        arrays = (*gradients, *facts.case.primals, *facts.answer.outputs)
        poison(a.nbytes for a in arrays if a.nbytes)
    else:
        filled = foreign.filled()
        if message := unwritten_output(facts.evaluator, facts.case):
            outcome.find(NAME, "unwritten-memory", message)
    try:
        with filled:
            again = facts.aligned(facts.evaluator.gradients(facts.case, facts.cotangents))
    except UserCodeRaised:
        return  # said by the second call
    for input, then, now in zip(facts.op.inputs, facts.gradients, again, strict=True):
        if then is None or now is None or same_bits(now, then) or not np.isfinite(then).all():
            continue
        if not np.isfinite(now).all():
            entry = tuple(int(i) for i in np.argwhere(~np.isfinite(now))[0])
            outcome.find_in(
                NAME,
                "unwritten-memory",
                input,
                f"the gradient of {input.name} holds memory that was never written, first in entry "
                f"{entry}: what it holds is what was there before (np.empty for np.zeros?)",
            )


def unwritten_output(evaluator: Evaluator, case: Case) -> str:
    """Which output holds memory that was never written, in words, where the framework can tell."""
    foreign = evaluator.op.foreign
    if foreign is None or foreign.filled is None:
        return ""
    try:
        with foreign.filled():
            outputs = evaluator.forward(case.primals, case.attributes)
    except UserCodeRaised:
        return ""
    for place, output in enumerate(outputs):
        if is_real(output) and not np.isfinite(output).all():
            return (
                f"output {place + 1} holds memory that was never written: what it holds is what "
                "was there before (empty for zeros?)"
            )
    return ""


def second_backward(outcome: Outcome, facts: Facts) -> None:
    """The pullback of one forward pass called twice, as for a graph that is kept."""
    primals = copy_tuple(facts.case.primals)
    evaluator, cotangents = facts.evaluator, facts.cotangents
    try:
        _, pullback = evaluator.call_forward(facts.op.vjp, primals, facts.case.attributes)
        evaluator.pull(pullback, copy_tuple(cotangents))
        returned = evaluator.align(evaluator.pull(pullback, copy_tuple(cotangents)))
    except UserCodeRaised:
        return  # once only: what forward kept is gone
    if returned is None:
        return
    again = facts.aligned(returned)
    own = tuple(
        None if i.parameter else g for g, i in zip(again, facts.op.inputs, strict=True)
    )  # gradients of parameters add up until they are zeroed
    outcome.comparisons += 1
    if where := apart(facts, own, facts.gradients):
        outcome.find(
            NAME,
            "second-backward",
            f"a second backward after one forward gives another gradient: {where}; backward "
            "changes what forward kept for it",
            severity="fail" if facts.settings.strict else "warning",
        )

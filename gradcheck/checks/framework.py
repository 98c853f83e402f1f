"""What another framework promises of an op beyond forward and backward.

The same gradients under the framework's own transformations, the gradient of the gradient, forward
mode as the adjoint of backward, and what its door saw while the op ran. The first few plain cases
are looked at; what a framework cannot do with an op is said and is no finding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from gradcheck.answer import Answer
from gradcheck.arrays import Array, copy_tuple, flatten, is_real
from gradcheck.checks import values
from gradcheck.checks.agreement import apart
from gradcheck.checks.facts import Facts, Outcome, usable_gradients
from gradcheck.compare import RESOLUTION
from gradcheck.cotangents import make, random_like
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import HALF, eps_of
from gradcheck.foreign import Derived, Foreign, ForwardMode, Unavailable, Variant
from gradcheck.model import Case, Input, Op, Options, Outputs
from gradcheck.plain import told
from gradcheck.results import Finding, Severity

NAME = "framework"
BUDGET = 400
"""Evaluations of the backward pass for its own gradients: along directions where there are many."""
_PLAIN = ("example", "generic")
"""Regimes whose values lie away from kinks, at which a gradient jumps."""


def check(facts: Facts) -> Outcome:
    """Variants, forward mode and second order at the first plain cases; remarks at every case."""
    outcome = Outcome()
    foreign = facts.op.foreign
    assert foreign is not None
    if _is_due(facts):
        for variant in foreign.variants:
            _same(outcome, facts, variant)
        if foreign.forward_mode is not None:
            _adjoint(outcome, facts, foreign.forward_mode)
        for derived in foreign.derived:
            _second(outcome, facts, derived)
    _remarks(outcome, facts, foreign)
    return outcome


def _is_due(facts: Facts) -> bool:
    recipe = facts.case.recipe
    plain = recipe.regime in _PLAIN and not recipe.beyond and recipe.cotangent == "random"
    if not plain or not facts.compared or not any(p.size for p in facts.case.primals):
        return False
    looked = facts.evaluator.looked
    foreign = facts.op.foreign
    assert foreign is not None
    kind = recipe.dtype if foreign.each_dtype else ""
    looked[kind] += 1
    return looked[kind] <= foreign.looks


def _remarks(outcome: Outcome, facts: Facts, foreign: Foreign) -> None:
    """What the door saw at declared inputs; at others an op may do as it likes."""
    for seen in foreign.remarks() if foreign.remarks is not None else ():
        if facts.case.recipe.beyond:
            continue
        outcome.findings.append(
            Finding(
                code=seen.code,
                check=NAME,
                severity=seen.severity,
                message=seen.message,
                input=seen.input,
            )
        )


def _said(
    outcome: Outcome,
    error: UserCodeRaised,
    parts: tuple[str, str],
    severity: Severity = "warning",
) -> None:
    """What a transformation raised: a sentence where it is not supported, else a finding."""
    code, said = parts[0], parts[1].rstrip(",")
    if isinstance(error.error, Unavailable):
        outcome.find(NAME, "not-supported", f"{said}: {told(error.error)}", severity="note")
    else:
        message = f"{said}: {error.where} raises {error.summary}"
        found = Finding(
            code=code, check=NAME, severity=severity, message=message, traceback=error.frames()
        )
        outcome.findings.append(found)


def _same(outcome: Outcome, facts: Facts, variant: Variant) -> None:
    def vjp(*primals: Array, **attributes: Any) -> Any:
        return variant.rule(primals, attributes)

    try:
        answer = facts.evaluator.answer(facts.case, facts.cotangents, vjp)
    except UserCodeRaised as error:
        _said(outcome, error, (variant.code, variant.said), variant.raised)
        return
    outcome.comparisons += 1
    if variant.precision is not None and eps_of(variant.precision) > eps_of(facts.precision):
        facts = msgspec.structs.replace(facts, precision=variant.precision)
    where = _outputs_apart(facts, answer.outputs)
    where = where or apart(facts, facts.gradients_of(answer), facts.gradients)
    if where:
        message = f"{variant.said} it gives other numbers: {where}"
        outcome.find(NAME, variant.code, message, severity=variant.severity)


def rounded(op: Op, answer: Answer, outputs: Outputs) -> bool:
    """Two forward passes differ in their last digits only, as a framework's kernels may.

    Those that autograd records, or that add in the order in which threads come, round otherwise.
    """
    pairs = zip(answer.outputs, outputs, strict=True)
    return op.foreign is not None and all(
        a.shape == b.shape
        and np.allclose(
            a.astype(np.float64), b.astype(np.float64), rtol=0, atol=_spread(b), equal_nan=True
        )
        for a, b in pairs
    )


def _spread(output: Array) -> float:
    """64 spacings of the largest entry; 0 for integers."""
    size = np.abs(output.astype(np.float64))
    return 64 * eps_of(output.dtype) * float(size[np.isfinite(size)].max(initial=0.0))


def _outputs_apart(facts: Facts, outputs: Outputs) -> str:
    """Where two forward passes differ by more than rounding, in words; empty where they agree."""
    for place, (got, base) in enumerate(zip(outputs, facts.answer.outputs, strict=False)):
        if got.shape != base.shape:
            return f"output {place + 1} has shape {got.shape} instead of {base.shape}"
        a, b = got.astype(np.float64), base.astype(np.float64)
        largest = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
        wrong = ~(np.abs(a - b) <= 4 * RESOLUTION[facts.precision] * max(largest, 1.0))
        if wrong.any():
            entry = tuple(int(i) for i in np.argwhere(wrong)[0])
            return f"output {place + 1}, entry {entry}: {a[entry]:.6g} against {b[entry]:.6g}"
    return ""


def _adjoint(outcome: Outcome, facts: Facts, mode: ForwardMode) -> None:
    """<u, J v> = <J' u, v> for the case's cotangent u and a random tangent v."""
    tangents = random_like(facts.case.primals, facts.case.recipe.cotangent_seed)
    tangents = tuple(t if k in facts.compared else np.zeros_like(t) for k, t in enumerate(tangents))

    def pushed_forward(*primals: Array, **attributes: Any) -> Outputs:
        return mode.jvp(primals, tangents, attributes)

    case = facts.case
    try:
        pushed = facts.evaluator.call_forward(
            pushed_forward, copy_tuple(case.primals), case.attributes
        )
    except UserCodeRaised as error:
        _said(outcome, error, (mode.code, "in forward mode"))
        return
    outcome.comparisons += 1
    real = [c for c, o in zip(facts.cotangents, facts.answer.outputs, strict=True) if is_real(o)]
    given, made = flatten(real), flatten([p for p in pushed if is_real(p)])
    ahead = float(given @ made)
    back, size = 0.0, float(np.abs(given) @ np.abs(made))
    for k in facts.compared:
        gradient, tangent = facts.gradients[k], tangents[k].astype(np.float64)
        assert gradient is not None
        back += float((gradient * tangent).sum())
        size += float(np.abs(gradient * tangent).sum())
    if not abs(ahead - back) <= 8 * RESOLUTION[facts.precision] * max(size, 1.0):
        message = (
            f"forward mode and backward are no adjoints: <u, J v> = {ahead:.8g} by forward mode, "
            f"<J'u, v> = {back:.8g} by backward; finite differences have judged backward"
        )
        outcome.find(NAME, mode.code, message, severity=mode.severity)


def _second(outcome: Outcome, facts: Facts, derived: Derived) -> None:
    """The gradients' own gradients against differences of the gradients."""
    demanded = facts.op.options.order == 2
    judged = facts.so_far.get(values.NAME)
    if facts.precision in HALF or (judged is not None and judged.conventions):
        return
    try:
        inner = _inner(facts, derived)
    except UserCodeRaised as error:
        message = f"{derived.said}: {told(error.error)}"
        if demanded:
            outcome.find(NAME, derived.code, message)
        else:  # it is refused aloud: nobody gets a wrong number
            outcome.find(NAME, "not-supported", message, severity="note")
        return
    if inner is None:
        return
    found = values.check(inner, first=True)
    outcome.comparisons += found.comparisons
    for finding in found.findings:
        if finding.severity == "fail":
            severity: Severity = "fail" if demanded else derived.severity
            outcome.find(
                NAME, derived.code, f"{derived.said}: {finding.message}", severity=severity
            )


def _inner(facts: Facts, derived: Derived) -> Facts | None:
    """The facts of the op whose forward is the backward pass; None where it gives nothing."""
    count, own = len(facts.case.primals), facts.settings
    settings = msgspec.structs.replace(own, budget=min(own.budget, BUDGET))
    op = _as_op(facts.op, derived, (count, facts.cotangents))
    primals = (*facts.case.primals, *facts.cotangents)
    recipe = facts.case.recipe
    other = msgspec.structs.replace(recipe, cotangent_seed=recipe.cotangent_seed + 1)
    case = Case(other, primals, facts.case.attributes)
    evaluator = Evaluator(op, facts.evaluator.random, facts.evaluator.counters)
    outputs = tuple(o.copy() for o in evaluator.forward(case.primals, case.attributes))
    if not outputs or not any(map(is_real, outputs)):
        return None
    cotangents = make(case.recipe, outputs)
    answer = evaluator.answer(case, cotangents)
    usable = usable_gradients(op, case, answer.gradients)
    return Facts(op, settings, evaluator, case, cotangents, answer, facts.precision, usable)


def _as_op(op: Op, derived: Derived, parts: tuple[int, Outputs]) -> Op:
    count, cotangents = parts
    several = len(cotangents) > 1
    upstream = tuple(
        Input(f"upstream gradient{f' {n + 1}' * several}", c.shape, differentiable=is_real(c))
        for n, c in enumerate(cotangents)
    )

    def forward(*given: Array, **attributes: Any) -> Outputs:
        return derived.forward(given[:count], given[count:], attributes)

    def vjp(*given: Array, **attributes: Any) -> Any:
        return derived.rule(given[:count], given[count:], attributes)

    own = tuple(replace(i, optional=True) for i in op.inputs)
    return Op(
        name=op.name,
        forward=forward,
        vjp=vjp,
        inputs=(*own, *upstream),
        source=op.source,
        options=Options(signif=op.options.signif, vary_sizes=False),
    )

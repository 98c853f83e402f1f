"""The lecture's numeric gradient as it stands on the slide, with what it does not tell.

(f(x + h) - f(x - h)) / 2h at exactly h = 1e-4: one value, and beside it the two errors that it
carries: truncation, because h is not small enough, and round-off, because it is too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from gradcheck.arrays import Float, projection, relative_error, unravel
from gradcheck.checks.facts import usable_gradients
from gradcheck.cotangents import make
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.explain import first_case
from gradcheck.guards import GlobalRandom, one_blas_thread, quiet, within_limit
from gradcheck.model import Op
from gradcheck.point import Move, Point
from gradcheck.settings import Settings

STEP = 1e-4
ROWS = 8
"""Entries shown per input."""


def central(point: Point, moves: Sequence[Move], step: float = 1e-4) -> tuple[Float, Float, Float]:
    """The lecture's plain rule, (f(x + h) - f(x - h)) / 2h at exactly this step.

    Returns
    -------
    value, truncation, roundoff : (n,) arrays
        The rule's value and the two errors that it does not know of: the truncation error is
        estimated from a second difference at 2h, the round-off error is eps |y| / h.
    """
    w = point.cotangent
    value, truncation, roundoff = (np.empty(len(moves)) for _ in range(3))
    for i, move in enumerate(moves):
        near = [point.displaced(move, s * step) for s in (1, -1)]
        far = [point.displaced(move, s * step) for s in (2, -2)]
        with np.errstate(all="ignore"):
            value[i] = (near[0] - near[1]) @ w / (2 * step)
            wide = (far[0] - far[1]) @ w / (4 * step)
            truncation[i] = abs(wide - value[i]) / 3
            roundoff[i] = point.eps * float(np.abs(w * near[0]).sum()) / step
    return value, truncation, roundoff


def central_table(op: Op, settings: Settings) -> str:
    """The plain rule on the op's plain case, entry by entry."""
    random = GlobalRandom(settings.seed, op.random)
    evaluator = Evaluator(op, random)
    late = f"{op.name}: out of time"
    with random.restored(), quiet(), one_blas_thread():
        try:
            work = partial(_table, op, evaluator, settings)
            return within_limit(work, settings.time_limit, late)
        except (UserCodeRaised, UsageError) as error:
            return f"{op.name}: {error}"


def _table(op: Op, evaluator: Evaluator, settings: Settings) -> str:
    op, case = first_case(op, evaluator, settings)
    evaluator.op = op
    if case is None:
        return f"{op.name}: no case can be drawn"
    outputs = evaluator.forward(case.primals, case.attributes)
    cotangents = make(case.recipe, outputs)
    answer = evaluator.answer(case, cotangents)
    here, cotangent = projection(answer.outputs, cotangents)
    point = Point(
        evaluator,
        case.primals,
        case.attributes,
        here.copy(),
        cotangent.copy(),
        "float64",
    )
    lines = [
        f"{op.name}: (f(x+h) - f(x-h)) / 2h at h = {STEP:g}, the plain case",
        f"  {'entry':<16s} {'backward':>12s} {'central':>12s} {'rel. error':>10s} "
        f"{'truncation':>10s} {'round-off':>10s}",
    ]
    for k, gradient in enumerate(usable_gradients(op, case, answer.gradients)):
        if gradient is not None:
            lines += _rows(point, op.inputs[k].name, k, gradient)
    return "\n".join(lines)


def _rows(point: Point, name: str, k: int, gradient: Float) -> list[str]:
    """The first entries of one input's gradient."""
    entries = range(min(ROWS, gradient.size))
    value, truncation, roundoff = central(point, [Move.entry(k, e) for e in entries], STEP)
    lines = []
    for e in entries:
        own = float(gradient.reshape(-1)[e])
        place = f"{name}{list(unravel(e, gradient.shape))}"
        lines.append(
            f"  {place:<16s} {own:12.6g} {value[e]:12.6g} "
            f"{relative_error(own, float(value[e])):10.1e} "
            f"{truncation[e]:10.1e} {roundoff[e]:10.1e}"
        )
    if gradient.size > ROWS:
        lines.append(f"  ... {gradient.size - ROWS} more entries of {name}")
    return lines

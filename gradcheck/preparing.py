"""An op before its first case is judged: what forward says of it, its cases, its precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradcheck import engine, probe
from gradcheck.cases import build, recipes
from gradcheck.corners import Plan
from gradcheck.evaluation import Evaluator
from gradcheck.floats import HALF, MIXED
from gradcheck.folding import Known
from gradcheck.guards import within_limit
from gradcheck.model import Recipe
from gradcheck.precision import heard, working_precision
from gradcheck.settings import Settings
from gradcheck.tally import Tally
from gradcheck.templates import plan
from gradcheck.trial import Bench


@dataclass(slots=True)
class Ready:
    """An op, learnt and measured, with its cases drawn."""

    bench: Bench
    made: Plan
    drawn: list[engine.Drawn]
    tally: Tally


def prepare(
    evaluator: Evaluator,
    settings: Settings,
    only: list[Recipe] | None = None,
    *,
    fixed: Mapping[str, Any] | None = None,
    known: Known = (),
) -> Ready:
    """Ask forward for its domain, draw the cases, measure precision and time of a forward pass.

    Dtypes that forward refuses are left out, unless the op or ``fixed`` (the command line) names
    them.
    """
    op, limit = evaluator.op, settings.time_limit
    learnt = within_limit(lambda: probe.learn(op, evaluator), limit, probe.untaught(op))
    if op.options.dtypes is None and "dtypes" not in (fixed or {}):
        narrowed, settings = probe.own_precision(learnt.op, evaluator, settings)
        learnt = replace(learnt, op=narrowed)
    op = evaluator.op = learnt.op
    bench = Bench(op, evaluator, settings, {}, known=known)
    tally = Tally(op, settings, known=known)
    tally.own_checks = op.options.checks is not None and "checks" not in (fixed or {})
    made = plan(learnt, tuple(settings.dtypes))
    drawn = _cases(made, settings, only)
    tally.planned = settings.cases if only is None and op.options.vary_sizes else len(drawn)
    usual = {d: d for d in settings.dtypes}
    measured = within_limit(lambda: _precisions(bench, drawn, settings), limit, usual)
    bench.precision.update(measured)
    if measured.get("float64") == "float32":
        nothing: dict[str, frozenset[int]] = {}
        bench.sharp.update(within_limit(lambda: _sharp(bench, drawn), limit, nothing))
    evaluator.random.observe()
    if seen := drawn if drawn and not drawn[0].value.beyond else _first(made, settings, 1):
        within_limit(lambda: bench.look(seen[0].value), limit, None)
    return Ready(bench, made, drawn, tally)


def _cases(made: Plan, settings: Settings, only: list[Recipe] | None) -> list[engine.Drawn]:
    if only is not None:
        return [engine.Drawn(r, ()) for r in only]
    count = settings.cases
    if not made.op.options.vary_sizes:
        count = min(count, max(1, len(made.templates) - 2))
    return _first(made, settings, count)


def _first(made: Plan, settings: Settings, count: int) -> list[engine.Drawn]:
    """The first cases of an op; a replayed one may lie beyond the declaration and is no measure."""
    seed = f"{settings.seed}:{made.op.name}"
    return engine.generate(recipes(made), seed=seed, count=count, first=made.schedule(count))


def _precisions(bench: Bench, drawn: list[engine.Drawn], settings: Settings) -> dict[str, str]:
    """What forward really computes in, measured at the first case of each dtype."""
    found = {d: "float32" if d == MIXED else d for d in settings.dtypes}
    for dtype in settings.dtypes:
        first = next((d.value for d in drawn if d.value.dtype == dtype), None)
        if first is not None and dtype not in (*HALF, MIXED):
            found[dtype] = working_precision(bench.evaluator, build(bench.op, first))
    return found


def _sharp(bench: Bench, drawn: list[engine.Drawn]) -> dict[str, frozenset[int]]:
    """The inputs that float32 on the way of others does not touch, in float64."""
    first = next(d.value for d in drawn if d.value.dtype == "float64")
    return {"float64": heard(bench.evaluator, build(bench.op, first))}

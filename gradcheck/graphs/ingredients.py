"""Which ops can stand in a random graph, and what forward has said of their sizes and domains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gradcheck import probe
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.graphs.composed import Composed
from gradcheck.guards import GlobalRandom, one_blas_thread, quiet, within_limit
from gradcheck.model import Case, Input, Op, Recipe
from gradcheck.probe import Learnt

SECONDS = 10.0
TAKEN = {"op", "name", "outputs"}


def usable(ops: Iterable[Op]) -> tuple[list[Op], dict[str, str]]:
    """The ops that can take part, by name, and of the others why not.

    What is known of an op by its example alone has forward's own limits afterwards.
    """
    kept, left_out = [], {}
    random = GlobalRandom(0)
    with random.restored(), quiet(), one_blas_thread():
        for op in sorted(ops, key=lambda o: o.id):
            if why := _unfit(op):
                left_out[op.id] = why
            else:
                kept.append(_known(op, random))
    return kept, left_out


def _unfit(op: Op) -> str:
    """Why an op cannot stand in a random graph; empty where it can."""
    options = op.options
    if isinstance(op.detail, Composed):
        return "a graph"
    if any(i.strategy is not None for i in op.inputs):
        return "its inputs are drawn by strategies of its own"
    if options.dtypes is not None and "float64" not in options.dtypes:
        return "it is not judged in float64"
    if options.signif:
        return "it has a tolerance of its own"
    if taken := {a.name for a in op.attributes} & TAKEN:
        return f"its attribute {min(taken)} is called as one of Graph.apply"
    if options.differentiates is not None:  # rounded values tie, and ties are kinks
        return "it has a surrogate gradient"
    return "" if any(i.differentiable for i in op.inputs) else "it has no real input"


def _known(op: Op, random: GlobalRandom) -> Op:
    """The op with what an example call leaves unsaid."""
    if op.sizes_declared or op.example is None:
        return op
    evaluator = Evaluator(op, random)
    learnt = within_limit(lambda: probe.learn(op, evaluator), SECONDS, probe.untaught(op))
    unheard: set[int] = set()
    silent = within_limit(lambda: _silent(op, evaluator), SECONDS, unheard)
    made = learnt.op
    inputs = tuple(
        replace(_sized(i, learnt, op), differentiable=i.differentiable and k not in silent)
        for k, i in enumerate(made.inputs)
    )
    return replace(made, inputs=inputs)


def _silent(op: Op, evaluator: Evaluator) -> set[int]:
    """Inputs for which backward returns no gradient at the example: nobody said that it does."""
    assert op.example is not None
    attributes = {a.name: a.values[0] for a in op.attributes}
    case = Case(Recipe(regime="example"), op.example, attributes)
    try:
        outputs = evaluator.forward(op.example, attributes)
        answer = evaluator.answer(case, tuple(np.ones_like(o) for o in outputs))
    except UserCodeRaised:
        return set()
    return {k for k, g in enumerate(answer.gradients or ()) if g is None}


def _sized(input: Input, learnt: Learnt, op: Op) -> Input:
    """The input with numbers for dimensions that have one size only."""
    own: dict[str, int] = {}
    for known, value in zip(op.inputs, op.example or (), strict=True):
        own.update(
            {d: n for d, n in zip(known.dims, value.shape, strict=False) if isinstance(d, str)}
        )

    def size(dim: str | int) -> str | int:
        if not isinstance(dim, str) or dim not in own:
            return dim
        fixed = not op.options.vary_sizes or len(learnt.sizes.get(dim, ())) == 1
        return own[dim] if fixed else dim

    return replace(input, dims=tuple(size(d) for d in input.dims))

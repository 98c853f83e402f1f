"""A graph node by node: [downstream gradient] = [upstream gradient] x [local gradient]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck.arrays import is_real
from gradcheck.cases import build, recipes
from gradcheck.drawing import cut, draw, local, numbers
from gradcheck.engine import generate
from gradcheck.evaluation import Evaluator
from gradcheck.explained import Explained, NodeSeen, Passed, Value
from gradcheck.guards import GlobalRandom, one_blas_thread, quiet, within_limit
from gradcheck.model import Case, Op
from gradcheck.probe import learn
from gradcheck.settings import Settings
from gradcheck.templates import plan

NODES = 60
"""Above so many, the first and the last are printed."""
ENDS = 20
"""So many of each."""
PARTS = 6
"""Terms of a sum that are printed."""
SHOWN = 8
"""Entries of an array that are printed."""
NAME = 60
"""Columns of a name."""


def plain_case(op: Op, settings: Settings) -> Case | None:
    """The first case that the checks would try in float64: the example, or the plain one."""
    random = GlobalRandom(settings.seed, op.random)
    evaluator = Evaluator(op, random)
    with random.restored(), quiet(), one_blas_thread():
        work = partial(first_case, op, evaluator, settings)
        late: tuple[Op, Case | None] = (op, None)
        return within_limit(work, settings.time_limit, late)[1]


def first_case(op: Op, evaluator: Evaluator, settings: Settings) -> tuple[Op, Case | None]:
    """The op, with what forward says of its domain, and its first case, if one can be drawn."""
    learnt = learn(op, evaluator)
    made = plan(learnt, ("float64",))
    drawn = generate(recipes(made), seed=str(settings.seed), count=1, first=made.schedule(1))
    return learnt.op, build(learnt.op, drawn[0].value) if drawn else None


def text(seen: Explained, *, width: int, plain: bool = False) -> str:
    """The lecture's picture, and then in words: a line per node forwards, a block backwards.

    Parameters
    ----------
    seen : Explained
        What happened.
    width : int
        Columns of the terminal. A drawing that does not fit is left out.
    plain : bool
        Draw with ASCII characters only.
    """
    name = cut(seen.name, NAME)
    sources = [seen.values[s] for s in seen.sources]
    given = [f"{cut(s.name, NAME)} = {show(s.value)}" for s in sources]
    if len(given) > NODES:
        given = [*given[:ENDS], f"... {len(given) - ENDS:,} more"]
    given += [f"{cut(n, NAME)} = {cut(repr(v), 40)}" for n, v in seen.attributes.items()]
    lines = [f"{name}({', '.join(given)})", ""]
    drawing = draw(seen, width, plain=plain)
    lines += [drawing, ""] if drawing else []
    lines += ["forward", *_ends(seen.nodes, lambda node: [_forward(seen, node)])]
    lines += ["", "backward (output gradient 1)"]
    lines += _ends(seen.nodes[::-1], lambda node: _block(seen, node))
    lines += ["", "gradients (summed where a value is used more than once)"]
    lines += _ends(sources, lambda s: [f"  d{name}/d{cut(s.name, NAME):<4s} = {total(s)}"])
    return "\n".join(lines)


def _ends(every: Sequence[Any], said: Callable[[Any], list[str]]) -> Iterator[str]:
    """All of them, or the first and the last."""
    hidden = len(every) - 2 * ENDS if len(every) > NODES else 0
    for k, one in enumerate(every):
        if hidden and k == ENDS:
            yield f"  ... {hidden:,} more are left out ..."
        if not hidden or k < ENDS or k >= ENDS + hidden:
            yield from said(one)


def _forward(seen: Explained, node: NodeSeen) -> str:
    names = [cut(seen.values[p.parent].name, NAME) for p in node.parents]
    if len(names) > ENDS:
        names = [*names[: ENDS - 1], f"... {len(names) - ENDS + 1:,} more"]
    made = ", ".join(show(seen.values[o].value) for o in node.outputs)
    call = f"{cut(node.name, NAME)} = {cut(node.op, NAME)}({', '.join(names)})"
    return f"  {call:<28s} = {made}"


def _block(seen: Explained, node: NodeSeen) -> list[str]:
    """One node: what came from above, its local gradients, what it passes on."""
    name = cut(node.name, NAME)
    if node.upstream is None:
        return [f"  {name}: not used, no gradient reaches it"]
    sums = [_sum(seen.values[o]) for o in node.outputs]
    passed = _ends(node.parents, lambda one: [_passed(seen, name, one)])
    return [f"  {name}: upstream {', '.join(sums)}", *passed]


def _passed(seen: Explained, name: str, passed: Passed) -> str:
    """What one parent gets: upstream times local."""
    parent = cut(seen.values[passed.parent].name, NAME)
    if not is_real(seen.values[passed.parent].value):
        return f"      {parent} holds integers: nothing is passed"
    ratio = local(passed) + " (not shown)" * (passed.local is None)
    given = "nothing" if passed.downstream is None else show(passed.downstream)
    return f"      local d{name}/d{parent} = {ratio}, downstream to {parent}: {given}"


def _sum(value: Value) -> str:
    """``3 + 2 = 5`` where a value has several successors."""
    if value.gradient is None:
        return show(np.zeros_like(value.value))
    parts = [show(p.gradient) for p in value.parts]
    if len(parts) < 2:
        return show(value.gradient)
    if value.gradient.size > SHOWN:
        return f"{show(value.gradient)}, sum of {len(parts):,}"
    if len(parts) > PARTS:
        parts = [*parts[: PARTS - 1], f"... ({len(parts):,} in all)"]
    return f"{' + '.join(parts)} = {show(value.gradient)}"


def total(value: Value) -> str:
    """A source's gradient as a sum, or why it has none."""
    if not is_real(value.value):
        return "none (integers)"
    return "0 (not used)" if value.gradient is None else _sum(value)


def show(value: Any) -> str:
    """A number with six digits, a small array with four, or its shape."""
    return numbers(value, SHOWN, 6 if np.ndim(value) == 0 else 4)

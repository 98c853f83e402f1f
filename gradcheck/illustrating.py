"""What the figures of one op are made from: a curve, a map of errors, the graph, the source.

`runner` calls `illustrate` once per op, after its findings are known. One case is drawn: the one
that shows the gravest finding with numbers, or the largest relative error where there is none.
"""

from __future__ import annotations

import inspect
import linecache
import math
import textwrap
from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np

from gradcheck.arrays import Array, Float, is_real
from gradcheck.checks import nodes, values
from gradcheck.checks.facts import Facts
from gradcheck.diagnosis import Table
from gradcheck.differences import PointLine
from gradcheck.drawing import numbers
from gradcheck.evaluation import UserCodeRaised
from gradcheck.figures import Curve, Figures, GraphNode, Heat
from gradcheck.graphs.reverse import Gradients
from gradcheck.graphs.tape import Tape
from gradcheck.guards import within_limit
from gradcheck.point import Move
from gradcheck.records import Number, num
from gradcheck.results import Finding, Source, Worst
from gradcheck.tally import Tally
from gradcheck.trial import Trial

STEPS = 17
"""Steps of a curve: from 1/2 of the input's scale down by 4 each in float64, by 2 in narrower."""
CELLS = 32
"""Rows and columns of a map of errors; larger ones are shown in blocks."""
NODES = 60
"""Values of a graph that are drawn."""
LINES = 60
"""Lines of source that are kept."""
STANDS_OUT = 10.0
"""Truncation is read off where it is so many times the round-off."""


def illustrate(tally: Tally, shown: Sequence[tuple[Finding, Trial]], *, every: bool) -> Figures:
    """The figures of one op.

    Parameters
    ----------
    tally : Tally
        Of all its cases.
    shown : sequence of (Finding, Trial)
        Its findings, gravest first, each with the smallest case that shows it.
    every : bool
        Also of an op that passes: that takes some thirty evaluations.

    Returns
    -------
    Figures
        Never raises for user code; without what took too long.
    """
    graver = [(f, t) for f, t in shown if f.severity in ("fail", "not judged")]
    if not graver and not every:
        return Figures()
    finding, trial = None, tally.worst_trial
    if graver:
        finding, trial = next(((f, t) for f, t in graver if f.numbers is not None), graver[0])
    source = tally.op.source if finding is None or finding.source is None else finding.source
    seen = tally.seen
    made = msgspec.structs.replace(_code(source), spread=seen.spread(), met=seen.met())
    if trial is None or trial.facts is None:
        return made
    drawn = partial(_drawn, made, trial, trial.facts, finding or tally.worst)
    return within_limit(drawn, tally.settings.time_limit, made)


def _drawn(made: Figures, trial: Trial, facts: Facts, shown: Finding | Worst | None) -> Figures:
    """With what is drawn of one case: the curve and the map of one input, and the graph."""
    finding = shown if isinstance(shown, Finding) else None
    worst = finding.numbers if finding is not None else shown
    curve = heat = None
    if isinstance(worst, Worst) and (found := _place(trial, worst, finding)) is not None:
        name = finding.input if finding is not None else worst.input
        curve, heat = _of_entry(*found, msgspec.structs.replace(worst, input=name))
    return msgspec.structs.replace(
        made,
        curve=curve,
        heat=heat,
        graph=_graph(facts, trial, finding),
        path=finding.path.split(" -> ") if finding is not None and finding.path else [],
    )


def _place(
    trial: Trial, worst: Worst, finding: Finding | None
) -> tuple[Facts, int, Table | None] | None:
    """The facts in which an entry was compared (of a node, in a graph), its input, and all entries.

    None for what is no entry of one input: ties across inputs.
    """
    facts, outcome = trial.facts, trial.outcomes.get(values.NAME)
    name = worst.input
    if finding is not None and finding.check == nodes.NAME:
        heard = trial.outcomes[nodes.NAME].hearings.get(finding.input)
        if heard is None:
            return None
        facts, outcome, name = heard.facts, heard.outcome, name.rpartition(".")[2]
    assert facts is not None
    names = [i.name for i in facts.op.inputs]
    if name not in names:
        return None
    return facts, names.index(name), outcome.tables.get(name) if outcome is not None else None


def _of_entry(
    facts: Facts, k: int, table: Table | None, worst: Worst
) -> tuple[Curve | None, Heat | None]:
    heat = None if table is None or not table.backward.size else _heat(worst.input, table)
    try:
        return _curve(facts, k, worst), heat
    except UserCodeRaised:
        return None, heat


def _curve(facts: Facts, k: int, worst: Worst) -> Curve | None:
    """Central differences at many steps, with what truncation and round-off are in each."""
    stand_in = values.stand_in(facts)
    if stand_in is not None and not stand_in.usable:
        return None
    shape = facts.case.primals[k].shape
    flat = int(np.ravel_multi_index(worst.entry, shape)) if shape else 0
    line = PointLine(values.point(facts, stand_in), Move.entry(k, flat))
    ratio = 4.0 if line.eps < 1e-10 else 2.0
    scale = 2.0 ** round(math.log2(max(min(line.size, 1e300), 1.0)))
    with np.errstate(all="ignore"):
        samples = line.sample(0.5 * scale * ratio ** -np.arange(float(STEPS)))
        step = (samples.up + samples.down) / 2
        slopes = ((samples.above - samples.below) * line.cotangent).sum(axis=1) / (2 * step)
        size = np.abs(samples.above) * np.abs(line.cotangent) * (samples.above != line.here)
        roundoff = line.eps * np.sqrt((size**2).sum(axis=1) / 8) / step
    usable = np.isfinite(slopes) & np.isfinite(roundoff) & (samples.up > 0) & (samples.down > 0)
    if usable.sum() < 3:
        return None
    step, slopes, roundoff = step[usable], slopes[usable], roundoff[usable]
    return Curve(
        input=worst.input,
        entry=worst.entry,
        steps=tuple(map(float, step)),
        slopes=tuple(map(num, slopes)),
        truncation=_short(_truncation(step, slopes, roundoff)),
        roundoff=_short(roundoff),
        value=worst.finite_difference,
        bound=worst.bound,
        backward=worst.backward,
        chosen=tuple(h for h in worst.steps if h),
    )


def _truncation(step: Float, slopes: Float, roundoff: Float) -> Float:
    """c h^2, with c from the finest pair of steps whose difference stands out of the round-off."""
    change = np.abs(np.diff(slopes))
    coefficient = change / (step[:-1] ** 2 - step[1:] ** 2)
    clear = np.flatnonzero(change > STANDS_OUT * roundoff[1:])
    return step**2 * (coefficient[clear[-1]] if clear.size else 0.0)


def _heat(name: str, table: Table) -> Heat:
    """Entries as a picture, in blocks where there are more than `CELLS` along a side."""
    shape = table.backward.shape
    columns = shape[-1] if shape else 1
    with np.errstate(all="ignore"):
        own = np.fmax(np.abs(table.backward), np.abs(table.difference))
        errors = np.where(own > 0, np.abs(table.backward - table.difference) / own, 0.0)
        hidden = (table.bound > 1e-3 * own) & ~table.wrong  # known to fewer than three digits
    errors = np.where(hidden, 0.0, np.where(np.isnan(errors), np.inf, errors))
    errors = np.where(np.isfinite(table.backward), errors, np.inf).reshape(-1, columns)
    wrong = table.wrong.reshape(-1, columns)
    block = (-(-errors.shape[0] // CELLS), -(-columns // CELLS))
    errors, wrong = _blocks(errors, block), _blocks(wrong, block)
    return Heat(
        input=name,
        shape=tuple(map(int, shape)),
        rows=errors.shape[0],
        columns=errors.shape[1],
        errors=_short(errors.reshape(-1)),
        wrong=tuple(int(i) for i in np.flatnonzero(wrong)),
        block=block,
    )


def _short(values: Float) -> tuple[Number, ...]:
    """Three digits: nobody reads more off a picture."""
    return tuple(num(float(f"{v:.3g}")) for v in values)


def _blocks(cells: Array, block: tuple[int, int]) -> Array:
    """The largest of each block."""
    down, along = (np.arange(0, n, b) for n, b in zip(cells.shape, block, strict=True))
    return np.asarray(np.maximum.reduceat(np.maximum.reduceat(cells, down, axis=0), along, axis=1))


def _graph(facts: Facts, trial: Trial, finding: Finding | None) -> list[GraphNode]:
    """The values of a graph's pass, each with its gradient and what was found of it."""
    try:
        passed = facts.passed()
    except UserCodeRaised:
        return []
    if passed is None or len(passed[0].values) > NODES:
        return []
    tape, gradients = passed
    makers = {o: step for step in tape.steps for o in step.outputs}
    sources = set(tape.sources)
    verdicts = _verdicts(tape, trial, () if finding is None else finding.nodes)
    return [
        GraphNode(
            name=tape.names[place],
            op=makers[place].op.name
            if place in makers
            else ("" if place in sources else "constant"),
            parents=makers[place].parents if place in makers else (),
            shape=tuple(map(int, value.shape)),
            value=_numbers(value),
            gradient=_gradient(gradients, place, value),
            verdict=verdicts[place],
            result=place in tape.results,
        )
        for place, value in enumerate(tape.values)
    ]


def _gradient(gradients: Gradients, place: int, value: Array) -> str:
    found = gradients.upstream.get(place)
    return "" if found is None or not is_real(value) else _numbers(found)


def _numbers(value: Array) -> str:
    return numbers(value, 6, 4)


def _verdicts(tape: Tape, trial: Trial, guilty: Sequence[str]) -> list[str]:
    """By value: wrong where its node is, spoilt where only its gradient is; see `GraphNode`."""
    judged = nodes.NAME in trial.outcomes
    found = ["right" if judged else ""] * len(tape.values)
    spoilt: set[int] = set()
    for step in reversed(tape.steps):
        wrong = step.name in guilty
        if wrong or spoilt & set(step.outputs):
            spoilt |= set(step.parents)
        for output in step.outputs:
            if wrong:
                found[output] = "wrong"
            elif output in spoilt:
                found[output] = "spoilt"
    for place in {*tape.sources} & spoilt:
        found[place] = "spoilt"
    return found


def _code(source: Source) -> Figures:
    """The source of backward, and where it stands; nothing where there is no file."""
    linecache.checkcache(source.file)
    lines = linecache.getlines(source.file)[max(source.line - 1, 0) :] if source.file else []
    if not lines or not source.line:
        return Figures()
    try:
        block: Sequence[str] = inspect.getblock(lines)
    except Exception:  # no Python, or changed since it was imported
        block = lines[:1]
    written = "".join(block[:LINES])
    code = textwrap.dedent(written).rstrip()
    indent = len(block[0]) - len(block[0].lstrip())
    more = f"\n... {len(block) - LINES} more lines" if len(block) > LINES else ""
    return Figures(code=code + more, code_line=source.line, code_indent=indent)

"""Is a mutant really different from the right backward? Shown by a case, or not at all.

The cases are the op's own and many beyond what was declared: larger sizes, other values, other
attributes, without `valid` and without the user's strategies. One counts only where the right
backward passes every check. Two backward passes are told apart by their numbers, by what they
overwrite, by second calls and by memory layouts; nothing of the checks under test is used for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from gradcheck.answer import Answer
from gradcheck.arrays import Array, Float, copy_tuple, is_real
from gradcheck.attributes import other_values
from gradcheck.cases import recipes
from gradcheck.checks.facts import Facts, furthest
from gradcheck.cotangents import layouts, random_like
from gradcheck.engine import generate
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.model import MIRRORED, POSITIVE, REAL, Attribute, Domain, Op, Recipe
from gradcheck.preparing import Ready
from gradcheck.probe import Learnt, untaught
from gradcheck.templates import plan
from gradcheck.trial import Bench, Trial

MORE = 60
"""Cases for each way of going beyond what was declared."""
GENEROUS = (7, 9)
"""Sizes beyond those that a run draws."""
Sizes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Witness:
    """A case at which the right backward passes every check."""

    beyond: str
    """In which way it goes beyond the declared inputs; empty for the run's own cases."""
    recipe: Recipe
    facts: Facts
    bench: Bench


def witnesses(ready: Ready, trials: Iterable[Trial]) -> Iterator[Witness]:
    """The run's own cases, tried already, then those of every wider version of the op."""
    own = ready.bench
    yield from _sound("", own, trials)
    if not own.op.options.vary_sizes:
        return
    for words, op, sizes in _wider(own.op, ready.made.sizes):
        bench = replace(own, op=op, evaluator=Evaluator(op, own.evaluator.random))
        yield from _sound(words, bench, map(bench.run, _draw(op, sizes, bench)))


def _sound(beyond: str, bench: Bench, trials: Iterable[Trial]) -> Iterator[Witness]:
    """Trials in which the checks say nothing against the right backward, shared memory aside.

    And in which they would fail a wrong one: not those beyond the declaration that warn only.
    """
    for trial in trials:
        made_up = bool(trial.recipe.beyond) and bench.beyond(trial) != "fail"
        complaints = any(f.code != "shared-memory" for f in trial.findings)
        if trial.facts is not None and not (trial.rejected or complaints or made_up):
            yield Witness(beyond, trial.recipe, trial.facts, bench)


def _draw(op: Op, sizes: Sizes, bench: Bench) -> list[Recipe]:
    made = plan(Learnt(op, sizes), tuple(bench.settings.dtypes))
    made = replace(made, batches=(*made.batches, *((n,) for n in GENEROUS)))
    seed = f"{bench.settings.seed}:{op.name}:beyond"
    try:
        drawn = generate(
            recipes(made), seed=seed, count=MORE, first=_few_corners(len(made.templates))
        )
    except UsageError:
        return []
    return [d.value for d in drawn]


def _few_corners(templates: int) -> list[int]:
    """Two thirds corner cases at most, the rest open."""
    corners = list(range(1, templates - 1))[: 2 * MORE // 3]
    return corners + [templates - 1] * (MORE - len(corners))


# --- ways to go beyond what was declared ----------------------------------------------------------
def _wider(op: Op, sizes: Sizes) -> Iterator[tuple[str, Op, Sizes]]:
    """Wider versions of an op, in words, with the sizes of its dimensions."""
    if op.sizes_declared:
        yield "more cases and larger sizes", op, {n: (*s, *GENEROUS) for n, s in sizes.items()}
    op = replace(op, sizes_declared=True)
    free = replace(op, options=replace(op.options, valid=None))
    if op.options.valid is not None:
        yield "inputs that valid= refuses", free, sizes
    drawn = [i.name for i in op.inputs if i.strategy is not None]
    free = replace(free, inputs=tuple(replace(i, strategy=None) for i in op.inputs))
    if drawn:
        yield f"values of {', '.join(drawn)} that the strategy does not draw", free, sizes
    yield from _other_values(free, sizes)
    more = tuple(_more_values(op, a) for a in op.attributes)
    if more != op.attributes:
        names = ", ".join(a.name for a in more)
        yield f"other values of {names}", replace(free, attributes=more), sizes
    loose = tuple(replace(i, dims=d) for i, d in zip(free.inputs, _untied(op), strict=True))
    if loose != free.inputs:
        untied = replace(free, inputs=loose)
        yield "sizes that the signature fixes or ties", untied, untaught(untied).sizes


def _other_values(op: Op, sizes: Sizes) -> Iterator[tuple[str, Op, Sizes]]:
    """Each input whose values are restricted, with any real values, then with positive ones."""
    for k, input in enumerate(op.inputs):
        for kind in (REAL, POSITIVE):
            narrow = input.domain.kind != REAL or input.domain.ranged
            if input.integer or not narrow or input.domain.kind == kind:
                continue
            wider = replace(input, domain=Domain(kind, size=input.domain.size))
            inputs = (*op.inputs[:k], wider, *op.inputs[k + 1 :])
            words = f"{kind} values of {input.name}, not only {input.domain}"
            yield words, replace(op, inputs=inputs), sizes


def _more_values(op: Op, attribute: Attribute) -> Attribute:
    rank = max(len(i.dims) for i in op.inputs)
    default = attribute.values[0]
    known = {repr(v) for v in attribute.all_values}
    others = [v for v in other_values(attribute.name, default, rank) if repr(v) not in known]
    return replace(attribute, made_up=(*attribute.made_up, *others)) if others else attribute


def _untied(op: Op) -> list[tuple[str | int, ...]]:
    """Dimensions without numbers, and each name once."""
    seen: set[str | int] = set()
    found = []
    for input in op.inputs:
        dims: list[str | int] = []
        for axis, dim in enumerate(input.dims):
            kept = input.domain.kind in MIRRORED or dim == "..." or "*" in str(dim)
            fresh = kept or (isinstance(dim, str) and dim not in seen)
            dims.append(dim if fresh else f"{input.name}_{axis}")
            seen.add(dim)
        found.append(tuple(dims))
    return found


# --- telling two backward passes apart ------------------------------------------------------------
Gradients = tuple[Float | None, ...]
Compare = Callable[[Facts, Gradients, Gradients], str]
"""Where two sets of gradients that should agree do not, in words: beyond rounding, or at all."""


def tells_apart(
    facts: Facts, mutant: Evaluator, compare: Compare = furthest, *, hidden: bool = True
) -> str:
    """How a mutant differs from the right backward at a case, in words; empty where it does not.

    ``hidden``: look beyond the numbers of a single call too.
    """
    try:
        if mutant.op.session is not None:
            return _by_instances(facts, mutant, compare)
        if not hidden:
            return _by_numbers(facts, mutant.answer(facts.case, facts.cotangents), compare)
        return _by_calls(facts, mutant, compare) or _by_layout(facts, mutant, compare)
    except UserCodeRaised as error:
        return str(error)


def exactly(_: Facts, got: Gradients, base: Gradients) -> str:
    """Two sets of gradients compared to the last bit."""
    pairs = [(a, b) for a, b in zip(got, base, strict=True) if a is not None and b is not None]
    same = all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
    return "" if same else "other bits"


def _by_numbers(facts: Facts, answer: Answer, compare: Compare) -> str:
    """Other numbers, or of another shape."""
    got = facts.gradients_of(answer)
    for input, mine, right in zip(facts.op.inputs, got, facts.gradients, strict=True):
        if mine is None and right is not None:
            return f"gradient of {input.name}: another shape, or none"
    return compare(facts, got, facts.gradients)


def _by_calls(facts: Facts, mutant: Evaluator, compare: Compare) -> str:
    """One call, what it overwrites, and calls after it."""
    case, c = facts.case, facts.cotangents
    first = mutant.answer(case, c)
    arrays = [g for g in first.gradients or () if isinstance(g, np.ndarray)]
    kept = copy_tuple(arrays)
    if found := _by_numbers(facts, first, compare):
        return found
    if set(first.overwritten) != set(facts.answer.overwritten):
        return "it overwrites what it was given"
    mutant.answer(case, random_like(facts.answer.outputs, 9))
    if not _intact(arrays, kept):
        return "a second call changes what the first returned"
    return _by_numbers(facts, mutant.answer(case, c), compare)


def _intact(arrays: Sequence[Array], kept: Sequence[Array]) -> bool:
    pairs = zip(arrays, kept, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _by_layout(facts: Facts, mutant: Evaluator, compare: Compare) -> str:
    if not facts.op.linear:
        return ""
    options = [layouts(c) for c in facts.cotangents]
    for name in dict.fromkeys(n for o in options for n in o):
        given = tuple(o.get(name, c) for o, c in zip(options, facts.cotangents, strict=True))
        if found := _by_numbers(facts, mutant.answer(facts.case, given), compare):
            return f"{found} (a {name} cotangent)"
    return ""


def _by_instances(facts: Facts, mutant: Evaluator, compare: Compare) -> str:
    """Two instances in turn, and what the first backward of one returned after the second."""
    assert mutant.op.session is not None
    rule_a, rule_b = mutant.op.session(), mutant.op.session()
    case, given = facts.case, tuple(c.copy() for c in facts.cotangents)
    others = tuple(p * 2 if is_real(p) else p for p in case.primals)
    _, pull = mutant.call_forward(rule_a, copy_tuple(case.primals), case.attributes)
    mutant.call_forward(rule_b, copy_tuple(others), case.attributes)
    first = mutant.align(mutant.pull(pull, given)) or ()
    answer = msgspec.structs.replace(facts.answer, gradients=first)
    if found := _by_numbers(facts, answer, compare):
        return found
    arrays = [np.asarray(g) for g in first]
    kept = copy_tuple(arrays)
    _, pull = mutant.call_forward(rule_a, copy_tuple(others), case.attributes)
    mutant.pull(pull, random_like(facts.answer.outputs, 9))
    return "" if _intact(arrays, kept) else "a second call changes what the first returned"

"""Which node of a graph is wrong: named from the upstream it received and the values it saw.

Defects say whom to suspect, for one backward and four forward passes a case, also where the graph
as a whole is right because two errors cancel. A suspect is then checked by itself, and named only
if it fails there, or if it answers otherwise in the graph than by itself: one gate instance at two
nodes, whose cache holds the last use; a node that writes into what another reads. Where every
entry is to be looked at, each node is checked by itself at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from gradcheck.arrays import is_real
from gradcheck.checks.defects import (
    Defect,
    Direction,
    along_entry,
    cancel,
    defects,
    random_direction,
)
from gradcheck.checks.effort import by_nodes
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.checks.suspects import Hearing, hear
from gradcheck.graphs.reverse import Gradients
from gradcheck.graphs.tape import Step, Tape
from gradcheck.results import Finding

NAME = "nodes"
CANCEL = "these errors cancel"
HEARD = 64
"""Suspects that are checked by themselves in one case: one node of each op first."""


def check(facts: Facts) -> Outcome:
    """Each node of a large graph; of another, screen all along a direction, hear the suspects."""
    passed = facts.passed()
    if passed is None or facts.op.options.differentiates is not None:
        return Outcome()  # what the whole is the gradient of says nothing of its nodes
    if by_nodes(facts):
        outcome = _each(facts, passed)
    else:
        outcome = _along(facts, passed, partial(random_direction, facts, passed[0]))
    outcome.findings += _read_elsewhere(passed[0])
    return outcome


def _read_elsewhere(tape: Tape) -> list[Finding]:
    """Nodes that change an input on purpose, which others read: a graph gives them a copy."""
    return [
        Finding(
            code="overwritten-value",
            check=NAME,
            severity="warning",
            message=(
                f"node {step.name} is declared to overwrite {tape.names[place]}, and "
                f"{_few(readers)} reads it too: here it was given a copy, in plain NumPy the other "
                "would see the changed values"
            ),
            input=f"{step.op.name}.{input.name}",
            nodes=(step.name,),
        )
        for step in tape.steps
        for input, place in zip(step.op.inputs, step.parents, strict=True)
        if input.name in step.op.options.overwrites
        and (readers := tuple(s.name for s in tape.steps if s is not step and place in s.parents))
    ]


def along_fails(facts: Facts) -> Outcome:
    """Screened along each entry that the check of values called wrong; not where all were heard."""
    passed, outcome = None if by_nodes(facts) else facts.passed(), Outcome()
    for finding in facts.so_far["values"].findings:
        if passed is None or outcome.failed:
            break
        if finding.severity == "fail" and finding.entry is not None:
            where = facts, passed[0], finding.input, finding.entry
            outcome = _along(facts, passed, partial(along_entry, *where))
    return outcome


def _along(
    facts: Facts, passed: tuple[Tape, Gradients], direction: Callable[[], Direction]
) -> Outcome:
    """The nodes whose defects show along a direction."""
    outcome = Outcome()
    measured = _measured(outcome, facts, passed, direction)
    shown = [n for n, d in measured.items() if d.shows]
    heard = map(partial(hear, facts, passed), _in_turn(passed[0], shown)[:HEARD])
    guilty = [one for one in heard if one is not None and one.guilty]  # what others hold goes
    _accuse(outcome, passed[0], guilty, measured)
    return outcome


def _each(facts: Facts, passed: tuple[Tape, Gradients]) -> Outcome:
    """Every node, by itself.

    Defects are measured only for what that does not tell: of a node that cannot be run by itself,
    and whether several errors cancel.
    """
    outcome, guilty, measured = Outcome(), list[Hearing](), dict[int, Defect]()
    heard_all = True
    for number in _in_turn(passed[0], list(passed[1].downstream)):
        one = hear(facts, passed, number)
        _count(outcome, one)
        heard_all &= one is not None
        if one is not None and one.guilty:
            guilty.append(one)
    if not heard_all or len(guilty) > 1:
        along = partial(random_direction, facts, passed[0])
        measured = _measured(outcome, facts, passed, along)
    _accuse(outcome, passed[0], guilty, measured)
    return outcome


def _measured(
    outcome: Outcome,
    facts: Facts,
    passed: tuple[Tape, Gradients],
    direction: Callable[[], Direction],
) -> dict[int, Defect]:
    """The defect of each node along a direction, counted."""
    measured = defects(facts, passed, direction)
    outcome.comparisons += len(measured)
    outcome.inconclusive += sum(not d.known for d in measured.values())
    if passed[1].downstream and not measured:
        outcome.comparisons += 1
        outcome.inconclusive += 1
        outcome.reasons["the graph cannot be run beside this case"] = 1
    return measured


def _count(outcome: Outcome, one: Hearing | None) -> None:
    """What was compared in a node."""
    if one is None:
        outcome.comparisons += 1
        outcome.inconclusive += 1
        return
    outcome.comparisons += one.outcome.comparisons
    outcome.inconclusive += one.outcome.inconclusive
    for mode, times in one.outcome.modes.items():
        outcome.modes[mode] = outcome.modes.get(mode, 0) + times


def _in_turn(tape: Tape, suspects: list[int]) -> list[int]:
    """One step of each op first, and the nearest to the result first."""
    times: Counter[int] = Counter()
    order = []
    for number in sorted(suspects, reverse=True):
        own = id(tape.steps[number].op)
        order.append((times[own], -number))
        times[own] += 1
    return [-minus for _, minus in sorted(order)]


def everyone(facts: Facts) -> list[Hearing | None]:
    """All nodes that a gradient reached, by themselves; None for one that cannot be heard.

    For a graph that is wrong where no defect shows.
    """
    passed = facts.passed()
    return [] if passed is None else [hear(facts, passed, n) for n in passed[1].downstream]


def _accuse(
    outcome: Outcome, tape: Tape, guilty: list[Hearing], measured: Mapping[int, Defect]
) -> None:
    """A finding for each op and input that is wrong, with all nodes at which it is."""
    also = f"; in the graph as a whole {CANCEL}" if len(guilty) > 1 and cancel(measured) else ""
    groups: dict[tuple[str, str, str], list[tuple[Hearing, Finding]]] = defaultdict(list)
    for heard in guilty:
        label = _label(tape, heard.step)
        for finding in heard.findings:
            groups[label, finding.code, finding.input].append((heard, finding))
        if heard.disturbed:
            groups[label, "node-disturbed", ""].append((heard, _disturbed(tape, heard)))
    for (label, _, name), members in groups.items():
        heard, finding = members[0]
        nodes = tuple(dict.fromkeys(h.step.name for h, _ in members))
        where = f"{label}.{name}" if name else label
        if where in outcome.hearings:
            continue  # its value and a tie: one mistake
        outcome.findings.append(
            msgspec.structs.replace(
                finding,
                code="node-disturbed" if heard.disturbed else "wrong-node",
                check=NAME,
                input=where,
                nodes=nodes,
                path=_path(tape, heard.step),
                source=heard.step.op.source,
                message=_message(tape, heard.step, nodes, finding.message) + also,
            )
        )
        outcome.hearings[where] = heard
        if finding.numbers is not None:
            outcome.worst[where] = msgspec.structs.replace(finding.numbers, input=where)


def _label(tape: Tape, step: Step) -> str:
    """The op's name; the node's own, where another op of the graph has the same name."""
    alike = {id(s.op) for s in tape.steps if s.op.name == step.op.name}
    return step.op.name if len(alike) == 1 else step.name


def _disturbed(tape: Tape, heard: Hearing) -> Finding:
    """Right by itself and wrong in the graph."""
    op, step = heard.step.op, heard.step
    others = [s.name for s in tape.steps if s.op is op and s is not step]
    why = "it answers otherwise in the graph than by itself"
    if "writes into" in heard.disturbed:
        why = "others read what it changes; work on a copy"
    elif others and op.one_instance:
        why = (
            f"its gate is one instance that stands at {', '.join(others)} too, and what it keeps "
            "is that of its last use; make an instance for each node, or keep a stack"
        )
    elif others:
        why = (
            f"the same op stands at {', '.join(others)} too: something is kept between its uses, "
            "outside of what a call returns"
        )
    return Finding(
        code="node-disturbed",
        check=NAME,
        severity="fail",
        message=f"right by itself, wrong in this graph: {why} ({heard.disturbed})",
    )


def _message(tape: Tape, step: Step, nodes: tuple[str, ...], said: str) -> str:
    parents = ", ".join(tape.names[p] for p in step.parents)
    call = f"{step.op.name}({parents})"
    node = f"{step.name} = {call}" if step.name != step.op.name else call
    more = len(nodes) - 1
    also = (
        f" (and {more} more node{'s' * (more != 1)} of this op: {_few(nodes[1:])})" if more else ""
    )
    spoilt = _spoilt(tape, step)
    spoils = f", which spoils the gradients of {', '.join(spoilt)}" if spoilt else ""
    return f"node {node}{also}{spoils}: {said}"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _spoilt(tape: Tape, step: Step) -> list[str]:
    """The sources that a node's gradient reaches."""
    reached = set(step.parents)
    for earlier in reversed(tape.steps):
        if reached & set(earlier.outputs):
            reached |= set(earlier.parents)
    return [tape.names[s] for s in tape.sources if s in reached and is_real(tape.values[s])]


def _path(tape: Tape, step: Step) -> str:
    """The shortest way from a node to the result: ``h -> logits -> J``."""
    before: dict[int, int] = {}
    waiting = list(step.outputs)
    seen = set(waiting)
    readers: dict[int, list[Step]] = defaultdict(list)
    for later in tape.steps:
        for parent in later.parents:
            readers[parent].append(later)
    while waiting:
        place = waiting.pop(0)
        if place in tape.results:
            names = [tape.names[place]]
            while place in before:
                place = before[place]
                names.append(tape.names[place])
            return " -> ".join(_short(names[::-1]))
        for later in readers[place]:
            for output in later.outputs:
                if output not in seen:
                    seen.add(output)
                    before[output] = place
                    waiting.append(output)
    return step.name


def _short(names: list[str]) -> list[str]:
    return names if len(names) <= 8 else [*names[:4], f"... {len(names) - 7} more ...", *names[-3:]]

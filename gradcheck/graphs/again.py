"""A forward pass beside one that was taken: only what follows a changed value is computed again.

Where the graph's function looked at no value, its steps are the same near the point, and are taken
from the tape (`Replay`). Else the function is run, so that it may go another way (`Again`); a step
that stands where it stood, with the op, attributes and unchanged values it had, has its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck.arrays import Array, as_outputs, freeze
from gradcheck.errors import UsageError
from gradcheck.evaluation import NodeRaised
from gradcheck.graphs.composed import Composed, returned
from gradcheck.graphs.reverse import Gradients, at_sources, backward
from gradcheck.graphs.tape import Step, Tape, handed
from gradcheck.model import Op, Outputs, Pullback
from gradcheck.node import Node


class Again(Tape):
    """Records a pass beside ``base``.

    Parameters
    ----------
    base : Tape
        The pass that was taken.
    """

    def __init__(self, base: Tape) -> None:
        super().__init__(base.name, pullbacks=False)
        self._base = base
        self._unchanged: dict[int, int] = {}
        """Places of values that are those of the base, with their places there."""
        self.kept = 0
        """Steps that were not computed again."""

    def start(self, names: Sequence[str], values: Sequence[Any]) -> list[Node]:
        nodes = super().start(names, values)
        for node, place in zip(nodes, self._base.sources, strict=True):
            before, now = self._base.values[place], self.values[node.index]
            if now.dtype == before.dtype and np.array_equal(now, before):
                self._unchanged[node.index] = place
        return nodes

    def constant(self, value: Any, name: str = "") -> Node:
        node = super().constant(value, name)
        place = node.index
        if place < len(self._base.values) and self._base.names[place] == self.names[place]:
            before, now = self._base.values[place], self.values[place]
            if now.dtype == before.dtype and np.array_equal(now, before, equal_nan=True):
                self._unchanged[place] = place
        return node

    def applied(
        self, op: Op, parents: Sequence[Node], attributes: Mapping[str, Any], name: str = ""
    ) -> Any:
        before = self._before(op, parents, attributes)
        if before is None:
            return super().applied(op, parents, attributes, name)
        self.kept += 1
        own = self._unique(name or op.name)
        outputs = [self._base.values[place].copy() for place in before.outputs]
        made, outs = self._made(outputs, own)
        self._unchanged.update(zip(outs, before.outputs, strict=True))
        places = tuple(p.index for p in parents)
        self.steps.append(Step(own, op, places, outs, dict(attributes), None, ()))
        return made

    def _before(
        self, op: Op, parents: Sequence[Node], attributes: Mapping[str, Any]
    ) -> Step | None:
        """The step of the base that this one repeats, if nothing has changed for it."""
        number = len(self.steps)
        if number >= len(self._base.steps):
            return None
        step = self._base.steps[number]
        places = tuple(self._unchanged.get(p.index) for p in parents)
        if step.op is not op or places != step.parents or op.options.overwrites:
            return None
        return step if _alike(step.attributes, attributes) else None


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # arrays among them
        return False


def _differs(value: Array, before: Array) -> bool:
    """Two arrays of one shape are not the same; the first entry often says so."""
    first = value.size > 0 and value.item(0) != before.item(0)
    return bool(first) or not np.array_equal(value, before)


class Replay:
    """The steps of a pass whose function looked at no value: they are the same everywhere near."""

    def __init__(self, base: Tape) -> None:
        self._base = base
        self._values = [freeze(v.view()) if v.flags.writeable else v for v in base.values]
        self._following: dict[tuple[int, ...], list[Step]] = {}
        """By the sources that have changed, the steps that follow them."""

    def __call__(self, given: Sequence[Array]) -> tuple[Array, ...]:
        """The results at other sources of the same shapes.

        Raises
        ------
        ValueError
            A step writes into a value that was kept, or has more or fewer outputs than before.
        """
        base, values = self._base, self._values.copy()
        pairs = zip(base.sources, given, strict=True)
        changed = [(place, value) for place, value in pairs if _differs(value, values[place])]
        for place, value in changed:
            values[place] = value
        for step in self._after(tuple([place for place, _ in changed])):
            arguments = handed(step.op, [values[p] for p in step.parents])
            try:
                outputs = as_outputs(step.op.forward(*arguments, **step.attributes))
            except UsageError:
                raise
            except Exception as error:
                raise NodeRaised(base.place(step.name, step.op, step.parents), error) from error
            if len(step.outputs) == len(outputs) == 1:
                values[step.outputs[0]] = outputs[0]
                continue
            for place, output in zip(step.outputs, outputs, strict=True):
                values[place] = output
        return tuple([values[r] for r in base.results])

    def _after(self, sources: tuple[int, ...]) -> list[Step]:
        """The steps to which a change of some sources comes."""
        if sources not in self._following:
            changed, found = set(sources), list[Step]()
            for step in self._base.steps:
                if not changed.isdisjoint(step.parents):
                    changed.update(step.outputs)
                    found.append(step)
            self._following[sources] = found
        return self._following[sources]


def uses_again(base: Tape, other: Tape) -> bool:
    """Some op hands out one piece of memory in both passes: its values are not kept."""
    made = (place for step in base.steps for place in step.outputs if place < len(other.values))
    return any(np.may_share_memory(base.values[p], other.values[p]) for p in made)


class Kept:
    """The passes of a graph at a case: others near it are taken from the first.

    That is the forward pass before the one that the backward pass follows, or, where that was the
    only one, as it stood before the backward pass: what that does to its values does not reach it.

    Parameters
    ----------
    graph : Composed
    primals : tuple of array
        The case's own, which nobody writes into.
    each : bool
        Keep what went back through each node, too.
    """

    def __init__(self, graph: Composed, primals: tuple[Array, ...], *, each: bool) -> None:
        self._graph, self._primals, self._each = graph, primals, each
        self._first: Tape | None = None
        self.base: Tape | None = None
        """The pass, once the backward's was run; None where an op uses its memory again."""
        self.passed: tuple[Tape, Gradients] | None = None
        """The last pass and its backward, where each node's part of it was kept."""
        self.own: list[int] = []
        """Which inputs have gradients that no node can change."""

    @staticmethod
    def of(op: Op, primals: tuple[Array, ...], *, each: bool) -> Kept | None:
        """None for an op that is no graph, or runs in another way than its graph does."""
        graph = op.detail
        if not isinstance(graph, Composed) or (op.forward, op.vjp) != (graph.forward, graph.vjp):
            return None
        return Kept(graph, primals, each=each)

    def forward(self, *values: Any, **attributes: Any) -> Any:
        """The graph's forward pass, kept."""
        self._first = self._graph.run(values, attributes, pullbacks=False)
        return returned(self._first)

    def vjp(self, *values: Any, **attributes: Any) -> tuple[Any, Pullback]:
        """The graph as one vjp rule, whose pullback is called once."""
        last = self._graph.run(values, attributes)
        if self._first is None:
            self.base = last.copied(self._primals)
        elif not uses_again(self._first, last):
            self.base = self._first
            self.base.put_sources(self._primals)
        return returned(last), partial(self._pulled, last)

    def _pulled(self, last: Tape, cotangents: Outputs) -> list[Any]:
        gradients = backward(last, cotangents, kept=self._each)
        self.own = [k for k, place in enumerate(last.sources) if place in gradients.own]
        if self._each:
            self.passed = last, gradients
        else:
            last.let_go()
        return at_sources(last, gradients)


def forward_beside(graph: Composed, base: Tape) -> Callable[..., Any]:
    """The graph's forward pass, for points near the one of ``base``."""
    replay = None if base.read else Replay(base)
    shapes = [base.values[s].shape for s in base.sources]

    def forward(*values: Any, **attributes: Any) -> Any:
        made: tuple[Array, ...] | None = None
        arrays = [np.asarray(v) for v in values]
        if replay is not None and [a.shape for a in arrays] == shapes:
            try:
                made = replay(arrays)
            except (NodeRaised, ValueError):
                made = None  # for the graph's own words, or because a step writes into its input
        if made is None:
            tape = Again(base)
            tape.finish(graph.record(tape.start(graph.names, values), attributes))
            made = tuple(tape.values[r] for r in tape.results)
        return made if len(made) > 1 else made[0]

    return forward

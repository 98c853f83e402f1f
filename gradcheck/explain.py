"""A graph node by node: [downstream gradient] = [upstream gradient] x [local gradient]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.graphs.composed import Composed
from gradcheck.graphs.reverse import Gradients, backward, pulled
from gradcheck.graphs.tape import Step, Tape


def explain_graph(graph: Composed, values: Sequence[Any]) -> str:
    """Forward values, then gradients from the output back to the sources.

    Parameters
    ----------
    graph : Composed
        With an output node.
    values : sequence
        One value per source.

    Returns
    -------
    str
        The lecture's picture in words: a line per node forwards, a block per node backwards.
    """
    tape = graph.run([np.asarray(v, dtype=np.float64) for v in values])
    gradients = backward(tape, [np.ones_like(tape.values[r]) for r in tape.results])
    sources = [(tape.names[s], s) for s in tape.sources]
    shown = ", ".join(f"{n} = {show(tape.values[s])}" for n, s in sources)
    lines = [f"{graph.name}({shown})", "", "forward"]
    for step in tape.steps:
        call = f"{step.name} = {step.op.name}({', '.join(tape.names[p] for p in step.parents)})"
        made = ", ".join(show(tape.values[o]) for o in step.outputs)
        lines.append(f"  {call:<28s} = {made}")
    lines += ["", "backward (output gradient 1)"]
    for number, step in reversed(list(enumerate(tape.steps))):
        if number in gradients.received:
            lines += _block(tape, gradients, number, step)
    lines += ["", "gradients (summed where a value is used more than once)"]
    for name, place in sources:
        lines.append(f"  d{graph.name}/d{name:<4s} = {_sum(tape, gradients, place)}")
    return "\n".join(lines)


def _block(tape: Tape, gradients: Gradients, number: int, step: Step) -> list[str]:
    """One node: what came from above, its local gradients, what it passes on."""
    upstream = ", ".join(show(u) for u in gradients.received[number])
    lines = [f"  {step.name}: upstream {upstream}"]
    local = local_gradients(tape, step)
    for k, parent in enumerate(step.parents):
        name = tape.names[parent]
        own = "" if local is None else f"local d{step.name}/d{name} = {show(local[k])}, "
        lines.append(f"      {own}downstream to {name}: {show(gradients.downstream[number][k])}")
    return lines


def local_gradients(tape: Tape, step: Step) -> tuple[Any, ...] | None:
    """d output / d parent for scalar nodes; an array node has a Jacobian, which is not shown."""
    outputs = [tape.values[o] for o in step.outputs]
    if len(outputs) != 1 or outputs[0].size != 1:
        return None
    return pulled(step, (np.ones_like(outputs[0]),))


def _sum(tape: Tape, gradients: Gradients, place: int) -> str:
    """``3 + 2 = 5`` where a source has several successors."""
    parts = [
        gradients.downstream[number][k]
        for number, step in enumerate(tape.steps)
        if number in gradients.downstream
        for k, parent in enumerate(step.parents)
        if parent == place
    ]
    total = gradients.upstream.get(place)
    if total is None:
        return "0 (not used)"
    if len(parts) > 1:
        return " + ".join(show(p) for p in parts) + f" = {show(total)}"
    return show(total)


def show(value: Any) -> str:
    """A number, or a small array, or its shape."""
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{float(array):g}"
    if array.size <= 8:
        return np.array2string(array, precision=4, separator=", ").replace("\n", "")
    return f"array {array.shape}"

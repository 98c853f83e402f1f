"""A graph node by node: [downstream gradient] = [upstream gradient] x [local gradient]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.arrays import Array
from gradcheck.graphs import Graph, Node, Pass


def explain_graph(graph: Graph, values: Sequence[Any]) -> str:
    """Forward values, then gradients from the output back to the sources.

    Parameters
    ----------
    graph : Graph
        With an output node.
    values : sequence
        One value per source.

    Returns
    -------
    str
        The lecture's picture in words: a line per node forwards, a block per node backwards.
    """
    record, pullbacks = graph.run([np.asarray(v, dtype=np.float64) for v in values])
    assert graph.result is not None
    output = record.values[graph.result.index]
    graph.backward(record, pullbacks, np.ones_like(output))
    lines = [f"{graph.name}({', '.join(_named(s, record) for s in graph.sources)})", "", "forward"]
    lines += [
        f"  {_call(node):<28s} = {show(record.values[node.index])}"
        for node in graph.nodes
        if node.op is not None
    ]
    lines += ["", "backward (output gradient 1)"]
    for node in reversed(graph.nodes):
        if node.op is not None and node.index in record.upstream:
            lines += _block(node, record, pullbacks[node.index])
    lines += ["", "gradients (summed where a value is used more than once)"]
    for source in graph.sources:
        lines.append(f"  d{graph.name}/d{source.name:<4s} = {_sum(graph, source, record)}")
    return "\n".join(lines)


def _named(source: Node, record: Pass) -> str:
    return f"{source.name} = {show(record.values[source.index])}"


def _call(node: Node) -> str:
    assert node.op is not None
    return f"{node.name} = {node.op.name}({', '.join(p.name for p in node.parents)})"


def _block(node: Node, record: Pass, pullback: Any) -> list[str]:
    """One node: what came from above, its local gradients, what it passes on."""
    upstream = record.upstream[node.index]
    lines = [f"  {node.name}: upstream {show(upstream)}"]
    local = local_gradients(pullback, record.values[node.index])
    for k, parent in enumerate(node.parents):
        own = "" if local is None else f"local d{node.name}/d{parent.name} = {show(local[k])}, "
        lines.append(
            f"      {own}downstream to {parent.name}: {show(record.downstream[node.index][k])}"
        )
    return lines


def local_gradients(pullback: Any, output: Array) -> tuple[Any, ...] | None:
    """d output / d parent for scalar nodes; an array node has a Jacobian, which is not shown."""
    if output.size != 1:
        return None
    returned = pullback((np.ones_like(output),))
    return tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)


def _sum(graph: Graph, source: Node, record: Pass) -> str:
    """``3 + 2 = 5`` where a source has several successors."""
    parts = [
        record.downstream[node.index][k]
        for node in graph.nodes
        if node.index in record.downstream
        for k, parent in enumerate(node.parents)
        if parent is source
    ]
    total = record.upstream.get(source.index)
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

"""``gradcheck list``, ``replay`` and ``explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from gradcheck import files, targets
from gradcheck.cli.run import collect
from gradcheck.errors import NothingCollected, UsageError, did_you_mean
from gradcheck.explain import explain_graph
from gradcheck.graphs import Graph
from gradcheck.model import Op, Recipe
from gradcheck.reporters import json, text
from gradcheck.results import Finding, OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings, find_pyproject, load


def list_ops(*target: str) -> int:
    """List the ops of targets with their inputs; without targets those that `run` would check."""
    settings = load(Path.cwd(), profile="ci")
    names = list(target) or list(settings.targets) or ["reference_ops"]
    errors: list[str] = []
    ops = collect(names, errors)
    console = Console(highlight=False)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("op", "kind", "inputs", "backward"):
        drawn.add_column(column, overflow="fold")
    for op in ops:
        drawn.add_row(op.id, op.kind, _inputs(op), str(op.source))
    console.print(drawn)
    for error in errors:
        Console(stderr=True).print(f"could not be loaded: {error}", soft_wrap=True, markup=False)
    if not ops and not errors:
        raise NothingCollected(f"no ops in {', '.join(names)}")
    return 1 if errors else 0


def _inputs(op: Op) -> str:
    inputs = [f"{i.name}\\[{' '.join(map(str, i.dims))}]" for i in op.inputs]
    attributes = [f"{a.name}={'|'.join(map(repr, a.values))}" for a in op.attributes]
    return ", ".join([*inputs, *attributes])


def replay(
    case: str,
    recipe: str | None = None,
    /,
    *,
    results: Annotated[str | None, Parameter(name="--results")] = None,
) -> int:
    """Run one failing case again.

    Parameters
    ----------
    case
        The id that a report printed (affine-3f9c1a), looked up in the last results; or an op
        (my_gates.py::affine) followed by a recipe, which needs no file.
    recipe
        The recipe as one line of JSON, where an op is named.
    results
        A result file to look the id up in, instead of the last one.
    """
    settings = load(Path.cwd(), profile="ci")
    if recipe is None:
        op, made = _look_up(case, results, settings)
    else:
        op, made = _one_op(case), _recipe(recipe)
    result = run_one(op, settings, only=[made])
    console = Console(highlight=False)
    shown = text.failure(result, verbose=True)
    console.print(shown or f"{op.id}: this case passes", soft_wrap=True, markup=False)
    if result.verdict == "inconclusive" and result.cases == 1 and not shown:
        return 0
    return 0 if result.verdict == "pass" else 1


def _recipe(line: str) -> Recipe:
    try:
        return msgspec.json.decode(line, type=Recipe)
    except msgspec.DecodeError as error:
        raise UsageError(f"the recipe cannot be read: {error}") from None


def _one_op(name: str) -> Op:
    ops = targets.load(name)
    if len(ops) != 1:
        raise UsageError(f"{name} holds {len(ops)} ops: name one, as in {name}::{ops[0].name}" if ops else f"{name} holds no op")
    return ops[0]


def _look_up(case: str, results: str | None, settings: Settings) -> tuple[Op, Recipe]:
    """The op and recipe of a replay id in a result file."""
    folder = files.output_folder(Path.cwd(), find_pyproject(Path.cwd()), settings.output)
    path = Path(results) if results else folder / files.RESULTS
    try:
        report = json.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError:
        raise UsageError(f"there is no result file {path}: run gradcheck run first") from None
    known: dict[str, tuple[OpResult, Finding]] = {
        f.replay.split()[-1].strip("'"): (r, f) for r in report.results for f in r.findings if f.replay
    }
    if case not in known:
        raise UsageError(f"{path} has no case {case!r}.{did_you_mean(case, known)}")
    result, finding = known[case]
    ops = {op.id: op for op in targets.load(result.target.partition("::")[0])}
    if result.op not in ops:
        raise UsageError(f"{result.target} has no op {result.op!r} any more")
    return ops[result.op], _recipe(finding.recipe)


def explain(target: str, *values: float) -> int:
    """Show a graph node by node: value, upstream, local and downstream gradient.

    Parameters
    ----------
    target
        A graph: worked_example, or my_graphs.py::loss.
    values
        Values of its sources; its own example where they are left out.
    """
    op = _graph(target)
    graph = op.detail
    assert isinstance(graph, Graph)
    given = list(values) or list(graph.example or ())
    if len(given) != len(graph.sources):
        names = ", ".join(s.name for s in graph.sources)
        raise UsageError(f"{op.name} takes {len(graph.sources)} values ({names}), not {len(given)}")
    Console(highlight=False).print(explain_graph(graph, given), markup=False, soft_wrap=True)
    return 0


def _graph(target: str) -> Op:
    """A graph by target, or by bare name among the default targets and the reference ops."""
    if "::" in target or target.endswith(".py") or "." in target:
        ops = targets.load(target)
    else:
        settings = load(Path.cwd(), profile="ci")
        names = dict.fromkeys((*settings.targets, "reference_ops"))
        everything = collect(list(names), [])
        ops = [op for op in everything if op.name == target]
        if not ops:
            graphs = [op.name for op in everything if isinstance(op.detail, Graph)]
            raise UsageError(f"there is no graph {target!r}.{did_you_mean(target, graphs)}")
    graphs = [op for op in ops if isinstance(op.detail, Graph)]
    if not graphs:
        raise UsageError(f"{target} is no graph: explain shows graphs, node by node")
    return graphs[0]

"""The work of ``gradcheck list``, ``replay`` and ``explain``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from gradcheck import files, targets
from gradcheck.cli.run import REFERENCE, chosen, collect
from gradcheck.cli.screen import screen
from gradcheck.errors import NothingCollected, UsageError, did_you_mean
from gradcheck.explain import explain_graph
from gradcheck.graphs.building import Graph
from gradcheck.model import Op, Recipe
from gradcheck.reporters import json, text
from gradcheck.results import Finding, OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings, convert, find_pyproject, load


def list_ops(named: Sequence[str]) -> int:
    """Print a table of ops; 1 where a target could not be loaded."""
    names, root = chosen(named, load(Path.cwd(), profile="ci"))
    errors: list[str] = []
    ops = collect(names, errors, root)
    if not ops and not errors:
        raise NothingCollected(f"no ops in {', '.join(names)}")
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("op", "kind", "inputs", "backward"):
        drawn.add_column(column, overflow="fold")
    for op in ops:
        drawn.add_row(*map(Text, (op.id, op.kind, _inputs(op), str(op.source))))
    console = screen()
    if not console.is_terminal:
        console.width = 10_000  # whole lines for grep
    if ops:
        console.print(drawn)
    for error in errors:
        print(f"could not be loaded: {error}", file=sys.stderr)
    return 1 if errors else 0


def _inputs(op: Op) -> str:
    inputs = [f"{i.name}[{' '.join(map(str, i.dims))}]" for i in op.inputs]
    attributes = [f"{a.name}={'|'.join(map(repr, a.values))}" for a in op.attributes]
    return ", ".join([*inputs, *attributes])


def replay(case: str, recipe: str | None, results: str | None) -> int:
    """Check one op on one case; 0 where it passes."""
    settings = load(Path.cwd(), profile="ci")
    given: dict[str, Any] = {}
    if recipe is None:
        op, made, given = _look_up(case, results, settings)
    else:
        op, made = _one_op(case), _recipe(recipe)
    settings = convert(given, "the run's settings", settings)
    result = run_one(op, settings, fixed=given, only=[made])
    passed = result.verdict == "pass"
    said = [text.finding(result, f, stored=recipe is None) for f in result.findings]
    said = said or [f"{op.id}: this case passes" if passed else text.failure(result)]
    screen().print("\n\n".join(said), soft_wrap=True, markup=False)
    return 0 if passed else 1


def _recipe(line: str) -> Recipe:
    try:
        return msgspec.json.decode(line, type=Recipe)
    except msgspec.DecodeError as error:
        raise UsageError(f"the recipe cannot be read: {error}") from None


def _one_op(name: str) -> Op:
    ops = targets.load(name)
    if not ops:
        raise UsageError(f"{name} holds no op")
    if len(ops) > 1:
        raise UsageError(f"{name} holds {len(ops)} ops: name one, as in {name}::{ops[0].name}")
    return ops[0]


def _look_up(
    case: str, results: str | None, settings: Settings
) -> tuple[Op, Recipe, dict[str, Any]]:
    """The op and recipe of a replay id in a result file, and the settings of that run."""
    folder = files.output_folder(Path.cwd(), find_pyproject(Path.cwd()), settings.output)
    path = Path(results) if results else folder / files.RESULTS
    try:
        report = json.parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError):
        shown = targets.shown(path)
        raise UsageError(f"there is no result file {shown}: run gradcheck run first") from None
    known: dict[str, tuple[OpResult, Finding]] = {
        shlex.split(f.replay)[-1]: (r, f) for r in report.results for f in r.findings if f.replay
    }
    if case not in known:
        hint = did_you_mean(case, known) or " It holds no failing case."
        raise UsageError(f"{targets.shown(path)} has no case {case!r}.{hint}")
    result, finding = known[case]
    ops = {op.id: op for op in _load_again(result.target.partition("::")[0])}
    if result.op not in ops:
        raise UsageError(f"{result.target} has no op {result.op!r} any more")
    return ops[result.op], _recipe(finding.recipe), report.settings


def _load_again(target: str) -> list[Op]:
    """A target of an earlier run, from here or from the project's folder."""
    pyproject = find_pyproject(Path.cwd())
    try:
        return targets.load(target)
    except targets.NotThere:
        if pyproject is None:
            raise
        return targets.load(target, pyproject.parent)


def explain(name: str, values: Sequence[float]) -> int:
    """Print a graph's forward and backward pass at some values."""
    graph = _graph(name)
    given = list(values) or list(graph.example or ())
    sources = ", ".join(s.name for s in graph.sources)
    if len(given) != len(graph.sources):
        raise UsageError(f"{name} takes {len(graph.sources)} numbers ({sources}), not {len(given)}")
    try:
        shown = explain_graph(graph, given)
    except Exception as error:  # the nodes are the user's
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"{name} cannot be evaluated at numbers ({sources}): {reason}") from None
    screen().print(shown, markup=False, soft_wrap=True)
    return 0


def _graph(name: str) -> Graph:
    """A graph by target, or by its own or its op's name among the default targets."""
    path, _, own = name.partition("::")
    if own or targets.names_file(path) or "." in path:
        known, where = _graphs(targets.load(path)), f"{path} has"
        if not own and len({id(g) for g in known.values()}) == 1:
            return next(iter(known.values()))
    else:
        settings = load(Path.cwd(), profile="ci")
        pyproject = find_pyproject(Path.cwd())
        root = pyproject.parent if pyproject else None
        known = _graphs(collect(list(dict.fromkeys((*settings.targets, REFERENCE))), [], root))
        own, where = path, "there is"
    if own in known:
        return known[own]
    if own or not known:
        hint = did_you_mean(own, known) if known else " explain shows graphs, node by node."
        raise UsageError(f"{where} no graph {own or ''}".rstrip() + f".{hint}")
    raise UsageError(f"{where} several graphs: name one, as in {path}::{min(known)}")


def _graphs(ops: Iterable[Op]) -> dict[str, Graph]:
    """Graphs by the name of their op, and by their own where no op has that name."""
    graphs = [(op.name, op.detail) for op in ops if isinstance(op.detail, Graph)]
    return {g.name: g for _, g in reversed(graphs)} | dict(graphs)

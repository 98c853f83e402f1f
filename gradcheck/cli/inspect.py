"""The work of ``gradcheck list``, ``replay`` and ``explain``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.table import Table
from rich.text import Text

from gradcheck import explained, files, targets
from gradcheck.cli import loading
from gradcheck.cli.loading import collect
from gradcheck.cli.run import REFERENCE, chosen
from gradcheck.cli.screen import screen
from gradcheck.codes import CODES, LIKELY
from gradcheck.errors import NothingCollected, UsageError, did_you_mean
from gradcheck.evaluation import NodeRaised
from gradcheck.execution.data import Shared
from gradcheck.execution.spreading import Apart, Asked
from gradcheck.explain import plain_case
from gradcheck.explain import text as explain_text
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.tracing import GraphFunction
from gradcheck.guards import quiet
from gradcheck.model import Input, Op, Recipe
from gradcheck.plain import clean, visible
from gradcheck.reading import text_of
from gradcheck.recalling import demand_judged, recalled
from gradcheck.registry import MARK
from gradcheck.reporters import json, terminal, text
from gradcheck.results import Finding, OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings, convert, find_pyproject, for_op, load
from gradcheck.svg import BOXES, WIRES
from gradcheck.svg import svg as draw_svg


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
        drawn.add_row(*map(Text, map(clean, (op.id, op.kind, _inputs(op), op.source))))
    console = screen()
    if not console.is_terminal:
        console.width = 10_000  # whole lines for grep
    if ops:
        console.print(drawn)
    for error in errors:
        print(visible(f"could not be loaded: {error}"), file=sys.stderr)
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
        op = _one_op(case)
        made = recalled(recipe, op, "the recipe")
    settings = convert(given, "the run's settings", settings)
    demand_judged(made, op, for_op(settings, op.options, given).dtypes)
    result = _tried(op, made, settings, given)
    passed = result.verdict == "pass"
    console = screen()
    stored, wide = recipe is None, terminal.page(console)
    said = [text.finding(result, f, stored=stored, width=wide) for f in result.findings]
    said = said or [f"{op.id}: this case passes" if passed else text.failure(result, width=wide)]
    console.print("\n\n".join(said), soft_wrap=True, markup=False)
    return 0 if passed else 1


def _tried(op: Op, recipe: Recipe, settings: Settings, given: Mapping[str, Any]) -> OpResult:
    """The result of one case: here, or in a child where a run would check the op in one."""
    with closing(Apart(Asked(Shared(settings=settings, fixed=dict(given))))) as apart:
        if apart.wants(op):
            return apart.check(op, msgspec.json.encode(recipe).decode())
    return run_one(op, settings, fixed=given, only=[recipe])


def _one_op(name: str) -> Op:
    ops = loading.load(name)
    if not ops:
        raise UsageError(f"{name} holds no op")
    if len(ops) > 1:
        raise UsageError(f"{name} holds {len(ops)} ops: name one, as in {name}::{ops[0].name}")
    return ops[0]


def _look_up(
    case: str, results: str | None, settings: Settings
) -> tuple[Op, Recipe, dict[str, Any]]:
    """The op and recipe of a replay id in a result file, and the settings of that run."""
    if "::" in case:
        raise UsageError(f"{case} is an op: give a recipe of one of its cases with it")
    folder = files.output_folder(Path.cwd(), find_pyproject(Path.cwd()), settings.output)
    path = Path(results) if results else folder / files.RESULTS
    try:
        report = json.parse(text_of(path), str(path))
    except FileNotFoundError:
        shown = targets.shown(path)
        raise UsageError(f"there is no result file {shown}: run gradcheck run first") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        shown = targets.shown(path)
        raise UsageError(f"cannot read {shown}: {reason}; gradcheck run writes it") from None
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
    op, where = ops[result.op], f"the recipe of {case} in {targets.shown(path)}"
    return op, recalled(finding.recipe, op, where), report.settings


def _load_again(target: str) -> list[Op]:
    """A target of an earlier run, from here or from the project's folder."""
    pyproject = find_pyproject(Path.cwd())
    try:
        return loading.load(target)
    except targets.NotThere:
        if pyproject is None:
            raise
        return loading.load(target, pyproject.parent)


def explain(name: str, values: Sequence[float], svg: str | None = None) -> int:
    """Print a graph's forward and backward pass at some values, and draw it."""
    op, graph = _graph(name)
    if svg is not None:
        files.claim(Path(svg))
    given, attributes = _sources(name, op, graph, values)
    try:
        with quiet():
            seen = explained.explain(graph, given, attributes)
    except Exception as error:  # the nodes are the user's
        what = "numbers" if values else "its example"
        names = ", ".join(map(clean, graph.names))
        reason = clean(error if isinstance(error, UsageError) else _reason(error))
        raise UsageError(f"{name} cannot be evaluated at {what} ({names}): {reason}") from None
    console = screen()
    plain = not _encodes(console.encoding, "─│┌┼▶")
    shown = explain_text(seen, width=console.width, plain=plain)
    console.print(shown, markup=False, soft_wrap=True)
    if svg is not None:
        _draw(Path(svg), seen)
    return 0


def _reason(error: BaseException) -> str:
    if isinstance(error, NodeRaised):
        return f"{_reason(error.error)} (at node {error.place})"
    return f"{type(error).__name__}: {error}"


def _encodes(encoding: str, characters: str) -> bool:
    try:
        return bool(characters.encode(encoding))
    except (UnicodeEncodeError, LookupError):
        return False


def _draw(path: Path, seen: explained.Explained) -> None:
    """Write the picture."""
    made = draw_svg(seen)
    if not made:
        raise UsageError(
            f"{path} is not written: the graph (nodes: {len(seen.nodes):,}, sources: "
            f"{len(seen.sources):,}) is too large to be looked at, at most {BOXES} boxes and "
            f"{WIRES:,} wires are drawn; explain a part of it"
        )
    files.write(path, made)
    screen().print(f"picture: {targets.shown(path)}", markup=False, soft_wrap=True)


def _sources(
    name: str, op: Op, graph: Composed, values: Sequence[float]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Values of the sources, and attributes: as given, the graph's own, or as checks draw them."""
    defaults = {a.name: a.values[0] for a in op.attributes}
    if values:
        if len(values) != len(graph.names):
            sources = ", ".join(map(clean, graph.names))
            wanted = f"{len(graph.names)} numbers ({sources})"
            raise UsageError(f"{name} takes {wanted}, not {len(values)}")
        return [_number(v, i) for v, i in zip(values, op.inputs, strict=True)], defaults
    if example := getattr(graph, "example", ()):
        return [_number(v, i) for v, i in zip(example, op.inputs, strict=True)], defaults
    case = plain_case(op, load(Path.cwd(), profile="ci"))
    if case is None:
        sources = ", ".join(map(clean, graph.names))
        raise UsageError(f"{name}: no case can be drawn; give values of its sources ({sources})")
    return case.primals, case.attributes


def _number(value: Any, input: Input) -> Any:
    """A value as an array; integers where the graph wants them."""
    whole = input.integer and np.all(np.asarray(value) == np.round(value))
    return np.asarray(value, np.int64 if whole else np.float64)


def _graph(name: str) -> tuple[Op, Composed]:
    """A graph by target, or by its own or its op's name among the default targets."""
    path, _, own = name.partition("::")
    if not path:
        raise UsageError(f"{name!r} names no graph and no code")
    if own or targets.names_file(path) or "." in path:
        ops, where = loading.load(path), f"{path} has"
        known = _graphs(ops)
        if not own and len({id(op.detail) for op in known.values()}) == 1:
            own = next(iter(known))
    else:
        settings = load(Path.cwd(), profile="ci")
        pyproject = find_pyproject(Path.cwd())
        root = pyproject.parent if pyproject else None
        ops = collect(list(dict.fromkeys((*settings.targets, REFERENCE))), [], root)
        known, own, where = _graphs(ops), path, "there is no code and"
    if own in known:
        return known[own], known[own].detail
    if any(op.name == own for op in ops):
        raise UsageError(f"{own} is an op and no graph: explain shows graphs, node by node")
    if own and own != path:
        _demand_described(path, own)
    if own or not known:
        hint = _nearest(own, known, words=own == path)
        raise UsageError(f"{where} no graph {clean(own)}".rstrip() + f".{hint}")
    raise UsageError(f"{where} several graphs: name one, as in {path}::{min(known)}")


def _nearest(own: str, graphs: Iterable[str], *, words: bool) -> str:
    """What may have been meant: a graph or, where no file is named, a code."""
    known = [*graphs, *(w for table in (CODES, LIKELY) for w in table if words)]
    if not known:
        return " explain shows graphs, node by node."
    hint = did_you_mean(own, known)
    return hint if not words or "Did you" in hint else " gradcheck explain lists the codes."


def _demand_described(path: str, own: str) -> None:
    """A graph function without described inputs is no op, and says itself what it lacks."""
    thing = vars(loading.module(path)).get(own)
    if type(thing) is GraphFunction and thing.made is None:
        getattr(thing, MARK)  # raises


def _graphs(ops: Iterable[Op]) -> dict[str, Op]:
    """Graphs by the name of their op, and by their own where no op has that name."""
    graphs = [op for op in ops if isinstance(op.detail, Composed)]
    return {op.detail.name: op for op in reversed(graphs)} | {op.name: op for op in graphs}

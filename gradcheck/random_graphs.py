"""Random graphs of some ops, each checked end to end and reduced where it fails.

An op that is right by itself may be wrong among others: what it keeps between calls, returns or
writes into is then used by somebody else.
"""

from __future__ import annotations

import random
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gradcheck.graphs.composing import compose
from gradcheck.graphs.composition import Composition
from gradcheck.graphs.ingredients import usable
from gradcheck.graphs.reducing import reduced
from gradcheck.guards import GlobalRandom, one_blas_thread, quiet
from gradcheck.model import Op, Recipe
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.series import LATE, InTime, Problems, one_by_one
from gradcheck.settings import Settings
from gradcheck.wishes import Checked, Wish

CASES = 12
"""Cases of each graph: another graph tells more than another case."""
FIRST = 4
"""Cases of a smaller graph, while one is reduced."""
NAMED = 4
_NOT_OURS = (
    "seed",
    "profile",
    "max-cases",
    "strict",
    "cost",
    "max-time",
    "waivers",
    "jobs",
    "isolate",
    "memory-limit",
)
"""Settings that a random graph is not checked with, or that its command has anyway."""


def check_graphs(
    ops: Sequence[Op],
    settings: Settings,
    wish: Wish,
    *,
    fixed: Mapping[str, Any],
    passed: Callable[[Op], bool] = lambda _: True,
    progress: Callable[[OpResult], None] | None = None,
) -> Checked:
    """Compose and check random graphs.

    Parameters
    ----------
    ops : sequence of Op
        All ops of the targets.
    settings : Settings
        Settings of the run.
    wish : Wish
        How many graphs, and which.
    fixed : mapping
        Settings given on the command line.
    passed : callable
        Whether an op by itself is right; the others are left out.
    progress : callable, optional
        Is told of each result.
    """
    kept, left_out = usable(op for op in ops if passed(op))
    left_out |= {op.id: "it did not pass" for op in ops if not passed(op)}
    if not kept:
        why = f"no random graph can be made of these ops: {_few(left_out)}"
        return Checked(said=why, problems=[why] if all(map(passed, ops)) else [])
    targets = wish.targets if len(kept) == len(ops) else [op.target for op in kept]
    work = _Work(settings, wish, dict(fixed), targets)
    made = Checked()
    drawn = InTime(_ops(work, kept), wish.until)
    problems = Problems(made.problems)
    results, made.interrupted = one_by_one(drawn, work.checked, problems, progress)
    made.faults = problems.faults
    results, cut = [r for r in results if not _is_cut(r)], sum(map(_is_cut, results))
    if drawn.late or work.late or cut:
        begun = work.begun - drawn.late - cut  # composed, and not checked to the end
        made.missing = 1 if wish.only else max(1, wish.count - begun)
    folded = {name for names in work.alike.values() for name in names}
    made.results = [
        _with_others(r, work.alike.get(r.name, []))
        for r in results
        if r.verdict != "inconclusive" and r.name not in folded
    ]
    made.said = _said(results, work, len(kept), left_out)
    if not (made.results or made.interrupted or made.missing):
        made.problems.append(_nothing(results, wish))
    return made


def _is_cut(result: OpResult) -> bool:
    """The time was over before it could be judged."""
    return result.verdict == "inconclusive" and result.reason.endswith(LATE)


def _nothing(results: Sequence[OpResult], wish: Wish) -> str:
    """Why there is no result: no evidence is no pass."""
    if results:
        return f"no random graph could be judged: {results[0].reason}"
    if wish.only:
        known = f"{wish.name(0)} to {wish.name(wish.count - 1)}"
        return f"there is no {wish.only}: with --graphs {wish.count} they are {known}"
    return "no random graph was found: the ops take none of the values that were tried"


def _ops(work: _Work, ops: Sequence[Op]) -> Iterator[Op]:
    """The graphs as ops, composed when it is their turn and while there is time."""
    for name, twice in work.wish.planned(ops):
        made = work.composed(name, ops, twice)
        if work.late:
            return
        work.begun += twice is None
        if made is not None:
            yield made


@dataclass(slots=True)
class _Work:
    """Checking one graph after the other."""

    settings: Settings
    wish: Wish
    fixed: dict[str, Any]
    targets: Sequence[str]
    known: dict[str, tuple[Composition, Op | None]] = field(default_factory=dict)
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    """By what fails and whose, the graph that showed it first."""
    alike: dict[str, list[str]] = field(default_factory=dict)
    """By that graph, those that fail in the same way."""
    begun: int = 0
    """Graphs that were composed, or of which none was found; without those of one op twice."""

    @property
    def late(self) -> bool:
        """The run is out of time."""
        return time.perf_counter() > self.wish.until

    def composed(self, name: str, ops: Sequence[Op], twice: Op | None) -> Op | None:
        """A graph of this name; None where none was found, or time was over before."""
        rng, state = random.Random(name), GlobalRandom(self.wish.seed)
        with state.restored(), quiet(), one_blas_thread():
            made = compose(ops, rng, twice=twice, until=self.wish.until)
        if made is None:
            return None
        self.known[name] = (made, twice)
        return made.to_op(name, seed=self.wish.seed)

    def checked(self, op: Op) -> OpResult:
        """A graph's result: fails alone, of the smallest graph that shows them."""
        composition, twice = self.known[op.name]
        result = self._run(composition, op.name, CASES)
        if result.verdict != "fail":
            return msgspec.structs.replace(result, findings=[])
        kind = _kinds(result)
        if twice is None and (same := self._told(kind, op.name)):
            self.alike.setdefault(same, []).append(op.name)
            return result

        def still(smaller: Composition) -> bool:
            return not self.late and bool(kind & _kinds(self._run(smaller, op.name, FIRST)))

        smallest = reduced(composition, still)
        again = self._run(smallest, op.name, CASES)
        if not kind & _kinds(again):
            smallest, again = composition, result
        return self._shown(again, smallest, (len(composition.nodes), twice))

    def _told(self, kind: set[tuple[str, str]], name: str) -> str:
        """An earlier graph that fails in the same way, by the same ops; empty where none does."""
        earlier = {self.first.get(k, "") for k in kind}
        if len(earlier) == 1 and (found := earlier.pop()):
            return found
        self.first.update({k: name for k in kind if k[1] and k not in self.first})
        return ""

    def _run(self, composition: Composition, name: str, cases: int) -> OpResult:
        settings = msgspec.structs.replace(self.settings, strict=False, cost=False)
        fixed = {k: v for k, v in self.fixed.items() if k not in ("strict", "cost")}
        op = composition.to_op(name, seed=self.wish.seed)
        only, until = recipes(composition, name, cases), self.wish.until
        return run_one(op, settings, fixed=fixed, only=only, until=until)

    def _shown(
        self, result: OpResult, composition: Composition, told: tuple[int, Op | None]
    ) -> OpResult:
        """With the graph as code, and the command that composes it again."""
        before, twice = told
        code, command = composition.code(result.name), self._command(result.name)
        findings = [
            msgspec.structs.replace(f, case=f"{code}\n{f.case}", replay=command)
            for f in result.findings
            if f.severity == "fail"
        ]
        after = len(composition.nodes)
        notes = [f"reduced from {before} nodes to {after}"] if after < before else []
        result = msgspec.structs.replace(result, findings=findings, assumptions=notes)
        return result if twice is None else _warned(result, twice)

    def _command(self, name: str) -> str:
        given = [
            f"--{k} {','.join(v) if isinstance(v, (list, tuple)) else v}"
            for k, v in self.fixed.items()
            if k not in _NOT_OURS
        ]
        words = [f"--graphs {self.wish.count} --seed {self.wish.seed}", *given]
        return " ".join(
            ["gradcheck run", *words, *map(shlex.quote, self.targets), f"-k {shlex.quote(name)}"]
        )


def recipes(composition: Composition, name: str, count: int) -> list[Recipe]:
    """The cases of a graph: its own values, then others, which may leave its ops' domains.

    Generic values alone: where several kinks meet, right ops may add up to a wrong gradient
    (relu(x) - relu(-x) at 0), and a graph meets them at every exact zero.
    """
    rng = random.Random(f"{name} cases")
    shapes = tuple(tuple(map(int, v.shape)) for v in composition.values)
    made = []
    for k in range(count):
        example = k < 2
        made.append(
            Recipe(
                regime="example" if example else "generic",
                shapes=() if example else shapes,
                grids=() if example else tuple(f"seed:{rng.randrange(10**6)}" for _ in shapes),
                cotangent="one-hot" if k % 4 == 3 else "random",
                cotangent_seed=rng.randrange(1000),
                refusable=not example,  # it was seen to be taken
                note="its own values" if example else "other values",
            )
        )
    return made


def _kinds(result: OpResult) -> set[tuple[str, str]]:
    """What fails, and whose."""
    failed = [f for f in result.findings if f.severity == "fail"]
    return {(f.code, str(f.source) if f.source else "") for f in failed}


def _with_others(result: OpResult, names: Sequence[str]) -> OpResult:
    """Says which other graphs fail in the same way: they are not told of again."""
    if not names:
        return result
    more = f"{len(names)} more graph{'s fail' if len(names) > 1 else ' fails'} in the same way"
    return msgspec.structs.replace(result, assumptions=[*result.assumptions, more])


def _warned(result: OpResult, op: Op) -> OpResult:
    """It was us who used one instance twice: its author may never do that."""
    said = (
        f"one instance of {op.name} at two nodes of a graph: what it keeps between forward and "
        "backward is of its last use only. Make an instance for each node"
    )
    said_so = {"severity": "warning", "message": said, "code": "node-disturbed", "numbers": None}
    findings = [msgspec.structs.replace(f, **said_so) for f in result.findings[:1]]
    return msgspec.structs.replace(result, verdict="pass", findings=findings)


def _said(results: Sequence[OpResult], work: _Work, ops: int, left_out: Mapping[str, str]) -> str:
    """The last line: how many graphs, of what, and how they went."""
    counts = Counter(r.verdict for r in results)
    nodes = sum(len(work.known[r.name][0].nodes) for r in results)
    count = len(results)
    ways = [f"{counts['pass']} passed", f"{counts['fail']} failed"]
    ways += [f"{counts['inconclusive']} rejected (could not be judged)"]
    told = ", ".join(w for w in ways if not w.startswith("0 "))
    line = (
        f"{count} random graph{'s' * (count != 1)} of {ops} op{'s' * (ops != 1)}, {nodes} nodes: "
        + ("all passed" if count and counts["pass"] == count else told or "none was found")
    )
    return f"{line}; left out: {_few(left_out)}" if left_out else line


def _few(left_out: Mapping[str, str]) -> str:
    parts = [f"{name.rpartition('::')[2]} ({why})" for name, why in left_out.items()]
    more = f", and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return ", ".join(parts[:NAMED]) + more

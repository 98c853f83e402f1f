"""``gradcheck run``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from gradcheck import files, policy, targets
from gradcheck.errors import NothingCollected, TargetError, UsageError, did_you_mean
from gradcheck.model import Op
from gradcheck.reporters import json, terminal, text
from gradcheck.results import OpResult, Report
from gradcheck.runner import run as run_ops
from gradcheck.settings import Settings, find_pyproject, load, read_table

Many = Parameter(consume_multiple=True)


def run(
    *target: str,
    keyword: Annotated[str | None, Parameter(alias="-k")] = None,
    seed: int | None = None,
    profile: Literal["fast", "dev", "ci", "thorough"] | None = None,
    max_cases: int | None = None,
    checks: str | None = None,
    scope: Literal["declared", "forward"] | None = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    signif: float | None = None,
    step: float | None = None,
    method: Literal["adaptive", "central"] | None = None,
    time_limit: float | None = None,
    json_path: Annotated[str | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False,
) -> int:
    """Check ops: files (my_gates.py), modules, or single ops (my_gates.py::affine).

    Without targets, those of [tool.gradcheck] in the nearest pyproject.toml; where there is no
    pyproject.toml upward, the reference ops that come with gradcheck.

    Parameters
    ----------
    keyword
        Only ops whose name contains this text.
    seed
        Seed of all cases; the same seed gives the same report.
    profile
        Cases per op: fast 25, dev 50, ci 100, thorough 1,000.
    max_cases
        Cases per op, over the profile.
    checks
        Some of contract,values,purity,linearity,layout, separated by commas.
    scope
        "forward": what forward accepts, backward must handle.
    strict
        Shared memory and tiny provable differences are failures.
    signif
        Relative errors up to this are no failure; 0 is strict.
    step
        The smaller step in float64, rounded to a power of two.
    method
        "central": the lecture's plain rule at exactly 1e-4, with its truncation and round-off.
    time_limit
        Seconds for one case.
    json_path
        Also write the report there.
    quiet
        Failures and one line.
    verbose
        Also warnings, conventions, coverage and assumptions.
    """
    given = _given(locals())
    settings = load(Path.cwd(), profile="ci", command_line=given)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    errors: list[str] = []
    names = list(target) or _default_targets(settings, console, quiet)
    ops = select(collect(names, errors), keyword)
    if not ops and not errors:
        raise NothingCollected(
            f"nothing to check in {', '.join(names)}: register a gate with @gradcheck.register, "
            "assign gradcheck.op(forward, backward, ...) to a name, or name another target"
        )
    report = _run_shown(ops, settings, given, (console, errors, quiet))
    pyproject = find_pyproject(Path.cwd())
    folder = files.output_folder(Path.cwd(), pyproject, settings.output)
    files.prepare(folder)
    path = folder / files.RESULTS
    rendered = json.render(report)
    files.write(path, rendered)
    if json_path is not None:
        files.write(Path(json_path), rendered)
    terminal.print_report(console, report, verbosity=verbose - quiet)
    if settings.method == "central":
        _print_central(console, ops, settings)
    _print_next(console, report, (path, names), quiet)
    return int(policy.decide(report, settings))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The settings among the command line's options that were given."""
    names = ("seed", "profile", "max_cases", "scope", "signif", "step", "method", "time_limit")
    given = {n.replace("_", "-"): options[n] for n in names if options[n] is not None}
    if options["strict"]:
        given["strict"] = True
    if options["checks"] is not None:
        given["checks"] = [c.strip() for c in options["checks"].split(",") if c.strip()]
    return given


def _default_targets(settings: Settings, console: Console, quiet: bool) -> list[str]:
    """Targets where none is named; says what was chosen."""
    pyproject = find_pyproject(Path.cwd())
    if settings.targets:
        return list(settings.targets)
    if pyproject is None:
        if not quiet:
            console.print("no target named and no pyproject.toml here: checking the reference ops")
        return ["reference_ops"]
    table = "has no [tool.gradcheck]" if read_table(pyproject) is None else "names no targets"
    raise NothingCollected(
        f"{pyproject} {table}. Three ways on:\n"
        "  gradcheck run my_gates.py                  check one file\n"
        '  [tool.gradcheck] targets = ["my_package"]  in pyproject.toml, then gradcheck run\n'
        "  gradcheck run reference_ops                see it work on the reference ops"
    )


def collect(names: list[str], errors: list[str]) -> list[Op]:
    """The ops of all targets; what cannot be loaded goes to ``errors``, and the rest go on."""
    ops: list[Op] = []
    for name in names:
        try:
            ops += targets.load(name)
        except TargetError as error:
            if "has no op" in str(error) or "there is no" in str(error):
                raise
            errors.append(str(error))
        except UsageError as error:
            errors.append(f"{name}: {error}")
    seen: dict[str, Op] = {}
    for op in ops:
        seen.setdefault(op.id, op)
    return list(seen.values())


def select(ops: list[Op], keyword: str | None) -> list[Op]:
    """The ops whose id contains the keyword.

    Raises
    ------
    UsageError
        None does.
    """
    if keyword is None:
        return ops
    chosen = [op for op in ops if keyword in op.id]
    if ops and not chosen:
        raise UsageError(f"-k {keyword}: no op has that in its name.{did_you_mean(keyword, [o.name for o in ops])}")
    return chosen


def _run_shown(
    ops: list[Op],
    settings: Settings,
    given: dict[str, Any],
    shown: tuple[Console, list[str], bool],
) -> Report:
    """Run with a live line on a terminal, plain lines elsewhere."""
    console, errors, quiet = shown
    progress = Progress(console, len(ops))
    with progress.live(quiet) as step:
        return run_ops(_named(ops, progress), settings, fixed=given, errors=errors, progress=step)


def _named(ops: list[Op], progress: Progress) -> Any:
    for op in ops:
        progress.begin(op.name)
        yield op


class Progress:
    """How far a run is: one live line on a terminal, a line per op elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._done, self._failed = console, total, 0, 0
        self._status: Any = None

    def live(self, quiet: bool) -> AbstractContextManager[Callable[[OpResult], None]]:
        if quiet:
            return nullcontext(lambda _: None)
        if self._console.is_terminal:
            return _Live(self)
        return nullcontext(self._plain)

    def begin(self, name: str) -> None:
        if self._status is not None:
            failed = f", {self._failed} not passed" if self._failed else ""
            self._status.update(f"{self._done} of {self._total}{failed}: {name}")

    def advance(self, result: OpResult) -> None:
        self._done += 1
        self._failed += result.verdict != "pass"

    def _plain(self, result: OpResult) -> None:
        self.advance(result)
        self._console.print(f"{self._done}/{self._total} {text.one_line(result)}", soft_wrap=True)


class _Live(AbstractContextManager[Callable[[OpResult], None]]):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._status = progress._console.status("")

    def __enter__(self) -> Callable[[OpResult], None]:
        self._progress._status = self._status
        self._status.start()
        return self._progress.advance

    def __exit__(self, *exc: object) -> None:
        self._progress._status = None
        self._status.stop()


def _print_central(console: Console, ops: list[Op], settings: Settings) -> None:
    """The lecture's rule beside the bound, for teaching."""
    from gradcheck.teaching import central_table

    for op in ops:
        console.print(central_table(op, settings), highlight=False, soft_wrap=True)


def _print_next(
    console: Console, report: Report, places: tuple[Path, list[str]], quiet: bool
) -> None:
    """The report's path and what to do next."""
    path, names = places
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    console.print(f"report: {shown}", soft_wrap=True)
    if quiet or report.interrupted:
        return
    failing = [f for r in report.results for f in r.findings if f.severity == "fail" and f.replay]
    if failing:
        console.print(f"next: mend it, then {failing[0].replay}", soft_wrap=True)
    elif names == ["reference_ops"]:
        console.print("next: check your own gates with  gradcheck run my_gates.py", soft_wrap=True)
    elif any(r.verdict != "pass" for r in report.results) or report.errors:
        console.print("next: see above what could not be judged, and why", soft_wrap=True)
    else:
        console.print("next: put it into CI; the exit code is 0 only if every op passed", soft_wrap=True)


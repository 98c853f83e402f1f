"""The work of ``gradcheck run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gradcheck import files, outputs, policy, targets
from gradcheck.cli.graphs import added, run_graphs, shortened
from gradcheck.cli.screen import Progress, screen
from gradcheck.errors import NothingCollected, UsageError, did_you_mean
from gradcheck.model import Op
from gradcheck.outputs import Output
from gradcheck.random_graphs import Wish, is_name
from gradcheck.reporters import terminal
from gradcheck.results import Report
from gradcheck.runner import run
from gradcheck.settings import Settings, find_pyproject, load, read_table

REFERENCE = "reference_ops"


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for on the command line."""

    targets: Sequence[str]
    given: Mapping[str, Any]
    """Settings that were given, over all others."""
    keyword: str | None
    reports: Sequence[str]
    """``KIND=PATH``, over those of the settings."""
    verbosity: int
    """-1 quiet, 1 verbose."""
    graphs: int = 0
    """How many random graphs of the ops are checked too."""


def run_job(job: Job) -> int:
    """Check, print, write the report; returns the exit code.

    Raises
    ------
    UsageError
        A setting or target is wrong, or the report cannot be written.
    NothingCollected
        There is no op to check.
    """
    if job.graphs < 0:
        raise UsageError(f"--graphs {job.graphs}: how many random graphs, so 0 or more")
    settings = load(Path.cwd(), profile="ci", command_line=job.given)
    console = screen()
    places = _outputs(job, settings)
    outputs.claim(places)
    names, root = chosen(job.targets, settings)
    if names == [REFERENCE] and not settings.targets and not job.targets and job.verbosity >= 0:
        console.print("no target named and no pyproject.toml here: checking the reference ops")
    errors: list[str] = []
    every = collect(names, errors, root)
    one_graph = job.graphs > 0 and is_name(job.keyword)
    ops = [] if one_graph else select(every, job.keyword)
    if not every and not errors:
        raise NothingCollected(
            f"nothing to check in {', '.join(names)}: register a gate with @gradcheck.register, "
            "assign gradcheck.op(forward, backward, ...) to a name, let a package's __init__ "
            "import its modules, or name another target"
        )
    report = _run_shown(ops, settings, job, (console, errors))
    report, said = _with_graphs(report, every if one_graph else ops, settings, job, console)
    shown = report if job.verbosity > 0 else shortened(report)
    terminal.print_report(console, shown, verbosity=job.verbosity)
    if said:
        console.print(said, soft_wrap=True, markup=False)
    outputs.write(report, places)
    if settings.method == "central" and not report.interrupted:
        _print_central(console, ops, settings)
    if job.verbosity >= 0:
        _print_next(console, report, places[0].path, names)
    return int(policy.decide(report, settings))


def _outputs(job: Job, settings: Settings) -> list[Output]:
    """The result file, and the reports that were asked for."""
    pyproject = find_pyproject(Path.cwd())
    folder = files.output_folder(Path.cwd(), pyproject, settings.output)
    files.prepare(folder)
    standing = outputs.parse(settings.report, pyproject.parent if pyproject else None)
    return [Output("json", folder / files.RESULTS), *standing, *outputs.parse(job.reports)]


def chosen(named: Sequence[str], settings: Settings) -> tuple[list[str], Path | None]:
    """The targets: those named, or the settings', with the folder that these are relative to.

    Raises
    ------
    NothingCollected
        There is a pyproject.toml and it names none.
    """
    if named:
        return list(named), None
    pyproject = find_pyproject(Path.cwd())
    if settings.targets:
        return list(settings.targets), pyproject.parent if pyproject else None
    if pyproject is None:
        return [REFERENCE], None
    table = "has no [tool.gradcheck]" if read_table(pyproject) is None else "names no targets"
    raise NothingCollected(
        f"{pyproject} {table}. Three ways on:\n"
        "  gradcheck run my_gates.py                  check one file\n"
        '  [tool.gradcheck] targets = ["my_package"]  in pyproject.toml, then gradcheck run\n'
        "  gradcheck run reference_ops                see it work on the reference ops"
    )


def collect(names: Sequence[str], errors: list[str], root: Path | None = None) -> list[Op]:
    """The ops of all targets; what cannot be loaded goes to ``errors``, and the rest go on.

    Raises
    ------
    NotThere
        A file, module or op that does not exist.
    """
    found: dict[str, Op] = {}
    for name in names:
        try:
            for op in targets.load(name, root):
                found.setdefault(op.id, op)
        except targets.NotThere:
            raise
        except UsageError as error:
            errors.append(str(error))
    return list(found.values())


def select(ops: list[Op], keyword: str | None) -> list[Op]:
    """The ops whose id contains the keyword.

    Raises
    ------
    UsageError
        None does.
    """
    if keyword is None:
        return ops
    kept = [op for op in ops if keyword in op.id]
    if ops and not kept:
        hint = did_you_mean(keyword, [o.name for o in ops])
        raise UsageError(f"-k {keyword}: no op has that in its name.{hint}")
    return kept


def _run_shown(
    ops: list[Op], settings: Settings, job: Job, shown: tuple[Console, list[str]]
) -> Report:
    """Run, with a line that says how far it is."""
    console, errors = shown
    if job.verbosity < 0:
        return run(ops, settings, fixed=job.given, errors=errors)
    progress = Progress(console, len(ops))
    with progress.shown():
        return run(
            progress.over(ops), settings, fixed=job.given, errors=errors, progress=progress.advance
        )


def _with_graphs(
    report: Report, ops: list[Op], settings: Settings, job: Job, console: Console
) -> tuple[Report, str]:
    """The report with the random graphs that were asked for, and the line that counts them."""
    if not job.graphs or not ops or report.interrupted:
        return report, ""
    only = job.keyword if job.keyword is not None and is_name(job.keyword) else ""
    wish = Wish(job.graphs, settings.seed, job.targets, only)
    live = console if job.verbosity >= 0 else None
    checked = run_graphs(report, ops, wish, settings, fixed=job.given, console=live)
    return added(report, checked), checked.said if job.verbosity >= 0 else ""


def _print_central(console: Console, ops: list[Op], settings: Settings) -> None:
    """The lecture's rule beside the bound, for teaching."""
    from gradcheck.teaching import central_table

    for op in ops:
        console.print(central_table(op, settings), markup=False, soft_wrap=True)


def _print_next(console: Console, report: Report, path: Path, names: list[str]) -> None:
    """The report's path and what to do next."""
    console.print(f"report: {targets.shown(path)}", soft_wrap=True, markup=False)
    failing = [f for r in report.results for f in r.findings if f.severity == "fail" and f.replay]
    if report.interrupted:
        advice = "run it again for the ops that are missing"
    elif failing:
        advice = f"mend it, then {failing[0].replay}"
    elif report.errors or any(r.verdict != "pass" for r in report.results):
        advice = "see above what could not be checked or judged, and why"
    elif names == [REFERENCE]:
        advice = "check your own gates with  gradcheck run my_gates.py"
    elif any(f.severity == "warning" for r in report.results for f in r.findings):
        advice = "-v shows the warnings; the exit code is 0 only if every op passed"
    else:
        advice = "put it into CI; the exit code is 0 only if every op passed"
    console.print(f"next: {advice}", soft_wrap=True, markup=False)

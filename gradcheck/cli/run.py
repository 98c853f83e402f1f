"""The work of ``gradcheck run``."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from gradcheck import files, outputs, policy, targets, waivers
from gradcheck.cli import faults, loading, placing
from gradcheck.cli.advice import advice
from gradcheck.cli.central import print_central
from gradcheck.cli.graphs import added, run_graphs, shortened, told
from gradcheck.cli.screen import Progress, screen
from gradcheck.environment import environment
from gradcheck.errors import NothingCollected, UsageError, did_you_mean
from gradcheck.model import Op
from gradcheck.outputs import Output
from gradcheck.reporters import terminal
from gradcheck.reporters.ndjson import Start
from gradcheck.results import OpResult, Report
from gradcheck.runner import RUN_ONLY, run
from gradcheck.series import deadline
from gradcheck.settings import Settings, find_pyproject, in_force, load, read_table
from gradcheck.stream import STREAM, Stream
from gradcheck.wishes import Checked, Wish, is_name

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
    dask: str = ""
    """Address of a cluster that checks the ops."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to check."""

    names: list[str]
    """The targets."""
    every: list[Op]
    """The ops of all targets."""
    ops: list[Op]
    """Those that are checked one by one."""
    errors: list[str]
    """Targets that could not be loaded."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a run goes on: what is shown, what is kept, and until when."""

    console: Console
    stream: Stream
    until: float
    known: tuple[waivers.Waiver, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    """Seconds of an earlier run, by the op's id."""


def run_job(job: Job) -> int:
    """Check, print, write the report; returns the exit code.

    Raises
    ------
    UsageError
        A setting, target or waiver is wrong, or the report cannot be written.
    NothingCollected
        There is no op to check.
    """
    if job.graphs < 0:
        raise UsageError(f"--graphs {job.graphs}: how many random graphs, so 0 or more")
    here = Path.cwd()
    settings = load(here, profile="ci", command_line=job.given)
    until = deadline(settings.max_time)
    places = outputs.claim(_outputs(job, settings))
    known = _known(job, settings)
    console = screen(aside=any(place.standard for place in places))
    found = _found(job, settings, console)
    stream = _stream(places[0].path.with_name(STREAM), found, settings, job)
    desk = Desk(console, stream, until, known, placing.earlier(places[0].path))
    report = _run_shown(found, settings, job, desk)
    report, said = _with_graphs(report, found, settings, job, desk)
    report = policy.let_through(report, settings)
    report = waivers.applied(report, known, datetime.date.today(), _reach(job, found, settings))
    say = partial(console.print, soft_wrap=True, markup=False)
    try:
        with outputs.no_commands(say, os.environ):
            _print(console, report, said, job)
    finally:  # nor is it lost when the terminal is, or at a second Ctrl-C
        outputs.write(report, places)
        stream.end(report)
    if stream.trouble:
        say(stream.trouble)
    if settings.method == "central" and not (report.interrupted or report.cut_short):
        print_central(console, found.ops, report, settings)
    if job.verbosity >= 0:
        place = f"report: {targets.shown(places[0].path)}"
        next_ = f"next: {advice(report, reference=found.names == [REFERENCE])}"
        console.print(f"{place}\n{next_}", soft_wrap=True, markup=False)
    outputs.announce(report, say, os.environ)
    if report.faults:
        faults.tell(report.faults, here)
    return int(policy.decide(report, settings))


def _outputs(job: Job, settings: Settings) -> list[Output]:
    """The result file, and the reports that were asked for."""
    pyproject = find_pyproject(Path.cwd())
    folder = files.output_folder(Path.cwd(), pyproject, settings.output)
    files.prepare(folder)
    standing = outputs.parse(settings.report, pyproject.parent if pyproject else None)
    made = [Output("json", folder / files.RESULTS), *standing, *outputs.parse(job.reports)]
    own = os.path.realpath(folder / STREAM)
    if any(os.path.realpath(output.path) == own for output in made if not output.standard):
        raise UsageError(f"{folder / STREAM} is written while the run goes on: name another file")
    return made


def _known(job: Job, settings: Settings) -> tuple[waivers.Waiver, ...]:
    """The waiver file's entries: read before the work, as it may be wrong."""
    pyproject = find_pyproject(Path.cwd())
    root = pyproject.parent if pyproject else Path.cwd()
    return waivers.load(settings, root, job.given.get("waivers"))


def _reach(job: Job, found: Found, settings: Settings) -> waivers.Reach:
    """Which ops a waiver would have met, had they been there."""
    whole = job.keyword is None and not any("::" in name for name in found.names)
    return waivers.within(
        settings,
        everything=whole and not job.targets,
        modules=tuple({op.module for op in found.every}) if whole else (),
    )


def _found(job: Job, settings: Settings, console: Console) -> Found:
    """The ops of the targets that were named, or of the settings' targets."""
    names, root = chosen(job.targets, settings)
    if names == [REFERENCE] and not settings.targets and not job.targets and job.verbosity >= 0:
        console.print("no target named and no pyproject.toml here: checking the reference ops")
    errors: list[str] = []
    apart = settings.isolate or settings.jobs != 1 or job.dask
    safe = placing.loadable(names, root, errors) if apart else names
    here = Path.cwd()
    every = loading.collect(safe, errors, root)
    if apart:  # an import may have gone elsewhere: other processes begin where this one did
        os.chdir(here)
    one_graph = job.graphs > 0 and is_name(job.keyword)
    ops = [] if one_graph else select(every, job.keyword)
    if not every and not errors:
        raise NothingCollected(
            f"nothing to check in {', '.join(names)}: register a gate with @gradcheck.register, "
            "assign gradcheck.op(forward, backward, ...) to a name, let a package's __init__ "
            "import its modules, or name another target (a tape has ops once they are named by "
            "lib.ops(...), and offers them in the file that calls gradcheck.tape)"
        )
    return Found(names, every, ops, errors)


def _stream(path: Path, found: Found, settings: Settings, job: Job) -> Stream:
    """The results as they come, beside the result file: a run that is killed keeps them."""
    start = Start(
        seed=settings.seed,
        profile=settings.profile,
        settings={k: v for k, v in job.given.items() if k not in RUN_ONLY},
        in_force=in_force(settings),
        environment=environment(),
        planned=len(found.ops),
        errors=list(found.errors),
    )
    return Stream(path, start)


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


def _run_shown(found: Found, settings: Settings, job: Job, desk: Desk) -> Report:
    """Run, with a line that says how far it is."""
    go = partial(
        run,
        found.ops,
        settings,
        fixed=job.given,
        errors=found.errors,
        until=desk.until,
        known=waivers.by_op(desk.known),
        costs=desk.costs,
    )
    with placing.reached(job.dask, found.ops) as place:
        if job.verbosity < 0:
            return go(progress=desk.stream.add, executor=place)
        progress = Progress(desk.console, len(found.ops))

        def done(result: OpResult) -> None:
            desk.stream.add(result)
            progress.advance(result)

        with progress.shown():
            return go(progress=done, begun=progress.begin, executor=place)


def _with_graphs(
    report: Report, found: Found, settings: Settings, job: Job, desk: Desk
) -> tuple[Report, str]:
    """The report with the random graphs that were asked for, and the line that counts them."""
    only = job.keyword if job.keyword is not None and is_name(job.keyword) else ""
    ops = found.every if only else found.ops
    if not job.graphs or not ops or report.interrupted:
        return report, ""
    wish = Wish(job.graphs, settings.seed, job.targets, only, desk.until)
    if report.cut_short:
        return report, told(Checked(missing=wish.count), wish, settings)
    live = desk.console if job.verbosity >= 0 else None
    checked = run_graphs(report, ops, wish, settings, fixed=job.given, console=live)
    return added(report, checked, settings), told(checked, wish, settings)


def _print(console: Console, report: Report, said: str, job: Job) -> None:
    """What was found; ``said`` of random graphs."""
    shown = report if job.verbosity > 0 else shortened(report)
    terminal.print_report(console, shown, verbosity=job.verbosity)
    if said and job.verbosity >= 0:
        console.print(said, soft_wrap=True, markup=False)

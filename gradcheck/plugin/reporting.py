"""From what the tests said to a `Report` of the session, and to the files that were asked for."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from gradcheck import outputs as writing
from gradcheck import policy, waivers
from gradcheck.environment import environment
from gradcheck.errors import UsageError
from gradcheck.plugin import options, timing
from gradcheck.plugin.carrying import decoded
from gradcheck.plugin.judging import expected
from gradcheck.plugin.ledger import REPORT, SAID, Ledger
from gradcheck.results import OpResult, Report, summarise
from gradcheck.runner import RUN_ONLY
from gradcheck.settings import Settings, in_force


def finish(session: pytest.Session, ledger: Ledger) -> None:
    """Make the report, write the files, and let waivers that do not hold fail the session."""
    config = session.config
    report = config.stash[REPORT] = made(session, ledger)
    late = any(entry.late for entry in ledger.entries.values())
    config.stash[SAID] = said = _judged(session, report, late=late)
    outputs = options.outputs(config)
    if not outputs or config.option.collectonly:
        return
    try:
        writing.write(report, outputs)
        said += [f"report: {output.kind}, {_shown(output.path, config)}" for output in outputs]
    except UsageError as error:
        _fail(session, pytest.ExitCode.USAGE_ERROR)
        said.append(f"no report: {error}")


def _judged(session: pytest.Session, report: Report, *, late: bool) -> list[str]:
    """Fail the session where `gradcheck run` fails on these ops; a line that says why.

    ``late``: ops were not checked, or not to the end, because time was over.
    """
    known = {w.op for w in report.waivers if w.state == "met"}
    counted = [r for r in report.results if r.waived in ("", policy.WARNED) or r.op in known]
    gated = replace(report, results=counted, summary=summarise(counted, len(report.errors), 0))
    gated = replace(gated, planned=report.planned - len(report.results) + len(counted))
    broken = any(w.state != "met" for w in report.waivers)
    decided = policy.decide(gated, options.settings(session.config))
    red = broken or ((counted or late) and decided)
    if not red or not _fail(session, pytest.ExitCode.TESTS_FAILED):
        return []
    if broken:
        return ["failed: a waiver does not hold"]
    if not (gated.summary.passed or late):
        return ["failed: no op passed: those that were checked are waived or could not be judged"]
    because = f": {report.cut_short}" if late else ""
    return [f"failed: not every op that was collected was checked{because}"]


def _fail(session: pytest.Session, status: pytest.ExitCode) -> bool:
    """Fail a session that would not fail otherwise."""
    green = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if green:
        session.exitstatus = status
    return green


def _shown(path: Path, config: pytest.Config) -> Path:
    folder = config.invocation_params.dir
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def made(session: pytest.Session, ledger: Ledger) -> Report:
    """The report, the same in whatever order and process the tests ran."""
    config = session.config
    settings = options.settings(config)
    found: dict[str, OpResult] = {}
    for nodeid, entry in sorted(ledger.entries.items()):
        for result in decoded(entry.results):
            name = result.op if result.op not in found else nodeid
            if nodeid not in ledger.ops or entry.outcome.startswith("xfail"):
                result = expected(result, entry.outcome, settings)
            found[name] = replace(result, op=name)
    results = [found[name] for name in sorted(found)]
    errors = [*ledger.errors, *_not_checked(ledger)]
    late = [entry for entry in ledger.entries.values() if entry.late]
    missing = len(ledger.ops.keys() - ledger.entries.keys()) + sum(not e.results for e in late)
    report = Report(
        seed=settings.seed,
        profile=settings.profile,
        settings={k: v for k, v in options.given(config).items() if k not in RUN_ONLY},
        in_force=in_force(settings),
        environment=environment(),
        summary=summarise(results, len(errors), sum(r.seconds for r in results)),
        results=results,
        errors=errors,
        interrupted=ledger.interrupted,
        planned=len(results) + missing,
        cut_short="" if ledger.interrupted else _cut_short(session, ledger, missing=missing),
    )
    report = policy.let_through(report, settings)
    known = options.waivers(config)
    today = datetime.date.today()
    return waivers.applied(report, known, today, _reach(ledger.plan, settings)) if known else report


def _not_checked(ledger: Ledger) -> list[str]:
    """Ops whose settings are wrong, or whose test could not be set up."""
    found = []
    for nodeid, entry in sorted(ledger.entries.items()):
        if nodeid in ledger.ops and entry.outcome == "failed" and not entry.results:
            found.append(f"{ledger.ops[nodeid]}: {entry.error or 'its test could not be set up'}")
    return found


def _cut_short(session: pytest.Session, ledger: Ledger, *, missing: int) -> str:
    """Why ops that were collected were not checked, or not to the end; empty where all were."""
    if any(entry.late for entry in ledger.entries.values()):
        return timing.why(options.settings(session.config))
    if not missing:
        return ""
    return ledger.stopped or str(session.shouldfail or session.shouldstop or "pytest ended early")


def _reach(plan: Mapping[str, object], settings: Settings) -> waivers.Reach:
    modules = plan.get("modules", ())
    assert isinstance(modules, list | tuple)
    everything = bool(plan.get("everything"))
    return waivers.within(settings, everything=everything, modules=modules)

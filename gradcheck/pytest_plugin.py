"""The pytest plugin: a wire from pytest's hooks to `gradcheck.plugin`.

Loaded in every pytest session of every project where gradcheck is installed, so it imports
nothing heavy: an op can only exist where `gradcheck.registry` or `gradcheck.tapes` was imported.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gradcheck.plugin import carrying, collecting, ending, marking, options, planning, timing
from gradcheck.plugin.items import GradcheckWarning, OpItem
from gradcheck.plugin.ledger import LEDGER, REPORT, Ledger
from gradcheck.plugin.session import Session, begin, end, running

if TYPE_CHECKING:
    from gradcheck.plugin.testing import Checker
    from gradcheck.results import OpResult

__all__ = ["GradcheckWarning", "OpItem"]

_SESSION: pytest.StashKey[Session] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, all of them called ``--gradcheck-...``."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse wrong settings before anything is collected."""
    config.addinivalue_line("markers", marking.DESCRIPTION)
    timing.begin(config)
    options.demand_right(config)
    if not options.is_worker(config):
        config.stash[LEDGER] = Ledger()
        config.pluginmanager.register(config.stash[LEDGER], "gradcheck-ledger")
    illustrated = bool(config.getoption("--gradcheck-report"))
    config.stash[_SESSION] = Session(options.given(config), illustrated)
    begin(config.stash[_SESSION])


def pytest_unconfigure(config: pytest.Config) -> None:
    """What is checked from now on is no part of this session."""
    if _SESSION in config.stash:
        end(config.stash[_SESSION])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Find out before the work that a report cannot be written."""
    options.claim(session.config)


# -- collecting ----------------------------------------------------------------------------------


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say that the configured targets are left out, which is easily overlooked."""
    return collecting.left_out(config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Hang the configured targets below the session; say in a sentence what a module did wrong."""
    report = yield
    if isinstance(collector, pytest.Session):
        report.result += collecting.configured_targets(collector)
    collecting.explained(collector, report)
    return report


def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> Sequence[pytest.Item] | None:
    """An op among a test module's names becomes one item; a tape of them, one for each."""
    doors = {"gradcheck.registry", "gradcheck.tapes"}
    if doors.isdisjoint(sys.modules) or not isinstance(collector, pytest.Module):
        return None
    return collecting.from_test_module(collector, name)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Then nothing can be said of an op that is not there."""
    if items:
        planning.narrowed(items[0].config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which ops are going to be checked."""
    planning.planned(session)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say what the ops are checked with."""
    ops = [item for item in items if isinstance(item, OpItem)]
    if not ops or config.get_verbosity() < 0:
        return []
    count = f"{len(ops)} op{'s' * (len(ops) != 1)}"
    cases = f"{options.settings(config).cases} cases each" + _waiting(ops)
    return [f"gradcheck: {count}, {options.seed_in_words(config)}, {cases}"]


def _waiting(ops: list[OpItem]) -> str:
    from gradcheck.plugin import replays

    count = replays.waiting([item.op for item in ops])
    return f", and {count} case{'s' * (count != 1)} that failed earlier" if count else ""


# -- running -------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What a test checks with `gradcheck.check` is kept for the report."""
    outer = item.config.stash[_SESSION]
    keep, known = partial(_keep, item), partial(_known, item)
    marked = partial(marking.given, item)
    with running(Session(outer.options, outer.illustrated, keep, known, marked)):
        return (yield)


def _keep(item: pytest.Item, result: OpResult, repeated: bool) -> OpResult:
    from gradcheck.plugin import judging

    return judging.keep(item, result, repeated)


def _known(item: pytest.Item, name: str, repeated: bool) -> Collection[tuple[str, str]]:
    from gradcheck.plugin import judging

    return judging.known(item, name, repeated)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test begins, perhaps once more."""
    carrying.fresh(item)
    ending.fresh(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what was checked on the report, which also travels between processes."""
    ending.of_phase(item, call)
    report = yield
    planning.attach(item.config, report)
    carrying.attach(item, report)
    timing.attach(item, report)
    carrying.attach_failure(report, call.excinfo.value if call.excinfo else None)
    return report


@pytest.fixture(name="gradcheck")
def _gradcheck(pytestconfig: pytest.Config) -> Checker:
    """gradcheck.check, with .params (check_params) and the .settings of this test."""
    from gradcheck.plugin.testing import checker

    return checker(options.settings(pytestconfig))


# -- telling, in the process that the results come to (`plugin.ledger` hears them) ---------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports, before the terminal says where they are."""
    config = session.config
    ledger = config.stash.get(LEDGER, None)
    if ledger is not None and (ledger.active or config.getoption("--gradcheck-report")):
        from gradcheck.plugin import reporting

        reporting.finish(session, ledger)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The worst ops first, and where the reports are."""
    if REPORT in config.stash:
        from gradcheck.plugin import summary

        summary.show(terminalreporter, config)

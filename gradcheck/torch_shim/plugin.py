"""The hooks of ``pytest -p gradcheck.torch_shim``."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck.torch_shim.record import Record, decoded, encoded
from gradcheck.torch_shim.summary import TITLE, WRONG, lines

if TYPE_CHECKING:
    from gradcheck.torch_shim.beside import Beside

ATTRIBUTE = "gradcheck_shim"
"""Of a test's report, and of a worker's output: the records of calls, each as JSON."""
_BESIDE: pytest.StashKey[Beside] = pytest.StashKey()
_RECORDS: pytest.StashKey[list[Record]] = pytest.StashKey()
CASES, SECONDS = 3, 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add two options, in gradcheck's group."""
    group = parser.getgroup("gradcheck", "gradient checks (gradcheck)")
    group.addoption(
        "--gradcheck-shim-cases",
        metavar="N",
        type=int,
        default=CASES,
        help="points at which each call of torch.autograd.gradcheck is judged: its own, and others "
        f"near it (default {CASES})",
    )
    group.addoption(
        "--gradcheck-shim-seconds",
        metavar="S",
        type=float,
        default=SECONDS,
        help=f"limit of gradcheck's time for one such call (default {SECONDS:g})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any conftest binds PyTorch's functions."""
    _install(early_config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Once more, as a worker of xdist loads plugins after the conftests; refuse wrong options.

    Raises
    ------
    pytest.UsageError
        An option makes no sense.
    """
    beside = _install(config)
    beside.cases = config.getoption("--gradcheck-shim-cases")
    beside.seconds = config.getoption("--gradcheck-shim-seconds")
    if beside.cases < 1:
        raise pytest.UsageError(f"--gradcheck-shim-cases={beside.cases}: 1 or more")
    if not 0 < beside.seconds < float("inf"):
        raise pytest.UsageError(f"--gradcheck-shim-seconds={beside.seconds:g}: more than 0")
    config.stash[_RECORDS] = []


def _install(config: pytest.Config) -> Beside:
    """Bind ours wherever PyTorch's are bound by now.

    Raises
    ------
    pytest.UsageError
        PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise pytest.UsageError(
            "-p gradcheck.torch_shim: torch is not installed, so there is nothing to run beside: "
            "pip install 'gradcheck[torch]', or leave the option out"
        )
    from gradcheck.torch_shim.beside import Beside

    if _BESIDE not in config.stash:
        config.stash[_BESIDE] = Beside(CASES, SECONDS)
    config.stash[_BESIDE].install()
    return config.stash[_BESIDE]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give PyTorch's own functions back."""
    if _BESIDE in config.stash:
        config.stash[_BESIDE].uninstall()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The calls of a phase of a test travel on its report."""
    report = yield
    if taken := item.config.stash[_BESIDE].take():
        setattr(report, ATTRIBUTE, encoded(taken))
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The calls outside of tests, in the process that made them."""
    config = session.config
    records = config.stash[_RECORDS]
    records.extend(config.stash[_BESIDE].take())
    output: Any = getattr(config, "workeroutput", None)
    if output is not None:
        output[ATTRIBUTE] = encoded(records)


class _Heard:
    """Hears of the tests' reports, which have no config of their own."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.records += decoded(getattr(report, ATTRIBUTE, ()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.records += decoded(getattr(node, "workeroutput", {}).get(ATTRIBUTE, ()))


def pytest_sessionstart(session: pytest.Session) -> None:
    """From now on reports are heard, in the process that prints."""
    config = session.config
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Heard(config.stash[_RECORDS]), "gradcheck-shim-heard")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What both said; with -v, of every call."""
    terminalreporter.write_sep("=", TITLE)
    records = config.stash[_RECORDS]
    for line in lines(records, every=config.get_verbosity() > 0):
        terminalreporter.write_line(line, red=line.startswith(WRONG))

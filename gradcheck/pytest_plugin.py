"""The pytest plugin: a wire from ops in test modules, or in the configuration, to items.

Loaded in every pytest session of every project where gradcheck is installed, so it imports
nothing heavy: an op can only exist where `gradcheck.registry` was imported already.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.model import Op
    from gradcheck.results import OpResult
    from gradcheck.settings import Settings

RESULT = "gradcheck"
"""Key of the user property that carries a result, as one line of JSON: it survives xdist."""
_OPS = pytest.StashKey[dict[str, "Op"]]()
"""A test module's ops by attribute."""
_SEEN = pytest.StashKey[set[str]]()
"""Node ids of the ops that were found in test modules."""


class GradcheckWarning(pytest.PytestWarning):
    """An op passed, and there is something to tell its author. Never an error, -W error or not."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, all of them called ``--gradcheck-...``."""
    group = parser.getgroup("gradcheck", "gradient checks")
    group.addoption("--gradcheck-seed", type=int, default=None, help="seed of all cases")
    group.addoption(
        "--gradcheck-profile",
        choices=("fast", "dev", "ci", "thorough"),
        default=None,
        help="cases per op: fast 25, dev 50, ci 100, thorough 1000",
    )
    group.addoption(
        "--no-gradcheck",
        action="store_true",
        default=False,
        help="do not collect the targets of [tool.gradcheck]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse wrong settings before anything is collected."""
    config.addinivalue_line("markers", "gradcheck: a check of one op's backward pass")
    _configured(config)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say what the ops are checked with."""
    ops = [item for item in items if isinstance(item, OpItem)]
    if not ops or config.get_verbosity() < 0:
        return []
    settings, _ = _settings(config)
    count = f"{len(ops)} op{'s' * (len(ops) != 1)}"
    return [f"gradcheck: {count}, seed {settings.seed}, {settings.cases} cases each"]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Hang the configured targets below the session; say in a sentence what a module did wrong."""
    report = yield
    if isinstance(collector, pytest.Session):
        report.result += _configured_targets(collector)
    error = getattr(getattr(report, "call", None), "excinfo", None)
    if report.failed and error is not None and "gradcheck.errors" in sys.modules:
        from gradcheck.errors import UsageError

        if isinstance(error.value, UsageError):
            report.longrepr = _sentence(collector, error.value)
    return report


def _sentence(collector: pytest.Collector, error: Exception) -> str:
    from gradcheck.targets import import_failed, shown

    return import_failed(shown(collector.path), error)


def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> pytest.Item | None:
    """An op among a test module's names becomes one item."""
    if "gradcheck.registry" not in sys.modules or not isinstance(collector, pytest.Module):
        return None
    if _OPS not in collector.stash:
        from gradcheck.targets import named_ops, shown

        collector.stash[_OPS] = named_ops(collector.obj, shown(collector.path))
    op = collector.stash[_OPS].get(name)
    if op is None:
        return None
    item = _item(collector, op)
    collector.session.stash.setdefault(_SEEN, set()).add(item.nodeid)
    return item


def _item(parent: pytest.Collector, op: Op) -> OpItem:
    item: OpItem = OpItem.from_parent(parent, name=op.name, op=op)
    item.add_marker("gradcheck")
    return item


class OpItem(pytest.Item):
    """One op: ``test_gates.py::affine``; its failure is the report."""

    def __init__(self, *, op: Op, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.op = op

    def runtest(self) -> None:
        """Check the op; raise a `GradientError` unless it passes."""
        from gradcheck.errors import GradientError
        from gradcheck.reporters.text import failure
        from gradcheck.runner import run_one

        settings, given = _settings(self.config)
        result = run_one(self.op, settings, fixed=given)
        self._record(result)
        if result.verdict == "fail" or (
            result.verdict == "inconclusive" and settings.inconclusive == "fail"
        ):
            raise GradientError(failure(result, stored=False), result)

    def _record(self, result: OpResult) -> None:
        """Keep the result for other plugins and JUnit, and its warnings for the summary."""
        import msgspec

        self.user_properties.append((RESULT, msgspec.json.encode(result).decode()))
        for finding in result.findings:
            if finding.severity == "warning":
                where = f"{finding.input}: " if finding.input else ""
                self._warn(GradcheckWarning(f"{self.name}: {where}{finding.message}"))

    def _warn(self, warning: GradcheckWarning) -> None:
        try:
            self.warn(warning)
        except GradcheckWarning:  # -W error: a right gradient stays right
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                self.warn(warning)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report, not our traceback."""
        from gradcheck.errors import GradientError, UsageError

        if isinstance(excinfo.value, GradientError):
            return _Shown(str(excinfo.value), excinfo.value.result)
        if isinstance(excinfo.value, UsageError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        """File and line of backward."""
        source = self.op.source
        if not os.path.isfile(source.file):
            return self.path, None, self.name
        return os.path.abspath(source.file), max(source.line - 1, 0), self.name


class _Shown:
    """A failure's text, with the line that short summaries, ``--tb=line`` and JUnit show of it."""

    def __init__(self, text: str, result: OpResult) -> None:
        from gradcheck.reporters.text import headline

        self.text, self.reprcrash = text, _Line(str(result.source), headline(result))

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer: Any) -> None:
        writer.line(self.text)


@dataclass(frozen=True)
class _Line:
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A worker of xdist sends the text of a failure alone: give it its line back."""
    text = report.longrepr
    if not isinstance(text, str):
        return
    for name, value in report.user_properties:
        if name == RESULT:
            import msgspec

            from gradcheck.results import OpResult

            shown: Any = _Shown(text, msgspec.json.decode(str(value), type=OpResult))
            report.longrepr = shown


def _settings(config: pytest.Config) -> tuple[Settings, dict[str, Any]]:
    """Settings of the session: pyproject, environment, then pytest's own options."""
    from gradcheck.settings import load

    given: dict[str, Any] = {}
    if config.getoption("--gradcheck-seed") is not None:
        given["seed"] = config.getoption("--gradcheck-seed")
    if config.getoption("--gradcheck-profile") is not None:
        given["profile"] = config.getoption("--gradcheck-profile")
    return load(config.rootpath, profile="dev", command_line=given), given


def _configured(config: pytest.Config) -> tuple[str, ...]:
    """The targets of ``[tool.gradcheck]``; imports nothing where there is no such table."""
    pyproject = config.rootpath / "pyproject.toml"
    if config.getoption("--no-gradcheck") or not pyproject.is_file():
        return ()
    if "tool.gradcheck" not in pyproject.read_text(encoding="utf-8", errors="replace"):
        return ()
    from gradcheck.errors import UsageError

    try:
        return _settings(config)[0].targets
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _configured_targets(session: pytest.Session) -> Iterator[Target]:
    """Where pytest was not pointed at anything, or at a package that is a target."""
    config = session.config
    everything = config.args_source is not pytest.Config.ArgsSource.ARGS and (
        config.invocation_params.dir == config.rootpath
    )
    for target in _configured(config):
        folder = config.rootpath / target
        if everything or (session.isinitpath(folder) and folder.is_dir()):
            found: Target = Target.from_parent(session, name=target, nodeid=target)
            yield found


class Target(pytest.Collector):
    """A configured target: a file or a package, as files that hold ops."""

    def collect(self) -> Iterator[OpFile]:
        """Load it, after the test modules, which pytest itself imports."""
        from gradcheck.errors import UsageError
        from gradcheck.targets import load

        files: dict[Path, list[Op]] = {}
        try:
            for op in load(self.name, self.config.rootpath):
                files.setdefault(self._file(op), []).append(op)
        except UsageError as error:
            raise self.CollectError(f"[tool.gradcheck] targets: {error}") from None
        for path, ops in files.items():
            found: OpFile = OpFile.from_parent(self, path=path, ops=ops)
            yield found

    def _file(self, op: Op) -> Path:
        """Where an op is defined, so that ``pytest gates.py::affine`` finds it again."""
        module = sys.modules.get(op.module)
        return Path(getattr(module, "__file__", None) or self.path).resolve()


class OpFile(pytest.File):
    """The ops of one file of a configured target."""

    def __init__(self, *, ops: list[Op], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ops = ops

    def collect(self) -> list[OpItem]:
        """An item per op, unless it was found in a test module already."""
        seen = self.session.stash.get(_SEEN, set())
        return [item for item in (_item(self, op) for op in self.ops) if item.nodeid not in seen]

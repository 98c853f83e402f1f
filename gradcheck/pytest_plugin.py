"""The pytest plugin: a wire from ops in test modules, or in the configuration, to items.

Loaded in every pytest session of every project where gradcheck is installed, so it imports
nothing heavy: an op can only exist where `gradcheck.registry` was imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.model import Op
    from gradcheck.results import OpResult
    from gradcheck.settings import Settings

RESULT = "gradcheck"
"""Key of the user property that carries a result, as one line of JSON: it survives xdist."""


def pytest_addoption(parser: pytest.Parser) -> None:
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
    config.addinivalue_line("markers", "gradcheck: a check of one op's backward pass")


def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> pytest.Item | None:
    """An op among a test module's names becomes one item."""
    if "gradcheck.registry" not in sys.modules or not isinstance(collector, pytest.Module):
        return None
    from gradcheck.targets import op_of

    op = op_of(obj)
    if op is None or not _home_is(collector, obj, op):
        return None
    return _item(collector, op, name)


def _home_is(collector: pytest.Module, obj: object, op: Op) -> bool:
    """Defined in this module, not imported into it."""
    home = op.module or getattr(obj, "__module__", "")
    return home == collector.obj.__name__


def _item(parent: pytest.Collector, op: Op, name: str) -> OpItem:
    from dataclasses import replace

    shown = name if op.source.file == "" or op.name == name else op.name
    path = parent.path.relative_to(Path.cwd()) if parent.path.is_relative_to(Path.cwd()) else parent.path
    named = replace(op, name=name, target=f"{path}::{name}")
    item: OpItem = OpItem.from_parent(parent, name=name, op=named)
    item.add_marker("gradcheck")
    del shown
    return item


class OpItem(pytest.Item):
    """One op: `test_gates.py::affine`, its checks as sections of the failure."""

    def __init__(self, *, op: Op, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.op = op

    def runtest(self) -> None:
        from gradcheck.errors import GradientError
        from gradcheck.reporters.text import failure
        from gradcheck.runner import run_one

        settings, given = _settings(self.config)
        result = run_one(self.op, settings, fixed=given)
        self._record(result)
        if result.verdict == "fail" or (
            result.verdict == "inconclusive" and settings.inconclusive == "fail"
        ):
            raise GradientError(failure(result), result)

    def _record(self, result: OpResult) -> None:
        import msgspec

        self.user_properties.append((RESULT, msgspec.json.encode(result).decode()))
        for finding in result.findings:
            if finding.severity == "warning":
                where = f"{finding.input}: " if finding.input else ""
                self.warn(pytest.PytestWarning(f"{self.name}: {where}{finding.message}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from gradcheck.errors import GradientError, UsageError

        if isinstance(excinfo.value, (GradientError, UsageError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        source = self.op.source
        return self.path, max(source.line - 1, 0) if source.line else None, self.name


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
    """The targets of ``[tool.gradcheck]``; reads a file, imports nothing."""
    pyproject = config.rootpath / "pyproject.toml"
    if config.getoption("--no-gradcheck") or not pyproject.is_file():
        return ()
    if "[tool.gradcheck]" not in pyproject.read_text(encoding="utf-8", errors="replace"):
        return ()
    from gradcheck.errors import UsageError
    from gradcheck.settings import load

    try:
        return load(config.rootpath, profile="dev").targets
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A configured file that is no test module, when pytest is pointed at it."""
    if file_path.suffix != ".py" or not parent.session.isinitpath(file_path):
        return None
    for target in _configured(parent.config):
        path = Path(target.partition("::")[0])
        if path.suffix == ".py" and (parent.config.rootpath / path).resolve() == file_path.resolve():
            if any(file_path.match(p) for p in parent.config.getini("python_files")):
                return None
            collector: Target = Target.from_parent(parent, path=file_path, target=target)
            return collector
    return None


class Target(pytest.File):
    """The ops of one configured target."""

    def __init__(self, *, target: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target = target

    def collect(self) -> Iterable[pytest.Item]:
        from gradcheck.errors import UsageError
        from gradcheck.targets import load

        try:
            ops = load(self.target)
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        for op in ops:
            item: OpItem = OpItem.from_parent(self, name=op.name, op=op)
            item.add_marker("gradcheck")
            yield item


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Where pytest was not pointed at anything, the configured targets are collected too."""
    config = session.config
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    known = {(item.op.id) for item in items if isinstance(item, OpItem)}
    for target in _configured(config):
        items += [i for i in _target_items(session, target) if i.op.id not in known]
    session.testscollected = len(items)


def _target_items(session: pytest.Session, target: str) -> Iterator[OpItem]:
    path = _path_of(session.config.rootpath, target)
    collector: Target = Target.from_parent(session, path=path, target=target)
    report = pytest.CollectReport("", "passed", None, [])
    del report
    try:
        for item in collector.collect():
            assert isinstance(item, OpItem)
            yield item
    except collector.CollectError as error:
        raise pytest.UsageError(f"[tool.gradcheck] targets: {error}") from None


def _path_of(root: Path, target: str) -> Path:
    """The file of a target, or of the package that it names."""
    name = target.partition("::")[0]
    for candidate in (root / name, root / (name.replace(".", "/") + ".py"), root / name.replace(".", "/")):
        if candidate.exists():
            return candidate
    return root / "pyproject.toml"

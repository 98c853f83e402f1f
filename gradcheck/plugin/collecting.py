"""Ops as items: from test modules, and from the targets of ``[tool.gradcheck]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradcheck.plugin import carrying, options
from gradcheck.plugin.items import OpItem
from gradcheck.plugin.marking import MARKER
from gradcheck.plugin.planning import everything, given_paths

if TYPE_CHECKING:
    from gradcheck.model import Op

_OPS: pytest.StashKey[dict[str, Op]] = pytest.StashKey()
"""A test module's ops by attribute."""
_SEEN: pytest.StashKey[set[str]] = pytest.StashKey()
"""Node ids of the ops that were found in test modules."""


def from_test_module(collector: pytest.Module, name: str) -> list[OpItem] | None:
    """The items of a test module's attribute, if that is an op, or a tape with its ops.

    A list of ops is what tests are parametrized with.
    """
    if _OPS not in collector.stash:
        from gradcheck.targets import named_ops, shown

        collector.stash[_OPS] = named_ops(collector.obj, shown(collector.path))
    from gradcheck.tapes import Tape

    known, is_tape = collector.stash[_OPS], type(getattr(collector.obj, name, None)) is Tape
    own = [key for key in known if is_tape and key.startswith(f"{name}.")]
    items = [_item(collector, known[key]) for key in (own if is_tape else [name]) if key in known]
    collector.session.stash.setdefault(_SEEN, set()).update(item.nodeid for item in items)
    return items or None


def _item(parent: pytest.Collector, op: Op) -> OpItem:
    from gradcheck.plain import clean

    item: OpItem = OpItem.from_parent(parent, name=clean(op.name), op=op)
    item.add_marker(MARKER)
    return item


def explained(collector: pytest.Collector, report: pytest.CollectReport) -> None:
    """Say in a sentence what a module did wrong, and what could not be loaded."""
    error = getattr(getattr(report, "call", None), "excinfo", None)
    if not report.failed or error is None:
        return
    if isinstance(collector, Target):
        setattr(report, carrying.ERROR, str(error.value))
    if "gradcheck.errors" not in sys.modules:
        return
    from gradcheck.errors import UsageError

    if isinstance(error.value, UsageError):
        from gradcheck.plain import visible
        from gradcheck.targets import import_failed, shown

        sentence = visible(import_failed(shown(collector.path), error.value))
        report.longrepr = sentence
        setattr(report, carrying.ERROR, sentence)


def configured_targets(session: pytest.Session) -> Iterator[Target]:
    """Where pytest was not pointed at anything, or at a package that is a target."""
    config = session.config
    if config.getoption("--no-gradcheck") or not options.configured(config):
        return
    for target in options.settings(config).targets:
        folder = config.rootpath / target
        if everything(config) or (session.isinitpath(folder) and folder.is_dir()):
            found: Target = Target.from_parent(session, name=target, nodeid=target)
            yield found


def left_out(config: pytest.Config) -> list[str]:
    """A line of the header where there are targets and none of them is going to be collected."""
    quiet = config.get_verbosity() < 0 or config.getoption("--no-header")
    if quiet or config.getoption("--no-gradcheck") or not options.configured(config):
        return []
    start, root = config.invocation_params.dir, config.rootpath
    places = {(start / argument.partition("::")[0]).resolve() for argument in config.args}
    targets = [target.partition("::")[0] for target in options.settings(config).targets]
    chosen = any((root / target).resolve() in places for target in targets)
    if not targets or chosen or everything(config):
        return []
    below = "started in another folder than its rootdir"
    why = "given paths" if given_paths(config) else below
    return [f"gradcheck: targets of [tool.gradcheck] not collected: pytest was {why}"]


class Target(pytest.Collector):
    """A configured target: a file, a package or an entry point, as files that hold ops."""

    def collect(self) -> Iterator[OpFile]:
        """Load it, after the test modules, which pytest itself imports."""
        from gradcheck.errors import UsageError
        from gradcheck.targets import load

        files: dict[Path, list[Op]] = {}
        try:
            for op in load(self.name, self.config.rootpath):
                files.setdefault(self._file(op), []).append(op)
        except UsageError as error:
            from gradcheck.plain import visible

            raise self.CollectError(visible(f"[tool.gradcheck] targets: {error}")) from None
        for path, ops in files.items():
            inside = path.is_relative_to(self.config.rootpath)
            name = None if inside else ops[0].module  # an installed package: files of equal names
            found: OpFile = OpFile.from_parent(self, path=path, name=name, ops=ops)
            yield found

    def _file(self, op: Op) -> Path:
        """Where an op is defined, so that ``pytest gates.py::affine`` finds it again."""
        module = sys.modules.get(op.module)
        return Path(getattr(module, "__file__", None) or self.path).resolve()


class OpFile(pytest.File):
    """The ops of one file of a configured target."""

    def __init__(self, *, ops: list[Op], **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.ops = ops

    def collect(self) -> list[OpItem]:
        """An item per op, unless it was found in a test module already."""
        seen = self.session.stash.get(_SEEN, set())
        return [item for item in (_item(self, op) for op in self.ops) if item.nodeid not in seen]

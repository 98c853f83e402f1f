"""What a process collected, and so what a report can say of ops that it has no result of."""

from __future__ import annotations

from typing import Any

import pytest

from gradcheck.plugin import carrying, options
from gradcheck.plugin.items import OpItem

_PLAN: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
_NARROWED: pytest.StashKey[bool] = pytest.StashKey()
_NARROWING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
"""Options of pytest's own that leave tests out, some without saying which."""


def everything(config: pytest.Config) -> bool:
    """Pytest collects all, the configured targets too.

    It was started in the rootdir and given no paths, or it was given the rootdir or what holds it.
    """
    start, root = config.invocation_params.dir, config.rootpath
    if not given_paths(config):
        return start == root
    places = ((start / argument).resolve() for argument in config.args if "::" not in argument)
    return any(root.resolve().is_relative_to(place) for place in places if place.is_dir())


def given_paths(config: pytest.Config) -> bool:
    """Pytest was pointed at something on its command line."""
    return config.args_source is pytest.Config.ArgsSource.ARGS


def narrowed(config: pytest.Config) -> None:
    """Some tests were deselected."""
    config.stash[_NARROWED] = True


def planned(session: pytest.Session) -> None:
    """The tests are collected: note the ops, as plain data that goes to the main process."""
    config = session.config
    ops = [item for item in session.items if isinstance(item, OpItem)]
    if not (ops or options.waivers(config)):
        return
    chosen = [getattr(config.option, name, None) for name in _NARROWING]
    whole = not (any(chosen) or config.stash.get(_NARROWED, False))
    whole = whole and not any("::" in argument for argument in config.args)
    config.stash[_PLAN] = {
        "ops": {item.nodeid: item.op.id for item in ops},
        "modules": sorted({item.op.module for item in ops}) if whole else [],
        "everything": whole and everything(config) and not config.getoption("--no-gradcheck"),
    }


def attach(config: pytest.Config, report: pytest.TestReport) -> None:
    """The first report of a process takes the plan along."""
    plan = config.stash.get(_PLAN, None)
    if plan is not None:
        setattr(report, carrying.PLAN, plan)
        del config.stash[_PLAN]

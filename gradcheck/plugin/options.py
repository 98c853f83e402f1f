"""The options of the pytest plugin, and the settings that they make with ``[tool.gradcheck]``."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from gradcheck.outputs import Output
    from gradcheck.settings import Settings
    from gradcheck.waivers import Waiver

T = TypeVar("T")

SETTINGS: dict[str, tuple[str, str]] = {
    "seed": ("N", "seed of all cases; without it --hypothesis-seed, where that is given"),
    "profile": ("NAME", "cases per op: fast 25, dev 50, ci 100, thorough 1000"),
    "max-cases": ("N", "cases per op, over the profile"),
    "scope": ("NAME", "forward: what forward accepts, backward must handle; declared: no more"),
    "strict": ("", "shared memory, and tiny provable differences, are failures"),
    "edition": ("YEAR", "checks that came later than this edition are notes"),
    "waivers": ("PATH", "the file of known failures, each with a reason and an expiry date"),
}
"""The settings that are options too, ``--gradcheck-KEY``: what their value is, and their help.

Their values are texts, which the settings convert and refuse as they do those of the environment.
"""
HYPOTHESIS_SEED = "--hypothesis-seed"
_SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
_WAIVERS: pytest.StashKey[tuple[Waiver, ...]] = pytest.StashKey()
_CONFIGURED: pytest.StashKey[bool] = pytest.StashKey()
_OUTPUTS: pytest.StashKey[list[Output]] = pytest.StashKey()


def add(parser: pytest.Parser) -> None:
    """Add the options, all in one group."""
    group = parser.getgroup("gradcheck", "gradient checks (gradcheck)")
    for key, (metavar, text) in SETTINGS.items():
        how: dict[str, Any] = {"metavar": metavar} if metavar else _FLAG
        group.addoption(f"--gradcheck-{key}", default=None, help=text, **how)
    group.addoption(
        "--gradcheck-report",
        metavar="KIND=PATH",
        action="append",
        default=[],
        help="write a report; repeatable. KIND is one of json, ndjson, html, junit, sarif, github, "
        "markdown",
    )
    group.addoption(
        "--no-gradcheck",
        action="store_true",
        default=False,
        help="do not collect the targets of [tool.gradcheck]",
    )


_FLAG = {"action": "store_const", "const": "true"}


def given(config: pytest.Config) -> dict[str, Any]:
    """The settings that were given as options, by key."""
    found = _own(config)
    seed = config.getoption(HYPOTHESIS_SEED, None)
    if "seed" not in found and seed is not None:
        found["seed"] = _number(str(seed))
    return found


def _own(config: pytest.Config) -> dict[str, Any]:
    values = {key: config.getoption(f"--gradcheck-{key}") for key in SETTINGS}
    return {key: value for key, value in values.items() if value is not None}


def _number(seed: str) -> int:
    """Hypothesis takes any text as a seed; ours are numbers from 0."""
    if seed.isascii() and seed.isdigit() and len(seed) < 11 and int(seed) < 2**32:
        return int(seed)
    return int(hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:8], 16)


def seed_in_words(config: pytest.Config) -> str:
    """``seed 7``, and where it is from, if that is not our own option or setting."""
    borrowed = config.getoption(HYPOTHESIS_SEED, None)
    from_hypothesis = borrowed is not None and config.getoption("--gradcheck-seed") is None
    return f"seed {settings(config).seed}" + f" (from {HYPOTHESIS_SEED})" * from_hypothesis


def settings(config: pytest.Config) -> Settings:
    """Settings of the session: pyproject, environment, then pytest's own options.

    Raises
    ------
    pytest.UsageError
        One of them is wrong.
    """
    from gradcheck.settings import load

    if _SETTINGS not in config.stash:
        chosen = given(config)
        config.stash[_SETTINGS] = _refused(
            lambda: load(config.rootpath, profile="dev", command_line=chosen)
        )
    return config.stash[_SETTINGS]


def demand_right(config: pytest.Config) -> None:
    """Options, settings and the waiver file are right; imports nothing where there is none.

    Raises
    ------
    pytest.UsageError
        One is wrong: nothing is collected then.
    """
    if _own(config) or configured(config) or _waiver_file(config):
        settings(config)
        waivers(config)
    if config.getoption("--gradcheck-report"):
        outputs(config)


def configured(config: pytest.Config) -> bool:
    """There is a ``[tool.gradcheck]``."""
    if _CONFIGURED not in config.stash:
        config.stash[_CONFIGURED] = _table_in(config.rootpath / "pyproject.toml")
    return config.stash[_CONFIGURED]


def _table_in(pyproject: Path) -> bool:
    if not pyproject.is_file():
        return False
    from gradcheck.reading import text_of

    text = text_of(pyproject, errors="replace")
    if "gradcheck" not in text:
        return False
    try:
        tool = tomllib.loads(text).get("tool")
    except tomllib.TOMLDecodeError:
        return "[tool.gradcheck" in text  # then the settings say what is wrong with the file
    return isinstance(tool, dict) and "gradcheck" in tool


def _waiver_file(config: pytest.Config) -> bool:
    return os.path.lexists(config.rootpath / "gradcheck-waivers.toml")


def waivers(config: pytest.Config) -> tuple[Waiver, ...]:
    """The known failures.

    Raises
    ------
    pytest.UsageError
        The file is not there, or an entry is wrong.
    """
    if _WAIVERS not in config.stash:
        config.stash[_WAIVERS] = _refused(lambda: _read(config))
    return config.stash[_WAIVERS]


def _read(config: pytest.Config) -> tuple[Waiver, ...]:
    chosen = config.getoption("--gradcheck-waivers")
    if not (
        chosen or configured(config) or _waiver_file(config) or "GRADCHECK_WAIVERS" in os.environ
    ):
        return ()
    from gradcheck.waivers import find, read

    path = find(settings(config), config.rootpath, chosen)
    return read(path) if path is not None else ()


def outputs(config: pytest.Config) -> list[Output]:
    """The reports that were asked for, relative to the folder that pytest was called in.

    Those of ``report`` in the settings are for `gradcheck run`, which checks all targets: a pytest
    run of one test must not replace them.

    Raises
    ------
    pytest.UsageError
        A wish is wrong.
    """
    if _OUTPUTS not in config.stash:
        config.stash[_OUTPUTS] = _refused(lambda: _parsed(config))
    return config.stash[_OUTPUTS]


def _parsed(config: pytest.Config) -> list[Output]:
    wishes = config.getoption("--gradcheck-report")
    if not wishes:
        return []
    from gradcheck.errors import UsageError
    from gradcheck.outputs import parse

    found = parse(wishes, config.invocation_params.dir)
    if any(output.standard for output in found):
        raise UsageError("--report: standard output is pytest's: name a file")
    return found


def claim(config: pytest.Config) -> None:
    """Find out before the work that a report cannot be written.

    Raises
    ------
    pytest.UsageError
        It cannot.
    """
    wanted = outputs(config)
    if wanted and not (is_worker(config) or config.option.collectonly):
        from gradcheck.outputs import claim

        _refused(lambda: claim(wanted))


def _refused(work: Callable[[], T]) -> T:
    """A sentence about a wrong setting, as pytest says it; options under their own names."""
    from gradcheck.errors import UsageError

    try:
        return work()
    except UsageError as error:
        text = str(error)
        for option in ("report", "waivers"):
            text = text.replace(f"--{option}", f"--gradcheck-{option}")
        raise pytest.UsageError(text) from None


def is_worker(config: pytest.Config) -> bool:
    """A process of xdist, whose results go to another one."""
    return hasattr(config, "workerinput")

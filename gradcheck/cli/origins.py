"""Where settings came from, and what the targets are: for ``gradcheck doctor``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gradcheck import files
from gradcheck.errors import NothingCollected, UsageError
from gradcheck.settings import (
    ENVIRONMENT_PREFIX,
    Settings,
    find_pyproject,
    known_keys,
    load,
    read_table,
)

DEFAULT = "default"


def settings_with_origin(start: Path) -> Iterator[tuple[str, str, str]]:
    """Key, value and source of every setting that a run begun in a folder has.

    Raises
    ------
    UsageError
        A source holds what is no setting.
    """
    settings = load(start, profile="ci")
    pyproject = find_pyproject(start)
    table = (read_table(pyproject) or {}) if pyproject else {}
    values: dict[str, Any] = msgspec.to_builtins(settings)
    for key in known_keys():
        value = values.get(key)
        overridden = key == "max-cases" and value is None  # by a later profile
        origin = DEFAULT if overridden else _origin(key, table, pyproject)
        yield key, "-" if value is None else _shown(value), origin


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _origin(key: str, table: dict[str, Any], pyproject: Path | None) -> str:
    """The last source that names a key."""
    variable = ENVIRONMENT_PREFIX + key.upper().replace("-", "_")
    named = next((n for n in os.environ if n.upper() == variable), "")
    if named:
        return f"environment {named}"
    return str(pyproject) if key in table else DEFAULT


def target_lines(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Each target that a run would check, how many ops it holds, and what is wrong with it."""
    from gradcheck.cli import loading
    from gradcheck.cli.run import chosen

    try:
        names, root = chosen((), settings)
    except NothingCollected as nothing:
        said = str(nothing).splitlines()[0].partition(". Three")[0]
        yield "none", f"{said}; gradcheck init adds them", ""
        return
    for name in names:
        try:
            count = len(loading.load(name, root))
        except UsageError as error:
            yield name, "cannot be loaded", f"{error}"
            continue
        lacking = "" if count else "it holds no op: register one, or take it out of targets"
        yield name, f"{count} op{'s' * (count != 1)}", lacking


def output_place(settings: Settings) -> tuple[str, str, str]:
    """Where reports go, and whether they can be written there."""
    folder = files.output_folder(Path.cwd(), find_pyproject(Path.cwd()), settings.output)
    there = next(p for p in (folder, *folder.parents) if p.exists())
    wrong = ""
    if not there.is_dir():
        wrong = f"{there} is no folder: move it, or set output"
    elif not os.access(there, os.W_OK | os.X_OK):
        wrong = f"{there} cannot be written: change its rights, or set output to another folder"
    return "output", f"{folder}{'' if wrong else ', can be written'}", wrong

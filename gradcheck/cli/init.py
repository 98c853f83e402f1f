"""The work of ``gradcheck init``: ``[tool.gradcheck]`` in pyproject.toml, and an example gate."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradcheck import files
from gradcheck.cli.scanning import Scan, scan
from gradcheck.cli.screen import screen
from gradcheck.errors import UsageError
from gradcheck.plain import SENTENCE, clean
from gradcheck.settings import EDITIONS, find_pyproject, read_table

GATE = "example_gates.py"
TEST = "test_example_gates.py"
BOM = "\ufeff"
"""What Windows editors begin a file with; it stays, and TOML is read without it."""
SHOWN = 8
"""Candidates that are printed; the rest are counted."""
GATE_TEXT = '''"""An example for gradcheck run: put your own gates here."""

import gradcheck


@gradcheck.register("x[n d], W[k d], b[k]")
class Affine:
    """z = x W^T + b for n examples at once."""

    def forward(self, x, W, b):
        self.x, self.W = x, W
        return x @ self.W.T + b

    def backward(self, dz):
        return [dz @ self.W, dz.T @ self.x, dz.sum(axis=0)]
'''
TEST_TEXT = '''"""gradcheck inside an ordinary test: it fails where backward is wrong."""

import gradcheck
import numpy as np


def tanh(x):
    return np.tanh(x)


def tanh_backward(dz, x):
    return dz * (1 - np.tanh(x) ** 2)


def test_tanh():
    gradcheck.check(tanh, tanh_backward, np.array([0.5, -1.25, 2.0]))
'''


def init(targets: Sequence[str]) -> int:
    """Set a project up; where it is set up already, say so and change nothing.

    Raises
    ------
    UsageError
        pyproject.toml cannot be read, holds other targets than those named, or cannot be written;
        a target does not exist.
    """
    pyproject = _pyproject()
    table = read_table(pyproject) if pyproject.exists() else None
    chosen = [_relative(t, pyproject.parent) for t in targets]
    if table is not None:
        return _set_up_already(pyproject, table, chosen)
    for target in chosen:
        _demand(target, pyproject.parent)
    found = Scan() if chosen else scan(pyproject.parent)
    texts = {} if chosen or found.gates or found.tests else _example(pyproject.parent)
    chosen = chosen or found.gates or [GATE] * bool(texts)
    texts[pyproject] = _with_table(pyproject, chosen)
    for path in texts:
        files.claim(path)
    for path, text in texts.items():  # the settings last: they name the others
        files.write(path, text)
    _print([f"wrote {_shown(path)}" for path in texts])
    _print(_said(pyproject, chosen, found))
    return 0


def _pyproject() -> Path:
    """The nearest one, or the one to be made in the current folder."""
    here = Path.cwd() / "pyproject.toml"
    if here.is_dir():
        raise UsageError("pyproject.toml is a folder here: the settings have no place; move it")
    return find_pyproject(Path.cwd()) or here


def _relative(target: str, root: Path) -> str:
    """A target as pyproject.toml names it: a file from the folder that pyproject.toml is in."""
    path, colons, name = target.partition("::")
    if path.endswith(".py") or os.sep in path:
        path = Path(os.path.relpath(Path.cwd() / path, root)).as_posix()
    return path + colons + name


def _demand(target: str, root: Path) -> None:
    """A target has to exist; one that raises when it is imported is said, and named all the same.

    Raises
    ------
    UsageError
        It does not exist.
    """
    from gradcheck.cli.loading import load
    from gradcheck.targets import NotThere

    try:
        ops = load(target, root)
    except NotThere:
        raise
    except UsageError as error:
        _print([f"note: {clean(error, SENTENCE)}"])
        return
    if not ops:
        _print([f"note: {clean(target)} holds no op yet: @gradcheck.register makes one"])


def _set_up_already(pyproject: Path, table: dict[str, Any], chosen: list[str]) -> int:
    named = table.get("targets", [])
    missing = [t for t in chosen if not isinstance(named, list) or t not in named]
    if missing:
        more = ", ".join(f'"{clean(t)}"' for t in missing)
        raise UsageError(
            f"{_shown(pyproject)} has [tool.gradcheck] already, with targets = {clean(named)}: "
            f"add {more} there; init changes no settings that exist"
        )
    _print(
        [
            f"{_shown(pyproject)} has [tool.gradcheck] already: targets = {clean(named)}; "
            "nothing to do",
            "next: gradcheck run" if named else "next: add targets there, then gradcheck run",
        ]
    )
    return 0


def _example(root: Path) -> dict[Path, str]:
    """A gate and a test, where there is no gate anywhere.

    Raises
    ------
    UsageError
        A file of that name is there, and holds no gate.
    """
    folder = root / "tests" if (root / "tests").is_dir() else root
    made = {root / GATE: GATE_TEXT, folder / TEST: TEST_TEXT}
    for path in made:
        if path.exists() or path.is_symlink():
            raise UsageError(
                f"{_shown(path)} is there already, and nothing below {clean(root)} makes an op: "
                "init overwrites no file; name your own gates, as in gradcheck init my_gates.py"
            )
    return made


def _with_table(pyproject: Path, chosen: Sequence[str]) -> str:
    """The file with the table at its end; all that stood there stays as it is.

    Raises
    ------
    UsageError
        It cannot be read, or TOML allows no table at its end.
    """
    names = ", ".join(_quoted(t) for t in chosen)
    lines = [
        "[tool.gradcheck]",
        f"targets = [{names}]",
        f'edition = "{EDITIONS[-1]}"  # checks that came later are notes',
        'profile = "ci"  # cases per op: fast 25, dev 50, ci 100, thorough 1000',
    ]
    whole = _read(pyproject) if pyproject.exists() else ""
    old = whole.removeprefix(BOM)
    newline = "\r\n" if "\r\n" in old else "\n"
    gap = "" if not old else newline if old.endswith("\n") else 2 * newline
    text = old + gap + newline.join([*lines, ""])
    before = tomllib.loads(old)
    try:
        after = tomllib.loads(text)
        after["tool"].pop("gradcheck")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{_shown(pyproject)}: no table can be added at its end ({error}); write it yourself: "
            + "; ".join(line.partition("  #")[0] for line in lines)
        ) from None
    if after != {"tool": {}, **before}:
        raise UsageError(f"{_shown(pyproject)}: cannot be added to without changing what it says")
    return BOM * (old != whole) + text


def _read(path: Path) -> str:
    """The text with its line ends."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{_shown(path)}: cannot be read: {error}") from None


def _quoted(text: str) -> str:
    """A string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _said(pyproject: Path, chosen: Sequence[str], found: Scan) -> list[str]:
    """What is checked now, what could be, and the next command."""
    lines = [f"targets: {', '.join(map(clean, chosen)) or 'none yet'}"]
    if found.tests:
        lines.append(f"pytest collects by itself: {', '.join(map(clean, found.tests))}")
    if found.cut:
        lines.append(
            f"only {found.files:,} files were looked at: name your gates in targets = [...] of "
            f"{_shown(pyproject)}"
        )
    if found.candidates:
        lines += ["", "not checked yet, gates by their names; in a test, with small arrays:"]
        for one in found.candidates[:SHOWN]:
            lines += [f"  {clean(one.file)}:{one.line}", f"    {clean(one.call)}"]
        if len(found.candidates) > SHOWN:
            lines.append(f"  and {len(found.candidates) - SHOWN} more")
        lines.append("")
    return [*lines, f"next: {'gradcheck run' if chosen else 'pytest'}"]


def _shown(path: Path) -> str:
    here = Path.cwd()
    return clean(path.relative_to(here) if path.is_relative_to(here) else path)


def _print(lines: Sequence[str]) -> None:
    screen().print("\n".join(lines), markup=False, soft_wrap=True)

"""Where a finding is shown: a file relative to the repository, as code hosts want it, and its line.

Paths in a report are relative to the folder that the run was started in.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from gradcheck.reporters.standing import Problem
from gradcheck.results import Finding, OpResult, Source

_FILE = re.compile(r"([^\s:'\"]+\.(?:py|toml)\b)(?::(\d+))?")
FALLBACK = "pyproject.toml"
"""Stands for the run as a whole: its targets and settings are there."""


class Place(NamedTuple):
    """A stretch of one line; columns count from 1, the last one is behind the text."""

    file: str
    """With forward slashes, relative to the repository; absolute where it is outside."""
    line: int
    column: int = 1
    end_column: int = 2

    @property
    def is_inside(self) -> bool:
        """The file is one of the repository's."""
        return bool(self.file) and not os.path.isabs(self.file)


def repository(start: Path | None = None) -> Path:
    """The nearest folder upward that git keeps, else the current one."""
    here = Path(os.path.realpath(start or Path.cwd()))
    return next((f for f in (here, *here.parents) if (f / ".git").exists()), here)


def of_finding(result: OpResult, found: Finding | None, root: Path) -> Place:
    """The first line of the backward pass that is meant, with its code where the report has it."""
    source = (found.source if found else None) or result.source
    indent = result.figures.code_indent if source == result.source else 0
    end = indent + max(len(_line(result, source)), 1) + 1
    return Place(_relative(source.file, root), max(source.line, 1), indent + 1, end)


def of_problem(problem: Problem, root: Path) -> Place:
    """The first file that the message names, else where settings stand."""
    named = _FILE.search(problem.message)
    file, line = (named[1], int(named[2] or 1)) if named else (FALLBACK, 1)
    return Place(_relative(file, root), max(line, 1))


def _relative(file: str, root: Path) -> str:
    if not _is_path(file):
        return FALLBACK
    full = os.path.realpath(file)
    try:
        relative = os.path.relpath(full, root)
    except ValueError:  # another drive
        return Path(full).as_posix()
    outside = relative == os.pardir or relative.startswith(os.pardir + os.sep)
    return Path(full if outside else relative).as_posix()


def _is_path(file: str) -> bool:
    """The system could have a file of that name."""
    try:
        return bool(file) and b"\0" not in os.fsencode(file)
    except UnicodeEncodeError:
        return False


def _line(result: OpResult, source: Source) -> str:
    """The text of the line, from the code that came with the result."""
    lines = result.figures.code.splitlines()
    at = source.line - result.figures.code_line
    return lines[at] if source == result.source and 0 <= at < len(lines) else ""

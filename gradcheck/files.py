"""Writing reports: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gradcheck.errors import UsageError

RESULTS = "results.json"


def write(path: Path, text: str) -> None:
    """Replace a file in one step; the old one stays intact when anything goes wrong.

    A link is followed; a pipe or a device is written into, not replaced.

    Raises
    ------
    UsageError
        The folder cannot be made, is no folder, is read-only, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _cannot(path, error) from None


def claim(path: Path) -> None:
    """Find out before the work, not after it, that a report cannot be written.

    Raises
    ------
    UsageError
        As `write`.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        special = target.exists() and not target.is_file()
        if not os.access(target if special else target.parent, os.W_OK):
            raise PermissionError("Permission denied")
    except OSError as error:
        raise _cannot(path, error) from None


def _cannot(path: Path, error: OSError) -> UsageError:
    reason = error.strerror or str(error)
    return UsageError(f"cannot write {path}: {reason}; the old file, if any, is intact")


def output_folder(start: Path, pyproject: Path | None, chosen: str | None) -> Path:
    """Where reports go: the setting, relative to pyproject.toml, or ``.gradcheck`` beside it."""
    root = pyproject.parent if pyproject is not None else start
    return root / (chosen or ".gradcheck")


def prepare(folder: Path) -> None:
    """Make ``.gradcheck`` ignore itself, as other tools' folders do.

    Raises
    ------
    UsageError
        The folder cannot be written.
    """
    if folder.name == ".gradcheck" and not (folder / ".gitignore").exists():
        write(folder / ".gitignore", "*\n")

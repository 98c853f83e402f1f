"""Writing reports: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from gradcheck.errors import UsageError

RESULTS = "results.json"


def write(path: Path, text: str) -> None:
    """Replace a file in one step; the old one stays intact when anything goes wrong.

    Raises
    ------
    UsageError
        The folder cannot be made, is no folder, is read-only, or the disk is full.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write {path}: {reason}; the old file, if any, is intact") from None


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

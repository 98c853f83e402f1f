"""Writing reports: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
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
    target, temporary = _places(path)
    with _explained(path, temporary):
        if _is_stream(path) or (target.exists() and not target.is_file()):
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(text)
            return
        temporary.write_text(text, encoding="utf-8")
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)


def claim(path: Path) -> None:
    """Find out before the work, not after it, that a report cannot be written.

    Raises
    ------
    UsageError
        As `write`.
    """
    target, temporary = _places(path)
    with _explained(path, temporary):
        if _is_stream(path):
            return
        if target.is_file() or not target.exists():
            temporary.touch()
            temporary.unlink()


def _is_stream(path: Path) -> bool:
    """``/dev/stdout`` and its kind: what they lead to is appended to, not replaced."""
    return re.match(r"/dev/(std|fd/)|/proc/[^/]+/fd/", os.path.abspath(path)) is not None


def _places(path: Path) -> tuple[Path, Path]:
    """The file itself, links followed, and the one beside it that is going to replace it."""
    target = path if _is_stream(path) else Path(os.path.realpath(path))
    with _explained(path):
        if target.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True)
    return target, target.with_name(f".{target.name}.{os.getpid()}")


@contextlib.contextmanager
def _explained(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Errors of the system as one sentence; nothing half written stays behind."""
    try:
        yield
    except OSError as error:
        _discard(temporary)
        reason = error.strerror or str(error)
        if isinstance(error, FileExistsError):
            reason = "a folder of its path is a file"
        raise UsageError(
            f"cannot write {path}: {reason}; the old file, if any, is intact"
        ) from None
    except BaseException:  # Ctrl-C while it is written
        _discard(temporary)
        raise


def _discard(temporary: Path | None) -> None:
    if temporary is not None:
        with contextlib.suppress(OSError):
            temporary.unlink()


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

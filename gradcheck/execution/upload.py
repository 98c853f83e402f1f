"""The user's code as a bundle for other machines: what lies below the current folder."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gradcheck.errors import UsageError
from gradcheck.model import Op
from gradcheck.targets import names_file

CODE = (".py", ".so", ".pyd", ".toml")
"""Taken whatever their size; other files, which ops may read, up to `SMALL`."""
SMALL = 2**20
LARGEST = 100 * 2**20
SKIPPED = ("__pycache__", "node_modules", "site-packages")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files of the current folder; empty where all code is installed."""

    data: bytes = b""
    """A zip archive."""
    roots: tuple[str, ...] = ()
    """Folders of it in which Python is to look for modules, relative to its top."""


def bundle(ops: Iterable[Op]) -> Bundle:
    """What other machines need to load some ops.

    Parameters
    ----------
    ops : iterable of Op
        Loaded here from files or modules. Those of an installed package are to be installed there.

    Raises
    ------
    UsageError
        A file lies outside of the current folder, or the folder is too large to be sent.
    """
    here = Path.cwd().resolve()
    roots: dict[str, None] = {}
    for op in ops:
        target = op.target.partition("::")[0]
        file = getattr(sys.modules.get(op.module), "__file__", None) or target
        path = Path(file).resolve()
        if path.is_relative_to(here) and not set(SKIPPED) & set(path.relative_to(here).parts):
            roots[str(_root(path).relative_to(here))] = None
        elif names_file(target) or os.sep in target:
            raise UsageError(
                f"{target} lies outside of {here}, which is what a cluster gets: start the run in "
                "a folder that holds it, or install its package on the workers and name the module"
            )
    return Bundle(_zipped(here), tuple(roots)) if roots else Bundle()


def _root(path: Path) -> Path:
    """The first folder above a module that is no package."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _zipped(folder: Path) -> bytes:
    buffer, size = io.BytesIO(), 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in _files(folder):
            size += path.stat().st_size
            if size > LARGEST:
                raise UsageError(
                    f"{folder} has more than {LARGEST // 2**20} MiB of code and small files, which "
                    "is too much to send to a cluster: start the run in the folder of the gates"
                )
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    """Code and small files, without hidden folders, caches and virtual environments."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if _is_taken(Path(place, f)))
        for name in sorted(names):
            path = Path(place, name)
            if not path.is_file() or name.startswith("."):
                continue
            if path.suffix in CODE or path.stat().st_size <= SMALL:
                yield path


def _is_taken(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in SKIPPED
    return not (hidden or folder.is_symlink() or (folder / "pyvenv.cfg").exists())

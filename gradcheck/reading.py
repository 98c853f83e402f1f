"""Files that a user names, read as text: what has no end is refused, a byte order mark left out."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path


def text_of(path: Path, *, errors: str = "strict") -> str:
    """The text of a file, in UTF-8; Windows editors begin it with a byte order mark.

    A named pipe or a device may have no end, or never a beginning. A pipe that the shell has
    opened has both: ``gradcheck diff <(git show main:results.json) results.json``.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file; ``strerror`` says what it is.
    UnicodeDecodeError
        It is no text, unless ``errors`` says how to go on.
    """
    kind = odd(path)
    if kind and not (kind == _PIPE and _is_handed(path)):
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
    return path.read_text(encoding="utf-8-sig", errors=errors)


def odd(path: Path) -> str:
    """What a path is that is neither a regular file nor a folder, in words; else empty.

    Raises
    ------
    OSError
        There is no such path.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    return _PIPE if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


_PIPE = "a pipe"


def _is_handed(path: Path) -> bool:
    """The shell opened it: its writer is there."""
    handed = r"/dev/(stdin$|fd/)|/proc/[^/]+/fd/"
    return re.match(handed, os.path.abspath(path)) is not None

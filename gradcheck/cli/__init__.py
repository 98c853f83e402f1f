"""The command line. Commands are imported when they are used; `--version` imports nothing."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of the ``gradcheck`` command."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.exit(flushed(_version()))
    from gradcheck.cli.app import dispatch

    sys.exit(flushed(dispatch(sys.argv[1:])))


def _version() -> int:
    from importlib.metadata import version

    try:
        print(f"gradcheck {version('gradcheck')}")
    except OSError:  # a disk that is full
        return 2
    return 0


def flushed(code: int) -> int:
    """The exit code, once what was printed is out; Python does not try again where it cannot be."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 2
    return code

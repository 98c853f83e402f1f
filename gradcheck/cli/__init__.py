"""The command line. Commands are imported when they are used; `--version` imports nothing."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``gradcheck`` command."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"gradcheck {version('gradcheck')}")
        return
    from gradcheck.cli.app import dispatch

    sys.exit(dispatch(sys.argv[1:]))

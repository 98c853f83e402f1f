"""A fault of gradcheck's own: one line on the screen, the trace in a file, exit code 3."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from gradcheck import files
from gradcheck.errors import OwnFault, UsageError
from gradcheck.plain import visible

PLACE = Path(".gradcheck") / "crash.txt"


def say(text: str) -> None:
    """To standard error; that it is gone changes nothing, the exit code still counts."""
    with contextlib.suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)


def tell(traces: Sequence[str], folder: Path) -> int:
    """It is no mistake of the user's: ask for a report of it. Returns the exit code.

    ``folder`` is the current one when the command began.
    """
    path, text = folder / PLACE, "\n".join(traces)
    try:
        files.prepare(path.parent)
        files.write(path, text)
        where = f"; the trace is in {PLACE}"
    except (UsageError, OSError):
        where = f"\n{text}"
    more = f" (and {len(traces) - 1} more)" if len(traces) > 1 else ""
    say(f"gradcheck: {OwnFault(traces[0])}{more}{where}")
    return 3

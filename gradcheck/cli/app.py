"""Parse, call, print, exit code: the commands and what happens when something goes wrong."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import cyclopts

from gradcheck.errors import NothingCollected, UsageError

EPILOGUE = (
    "Exit codes: 0 all passed; 1 an op failed, could not be judged, or a target could not be "
    "loaded; 2 wrong usage or settings; 3 a fault of gradcheck itself; 5 nothing to check; "
    "130 interrupted."
)

app = cyclopts.App(
    name="gradcheck",
    help="Check hand-written backward passes against finite differences, with a bound.",
    help_format="plaintext",
    help_epilogue=EPILOGUE,
    version_flags=["--version", "-V"],
)
app.command("gradcheck.cli.run:run", name="run", help="Check ops and write a report.")
app.command("gradcheck.cli.inspect:list_ops", name="list", help="List the ops of a target.")
app.command("gradcheck.cli.inspect:replay", name="replay", help="Run one failing case again.")
app.command("gradcheck.cli.inspect:explain", name="explain", help="Show a graph, node by node.")


def dispatch(arguments: list[str]) -> int:
    """Run a command line; returns the exit code."""
    try:
        result = app(
            arguments, exit_on_error=False, print_error=True, result_action="return_value"
        )
        return int(result or 0)
    except cyclopts.CycloptsError:
        return 2
    except UsageError as error:
        _say(f"gradcheck: {error}")
        return 2
    except NothingCollected as nothing:
        _say(f"gradcheck: {nothing}")
        return 5
    except KeyboardInterrupt:
        _say("gradcheck: interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _our_fault(error)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _our_fault(error: Exception) -> int:
    """One line on the screen, the trace in a file: it is no mistake of the user's."""
    trace = "".join(traceback.format_exception(error))
    path = Path(".gradcheck") / "crash.txt"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(trace, encoding="utf-8")
        where = f"; the trace is in {path}"
    except OSError:
        where = f"\n{trace}"
    _say(f"gradcheck: internal error, please report it: {type(error).__name__}: {error}{where}")
    return 3

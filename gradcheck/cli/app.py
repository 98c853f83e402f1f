"""Parse, call, print, exit code: what happens when something goes wrong."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import traceback
from pathlib import Path

import cyclopts

from gradcheck import files
from gradcheck.cli import commands, looking, starting
from gradcheck.errors import NothingCollected, UsageError
from gradcheck.plain import ascii_only, visible

EPILOGUE = (
    "Exit codes: 0 every op passed or is waived; 1 an op failed, could not be judged or checked, a "
    "waiver does not hold, or the run was cut short; 2 wrong usage or settings; 3 a fault of "
    "gradcheck itself; 5 nothing to check, or nothing that passed; 130 interrupted."
)

app = cyclopts.App(
    name="gradcheck",
    help="Check hand-written backward passes against finite differences, with a bound.",
    help_format="plaintext",
    help_epilogue=EPILOGUE,
    version_flags=["--version", "-V"],
    suppress_keyboard_interrupt=False,
)
app.command(commands.run, name="run")
app.command(looking.list_ops, name="list")
app.command(looking.replay, name="replay")
app.command(looking.explain, name="explain")
app.command(looking.report, name="report")
app.command(looking.diff, name="diff")
app.command(commands.selftest, name="selftest")
app.command(starting.init, name="init")
app.command(starting.doctor, name="doctor")


def dispatch(arguments: list[str]) -> int:
    """Run a command line; returns the exit code."""
    _print_anywhere()
    try:
        Path.cwd()
        result = app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
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
    except SystemExit as end:  # the help page's reader went away
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except OSError as error:  # a name too long, a folder that is gone, a disk that is full
        place = f": {error.filename}" if error.filename else ""
        _say(f"gradcheck: {error.strerror or error}{place}")
        return 2
    except Exception as error:
        return _our_fault(error)


def _print_anywhere() -> None:
    """A terminal that has no ± gets +/-, not an exception."""
    codecs.register_error("gradcheck", _in_ascii)
    for name in ("stdout", "stderr"):
        if getattr(sys, name, None) is None:  # closed: gradcheck run >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="gradcheck")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return ascii_only(error.object[error.start : error.end]), error.end


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the exit code still counts
        print(visible(text), file=sys.stderr, flush=True)


def _our_fault(error: Exception) -> int:
    """One line on the screen, the trace in a file: it is no mistake of the user's."""
    trace = "".join(traceback.format_exception(error))
    path = Path(".gradcheck") / "crash.txt"
    try:
        files.prepare(path.parent)
        files.write(path, trace)
        where = f"; the trace is in {path}"
    except (UsageError, OSError):
        where = f"\n{trace}"
    _say(f"gradcheck: internal error, please report it: {type(error).__name__}: {error}{where}")
    return 3

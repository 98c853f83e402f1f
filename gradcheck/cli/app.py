"""Parse, call, print, exit code: what happens when something goes wrong."""

from __future__ import annotations

import codecs
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import cyclopts

from gradcheck.cli import commands, looking, starting
from gradcheck.cli.faults import say, tell
from gradcheck.cli.signals import no_sudden_end
from gradcheck.errors import NothingCollected, OwnFault, UsageError
from gradcheck.plain import ascii_only

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
    here = Path()
    try:
        here = Path.cwd()
        with no_sudden_end():
            result = _run(arguments)
        return int(result or 0)
    except cyclopts.CycloptsError:
        return 2
    except OwnFault as fault:
        return tell([fault.trace], here)
    except UsageError as error:
        say(f"gradcheck: {error}")
        return 2
    except NothingCollected as nothing:
        say(f"gradcheck: {nothing}")
        return 5
    except KeyboardInterrupt:
        say("gradcheck: interrupted")
        return 130
    except SystemExit as end:  # the help page's reader went away
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except OSError as error:  # a name too long, a folder that is gone, a disk that is full
        place = f": {error.filename}" if error.filename else ""
        say(f"gradcheck: {error.strerror or error}{place}")
        return 2
    except Exception as error:
        return tell(["".join(traceback.format_exception(error))], here)


def _run(arguments: list[str]) -> Any:
    return app(arguments, exit_on_error=False, print_error=True, result_action="return_value")


def _print_anywhere() -> None:
    """A terminal that has no ± gets +/-, not an exception; one without a width has the usual."""
    width = os.environ.get("COLUMNS", "80")
    if not (width.isdecimal() and int(width)):
        del os.environ["COLUMNS"]
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

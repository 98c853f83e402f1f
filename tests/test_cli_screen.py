"""What the command line does to terminals, pipes and start-up time."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import time
from typing import Any

from gradcheck.cli import screen
from gradcheck.cli.screen import Progress, Screen
from gradcheck.results import OpResult, Worst
from tests.project import COMMAND, clean_environment

FEW = ("--max-cases", "12")


def test_version_and_help_import_nothing_heavy(project):
    heavy = "('numpy', 'hypothesis', 'rich', 'cyclopts', 'msgspec', 'pytest')"
    code = (
        "import sys; sys.argv = ['gradcheck', *{arguments!r}]\n"
        "from gradcheck.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('HEAVY', [m for m in {heavy} if m in sys.modules])"
    )
    for arguments, allowed in (
        (["--version"], []),
        (["--help"], ["rich", "cyclopts"]),
        (["run", "--help"], ["rich", "cyclopts"]),
    ):
        text = code.format(arguments=arguments, heavy=heavy)
        out = subprocess.check_output([COMMAND[0], "-c", text], text=True, env=clean_environment())
        shown, _, loaded = out.partition("HEAVY ")
        assert eval(loaded) == allowed
        assert "0.1" in shown if arguments == ["--version"] else "Exit codes: 0 all" in shown


def test_help_names_every_option_with_a_sentence(project):
    ran = project.run("run", "--help")
    assert ran.code == 0
    for option in ("--keyword -k", "--seed", "--profile", "--max-cases", "--checks", "--scope",
                   "--strict", "--signif", "--step", "--method", "--time-limit", "--cost", "--json",
                   "--quiet -q", "--verbose -v"):  # fmt: skip
        assert option in ran.out
    assert "130 interrupted" in " ".join(ran.out.split())


def test_a_reader_that_goes_away_gets_no_traceback_and_the_exit_code_stays(project):
    project.write("gates.py")
    running = project.start("run", "gates.py", *FEW)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(60) == 1
    assert err == ""
    assert project.results()["summary"]["failed"] == 1


def test_a_terminal_without_utf8_gets_plain_signs(project):
    project.write("gates.py")
    ran = project.shell("run", "gates.py", *FEW, PYTHONIOENCODING="ascii")
    assert ran.code == 1
    assert ran.err == ""
    assert "+/- " in ran.out
    assert ran.out.isascii()
    ran = project.shell("run", "--sed", "1", PYTHONIOENCODING="ascii")
    assert ran.code == 2
    assert ran.text.isascii()


def test_no_color_has_no_colours_and_force_color_has(project):
    project.write("gates.py")
    colours = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    arguments = ("run", "gates.py", "-q", *FEW)
    assert "\x1b" not in project.run(*arguments).out
    assert colours.search(project.shell(*arguments, FORCE_COLOR="1").out)
    assert not colours.search(project.shell(*arguments, FORCE_COLOR="1", NO_COLOR="1").out)


def test_what_ops_print_is_not_in_the_report(project):
    project.write(
        "gates.py",
        "import gradcheck\n"
        "def loud(x):\n    print('noise')\n    return x\n"
        "loud = gradcheck.op(loud, lambda dz, x: dz, 'x[n]')\n",
    )
    ran = project.run("run", "gates.py", *FEW)
    assert "noise" not in ran.out


def result(name: str, verdict: Any, error: float) -> OpResult:
    worst = Worst(
        input="x", entry=(0,), backward=1.0, finite_difference=1.0, bound=0.0,
        relative_error=error, limit=0.0,
    )  # fmt: skip
    return OpResult(op=f"m::{name}", kind="", verdict=verdict, worst=worst)


def test_the_live_line_says_how_far_and_how_bad():
    progress = Progress(Screen(), 3)
    progress.begin("a")
    assert progress.line() == "0 of 3 ops: a"
    progress.advance(result("a", "pass", 1e-9))
    progress.begin("b")
    progress.advance(result("b", "fail", 1.5))
    progress.begin("c")
    assert progress.line() == "2 of 3 ops, 1 not passed, worst so far 1.5 (b): c"


def test_the_live_line_is_gone_in_the_end(project):
    """On a terminal: drawn while ops run and print, erased before the report."""
    stream = io.StringIO()
    console = Screen(file=stream, force_terminal=True, width=60, color_system=None)
    progress = Progress(console, 1)
    progress.begin("a" * 100)
    with progress.shown():
        pass
    drawn = stream.getvalue()
    assert "0 of 1 ops: aaa" in drawn
    assert "…" in drawn
    assert drawn.endswith("\x1b[2K")


def test_the_screen_is_the_one_that_was_there_when_the_run_began(capsys):
    """The user's code runs with its own output discarded; the live line must not be."""
    console = screen.screen()
    with contextlib.redirect_stdout(io.StringIO()):
        console.print("said")
    assert capsys.readouterr().out == "said\n"


def test_where_the_output_is_no_terminal_a_line_comes_now_and_then(project, monkeypatch):
    monkeypatch.setattr(screen, "PLAIN_SECONDS", 0.01)
    stream = io.StringIO()
    progress = Progress(Screen(file=stream, width=60), 1)
    progress.begin("a")
    with progress.shown():
        for _ in range(500):
            if stream.getvalue():
                break
            time.sleep(0.01)
    assert stream.getvalue().startswith("0 of 1 ops: a (0 s)\n")

"""What the command line does to terminals, pipes and start-up time."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import termios
import time
from typing import Any

import pytest

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
        assert "0.1" in shown if arguments == ["--version"] else "Exit codes: 0 every op" in shown


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


@pytest.mark.parametrize(
    ("done", "total", "seconds", "said"),
    [
        (4, 100, 60.0, ""),  # the first ones tell too little
        (5, 100, 1.0, ""),
        (10, 10, 60.0, ""),
        (50, 100, 5.0, "a few seconds left"),
        (10, 30, 12.0, "about 30 s left"),
        (10, 130, 10.0, "about 2 min left"),
        (10, 130, 12.0, "about 3 min left"),
        (10, 1000, 120.0, "about 3 h left"),
    ],
)
def test_the_time_left_is_said_in_coarse_units_after_a_few_ops(done, total, seconds, said):
    assert screen.time_left(done, total, seconds) == said


def test_the_live_line_has_the_time_left(monkeypatch):
    now = 100.0
    monkeypatch.setattr(screen.time, "monotonic", lambda: now)
    progress = Progress(Screen(), 60)
    for _ in range(6):
        progress.advance(result("a", "pass", 1e-9))
    now += 12.0
    assert progress.line() == "6 of 60 ops, about 2 min left, worst so far 1e-09 (a): "


def test_a_narrow_terminal_keeps_how_far_and_what_failed():
    progress = Progress(Screen(), 12)
    progress.advance(result("affine", "fail", 1.5))
    progress.begin("layer_norm")
    whole = "1 of 12 ops, 1 not passed, worst so far 1.5 (affine): layer_norm"
    assert progress.line(200) == progress.line() == whole
    assert progress.line(60) == whole[:59] + "…"
    assert progress.line(40) == "1 of 12 ops, 1 not passed, worst so far…"
    assert progress.line(25) == "1 of 12 ops, 1 not passed"[:24] + "…"
    for width in range(10, 80):
        assert len(progress.line(width)) <= width


def test_the_live_line_shows_no_hostile_name_and_a_nan_is_the_worst():
    progress = Progress(Screen(), 2)
    progress.begin("a\x1b[2J\n\u202e" + "b" * 10_000)
    progress.advance(result("c\x07", "fail", float("nan")))
    assert progress.line().isprintable()
    assert len(progress.line()) < 300
    assert "worst so far inf (c\\x07)" in progress.line()


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


HOSTILE = """
import gradcheck
def forward(x):
    raise ValueError("\\x1b]0;pwned\\x07 \\u202e \\ud800 " + "m" * 10_000)
evil = "evil\\x1b[2J\\u2066\\ud800\\n" + "e" * 10_000
globals()[evil] = gradcheck.op(forward, lambda dz, x: dz, "x[n]")
globals()["wr\\x9bong"] = gradcheck.op(lambda x: x * x, lambda dz, x: dz * x, "x[n]")
"""


def on_a_terminal(project: Any, *arguments: str, columns: int = 80, **environment: str) -> str:
    """A command on a terminal of so many columns; what was written to it."""
    own, its = pty.openpty()
    termios.tcsetwinsize(its, (24, columns))
    everything = clean_environment() | {"TERM": "xterm-256color"} | environment
    running = subprocess.Popen([*COMMAND, *arguments], stdout=its, stderr=its, env=everything)
    os.close(its)
    written = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(own, 65536):
            written += more
    running.wait(120)
    os.close(own)
    return written.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


RICHS = re.compile(r"\x1b\[[0-9;]*[mAK]|\x1b\[\?25[lh]|\x1b\[2K|\r")
"""Colours, and what moves and hides the cursor for the live line."""


def test_hostile_names_and_messages_on_a_terminal(project):
    project.write("gates.py", HOSTILE)
    shown = on_a_terminal(project, "run", "gates.py", "-v", *FEW)
    rest = RICHS.sub("", shown)
    assert "evil\\x1b[2J\\u2066\\ud800 eee" in rest
    assert "\\x1b]0;pwned\\x07" in rest
    assert "wr\\x9bong: values: wrong gradient" in rest
    assert rest.replace("\n", "").isprintable()
    assert rest.count("e" * 100) < 10
    assert "2 ops" in rest


def test_a_dumb_terminal_gets_plain_text(project):
    project.write("gates.py")
    shown = on_a_terminal(project, "run", "gates.py", *FEW, TERM="dumb")
    assert "\x1b" not in shown
    assert "Wrong: values: wrong gradient" in shown


@pytest.mark.parametrize("columns", [40, 60, 160])
def test_the_terminals_width_is_kept(project, columns):
    project.write("gates.py")
    shown = RICHS.sub("", on_a_terminal(project, "run", "gates.py", *FEW, columns=columns))
    table = shown.partition("verdict")[2].partition("3 ops")[0]
    for name in ("gates::Wrong", "gates::cube", "gates::right", "FAIL"):
        assert name in table
    assert ("forwards" in table) == (columns == 160)
    assert max(map(len, table.splitlines())) <= columns
    assert "█ backward" in shown


def test_colours_in_a_file_come_without_a_live_line(project):
    """FORCE_COLOR is set in many a CI, whose logs are no terminals."""
    project.write("gates.py")
    out = project.shell("run", "gates.py", *FEW, FORCE_COLOR="1").out
    assert "\x1b[1;31m" in out
    assert re.sub(r"\x1b\[[0-9;]*m", "", out).replace("\n", "").isprintable()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
def test_every_encoding_shows_the_same_report(project, encoding):
    project.write("gates.py", HOSTILE.replace("wr", "wr\u00e9\u6f22"))
    ran = subprocess.run(
        [*COMMAND, "run", "gates.py", *FEW],
        capture_output=True,
        env=clean_environment() | {"PYTHONIOENCODING": encoding},
        timeout=120,
        check=False,
    )
    out = ran.stdout.decode(encoding)
    assert (ran.returncode, ran.stderr) == (1, b"")
    assert "error by step size" in out
    assert "?" not in out
    assert ("#" in out) == (encoding in ("ascii", "latin-1", "cp1252"))
    assert ("\u6f22" in out) == (encoding == "utf-8")
    assert ("\\u6f22" in out) == (encoding != "utf-8")

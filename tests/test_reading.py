"""Files that a user names: a pipe or device is refused at once, a byte order mark is no matter."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from gradcheck.reading import text_of
from gradcheck.settings import find_pyproject, load

BOM = "\ufeff"
WAIVER = """
[[waiver]]
op = "gates::Wrong"
code = "wrong-gradient"
reason = "mended with the next release"
expires = 2999-01-01
"""
PIPES = {
    "run": ("run", "pipe.py"),
    "an op": ("run", "pipe.py::Wrong"),
    "a path": ("list", "./pipe.toml"),
    "explain": ("explain", "pipe.py::f"),
    "report": ("report", "pipe.json"),
    "diff": ("diff", "results.json", "pipe.json"),
    "replay": ("replay", "Wrong-abcdef", "--results", "pipe.json"),
    "waivers": ("run", "gates.py", "--waivers", "pipe.toml"),
    "a device": ("report", "/dev/zero"),
}


@pytest.mark.parametrize("arguments", PIPES.values(), ids=PIPES)
def test_what_may_have_no_end_is_refused_and_not_waited_for(project, arguments):
    """A pipe without a writer blocks whoever opens it: this test would never end."""
    project.write("gates.py")
    for name in ("pipe.py", "pipe.json", "pipe.toml"):
        os.mkfifo(project.folder / name)
    project.write("results.json", project_results(project))
    ran = project.run(*arguments)
    assert ran.code == 2
    kind = "a device" if "/dev/zero" in arguments else "a pipe"
    assert f"is {kind}" in ran.err
    assert "regular file" in ran.err


def project_results(project) -> str:
    assert project.run("run", "gates.py::right", "--max-cases", "10").code == 0
    return (project.folder / ".gradcheck" / "results.json").read_text()


@pytest.mark.parametrize("name", ["pyproject.toml", "gradcheck-waivers.toml"])
def test_a_pipe_in_the_place_of_settings_is_refused(project, name):
    project.write("gates.py")
    (project.folder / name).unlink(missing_ok=True)
    os.mkfifo(project.folder / name)
    ran = project.run("run", "gates.py::right")
    assert ran.code == 2
    assert f"{name}: cannot be read: it is a pipe, not a regular file" in ran.err


def test_a_pipe_that_the_shell_opened_is_read():
    """``gradcheck diff <(git show main:results.json) results.json``."""
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)
    try:
        assert text_of(Path(f"/dev/fd/{reading}")) == "text"
    finally:
        os.close(reading)


def test_a_byte_order_mark_in_settings_and_waivers_is_no_matter(project):
    project.write("gates.py")
    project.write("pyproject.toml", BOM + '[tool.gradcheck]\ntargets = ["gates.py"]\nseed = 7\n')
    project.write("gradcheck-waivers.toml", BOM + WAIVER)
    assert load(project.folder, profile="ci").seed == 7
    ran = project.run("run", "--max-cases", "12")
    assert ran.code == 0, ran.text
    assert "FAIL, waived" in ran.out


def test_a_byte_order_mark_does_not_make_wrong_toml_right(project):
    project.write("gates.py")
    project.write("gradcheck-waivers.toml", BOM + BOM + WAIVER)
    ran = project.run("run", "gates.py")
    assert ran.code == 2
    assert "gradcheck-waivers.toml: cannot be read: Invalid statement" in ran.err


def test_init_keeps_the_byte_order_mark_at_the_beginning(project):
    project.write("gates.py")
    project.write("pyproject.toml", BOM + '[project]\nname = "mine"\n')
    assert project.run("init", "gates.py").code == 0
    text = (project.folder / "pyproject.toml").read_text()
    assert text.startswith(BOM)
    assert text.count(BOM) == 1
    assert tomllib.loads(text[1:])["tool"]["gradcheck"]["targets"] == ["gates.py"]
    assert find_pyproject(project.folder) == project.folder / "pyproject.toml"


# -- what user code prints on import ---------------------------------------------------------------

NOISY = """
import gradcheck

print("printed on import")
print("::error::planted")


def double(x):
    return x + x


twice = gradcheck.op(double, lambda dz, x: 2 * dz, "x[n]")


@gradcheck.graph("x[n]")
def four(x):
    return twice(twice(x))
"""
COMMANDS = {
    "run": ("run", "noisy.py", "--max-cases", "10"),
    "list": ("list", "noisy.py"),
    "replay": ("replay", "noisy.py::twice", '{"regime":"generic","shapes":[[2]]}'),
    "explain": ("explain", "noisy.py::four", "2"),
    "doctor": ("doctor",),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_what_is_printed_on_import_goes_to_standard_error(project, arguments):
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["noisy.py"]\n')
    project.write("noisy.py", NOISY)
    ran = project.run(*arguments)
    assert ran.out
    assert "planted" not in ran.out
    assert ran.err.startswith("printed on import\n::error::planted\n")


def test_a_report_on_standard_output_is_the_report_alone(project):
    project.write("noisy.py", NOISY)
    ran = project.run("run", "noisy.py", "--max-cases", "10", "--report", "json=-")
    assert json.loads(ran.out)["summary"]["passed"] == 2


def test_on_github_nothing_that_is_printed_on_import_is_a_command(project, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write("noisy.py", NOISY)
    ran = project.run("run", "noisy.py", "--max-cases", "10")
    lines = ran.err.splitlines()
    word = lines[0].removeprefix("::stop-commands::")
    assert len(word) == 32
    assert lines.index("::error::planted") < lines.index(f"::{word}::")
    assert "::error::planted" not in ran.out
    project.write("quiet.py", NOISY.replace("print(", "str("))
    assert project.run("run", "quiet.py", "--max-cases", "10").err == ""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_commands_are_read_again_from_a_line_of_its_own(project, monkeypatch, stream):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ends = f"import sys\nsys.{stream}.writelines(['::error::planted\\n', 'no end of the line'])\n"
    project.write("noisy.py", ends + NOISY.replace("print(", "str("))
    lines = project.run("run", "noisy.py", "--max-cases", "10").err.splitlines()
    word = lines[0].removeprefix("::stop-commands::")
    assert lines[1:] == ["::error::planted", "no end of the line", f"::{word}::"]

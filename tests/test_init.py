"""``gradcheck init``: a project is set up once, nothing is overwritten, and what it says works."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gradcheck.cli import scanning
from gradcheck.cli.scanning import scan
from tests.project import GATES, clean_environment

PYPROJECT = """# my project
[project]
name = "mine"  # a comment
version = "0"

[tool.other]
x = 1
"""


def table(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]
    return found["gradcheck"]


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a folder but what runs leave behind."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".gradcheck" not in p.parts and "__pycache__" not in p.parts
    }


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--gradcheck-profile=fast",
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean_environment(),
        check=False,
    )


# -- an empty folder -----------------------------------------------------------------------------


def test_in_an_empty_folder_the_next_steps_are_green(project):
    ran = project.run("init")
    assert ran.code == 0
    assert sorted(everything(project.folder)) == [
        "example_gates.py",
        "pyproject.toml",
        "test_example_gates.py",
    ]
    for name in everything(project.folder):
        assert f"wrote {name}" in ran.out
    assert table(project.folder) == {
        "targets": ["example_gates.py"],
        "edition": "2026",
        "profile": "ci",
    }
    next_step = ran.out.rpartition("next: ")[2].split()
    assert next_step == ["gradcheck", "run"]
    checked = project.shell(*next_step[1:])
    assert checked.code == 0, checked.text
    assert "1 op, 1 passed" in checked.out
    tested = pytest_in(project.folder)
    assert tested.returncode == 0, tested.stdout
    assert "2 passed" in tested.stdout


def test_the_example_can_go_red(project):
    project.run("init")
    gates = project.folder / "example_gates.py"
    gates.write_text(gates.read_text().replace("dz @ self.W,", "-dz @ self.W,"))
    test = project.folder / "test_example_gates.py"
    test.write_text(test.read_text().replace("** 2", "** 3"))
    assert project.shell("run").code == 1
    assert "2 failed" in pytest_in(project.folder).stdout


def test_twice_changes_nothing(project):
    project.run("init")
    before = everything(project.folder)
    ran = project.run("init")
    assert ran.code == 0
    assert "has [tool.gradcheck] already: targets = ['example_gates.py']; nothing to do" in ran.out
    assert everything(project.folder) == before
    assert project.run("init", "example_gates.py").code == 0


def test_a_test_goes_where_tests_are(project):
    (project.folder / "tests").mkdir()
    assert "wrote tests/test_example_gates.py" in project.run("init").out
    assert "2 passed" in pytest_in(project.folder).stdout


# -- a pyproject.toml that is there ---------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "# last"])
def test_what_stood_there_stays(project, newline, end):
    old = (PYPROJECT.rstrip("\n") + ("\n" + end if end == "# last" else end)).replace("\n", newline)
    path = project.folder / "pyproject.toml"
    path.write_bytes(old.encode())
    assert project.run("init").code == 0
    new = path.read_bytes().decode()
    assert new.startswith(old)
    assert (newline == "\n") == ("\r" not in new)
    assert new.count("\n") == new.count(newline)
    before, after = tomllib.loads(old), tomllib.loads(new)
    del after["tool"]["gradcheck"]
    assert after == before


def test_from_a_folder_below_targets_are_relative_to_pyproject(project, monkeypatch):
    project.write("pyproject.toml", PYPROJECT)
    project.write("sub/mine.py")
    monkeypatch.chdir(project.folder / "sub")
    assert project.run("init", "mine.py::right").code == 0
    assert table(project.folder)["targets"] == ["sub/mine.py::right"]
    assert project.run("run").code == 0


def test_other_targets_than_those_there_are_refused(project):
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["a.py"]\n')
    before = everything(project.folder)
    ran = project.run("init", "b.py")
    assert (ran.code, ran.out) == (2, "")
    assert """targets = ['a.py']: add "b.py" there""" in ran.err
    assert everything(project.folder) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[tool\n", "cannot be read: Expected ']'"),
        (b"name = '\xff'\n", "cannot be read: 'utf-8' codec"),
        (b"tool = {x = 1}\n", "no table can be added at its end"),
        (b"tool = 1\n", "no table can be added at its end"),
        (b"[tool]\ngradcheck = 1\n", "[tool.gradcheck] must be a table"),
    ],
)
def test_a_pyproject_that_cannot_be_added_to_is_left_alone(project, content, said):
    (project.folder / "pyproject.toml").write_bytes(content)
    ran = project.run("init")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert everything(project.folder) == {"pyproject.toml": content}


def test_a_pyproject_that_is_a_folder(project):
    (project.folder / "pyproject.toml").mkdir()
    ran = project.run("init")
    assert ran.code == 2
    assert "pyproject.toml is a folder here" in ran.err
    assert everything(project.folder) == {}


def test_a_folder_that_cannot_be_written(project, monkeypatch):
    """As the superuser sees it too, who may write everywhere."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    ran = project.run("init")
    assert (ran.code, ran.out) == (2, "")
    assert "cannot write" in ran.err
    assert everything(project.folder) == {}


def test_a_file_of_the_examples_name_is_not_overwritten(project):
    project.write("example_gates.py", "mine = 1\n")
    before = everything(project.folder)
    ran = project.run("init")
    assert ran.code == 2
    assert "example_gates.py is there already" in ran.err
    assert everything(project.folder) == before


# -- targets -------------------------------------------------------------------------------------


def test_given_targets_are_named_and_no_example_is_made(project):
    project.write("mine.py")
    project.write("other.py")
    assert project.run("init", "mine.py", "other.py::cube").code == 0
    assert table(project.folder)["targets"] == ["mine.py", "other.py::cube"]
    assert not (project.folder / "example_gates.py").exists()


@pytest.mark.parametrize("target", ["no.py", "no_module", "mine.py::no", "no/where"])
def test_a_target_that_does_not_exist_is_refused(project, target):
    project.write("mine.py")
    before = everything(project.folder)
    ran = project.run("init", target)
    assert (ran.code, ran.out) == (2, "")
    assert "no" in ran.err
    assert everything(project.folder) == before


@pytest.mark.parametrize(
    ("text", "said"), [("import nothing_there\n", "cannot be imported"), ("x = 1\n", "holds no op")]
)
def test_a_target_that_is_not_ready_is_named_and_said(project, text, said):
    project.write("mine.py", text)
    ran = project.run("init", "mine.py")
    assert ran.code == 0
    assert said in ran.out
    assert table(project.folder)["targets"] == ["mine.py"]


def test_names_with_quotes_are_written_as_toml(project):
    project.write('qu"ote\\.py')
    assert project.run("init").code == 0
    assert table(project.folder)["targets"] == ['qu"ote\\.py']
    assert project.run("run").code == 1  # the wrong gate


# -- looking for gates ---------------------------------------------------------------------------


def test_gates_are_found_and_nothing_is_imported(project):
    project.write("pkg/gates.py", GATES + "\nraise SystemExit('imported')\n")
    project.write("test_gates.py")
    project.write("plain.py", "def forward(x):\n    return x\n")
    project.write(".hidden/gates.py")
    project.write("venv/pyvenv.cfg", "")
    project.write("venv/lib/gates.py")
    project.write("node_modules/gates.py")
    ran = project.run("init")
    assert ran.code == 0
    assert table(project.folder)["targets"] == ["pkg/gates.py"]
    assert "pytest collects by itself: test_gates.py" in ran.out
    assert not (project.folder / "example_gates.py").exists()


@pytest.mark.parametrize(
    ("text", "makes"),
    [
        ("import gradcheck\nf = gradcheck.op(a, b, 'x[n]')\n", True),
        ("import gradcheck as g\n@g.register('x[n]')\ndef f(x): return x\n", True),
        ("from gradcheck import graph as net\n@net('x[n]')\ndef f(x): return x\n", True),
        ("import gradcheck\nif True:\n    f = gradcheck.op(a, b)\n", True),
        ("import gradcheck\n@gradcheck.graph\ndef f(x): return x\n", False),  # inputs unknown
        ("import gradcheck\ndef f():\n    g = gradcheck.op(a, b)\n", False),
        ("import gradcheck\ngradcheck.check(a, b, x)\n", False),
        ("from other import op\nf = op(a, b)\n", False),
        ("import gradcheck.results\nregister = op = 1\n", False),
        ("this is no Python\n", False),
    ],
)
def test_what_makes_an_op(tmp_path, text, makes):
    (tmp_path / "a.py").write_text(text)
    assert scan(tmp_path).gates == ["a.py"] * makes


def test_what_looks_like_a_gate_is_suggested_and_left_alone(project):
    layers = (
        "def affine_forward(x, w, b=0):\n    return x @ w + b\n\n"
        "def affine_backward(dz, x, w):\n    return dz @ w.T, x.T @ dz\n\n"
        "def lonely_forward(x):\n    return x\n\n"
        "class Relu:\n    def forward(self, x): return x\n    def backward(self, dz): return dz\n\n"
        "class Half:\n    def forward(self, x): return x\n"
    )
    path = project.write("layers.py", layers)
    ran = project.run("init")
    assert "layers.py:1\n    gradcheck.check(affine_forward, affine_backward, x, w)" in ran.out
    assert "gradcheck.check(Relu, x)" in ran.out
    assert "lonely" not in ran.out
    assert "Half" not in ran.out
    assert path.read_text() == layers


def test_a_large_tree_is_not_read_to_its_end(tmp_path, monkeypatch):
    for k in range(5):
        (tmp_path / f"a{k}.py").write_text(GATES)
    assert not scan(tmp_path).cut
    monkeypatch.setattr(scanning, "FILES", 3)
    found = scan(tmp_path)
    assert found.cut
    assert len(found.gates) == 3
    monkeypatch.setattr(scanning, "FOLDERS", 0)
    assert scan(tmp_path).cut


def test_sources_that_cannot_be_parsed_are_passed_over(tmp_path):
    (tmp_path / "bytes.py").write_bytes(b"\x00\xff")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "deep.py").write_text("(" * 5000)
    (tmp_path / "gone.py").symlink_to("nowhere")
    assert scan(tmp_path).gates == []

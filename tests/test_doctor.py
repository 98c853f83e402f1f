"""``gradcheck doctor``: what gradcheck runs on, and what is broken there."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from typing import Any

import numpy as np
import pytest

from gradcheck.cli import doctor as work

RIGHT = """
import gradcheck

square = gradcheck.op(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n]")
"""


def rows(text: str) -> dict[str, str]:
    """What stands beside each label, wrapped lines joined."""
    found: dict[str, str] = {}
    label = ""
    for line in text.splitlines():
        if line.startswith(" " * (work.LABEL + 2)):
            found[label] += " " + line.strip()
        elif line.startswith("  "):
            label, _, said = line.strip().partition("  ")
            found[label] = said.strip()
    return found


def test_where_nothing_is_broken(project):
    project.write("gates.py", RIGHT)
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["gates.py"]\nseed = 3\n')
    ran = project.run("doctor")
    assert ran.code == 0, ran.out
    assert ran.out.endswith("nothing is broken\n")
    found = rows(ran.out)
    for name in work.OWN:
        assert found[name] == metadata.version(name)
    assert platform.python_version() in found["python"]
    assert found["pytest plugin"] == "registered"
    assert f"float64 {np.finfo(np.float64).eps:.3g}" in found["eps"]
    assert "one thread while checking" in found["BLAS"]
    assert found["seed"] == f"3  ({project.folder / 'pyproject.toml'})"
    assert found["gates.py"] == "1 op"
    assert "can be written" in found["output"]
    assert (found["right gate"], found["wrong gate"]) == ("pass", "fail")
    assert not (project.folder / ".gradcheck").exists()  # it only looks


def test_each_setting_says_where_it_came_from(project, monkeypatch):
    project.write("pyproject.toml", "[tool.gradcheck]\ntargets = []\nseed = 3\nmax-cases = 7\n")
    monkeypatch.setenv("GRADCHECK_SEED", "4")
    monkeypatch.setenv("GRADCHECK_STRICT", "true")
    found = rows(project.run("doctor").out)
    place = str(project.folder / "pyproject.toml")
    assert found["seed"] == "4  (environment GRADCHECK_SEED)"
    assert found["strict"] == "true  (environment GRADCHECK_STRICT)"
    assert found["max-cases"] == f"7  ({place})"
    assert "scope = declared" in found["default"]
    assert "seed" not in found["default"]


def test_a_profile_of_the_environment_overrides_cases_of_the_file(project, monkeypatch):
    project.write("pyproject.toml", "[tool.gradcheck]\nmax-cases = 7\n")
    monkeypatch.setenv("GRADCHECK_PROFILE", "fast")
    found = rows(project.run("doctor").out)
    assert found["profile"] == "fast  (environment GRADCHECK_PROFILE)"
    assert "max-cases = -" in found["default"]


# -- what is broken ------------------------------------------------------------------------------


def test_targets_that_cannot_be_loaded_and_an_output_that_is_a_file(project):
    project.write("bad.py", "import nothing_there\n")
    project.write("empty.py", "x = 1\n")
    project.write("file", "")
    targets = json.dumps(["no.py", "bad.py", "empty.py"])
    project.write("pyproject.toml", f'[tool.gradcheck]\ntargets = {targets}\noutput = "file"\n')
    ran = project.run("doctor")
    assert ran.code == 1
    said = ran.out.partition("broken (4):")[2]
    assert "no.py: there is no file 'no.py'" in said
    assert "bad.py: bad.py cannot be imported: ModuleNotFoundError" in said
    assert "empty.py: it holds no op" in said
    assert f"output: {project.folder / 'file'} is no folder" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.gradcheck]\nsede = 1\n", "unknown key 'sede'. Did you mean 'seed'"),
        ("[tool\n", "cannot be read"),
    ],
)
def test_wrong_settings_are_said_and_the_rest_goes_on(project, text, said):
    project.write("pyproject.toml", text)
    ran = project.run("doctor")
    assert ran.code == 1
    assert said in ran.out.partition("broken (1):")[2]
    assert rows(ran.out)["wrong gate"] == "fail"


def test_a_package_that_is_missing(project, monkeypatch):
    def version(name: str) -> str:
        if name in ("rich", "torch"):
            raise metadata.PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(work.metadata, "version", version)
    ran = project.run("doctor")
    assert ran.code == 1
    assert "rich: it is not installed: python -m pip install rich" in ran.out
    assert "torch" not in rows(ran.out)["also there"]


def test_a_plugin_that_is_not_registered_or_switched_off(project, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    ran = project.run("doctor")
    assert ran.code == 1
    assert "pytest plugin: unset PYTEST_DISABLE_PLUGIN_AUTOLOAD" in ran.out
    monkeypatch.setattr(work.metadata, "entry_points", lambda group: [])
    assert "pytest plugin: pytest does not know of it" in project.run("doctor").out


def test_numbers_that_cannot_be_told_are_broken_and_the_rest_goes_on(project, monkeypatch):
    def broken() -> Any:
        raise ImportError("libopenblas.so")

    monkeypatch.setattr("threadpoolctl.threadpool_info", broken)
    ran = project.run("doctor")
    assert ran.code == 1
    assert "ImportError: libopenblas.so; reinstall what it names" in ran.out
    assert rows(ran.out)["right gate"] == "pass"


def test_a_self_check_that_goes_wrong_is_seen(project, monkeypatch):
    """A gradcheck that passes everything."""
    from gradcheck import runner

    class Result:
        verdict = "pass"

    monkeypatch.setattr(runner, "run_one", lambda *_: Result())
    ran = project.run("doctor")
    assert ran.code == 1
    assert "wrong gate: the verdict is pass, not fail: report this page" in ran.out


def test_no_targets_are_no_problem(project):
    project.write("pyproject.toml", "[project]\nname = 'x'\n")
    ran = project.run("doctor")
    assert ran.code == 0
    assert "gradcheck init" in rows(ran.out)["none"]


def test_hostile_names_do_not_steer_the_terminal(project):
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["\\u001b[31m\\u202e.py"]\n')
    ran = project.run("doctor")
    assert ran.code == 1
    assert "\x1b" not in ran.text
    assert "\u202e" not in ran.text

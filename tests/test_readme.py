"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.mark.parametrize(
    ("file", "target", "code"),
    [
        ("my_gates.py", "my_gates.py", r"```python\n(import gradcheck\n\n\n@.*?)```"),
        ("my_graph.py", "my_graph.py::score", r"```python\n(import gradcheck\nimport numpy.*?)```"),
    ],
)
def test_the_code_of_the_readme_fails_as_shown(tmp_path, file, target, code):
    written = re.search(code, README, re.DOTALL)
    command = re.escape(f"$ gradcheck run {target}\n")
    shown = re.search(rf"```console\n{command}(.*?)```", README, re.DOTALL)
    assert written
    assert shown
    (tmp_path / file).write_text(written[1])
    run = [sys.executable, "-m", "gradcheck", "run", target]
    ran = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    printed = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
    for line in shown[1].splitlines():
        sure = re.split("±|, would|[▁-█▲]", line)[0]  # bounds and bars differ in the last digit
        assert sure.rstrip() in printed


def test_the_two_lines_stand_at_the_top():
    first = README.split("```")[1].splitlines()
    assert first[1:3] == [
        "pip install -e . && gradcheck run",
        "pip install -e '.[test]' && pytest -n auto",
    ]


GATE = """
import gradcheck


def scale(x, gamma):
    return x * gamma


def scale_backward(dz, x, gamma):
    return dz * gamma, (dz * x).sum(axis=0)


"""


def test_the_survivors_of_the_readme_survive(project):
    declared = re.search(r"^scale = .*$", README, re.MULTILINE)
    shown = re.search(r"```console\n\$ gradcheck selftest scale.py\n(.*?)```", README, re.DOTALL)
    assert declared
    assert shown
    project.write("scale.py", GATE + declared[0] + "\n")
    ran = project.run("selftest", "scale.py")
    assert ran.code == 1
    assert shown[1].rstrip() in "\n".join(line.rstrip() for line in ran.out.splitlines())

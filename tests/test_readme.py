"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blocks import agrees

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
    assert agrees(shown[1], _at_the_end(ran.stdout))
    assert not agrees(shown[1].replace("...\n", ""), _at_the_end(ran.stdout))  # cuts are marked


def _at_the_end(printed):
    """Without the lines that say how far a long run is."""
    return re.sub(r"(?m)^\d+ of \d+ ops.* s\)\n", "", printed)


@pytest.mark.parametrize(
    ("signature", "code"),
    [("x[n c h w]", 1), ("x[n c 2*h 2*w]", 0), ("x:positive[n c 2*h 2*w]", 0)],
)
def test_a_signature_is_a_promise_and_can_be_narrowed(project, signature, code):
    """As the README says of pooling that takes even sizes only."""
    project.write("pool.py", POOL.replace("SIGNATURE", signature))
    ran = project.run("run", "pool.py", "--max-cases", "25")
    assert ran.code == code, ran.text
    assert ("forward raises" in ran.out) is bool(code)
    assert "`x[n c 2*h 2*w]`" in README


POOL = """
import gradcheck


def blocks(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2)


def forward(x):
    return blocks(x).mean(axis=(3, 5))


def backward(dz, x):
    return (0.25 * dz[:, :, :, None, :, None] * (blocks(x) * 0 + 1)).reshape(x.shape)


pool = gradcheck.op(forward, backward, 'SIGNATURE')
"""


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
    assert agrees(shown[1], _at_the_end(ran.out))

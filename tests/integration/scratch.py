"""A repository of three gates, one of them wrong, and the environment that a CI gives a command."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project import clean_environment

ROOT = Path(__file__).parent.parent.parent
CI = ROOT / "docs" / "ci"
MISTAKE = "return -2 * dz * (1 - y * y)"
MENDED = "return dz * (1 - y * y)"
GATES = f'''"""Three gates."""

import gradcheck
import numpy as np


@gradcheck.register("x[n], y[n]")
class Multiply:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dz):
        return dz * self.y, dz * self.x


@gradcheck.register("x[n]")
class Squash:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dz):
        y = self.y
        {MISTAKE}


square = gradcheck.op(lambda x: x * x, lambda dz, x: 2 * dz * x, "x[n]", name="square")
'''
WRONG_LINE = next(n for n, s in enumerate(GATES.splitlines(), 1) if s.endswith("y = self.y")) - 1
"""Of the def of the wrong backward."""
_COMMANDS = {
    "gradcheck": '-c "from gradcheck.cli import main; main()"',
    "python": "",
    "pip": "-m pip --disable-pip-version-check",
}
_FROM_OUTSIDE = ("CI", "GITHUB_", "GITLAB_", "RUNNER_", "GIT_", "PRE_COMMIT", "PIP_", "REPORTS")


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str


class Repository:
    """A folder with three gates, under git."""

    def __init__(self, place: Path) -> None:
        pytest.importorskip("pip")
        if shutil.which("git") is None:
            pytest.skip("there is no git")
        self.folder, self._commands = place / "repository", place / "bin"
        self.folder.mkdir()
        self._commands.mkdir()
        for name, how in _COMMANDS.items():
            (self._commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {how} "$@"\n')
            (self._commands / name).chmod(0o755)
        self.write("my_gates.py", GATES)
        self.write("requirements.txt", "gradcheck\n")
        self.git("init", "--quiet", "--initial-branch=main")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def mend(self) -> None:
        """The gate is right."""
        path = self.folder / "my_gates.py"
        path.write_text(path.read_text().replace(MISTAKE, MENDED))

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the CI that these tests run in; few cases, so that they are quick."""
        own = {k: v for k, v in clean_environment().items() if not k.startswith(_FROM_OUTSIDE)}
        person = {f"GIT_{w}_{k}": "a@b" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
        return {
            **own,
            **person,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GRADCHECK_MAX_CASES": "12",
            "PATH": f"{self._commands}:{own['PATH']}",
            "PIP_NO_INDEX": "1",
            "PYTHONDONTWRITEBYTECODE": "1",  # a file is mended within its time stamp
            "PYTHONIOENCODING": "utf-8",
            **more,
        }

    def run(self, *command: str, folder: Path | None = None, **environment: str) -> Ran:
        """A command with both streams in one."""
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def git(self, *arguments: str) -> str:
        done = self.run("git", *arguments)
        assert done.code == 0, done.out
        return done.out


def failing(junit: str) -> list[str]:
    """The names of the test cases of a JUnit file that failed; there have to be three."""
    cases = list(ElementTree.fromstring(junit).iter("testcase"))
    assert len(cases) == 3
    return [c.attrib["name"] for c in cases if c.find("failure") is not None]

"""Projects of their own for the command line and the plugin: a folder, ops, commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = (sys.executable, "-c", "from gradcheck.cli import main; main()")
GATES = """
import numpy as np

import gradcheck


def square(x):
    return x * x


@gradcheck.register("x[n]")
class Wrong:
    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, dz):
        return -2.0 * dz * np.cos(self.x)


@gradcheck.register("x[n]")
def cube(x):
    return x * x * x


@cube.def_vjp
def _(dz, x):
    return 3 * x * x * dz


right = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]")
"""
"""A wrong gate class, a right function with vjp, and a right pair."""
SLOW = """
import pathlib, time


def slow(x):
    pathlib.Path("begun").touch()
    time.sleep(0.05)
    return x


never_done = gradcheck.op(slow, lambda dz, x: dz, "x[n]")
"""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Project:
    """A folder that is the current one, with what it takes to run gradcheck there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def write(self, name: str, text: str = GATES) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *arguments: str) -> Ran:
        """A command line in this process."""
        from gradcheck.cli.app import dispatch

        self._capsys.readouterr()
        code = dispatch(list(arguments))
        shown = self._capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    def shell(self, *arguments: str, **environment: str) -> Ran:
        """A command line in a process of its own."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            env=clean_environment() | environment,
            timeout=120,
            check=False,
        )
        out, err = (s.decode("utf-8", "replace") for s in (done.stdout, done.stderr))
        return Ran(done.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, while it runs; interrupts reach it even where tests run in background."""
        heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        return subprocess.Popen(
            [*COMMAND[:-1], heeding + COMMAND[-1], *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        """A run of `gates.py` that is at its second op, `never_done`, which takes long."""
        self.write("gates.py", GATES + SLOW)
        running = self.start("run", "gates.py::right", "gates.py::never_done", *arguments)
        for _ in range(600):
            if (self.folder / "begun").exists() or running.poll() is not None:
                break
            time.sleep(0.05)
        return running

    def results(self, path: str = ".gradcheck/results.json") -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / path).read_text())
        return loaded


def clean_environment() -> dict[str, str]:
    """No settings, no colours and no width from outside."""
    dropped = (
        "GRADCHECK_",
        "GITHUB_",
        "PYTEST_",
        "COLUMNS",
        "FORCE_COLOR",
        "NO_COLOR",
        "PYTHONIOENCODING",
    )
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)}


def python(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """This Python run in a folder, in a clean environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=check,
    )

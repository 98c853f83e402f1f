"""Compiled ops that end the process: a plain check lives, and says how."""

from __future__ import annotations

import functools
import json
import sys

import pytest

from tests.project import python

torch = pytest.importorskip("torch")

from gradcheck.frameworks.torch.calling import is_native, target_of  # noqa: E402

CRASHES = """
import json
import os
import signal
import threading
import time
from dataclasses import replace

import torch

import gradcheck
from gradcheck import fatal


class Divides(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        if not x.numel():
            os.kill(os.getpid(), signal.SIGFPE)
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def sleeps(x):
    time.sleep(60 * (not x.numel() and os.getpid() != HOME))
    return 2 * x


class DiesInChildren(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        if os.getpid() != HOME:
            os.abort()
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def checked(*target, **options):
    try:
        return gradcheck.check(*target, max_cases=20, checks="values", **options)
    except gradcheck.GradientError as error:
        return error.result


HOME = os.getpid()
fatal.PATIENCE = 0.5
x = torch.tensor([0.5, 1.25, -2.0])
op = gradcheck.op(torch.sin, "x[n]")
native = replace(op, foreign=replace(op.foreign, compiled=True))
results = {
    "declared": checked(Divides, x),
    "forward": checked(Divides, x, scope="forward"),
    "late": checked(sleeps, x),
    "elsewhere": checked(DiesInChildren, x),
    "sin": checked(torch.sin, x),
    "dies": fatal.survived(native, lambda: os.kill(os.getpid(), signal.SIGSEGV)),
}
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
results["unwaited"] = checked(torch.sin, x)
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True).start()
seen = []
results["beside"] = fatal.survived(native, lambda: (seen.append(1), checked(torch.sin, x))[1])
stop.set()
told = {n: [r.verdict, [(f.code, f.severity, f.message) for f in r.findings]]
        for n, r in results.items()}
print(json.dumps({**told, "seen": seen}))
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or torch.accelerator.is_available(),
    reason="no child is made here",
)
def test_what_dies_without_entries_and_what_dies_in_no_line_of_python(tmp_path):
    """In a process of its own: this one may have imported JAX, and is then not forked."""
    ran = python(tmp_path, "-c", CRASHES)
    told = json.loads(ran.stdout)
    for scope, verdict, severity in (("declared", "pass", "warning"), ("forward", "fail", "fail")):
        ((code, found, message),) = told[scope][1]
        assert (told[scope][0], code, found) == (verdict, "process-died", severity)
        assert "at an input without entries (zero-size): a child that tried it was" in message
        assert "killed by signal 8 (SIGFPE)" in message
    assert told["late"] == told["sin"] == told["unwaited"] == ["pass", []]
    assert told["elsewhere"] == ["pass", []], "a library that works in no child is not blamed"
    assert (told["beside"], told["seen"]) == (["pass", []], [1]), "another thread runs: no fork"
    verdict, ((code, severity, message),) = told["dies"]
    assert (verdict, code, severity) == ("fail", "process-died", "fail")
    assert "signal 11 (SIGSEGV)" in message


def test_a_crash_that_nothing_catches_tells_its_lines(tmp_path):
    script = (
        "import os, signal, numpy, gradcheck\n\n"
        "def dies(x):\n    os.kill(os.getpid(), signal.SIGSEGV)\n\n"
        "gradcheck.check(dies, lambda dz, x: dz, numpy.ones(2))\n"
    )
    (tmp_path / "own.py").write_text(script)
    ran = python(tmp_path, "own.py", check=False)
    assert ran.returncode == -11
    assert 'own.py", line 4 in dies' in ran.stderr


def test_which_targets_are_no_line_of_python():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    def native(target):
        return is_native(target_of(target, ["x"], {})[1])

    own = (torch.sin, torch.conv2d, torch.ops.aten.sin, torch.ops.aten.sin.default)
    assert all(map(native, (*own, functools.partial(torch.mul, 2))))
    python = (lambda x: 2 * x, torch.nn.functional.cross_entropy, Twice, torch.nn.ReLU())
    assert not any(map(native, python))

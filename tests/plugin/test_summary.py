"""The summary at a session's end: the worst first, at most ten."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import CALLS

MANY = """
import random
import gradcheck
import numpy as np

def op(name, factor):
    return gradcheck.op(
        lambda x: np.sin(x), lambda dz, x: factor * dz * np.cos(x), "x[n]", name=name
    )

for number in range(9):
    globals()[f"right{number}"] = op(f"right{number}", 1.0)
bad = op("bad", 1.001)
worse = op("worse", 3.0)
noise = gradcheck.op(lambda x: x * random.random(), lambda dz, x: dz, "x[n]")
"""


def rows(ran):
    lines = ran.outlines
    start = next(k for k, line in enumerate(lines) if line.startswith("op "))
    return [line.split() for line in lines[start + 1 : start + 11]]


def test_the_worst_first_and_at_most_ten(few):
    few.makepyfile(test_gates=MANY)
    ran = few.runpytest_inprocess()
    found = rows(ran)
    assert [row[0] for row in found[:3]] == [
        "test_gates::worse",
        "test_gates::bad",
        "test_gates::noise",
    ]
    assert [row[1] for row in found[:4]] == ["FAIL", "FAIL", "not", "pass"]
    assert all(row[0].startswith("test_gates::right") for row in found[3:])
    ran.stdout.fnmatch_lines(["and 2 more, none of them worse", "12 ops, 9 passed, 2 failed, 1 *"])


def test_quiet_sessions_and_those_without_ops_say_nothing(few):
    few.makepyfile(test_gates=MANY, test_other="def test_other():\n    pass\n")
    assert "gradcheck:" not in few.runpytest_inprocess("-q", "-k", "right1").stdout.str()
    assert "gradcheck:" not in few.runpytest_inprocess("test_other.py").stdout.str()
    assert "gradcheck:" not in few.runpytest_inprocess("--no-summary", "-k", "other").stdout.str()


def test_calls_in_tests_are_rows(few):
    few.makepyfile(test_calls=CALLS + "def test_it():\n    gradcheck.check(sine, right, POINT)\n")
    ran = few.runpytest_inprocess()
    ran.stdout.fnmatch_lines(
        ["*=== gradcheck: seed 0, the worst first ===*", "test_calls.py::test_it::sine * pass *"]
    )


@pytest.mark.parametrize("columns", ["40", "200"])
def test_any_width(few, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    few.makepyfile(test_calls=CALLS + "def test_it():\n    gradcheck.check(sine, right, POINT)\n")
    ran = few.runpytest_inprocess("--gradcheck-report=json=a.json")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["1 op, 1 passed, *", "report: json, a.json"])


HOSTILE = """
import gradcheck

def gate(name):
    @gradcheck.register("x[n]", name=name)
    class Gate:
        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, dz):
            return self.x * dz

    Gate.__qualname__ = name
    return Gate

evil = gate("<script>\\x1b[31m\\u202e[bold]" + "a" * 10_000)
lone = gate("half \\ud800")
"""


def test_hostile_names_do_no_harm(few):
    few.makepyfile(test_gates=HOSTILE)
    ran = few.runpytest_inprocess("--gradcheck-report=json=a.json", "--tb=no", "--color=yes")
    ran.assert_outcomes(failed=2)
    table = ran.stdout.str().partition("the worst first")[2].partition("short test summary")[0]
    assert "\u202e" not in table
    assert "\x1b[31m[" not in table
    assert "[bold]" in table
    assert "INTERNALERROR" not in ran.stdout.str()


def test_colours_are_pytests(few):
    few.makepyfile(test_calls=CALLS + "def test_it():\n    gradcheck.check(sine, right, POINT)\n")
    assert "\x1b[32mpass" in few.runpytest_inprocess("--color=yes").stdout.str()
    assert "\x1b" not in few.runpytest_inprocess("--color=no").stdout.str()

"""``max-time`` of ``[tool.gradcheck]``: ops that are out of time are no pass, in workers too."""

from __future__ import annotations

import time

import pytest

from tests.plugin.conftest import by_op

TABLE = '[tool.gradcheck]\nmax-cases = 11\nchecks = ["values"]\nmax-time = {}\n{}'
THREE = """
import gradcheck
import numpy as np

one = gradcheck.op(np.sin, lambda dz, x: np.cos(x) * dz, "x[n]")
two = gradcheck.op(np.cos, lambda dz, x: -np.sin(x) * dz, "x[n]")
three = gradcheck.op(np.exp, lambda dz, x: np.exp(x) * dz, "x[n]")
"""
SLOW = """
import time

import gradcheck
import numpy as np


def waiting(x):
    time.sleep(0.02)
    return np.sin(x)


slow = gradcheck.op(waiting, lambda dz, x: np.cos(x) * dz, "x[n]")
"""


def project(pytester, seconds, gates=THREE, more=""):
    pytester.makepyprojecttoml(TABLE.format(seconds, more))
    pytester.makepyfile(test_gates=gates)
    return pytester


def soon(monkeypatch, seconds=0.1):
    """Each op is begun in time, and its time is over before it is checked."""
    later = "gradcheck.plugin.timing.until"
    monkeypatch.setattr(later, lambda _config: time.perf_counter() + seconds)


def test_ops_that_are_not_begun_are_skipped_and_the_session_fails(pytester, report):
    project(pytester, 1e-9)
    ran, found = report("-rs")
    ran.assert_outcomes(skipped=3)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    ran.stdout.fnmatch_lines(
        [
            "0 of 3 ops checked: out of time (max-time 1e-09)",
            "failed: not every op that was collected was checked: out of time (max-time 1e-09)",
            "SKIPPED*not checked: out of time (max-time 1e-09)",
        ]
    )
    assert (found["planned"], found["results"]) == (3, [])
    assert found["cut_short"] == "out of time (max-time 1e-09)"


def test_other_tests_go_on(pytester, report):
    project(pytester, 1e-9, THREE + "\n\ndef test_something():\n    assert True\n")
    ran, _ = report("-rs")
    ran.assert_outcomes(skipped=3, passed=1)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED


def test_time_that_is_enough_changes_nothing(pytester, report):
    project(pytester, 3600)
    ran, found = report("-rs")
    ran.assert_outcomes(passed=3)
    assert ran.ret == 0
    assert (found["planned"], found["cut_short"]) == (3, "")


def test_an_op_that_is_cut_is_not_judged(pytester, report, monkeypatch):
    soon(monkeypatch)
    project(pytester, 60, SLOW)
    ran, found = report("-rs")
    ran.assert_outcomes(failed=1)
    slow = by_op(found)["test_gates::slow"]
    assert slow["verdict"] == "inconclusive"
    assert slow["reason"].endswith("cases were run: the run is out of time")
    assert found["cut_short"] == "out of time (max-time 60)"


def test_an_op_that_is_cut_is_no_pass_where_what_is_not_judged_is_let_through(
    pytester, report, monkeypatch
):
    soon(monkeypatch)
    project(pytester, 60, SLOW, 'inconclusive = "warn"\n')
    ran, _ = report("-rs")
    ran.assert_outcomes(skipped=1)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    ran.stdout.fnmatch_lines(["failed: not every op*: out of time (max-time 60)"])


def test_the_environment_names_it_too(few, monkeypatch):
    few.makepyfile(test_gates=THREE)
    monkeypatch.setenv("GRADCHECK_MAX_TIME", "1e-9")
    few.runpytest_inprocess().assert_outcomes(skipped=3)


def test_workers_of_xdist_keep_it_and_tell(pytester, report):
    pytest.importorskip("xdist")
    project(pytester, 1e-9)
    ran, found = report("-n", "2", how="subprocess")
    ran.assert_outcomes(skipped=3)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert (found["planned"], found["results"]) == (3, [])
    assert found["cut_short"] == "out of time (max-time 1e-09)"

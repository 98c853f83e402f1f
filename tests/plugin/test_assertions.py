"""What a failing `gradcheck.check` or `check_params` in an ordinary test shows."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.plugin.conftest import CALLS
from tests.project import clean_environment

FAILING = (
    CALLS
    + """
def test_pair():
    gradcheck.check(sine, wrong, POINT)

def test_model():
    w = np.array([1.0, 2.0])
    gradcheck.check_params(lambda: (float(w @ w), {"w": 3 * w}), {"w": w})

def test_call():
    gradcheck.check(sine, right, POINT, domain={"y": "positive"})

def test_option():
    gradcheck.check_params(lambda: 0.0, {}, signf=1)
"""
)


@pytest.mark.parametrize("style", ["auto", "long", "short", "native"])
def test_the_report_without_our_frames(few, style):
    few.makepyfile(test_calls=FAILING)
    ran = few.runpytest_inprocess(f"--tb={style}", "-q")
    ran.assert_outcomes(failed=4)
    shown = ran.stdout.str()
    assert "gradcheck/runner.py" not in shown
    assert "gradcheck/registry.py" not in shown
    assert "gradcheck/options.py" not in shown
    assert style == "native" or "gradcheck/api.py" not in shown
    ran.stdout.fnmatch_lines(
        [
            "*GradientError: sine: values: wrong gradient*FAIL*",
            "*backward pass *",
            "*finite difference * ± *",
            "*GradientError: model: values: wrong gradient*FAIL*",
            "*UsageError: domain: there is no input 'y'.*",
            "*UsageError: check_params: unknown option 'signf'. Did you mean 'signif'?",
            "FAILED test_calls.py::test_pair - sine: wrong gradient: gradient of x, *",
            "FAILED test_calls.py::test_model - model: wrong gradient: gradient of w, *",
        ]
    )


def test_what_the_users_code_raised_is_shown_from_its_own_frame_on(few):
    few.makepyfile(
        test_calls=CALLS
        + """
def picky(x):
    raise ValueError("not today")

def test_own():
    gradcheck.check(picky, POINT)

def test_builtin():
    gradcheck.check(np.sin, 3, bogus=4)
"""
    )
    ran = few.runpytest_inprocess()
    ran.assert_outcomes(failed=2)
    assert "gradcheck/" not in ran.stdout.str().replace("gradcheck/test_", "")
    ran.stdout.fnmatch_lines(
        [
            '>       raise ValueError("not today")',
            "E *UsageError: picky raises ValueError on its example call: not today",
            ">       gradcheck.check(np.sin, 3, bogus=4)",
            "E *UsageError: sin raises TypeError on its example call: *bogus*",
        ]
    )


def test_a_line_each(few):
    few.makepyfile(test_calls=FAILING)
    ran = few.runpytest_inprocess("--tb=line", "-q", "-k", "pair")
    ran.stdout.fnmatch_lines(["*test_calls.py:17: sine: wrong gradient: gradient of x, entry (*"])


CASE = (
    CALLS
    + """
import unittest

class TestSine(unittest.TestCase):
    def test_wrong(self):
        gradcheck.check(sine, wrong, POINT)

    def test_right(self):
        self.assertEqual(gradcheck.check(sine, right, POINT).verdict, "pass")

    def test_raises(self):
        with self.assertRaises(AssertionError):
            gradcheck.check(sine, wrong, POINT)
"""
)


def test_in_a_unittest_under_pytest(few, report):
    few.makepyfile(test_calls=CASE)
    ran, found = report()
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["FAILED *::TestSine::test_wrong - sine: wrong gradient: *"])
    assert "api.py" not in ran.stdout.str()
    assert {r["op"]: bool(r["waived"]) for r in found["results"] if r["verdict"] == "fail"} == {
        "test_calls.py::TestSine::test_raises::sine": True,
        "test_calls.py::TestSine::test_wrong::sine": False,
    }


def test_in_a_unittest_without_pytest(few):
    few.makepyfile(test_calls=CASE.replace("import pytest\n", ""))
    ran = subprocess.run(
        [sys.executable, "-m", "unittest", "test_calls"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert "FAILED (failures=1)" in ran.stderr
    assert "GradientError: sine: values: wrong gradient" in ran.stderr
    assert ran.stderr.count("gradcheck/") == 1  # the frame of check itself, which unittest shows


def test_a_result_in_an_assertion_is_short(few):
    few.makepyfile(
        test_calls=CALLS
        + "def test_it():\n    assert gradcheck.check(sine, right, POINT) is None\n"
    )
    ran = few.runpytest_inprocess()
    ran.stdout.fnmatch_lines(
        ["E * assert <gradcheck: sine: pass, 11 cases, worst relative error *> is None"]
    )

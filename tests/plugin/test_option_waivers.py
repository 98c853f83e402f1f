"""``--gradcheck-waivers``, and the waivers of a project: known failures that are let through."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import CALLS, by_op
from tests.project import GATES

WAIVER = """
[[waiver]]
op = "{op}"
code = "{code}"
reason = "waits for the new kernel"
expires = {expires}
"""


def waiver(pytester, name="gradcheck-waivers.toml", **given):
    facts = {"op": "test_gates::Wrong", "code": "wrong-gradient", "expires": "2999-01-01"}
    (pytester.path / name).write_text(WAIVER.format(**facts | given))


def test_a_known_failure_is_an_xfail_with_its_reason(gates, report):
    waiver(gates)
    ran, found = report("-rx")
    assert ran.ret == 0
    ran.assert_outcomes(passed=2, xfailed=1)
    ran.stdout.fnmatch_lines(
        [
            "*test_gates::Wrong*known*",
            "test_gates::Wrong: waived until 2999-01-01: waits for the new kernel",
            "3 ops, 2 passed, 1 failed, 1 of these waived, *",
            "XFAIL test_gates.py::Wrong - until 2999-01-01: waits for the new kernel",
        ]
    )
    assert [w["state"] for w in found["waivers"]] == ["met"]
    assert by_op(found)["test_gates::Wrong"]["waived"]
    assert by_op(found)["test_gates::Wrong"]["verdict"] == "fail"


def test_another_file_is_named_by_the_option(gates):
    waiver(gates, "known.toml")
    assert gates.runpytest_inprocess().ret == 1
    ran = gates.runpytest_inprocess("--gradcheck-waivers=known.toml")
    ran.assert_outcomes(passed=2, xfailed=1)
    assert ran.ret == 0


def test_runxfail_shows_the_failure(gates):
    waiver(gates)
    ran = gates.runpytest_inprocess("--runxfail")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["Wrong: values: wrong gradient*FAIL*"])


def test_an_expired_waiver_lets_nothing_through(gates):
    waiver(gates, expires="2020-01-01")
    ran = gates.runpytest_inprocess()
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["waiver expired: *the waiver ended on 2020-01-01*"])


def test_a_waiver_of_what_passes_fails_the_op(gates):
    waiver(gates, op="test_gates::right")
    gates.makepyprojecttoml("[tool.gradcheck]\nprofile = 'ci'\n")
    ran = gates.runpytest_inprocess("-k", "right")
    ran.assert_outcomes(failed=1, deselected=2)
    ran.stdout.fnmatch_lines(
        [
            "waiver fixed: wrong-gradient: the op passes now, in 100 cases: delete this entry*",
            "FAILED test_gates.py::right - waiver fixed: wrong-gradient: the op passes now*",
        ]
    )


def test_a_waiver_of_no_op_fails_the_session_of_all_tests(gates):
    """Every item passes: the session is red by the waiver, and says so also where it is quiet."""
    waiver(gates, op="test_gates::rigth")
    ran = gates.runpytest_inprocess("-q", "--deselect=test_gates.py::Wrong")
    assert ran.ret == 0, "some were deselected, so nothing is said"
    (gates.path / "test_gates.py").write_text(GATES.replace("-2.0", "1.0"))
    ran = gates.runpytest_inprocess("-q")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    ran.assert_outcomes(passed=3)
    ran.stdout.fnmatch_lines(["waiver unmet: test_gates::rigth, wrong-gradient: there is no such*"])


def test_nothing_is_said_of_an_op_that_was_not_collected(gates):
    waiver(gates, op="test_gates::gone")
    assert gates.runpytest_inprocess("test_gates.py::right").ret == 0
    assert gates.runpytest_inprocess("-k", "right").ret == 0


def test_a_wrong_file_is_a_usage_error(gates):
    waiver(gates, code="wrong-gradeint")
    ran = gates.runpytest_inprocess()
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(
        ["ERROR: *gradcheck-waivers.toml: entry 1*wrong-gradeint*Did you mean*"]
    )


def test_a_call_in_a_test_is_let_through_by_the_id_that_reports_show(few, report):
    few.makepyfile(
        test_calls=CALLS
        + "def test_it():\n    gradcheck.check(sine, wrong, POINT)\n\n"
        + "def test_right():\n    gradcheck.check(sine, right, POINT)\n"
    )
    waiver(few, op="test_calls.py::test_it::sine")
    ran, found = report("-rx")
    ran.assert_outcomes(xfailed=1, passed=1)
    assert ran.ret == 0
    ran.stdout.fnmatch_lines(["XFAIL *::test_it - until 2999-01-01: waits for the new kernel"])
    assert by_op(found)["test_calls.py::test_it::sine"]["waived"].startswith("until 2999-01-01")


BESIDES = (
    CALLS
    + """
from hypothesis import given, settings, strategies as st

BOTH = ["values", "linearity"]

def squared(dz, x):
    return dz * dz * np.cos(x)

def test_it():
    gradcheck.check(sine, squared, POINT, checks=BOTH)

def test_only_what_is_known():
    gradcheck.check(sine, right, POINT, checks=BOTH)
    assert gradcheck.check(sine, wrong, POINT, checks=BOTH).waived

@settings(max_examples=3, database=None, deadline=None)
@given(st.floats(0.5, 1.5))
def test_examples(x):
    gradcheck.check(sine, squared, np.array([x]), checks=BOTH)
"""
)


def test_what_is_wrong_besides_does_not_hide_behind_a_known_failure(few, report):
    """As for an item: the gradient is known to be wrong, and backward is not linear either."""
    few.makepyfile(test_calls=BESIDES)
    waive_calls(few, ["test_it", "test_examples"])
    with (few.path / "gradcheck-waivers.toml").open("a") as file:
        second = {"op": "test_calls.py::test_only_what_is_known::sine (2)"}
        file.write(WAIVER.format(code="wrong-gradient", expires="2999-01-01", **second))
    ran, found = report("-rx")
    ran.assert_outcomes(failed=2, xfailed=1)
    for name in ("test_it", "test_examples"):
        result = by_op(found)[f"test_calls.py::{name}::sine"]
        failing = {f["code"] for f in result["findings"] if f["severity"] == "fail"}
        assert failing == {"wrong-gradient", "not-linear"}
        assert not result.get("waived")


AFTER = (
    CALLS
    + """
import unittest

@pytest.fixture
def known():
    return gradcheck.check(sine, wrong, POINT)

def test_others_are_checked():
    found = gradcheck.check(sine, wrong, POINT)
    assert found.verdict == "fail" and found.waived
    gradcheck.check(lambda x: x, wrong, POINT)

def test_the_rest_runs():
    gradcheck.check(sine, wrong, POINT)
    assert "ran" == "to the end"

def test_in_a_fixture(known):
    assert "ran" == "too"

class TestCase(unittest.TestCase):
    def test_the_rest_runs(self):
        gradcheck.check(sine, wrong, POINT)
        self.assertEqual("ran", "here")

    def test_nothing_else(self):
        gradcheck.check(sine, wrong, POINT)

@pytest.mark.xfail(strict=True, reason="a mark of its own")
def test_strict():
    gradcheck.check(sine, wrong, POINT)

def test_of_fixture_alone(known):
    pass

def test_right():
    gradcheck.check(sine, right, POINT)
"""
)
KNOWN = (
    "test_others_are_checked",
    "test_the_rest_runs",
    "test_in_a_fixture",
    "TestCase::test_the_rest_runs",
    "TestCase::test_nothing_else",
    "test_strict",
    "test_of_fixture_alone",
)


def waive_calls(pytester, names, op="sine"):
    path = pytester.path / "gradcheck-waivers.toml"
    facts = {"code": "wrong-gradient", "expires": "2999-01-01"}
    ids = [f"test_calls.py::{name}::{op}" for name in names]
    path.write_text("".join(WAIVER.format(op=name, **facts) for name in ids))


def test_a_known_failure_does_not_end_its_test(few, report):
    few.makepyfile(test_calls=AFTER)
    waive_calls(few, KNOWN)
    ran, found = report("-rx")
    ran.assert_outcomes(failed=4, xfailed=3, passed=1)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    ran.stdout.fnmatch_lines_random(
        [
            "*_ test_others_are_checked _*",
            "*AssertionError: assert 'ran' == 'to the end'",
            "*AssertionError: assert 'ran' == 'too'",
            "*AssertionError: 'ran' != 'here'",
            "XFAIL *::TestCase::test_nothing_else - until 2999-01-01: waits for the new kernel",
            "XFAIL *::test_strict - until 2999-01-01: waits for the new kernel",
            "XFAIL *::test_of_fixture_alone - until 2999-01-01: waits for the new kernel",
        ]
    )
    assert len(found["results"]) == 9


def test_runxfail_ends_the_test_where_the_call_is(few):
    few.makepyfile(test_calls=AFTER)
    waive_calls(few, KNOWN)
    ran = few.runpytest_inprocess("--runxfail", "-k", "nothing_else or test_right")
    ran.assert_outcomes(failed=1, passed=1, deselected=6)


def test_a_known_failure_under_given_runs_all_examples(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
from hypothesis import given, settings, strategies as st

seen = []

@settings(max_examples=5, database=None, deadline=None)
@given(st.floats(0.5, 1.5))
def test_it(x):
    gradcheck.check(sine, wrong, np.array([x]))
    seen.append(x)

def test_seen():
    assert len(set(seen)) > 1
    gradcheck.check(sine, right, POINT)
"""
    )
    waive_calls(few, ["test_it"])
    ran, found = report()
    ran.assert_outcomes(xfailed=1, passed=1)
    assert ran.ret == 0
    assert by_op(found)["test_calls.py::test_it::sine"]["waived"]


def test_a_session_in_which_no_op_passed_fails(gates):
    """As `gradcheck run` does, whatever else passed."""
    waiver(gates)
    gates.makepyfile(test_other="def test_other():\n    pass\n")
    ran = gates.runpytest_inprocess("-q", "test_gates.py::Wrong", "test_other.py")
    ran.assert_outcomes(xfailed=1, passed=1)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    ran.stdout.fnmatch_lines(["failed: no op passed: *"])
    assert gates.runpytest_inprocess("test_gates.py::Wrong", "test_gates.py::right").ret == 0
    assert gates.runpytest_inprocess("-k", "test_other").ret == 0


def test_a_failure_that_only_its_test_expects_fails_no_session(few):
    few.makepyfile(
        test_calls=CALLS + "def test_it():\n    with pytest.raises(gradcheck.GradientError):\n"
        "        gradcheck.check(sine, wrong, POINT)\n"
    )
    ran = few.runpytest_inprocess()
    ran.assert_outcomes(passed=1)
    assert ran.ret == 0


def test_an_op_that_is_marked_xfail_is_let_through(gates, report):
    gates.makeconftest(
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(pytest.mark.xfail(reason='not yet'))\n"
    )
    ran, found = report()
    ran.assert_outcomes(passed=2, xfailed=1)
    assert ran.ret == 0
    assert by_op(found)["test_gates::Wrong"]["waived"] == "xfail: not yet"

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
    ran = gates.runpytest_inprocess("-k", "right")
    ran.assert_outcomes(failed=1, deselected=2)
    ran.stdout.fnmatch_lines(
        [
            "waiver fixed: wrong-gradient: the op passes now, in 11 cases: delete this entry*",
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
    few.makepyfile(test_calls=CALLS + "def test_it():\n    gradcheck.check(sine, wrong, POINT)\n")
    waiver(few, op="test_calls.py::test_it::sine")
    ran, found = report()
    ran.assert_outcomes(xfailed=1)
    assert ran.ret == 0
    assert by_op(found)["test_calls.py::test_it::sine"]["waived"].startswith("until 2999-01-01")

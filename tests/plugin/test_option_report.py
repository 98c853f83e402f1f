"""``--gradcheck-report KIND=PATH``: what pytest found, as `gradcheck run` writes it."""

from __future__ import annotations

import pytest

from gradcheck.reporters.json import parse
from tests.plugin.conftest import CALLS, RIGHT, by_op
from tests.project import GATES


def test_each_kind_that_was_asked_for(gates):
    ran = gates.runpytest_inprocess(
        "--gradcheck-report=json=out/found.json",
        "--gradcheck-report",
        "junit=found.xml",
        "--gradcheck-report=html=found.html",
    )
    ran.stdout.fnmatch_lines(
        ["report: json, out/found.json", "report: junit, found.xml", "report: html, found.html"]
    )
    found = parse((gates.path / "out/found.json").read_text(), "found.json")
    assert [r.op for r in found.results] == [
        "test_gates::Wrong",
        "test_gates::cube",
        "test_gates::right",
    ]
    assert found.summary.failed == 1
    assert found.planned == 3
    assert 'classname="test_gates" name="cube"' in (gates.path / "found.xml").read_text()
    assert "test_gates::cube" in (gates.path / "found.html").read_text()


def test_what_passes_has_figures_too(gates, report):
    _, found = report()
    assert by_op(found)["test_gates::right"]["figures"]["curve"]


def test_the_report_of_gradcheck_run_is_not_replaced(gates):
    """``report`` in the settings is for runs over all targets."""
    gates.makepyprojecttoml('[tool.gradcheck]\nreport = ["json=all.json"]\nmax-cases = 11\n')
    gates.runpytest_inprocess()
    assert not (gates.path / "all.json").exists()


def test_a_place_that_cannot_be_written_is_found_before_the_work(gates):
    (gates.path / "taken").write_text("a file")
    ran = gates.runpytest_inprocess("--gradcheck-report=json=taken/found.json")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["ERROR: cannot write *found.json: a folder of its path is a file*"])
    assert "passed" not in ran.stdout.str()


def test_a_place_that_is_gone_afterwards_fails_the_session(few):
    few.makepyfile(
        test_gates=RIGHT
        + """
def test_gone():
    import pathlib, shutil
    shutil.rmtree("out")
    pathlib.Path("out").touch()
"""
    )
    ran = few.runpytest_inprocess("--gradcheck-report=json=out/found.json", "-q")
    ran.assert_outcomes(passed=2)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stdout.fnmatch_lines(["no report: cannot write *found.json*"])


def test_nothing_is_written_where_nothing_is_run(gates):
    gates.runpytest_inprocess("--collect-only", "--gradcheck-report=json=found.json")
    assert not (gates.path / "found.json").exists()


def test_a_session_without_ops_writes_an_empty_report(pytester, report):
    pytester.makepyfile("def test_own():\n    pass\n")
    ran, found = report()
    assert ran.ret == 0
    assert found["summary"]["ops"] == 0


# -- what tests check with gradcheck.check -------------------------------------------------------


def test_calls_have_the_id_of_their_test(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
@pytest.mark.parametrize("k", [1, 2])
def test_many(k):
    for _ in range(k):
        gradcheck.check(sine, right, POINT)

class TestSine:
    def test_wrong(self):
        gradcheck.check(sine, wrong, POINT)

def test_model():
    w = np.array([1.0, 2.0])
    gradcheck.check_params(lambda: (float(w @ w), {"w": 2 * w}), {"w": w})
"""
    )
    _, found = report()
    assert {r["op"]: r["verdict"] for r in found["results"]} == {
        "test_calls.py::TestSine::test_wrong::sine": "fail",
        "test_calls.py::test_many[1]::sine": "pass",
        "test_calls.py::test_many[2]::sine": "pass",
        "test_calls.py::test_many[2]::sine (2)": "pass",
        "test_calls.py::test_model::model": "pass",
    }


def test_a_failure_that_its_test_expects_is_let_through(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
def test_raises():
    with pytest.raises(gradcheck.GradientError):
        gradcheck.check(sine, wrong, POINT)

@pytest.mark.xfail(reason="not yet")
def test_marked():
    gradcheck.check(sine, wrong, POINT)
"""
    )
    ran, found = report()
    assert ran.ret == 0
    assert {r["op"]: r["waived"] for r in found["results"]} == {
        "test_calls.py::test_raises::sine": "expected by its test, which passes",
        "test_calls.py::test_marked::sine": "xfail: not yet",
    }
    assert "expected by its test" not in ran.stdout.str()


def test_examples_of_hypothesis_are_one_row(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
from hypothesis import Phase, given, settings, strategies as st

few = settings(max_examples=3, database=None, deadline=None, phases=[Phase.generate])

@few
@given(st.floats(0.5, 1.5))
def test_right(x):
    gradcheck.check(sine, right, np.array([x]))

@few
@given(st.floats(0.5, 1.5))
def test_wrong(x):
    gradcheck.check(sine, wrong, np.array([x]))
"""
    )
    ran, found = report()
    ran.assert_outcomes(passed=1, failed=1)
    rows = by_op(found)
    assert sorted(rows) == ["test_calls.py::test_right::sine", "test_calls.py::test_wrong::sine"]
    assert rows["test_calls.py::test_right::sine"]["cases"] == 3
    assert rows["test_calls.py::test_wrong::sine"]["verdict"] == "fail"


# -- sessions that end early, or begin again -----------------------------------------------------


def test_after_the_first_failure_the_rest_is_planned(gates, report):
    ran, found = report("-x")
    ran.assert_outcomes(failed=1)
    assert [r["op"] for r in found["results"]] == ["test_gates::Wrong"]
    assert found["planned"] == 3
    assert not found["interrupted"]
    assert found["cut_short"] == "stopping after 1 failures"
    ran.stdout.fnmatch_lines(["1 of 3 ops checked: stopping after 1 failures"])


def test_an_interrupt_keeps_what_there_is(few, report):
    few.makepyfile(
        test_a=RIGHT, test_b="def test_stop():\n    raise KeyboardInterrupt\n", test_c=GATES
    )
    ran, found = report(how="subprocess")
    assert ran.ret == pytest.ExitCode.INTERRUPTED
    assert [r["op"] for r in found["results"]] == ["test_a::right"]
    assert found["interrupted"]
    assert found["planned"] == 4
    ran.stdout.fnmatch_lines(["1 of 4 ops checked: interrupted"])


def test_what_could_not_be_collected_is_an_error(few, report):
    few.makepyfile(test_a=RIGHT, test_b="import gradcheck\nop = gradcheck.op(3, 'x[n]')\n")
    _, found = report("--continue-on-collection-errors")
    assert found["summary"]["ops"] == 1
    assert [e.partition(":")[0] for e in found["errors"]] == ["test_b.py"]
    _, found = report()
    assert found["cut_short"] == ""
    assert not found["interrupted"]
    assert len(found["errors"]) == 1


def test_an_op_with_wrong_settings_is_an_error(few, report):
    few.makepyfile(
        test_gates="import gradcheck\n"
        "bad = gradcheck.op(lambda x: x, lambda dz, x: dz, 'x[n]', dtypes='flaot16')\n"
    )
    ran, found = report()
    ran.assert_outcomes(failed=1)
    (error,) = found["errors"]
    assert error.startswith("test_gates::bad: op: dtype 'flaot16' is not supported. Did you mean")


def test_last_failed_reports_what_it_ran(gates):
    path = gates.path / "found.json"
    gates.runpytest_inprocess()
    gates.runpytest_inprocess("--lf", f"--gradcheck-report=json={path}")
    found = parse(path.read_text(), "found.json")
    assert [r.op for r in found.results] == ["test_gates::Wrong"]
    assert found.planned == 1

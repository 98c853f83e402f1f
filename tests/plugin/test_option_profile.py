"""``--gradcheck-profile``."""

from __future__ import annotations

from tests.plugin.conftest import CALLS, RIGHT


def test_it_goes_over_the_settings_and_their_number_of_cases(pytester, report):
    pytester.makepyprojecttoml('[tool.gradcheck]\nprofile = "ci"\nmax-cases = 11\n')
    pytester.makepyfile(test_gates=RIGHT)
    ran, found = report("--gradcheck-profile=fast")
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 0, 25 cases each"])
    assert found["profile"] == "fast"
    assert found["results"][0]["cases"] == 25


def test_a_number_of_cases_in_the_test_goes_over_it(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
def test_some():
    gradcheck.check(sine, right, POINT)

def test_more():
    gradcheck.check(sine, right, POINT, max_cases=30)
"""
    )
    _, found = report("--gradcheck-profile=fast")
    assert {r["op"]: r["cases"] for r in found["results"]} == {
        "test_calls.py::test_more::sine": 30,
        "test_calls.py::test_some::sine": 25,
    }

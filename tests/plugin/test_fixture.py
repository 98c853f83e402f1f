"""The fixture ``gradcheck``."""

from __future__ import annotations

from tests.plugin.conftest import CALLS


def test_it_checks_as_the_functions_do(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
def test_right(gradcheck):
    assert gradcheck(sine, right, POINT, max_cases=12).cases == 12
    assert gradcheck.settings.max_cases == 11

def test_model(gradcheck):
    w = np.array([1.0, 2.0])
    found = gradcheck.params(lambda: (float(w @ w), {"w": 2 * w}), {"w": w})
    assert found.verdict == "pass"

def test_wrong(gradcheck):
    gradcheck(sine, wrong, POINT)
"""
    )
    ran, found = report()
    ran.assert_outcomes(passed=2, failed=1)
    assert len(found["results"]) == 3
    assert "testing.py" not in ran.stdout.str()
    ran.stdout.fnmatch_lines([">       gradcheck(sine, wrong, POINT)"])


def test_a_projects_own_fixture_of_that_name_wins(few):
    few.makeconftest("import pytest\n\n@pytest.fixture\ndef gradcheck():\n    return 7\n")
    few.makepyfile("def test_it(gradcheck):\n    assert gradcheck == 7\n")
    few.runpytest_inprocess().assert_outcomes(passed=1)


def test_it_is_listed_with_a_sentence(few):
    ran = few.runpytest_inprocess("--fixtures")
    ran.stdout.fnmatch_lines(["gradcheck -- *", "    gradcheck.check, with .params *"])

"""``@pytest.mark.gradcheck(...)``: settings of one test, class or module."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import CALLS, RIGHT


def test_the_nearest_marker_goes_over_the_others_and_the_options(few, report):
    few.makepyfile(
        test_calls=CALLS
        + """
pytestmark = pytest.mark.gradcheck(max_cases=12, seed=3)

def test_module():
    gradcheck.check(sine, right, POINT)

@pytest.mark.gradcheck(max_cases=13)
class TestThem:
    def test_class(self):
        gradcheck.check(sine, right, POINT)

    @pytest.mark.gradcheck(max_cases=14)
    def test_own(self):
        gradcheck.check(sine, right, POINT)

    def test_call(self):
        gradcheck.check(sine, right, POINT, max_cases=15)

    @pytest.mark.gradcheck(profile="fast")
    def test_profile(self, gradcheck):
        assert gradcheck(sine, right, POINT).cases == 25
        assert gradcheck.settings.seed == 3
"""
    )
    _, found = report("--gradcheck-max-cases=16")
    cases = {r["op"].split("::")[-2]: r["cases"] for r in found["results"]}
    assert cases == {
        "test_module": 12,
        "test_class": 13,
        "test_own": 14,
        "test_call": 15,
        "test_profile": 25,
    }


def test_a_modules_marker_is_for_its_ops_too(few, report):
    few.makepyfile(
        test_gates=RIGHT + "import pytest\npytestmark = pytest.mark.gradcheck(max_cases=17)\n"
    )
    _, found = report()
    assert found["results"][0]["cases"] == 17


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("max_case=3", "@pytest.mark.gradcheck: unknown setting 'max_case'. Did you mean *"),
        ("max_cases=0", "@pytest.mark.gradcheck: max-cases = 0: must be *"),
        ("seed='x'", "@pytest.mark.gradcheck: seed = 'x': *"),
        ("3", "@pytest.mark.gradcheck(3): settings are given by name, as in *"),
        ("targets=['a']", "@pytest.mark.gradcheck: unknown setting 'targets'*"),
    ],
)
def test_a_wrong_marker_is_one_sentence_of_its_test(few, arguments, says):
    few.makepyfile(
        CALLS + f"\n@pytest.mark.gradcheck({arguments})\nclass TestIt:\n"
        "    def test_fixture(self, gradcheck):\n        pass\n\n"
        "    def test_call(self):\n        gradcheck.check(sine, right, POINT)\n\n"
        "def test_other():\n    pass\n",
        test_op=RIGHT + f"import pytest\npytestmark = pytest.mark.gradcheck({arguments})\n",
    )
    ran = few.runpytest_inprocess()
    ran.assert_outcomes(errors=1, failed=2, passed=1)
    ran.stdout.fnmatch_lines([says, f"*UsageError: {says}", says], consecutive=False)
    assert "marking.py" not in ran.stdout.str()
    assert "During handling" not in ran.stdout.str()


@pytest.mark.parametrize("arguments", ["'slow'", "reason='slow'"])
def test_a_marker_of_that_name_in_a_test_that_checks_nothing_is_not_ours(few, arguments):
    few.makepyfile(
        f"import pytest\n\n@pytest.mark.gradcheck({arguments})\ndef test_it():\n    pass\n"
    )
    few.runpytest_inprocess().assert_outcomes(passed=1)


def test_it_is_documented(few):
    few.runpytest_inprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.gradcheck(*): *"])

"""``--gradcheck-seed``, and ``--hypothesis-seed`` where it is not given."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import CALLS

WRONG = """
import gradcheck

wrong = gradcheck.op(lambda x: x * x, lambda dz, x: 3 * x * dz, "x[n]")
"""


def recipes(report):
    return [f["recipe"] for r in report["results"] for f in r["findings"]]


def test_it_goes_over_the_settings_and_is_said(few, report):
    few.makepyprojecttoml("[tool.gradcheck]\nseed = 3\nmax-cases = 11\n")
    few.makepyfile(test_gates=WRONG)
    ran, found = report("--gradcheck-seed=5")
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 5, 11 cases each*", "*gradcheck: seed 5,*"])
    assert found["seed"] == 5
    ran, found = report()
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 3, 11 cases each*"])
    assert found["seed"] == 3


def test_it_reaches_the_calls_in_tests(few):
    few.makepyfile(
        test_calls=CALLS
        + """
from gradcheck.plugin.session import current

def test_seed(gradcheck):
    assert current().given["seed"] == "5"
    assert gradcheck.settings.seed == 5
"""
    )
    few.runpytest_inprocess("--gradcheck-seed=5").assert_outcomes(passed=1)


def test_another_seed_makes_other_cases(pytester, report):
    """The smallest case is the same; what failed besides it is not."""
    pytester.makepyfile(test_gates=WRONG)
    runs = {seed: report(f"--gradcheck-seed={seed}")[1]["results"][0]["worst"] for seed in (1, 2)}
    assert runs[1]["backward"] != runs[2]["backward"]
    assert report("--gradcheck-seed=1")[1]["results"][0]["worst"] == runs[1]


def test_the_seed_of_hypothesis_is_taken_where_there_is_no_other(few, report):
    few.makepyprojecttoml("[tool.gradcheck]\nseed = 3\nmax-cases = 11\n")
    few.makepyfile(test_gates=WRONG)
    ran, found = report("--hypothesis-seed=7")
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 7 (from --hypothesis-seed), 11 cases each*"])
    assert found["seed"] == 7
    ran, found = report("--hypothesis-seed=7", "--gradcheck-seed=5")
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 5, 11 cases each*"])
    assert found["seed"] == 5


@pytest.mark.parametrize("text", ["-3", "monday", "9" * 40])
def test_what_is_no_number_of_ours_becomes_one(few, text):
    few.makepyfile("def test_it(gradcheck):\n    assert gradcheck.settings.seed > 0\n")
    few.runpytest_inprocess(f"--hypothesis-seed={text}").assert_outcomes(passed=1)


@pytest.mark.parametrize("profile", ["default", "ci"])
def test_the_seed_and_profile_of_hypothesis_disturb_no_case(few, report, profile):
    """Also where its profile derandomizes, under which it ignores its own seed."""
    few.makepyfile(test_gates=WRONG)
    _, plain = report("--gradcheck-seed=1")
    _, seeded = report(
        "--gradcheck-seed=1", "--hypothesis-seed=8", f"--hypothesis-profile={profile}"
    )
    assert recipes(seeded) == recipes(plain)
    assert seeded["results"][0]["worst"] == plain["results"][0]["worst"]

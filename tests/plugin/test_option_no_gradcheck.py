"""``--no-gradcheck``."""

from __future__ import annotations

from tests.plugin.conftest import RIGHT


def test_the_targets_are_not_collected(few):
    few.makepyprojecttoml('[tool.gradcheck]\nmax-cases = 11\ntargets = ["gates.py"]\n')
    few.makepyfile(gates=RIGHT, test_own="def test_own():\n    pass\n")
    few.runpytest_inprocess().assert_outcomes(passed=2)
    ran = few.runpytest_inprocess("--no-gradcheck")
    ran.assert_outcomes(passed=1)
    assert "gradcheck:" not in ran.stdout.str()


def test_the_tests_own_checks_go_on(few):
    few.makepyfile(test_gates=RIGHT)
    few.runpytest_inprocess("--no-gradcheck").assert_outcomes(passed=1)

"""Hypothesis' database: a failure that this run's cases do not make is tried again."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import by_op

RARE = """
import gradcheck

LARGE = 3.0

def backward(dz, x):
    return {factor} * x * dz if abs(x).max(initial=0) > LARGE else 2 * x * dz

rare = gradcheck.op(lambda x: x * x, backward, "x[n]")
"""
NONE = "import hypothesis; hypothesis.settings.register_profile('none', database=None)"
FEW, MORE = "--gradcheck-max-cases=11", "--gradcheck-max-cases=60"
NOTE = "the case failed in an earlier run, and is from Hypothesis' database"


@pytest.fixture
def rare(few):
    """An op that is wrong where the few cases of a usual run do not reach."""
    few.makepyfile(test_gates=RARE.format(factor=3))
    few.runpytest_inprocess(FEW).assert_outcomes(passed=1)
    return few


def test_it_fails_again_until_it_is_mended(rare, report):
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    ran, found = report(FEW)
    ran.assert_outcomes(failed=1)
    assert NOTE in " ".join(line.strip() for line in ran.outlines)
    assert NOTE in str(by_op(found)["test_gates::rare"]["assumptions"])
    rare.makepyfile(test_gates=RARE.format(factor=2))
    rare.runpytest_inprocess(FEW).assert_outcomes(passed=1)
    rare.makepyfile(test_gates=RARE.format(factor=3))
    ran, found = report(FEW)
    ran.assert_outcomes(passed=1)  # it was mended meanwhile, so the case is forgotten
    assert NOTE not in str(found)


def test_other_inputs_are_another_op(rare):
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    rare.makepyfile(test_gates=RARE.format(factor=3).replace("x[n]", "x[n m]"))
    rare.runpytest_inprocess(FEW).assert_outcomes(passed=1)


@pytest.mark.parametrize("profile", ["none", "ci"])
def test_nothing_is_kept_where_there_is_no_database(few, profile):
    few.makepyfile(test_gates=RARE.format(factor=3))
    few.makeconftest(NONE)
    without = f"--hypothesis-profile={profile}"
    few.runpytest_inprocess(MORE, without).assert_outcomes(failed=1)
    few.runpytest_inprocess(FEW).assert_outcomes(passed=1)


@pytest.mark.parametrize("profile", ["none", "ci"])
def test_nothing_is_tried_again_where_there_is_no_database(rare, profile):
    rare.makeconftest(NONE)
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    rare.runpytest_inprocess(FEW, f"--hypothesis-profile={profile}").assert_outcomes(passed=1)


def test_what_is_damaged_is_forgotten(rare, tmp_path):
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    saved = [p for p in (tmp_path / ".hypothesis").rglob("*") if p.is_file()]
    damaged = [p for p in saved if b"regime" in p.read_bytes()]
    assert damaged
    for path in damaged:
        path.write_text("{")
    rare.runpytest_inprocess(FEW).assert_outcomes(passed=1)

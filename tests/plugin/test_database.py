"""Hypothesis' database: a failure that this run's cases do not make is tried again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gradcheck.plugin import replays
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
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 0, 11 cases each, and 1 case that failed *"])
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


@pytest.mark.parametrize("why", ["not judged", "raises"])
def test_a_case_is_kept_until_it_passes(rare, monkeypatch, why):
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    noise = "__import__('random').random()" if why == "not judged" else "1 / (abs(x).max() <= 3)"
    broken = RARE.format(factor=3).replace("lambda x: x * x", f"lambda x: x * x * {noise}")
    rare.makepyfile(test_gates=broken)
    rare.runpytest_inprocess(FEW)
    rare.makepyfile(test_gates=RARE.format(factor=3))
    rare.runpytest_inprocess(FEW).assert_outcomes(failed=1)


def test_a_case_that_could_not_be_judged_is_kept(rare, monkeypatch):
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    real = replays.run_one

    def undecided(*given, **named):
        return replace(real(*given, **named), verdict="inconclusive", findings=[])

    monkeypatch.setattr(replays, "run_one", undecided)
    rare.runpytest_inprocess(FEW).assert_outcomes(passed=1)
    monkeypatch.setattr(replays, "run_one", real)
    rare.runpytest_inprocess(FEW).assert_outcomes(failed=1)


def test_what_is_damaged_is_left_alone(rare, tmp_path):
    rare.runpytest_inprocess(MORE).assert_outcomes(failed=1)
    saved = [p for p in (tmp_path / ".hypothesis").rglob("*") if p.is_file()]
    damaged = [p for p in saved if b"regime" in p.read_bytes()]
    assert damaged
    for path in damaged:
        path.write_text("{")
    rare.runpytest_inprocess(FEW).assert_outcomes(passed=1)

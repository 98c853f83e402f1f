"""`gradcheck.check` under ``@given``: what could not be judged, and what a failure costs."""

from __future__ import annotations

import pytest

from gradcheck import api
from tests.plugin.conftest import CALLS, by_op

HEAD = (
    CALLS
    + """
import os
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

some = settings(
    max_examples=20, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)

def partly(x):  # random beyond the limit
    return np.sin(x) * (1 + os.urandom(1)[0]) if x.max() > LIMIT else np.sin(x)
"""
)
NOISY = (
    HEAD
    + """
LIMIT = {limit}

@some
@given(st.integers(0, 19))
def test_it(k):
    gradcheck.check(partly, right, np.array([0.5 + k / 100]))

def test_right():
    gradcheck.check(sine, right, POINT)
"""
)
ID = "test_calls.py::test_it::partly"


def test_examples_that_could_not_be_judged_are_counted(few, report):
    few.makepyfile(test_calls=NOISY.format(limit=0.675))  # the last two
    ran, found = report()
    ran.assert_outcomes(passed=2)
    assert ran.ret == 0
    result = by_op(found)[ID]
    assert result["verdict"] == "pass"
    assert result["cases_rejected"] == 2


def test_too_many_of_them_fail_the_test(few, report):
    few.makepyfile(test_calls=NOISY.format(limit=0.595))  # the last ten
    ran, found = report()
    ran.assert_outcomes(passed=1, failed=1)
    result = by_op(found)[ID]
    assert result["verdict"] == "inconclusive"
    assert result["reason"].startswith("10 of 20 examples could not be judged: ")
    assert not result["waived"]
    ran.stdout.fnmatch_lines(
        ["partly: no verdict *NOT JUDGED", "*10 of 20 examples could not be judged*"]
    )
    few.makepyprojecttoml('[tool.gradcheck]\ninconclusive = "warn"\nchecks = ["values"]\n')
    ran = few.runpytest_inprocess()
    ran.assert_outcomes(passed=2)
    assert ran.ret == 0


def test_only_the_example_that_is_shown_is_explained(few, report, monkeypatch):
    few.makepyfile(
        test_calls=HEAD
        + """
@settings(some, max_examples=5, phases=[Phase.generate, Phase.shrink])
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_it(xs):
    gradcheck.check(sine, wrong, np.array(xs) / 2)
"""
    )
    explained = []
    real = api.run_one

    def counted(*given, **named):
        explained.append(not named["brief"])
        return real(*given, **named)

    monkeypatch.setattr(api, "run_one", counted)
    ran, found = report()
    ran.assert_outcomes(failed=1)
    assert len(explained) > 3 * sum(explained) > 0
    (result,) = found["results"]
    (finding,) = result["findings"]
    assert finding["case"]
    assert result["figures"]["curve"]
    ran.stdout.fnmatch_lines(["E *x = np.array(*"])


@pytest.mark.parametrize("known", [True, False])
def test_where_hypothesis_does_not_say_which_example_it_shows_all_are_explained(monkeypatch, known):
    from hypothesis import control

    assert api._final_replay()  # outside of a test
    if not known:
        monkeypatch.delattr(control, "_current_build_context")
        assert api._final_replay()

"""``--gradcheck-max-cases``."""

from __future__ import annotations

from tests.plugin.conftest import CALLS, RIGHT


def test_it_goes_over_the_profile(few, report):
    few.makepyfile(test_gates=RIGHT)
    _, found = report("--gradcheck-profile=fast", "--gradcheck-max-cases=14")
    assert found["results"][0]["cases"] == 14


def test_a_profile_in_the_test_goes_over_it(few, report):
    few.makepyfile(
        test_calls=CALLS + "def test_it():\n    gradcheck.check(sine, right, POINT, profile='fast')"
    )
    _, found = report("--gradcheck-max-cases=14")
    assert found["results"][0]["cases"] == 25

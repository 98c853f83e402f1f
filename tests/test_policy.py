"""What is green: the exit code and what every format shows are one definition."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gradcheck import policy
from gradcheck.reporters.standing import is_right
from gradcheck.results import Report
from gradcheck.settings import Settings
from tests.reporters import samples

GIVEN: tuple[Literal["fail", "warn"], ...] = ("fail", "warn")
CODES = {
    (): (5, 5),
    ("passed",): (0, 0),
    ("failed",): (1, 1),
    ("not judged",): (1, 5),
    ("waived",): (5, 5),
    ("passed", "waived"): (0, 0),
    ("passed", "not judged"): (1, 0),
    ("passed", "failed", "not judged", "waived"): (1, 1),
    ("waived", "not judged"): (1, 5),
}
"""The exit codes of ops that stand so: usually, and where what is not judged only warns."""
TROUBLES: dict[str, dict[str, Any]] = {
    "errors": {"errors": ("gates.py: SyntaxError",)},
    "missing": {"planned": 9},
    "cut short": {"planned": 9, "cut_short": "out of time (--max-time 1)"},
    "waiver": {"waivers": [samples.waiver("fixed")]},
    "interrupted": {"planned": 9, "interrupted": True},
}


def standing_so(stands: tuple[str, ...], **facts: Any) -> Report:
    made = {
        "passed": samples.op(),
        "failed": samples.wrong(),
        "not judged": samples.unjudged(),
        "waived": samples.wrong(waived="until 2027-02-01: known"),
    }
    return samples.report(*(made[s] for s in stands), **facts)


@pytest.mark.parametrize("stands", CODES)
def test_green_is_what_ends_with_0(stands):
    for given, code in zip(GIVEN, CODES[stands], strict=True):
        settings = Settings(inconclusive=given)
        report = standing_so(stands)
        assert policy.decide(report, settings) == code
        assert is_right(policy.let_through(report, settings)) == (code == 0)
        assert any(policy.fails(r, settings) for r in report.results) == (code == 1)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("stands", CODES)
def test_no_trouble_of_a_run_ends_with_0(stands, trouble):
    report = standing_so(stands, **TROUBLES[trouble])
    assert not is_right(report)
    code = policy.decide(report, Settings(inconclusive="warn"))
    assert code == (130 if trouble == "interrupted" else 1)

"""``--gradcheck-edition``."""

from __future__ import annotations

import pytest

from gradcheck import editions, settings
from tests.project import GATES


@pytest.fixture
def later(monkeypatch):
    """A gradcheck in which wrong gradients are demanded from 2031 on."""
    monkeypatch.setattr(settings, "EDITIONS", ("2026", "2031"))
    monkeypatch.setattr(editions, "SINCE", {"wrong-gradient": "2031"})


@pytest.mark.parametrize(("edition", "failed"), [("2026", 0), ("2031", 1)])
def test_what_came_later_is_a_note(few, later, edition, failed):
    few.makepyfile(test_gates=GATES)
    ran = few.runpytest_inprocess("-k", "Wrong", f"--gradcheck-edition={edition}")
    ran.assert_outcomes(failed=failed, passed=1 - failed, deselected=2)


def test_an_edition_that_is_not_known(few):
    ran = few.runpytest_inprocess("--gradcheck-edition=1999")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["ERROR: command line: edition = '1999': must be one of 2026*"])

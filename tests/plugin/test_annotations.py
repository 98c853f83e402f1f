"""GitHub's annotations under pytest: where the settings ask for the report, and it runs there."""

from __future__ import annotations

import pytest

from tests.project import GATES

ASKED = '[tool.gradcheck]\nmax-cases = 11\nchecks = ["values"]\nreport = ["github=notes.txt"]\n'
ERROR = "::error file=test_gates.py,line=*,title=Wrong%3A wrong gradient::*"


@pytest.fixture
def asked(pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    pytester.makepyprojecttoml(ASKED)
    pytester.makepyfile(test_gates=GATES)
    return pytester


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_the_lines_are_printed_once(asked, quiet):
    ran = asked.runpytest_inprocess(*quiet)
    ran.stdout.fnmatch_lines([ERROR])
    assert sum(line.startswith("::error") for line in ran.outlines) == 1
    assert not (asked.path / "notes.txt").exists()  # the file is of gradcheck run


def test_they_come_once_from_workers_of_xdist(asked):
    pytest.importorskip("xdist")
    ran = asked.runpytest_subprocess("-n", "2")
    ran.stdout.fnmatch_lines([ERROR])
    assert sum(line.startswith("::error") for line in ran.outlines) == 1


def test_nothing_is_printed_elsewhere_or_where_nobody_asked(asked, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    asked.runpytest_inprocess().stdout.no_fnmatch_line("::*")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    asked.makepyprojecttoml(ASKED.replace("github=notes.txt", "json=notes.json"))
    asked.runpytest_inprocess().stdout.no_fnmatch_line("::*")


def test_right_ops_have_none(asked):
    asked.makepyfile(test_gates=GATES.replace("-2.0 * ", ""))
    ran = asked.runpytest_inprocess("-q")
    ran.assert_outcomes(passed=3)
    ran.stdout.no_fnmatch_line("::*")

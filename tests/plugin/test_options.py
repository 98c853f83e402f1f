"""The options as a whole: one group, one table with the settings, one way to refuse."""

from __future__ import annotations

import re

import pytest

from gradcheck.plugin import options
from gradcheck.reporters.kinds import KINDS
from gradcheck.settings import known_keys


def test_each_is_a_setting():
    assert set(options.SETTINGS) <= set(known_keys())


def test_the_kinds_of_report_are_named(pytester):
    text = " ".join(pytester.runpytest_inprocess("--help").stdout.str().split())
    assert f"KIND is one of {', '.join(KINDS)}" in text


def test_they_are_one_group_with_one_prefix(pytester):
    text = pytester.runpytest_inprocess("--help").stdout.str()
    _, _, rest = text.partition("gradient checks (gradcheck):\n")
    group = rest.partition("\n\n")[0]
    named = re.findall(r"^  (--[a-z-]+)", group, re.MULTILINE)
    expected = {f"--gradcheck-{key}" for key in (*options.SETTINGS, "report")}
    assert set(named) == expected | {"--no-gradcheck"}
    assert text.count("--gradcheck-") == group.count("--gradcheck-")


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("seed=-1", "seed = -1: must be *"),
        ("seed=abc", "seed = 'abc': must be a whole number"),
        ("profile=slow", "profile = 'slow': must be one of fast, dev, ci, thorough"),
        ("max-cases=0", "max-cases = 0: must be *"),
        ("scope=all", "scope = 'all': must be one of declared, forward"),
        ("waivers=none.toml", "*none.toml: --gradcheck-waivers names this file*"),
        ("report=out.html", "*--gradcheck-report 'out.html': KIND=PATH*"),
        ("report=pdf=out", "no kind of report is named 'pdf'.*"),
        ("report=json=-", "--gradcheck-report: standard output is pytest's: name a file"),
    ],
)
@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=str)
def test_a_wrong_value_is_one_sentence_before_anything_runs(pytester, argument, says, processes):
    pytester.makepyfile("def test_own():\n    pass\n")
    ran = pytester.runpytest_inprocess(f"--gradcheck-{argument}", *processes)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in ran.stderr.lines if line.startswith("ERROR: ")]
    assert len(lines) == 1
    ran.stderr.fnmatch_lines([f"ERROR: *{says}"])
    assert "Traceback" not in ran.stdout.str() + ran.stderr.str()


def test_a_wrong_environment_variable_is_refused_with_ops(few, monkeypatch):
    monkeypatch.setenv("GRADCHECK_MAX_CASE", "3")
    ran = few.runpytest_inprocess()
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["ERROR: environment variable GRADCHECK_MAX_CASE: no such setting.*"])

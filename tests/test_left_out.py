"""An op of which no gradient was compared: never a pass without a word."""

from __future__ import annotations

import msgspec
import pytest

from gradcheck.reporters.text import totals
from gradcheck.results import Report, Summary
from gradcheck.runner import run_one
from gradcheck.settings import CHECKS, Settings
from gradcheck.targets import load

WRONG = """
import gradcheck
import numpy as np

plain = gradcheck.op(np.sin, lambda dz, x: 7 * dz, "x[n]", name="plain")
own = gradcheck.op(np.sin, lambda dz, x: 7 * dz, "x[n]", checks=["contract"], name="own")
"""
FEW = ("--max-cases", "6")
LINE = ", checks: contract only"


def test_the_command_line_leaves_the_values_out_and_the_totals_say_so(project):
    project.write("wrong.py", WRONG)
    ran = project.run("run", "wrong.py::plain", *FEW, "--checks", "contract")
    assert ran.code == 0
    assert LINE in next(line for line in ran.out.splitlines() if "1 passed" in line)
    ran = project.run("run", "wrong.py::plain", *FEW)
    assert ran.code == 1
    assert "checks:" not in ran.out


def test_so_do_the_settings(project, monkeypatch):
    project.write("wrong.py", WRONG)
    monkeypatch.setenv("GRADCHECK_CHECKS", "contract")
    ran = project.run("run", "wrong.py::plain", *FEW, "-q", "--report", "markdown=out.md")
    assert ran.code == 0
    assert LINE in ran.out
    assert LINE in (project.folder / "out.md").read_text()


def test_an_op_that_leaves_them_out_by_itself_is_not_judged(project):
    project.write("wrong.py", WRONG)
    ran = project.run("run", "wrong.py::own", *FEW)
    assert ran.code == 1
    said = " ".join(ran.out.split())
    assert "1 not judged" in said
    assert "the op's own checks= leaves contract alone: no gradient was compared" in said
    ran = project.run("run", "wrong.py::own", *FEW, "--checks", "contract")
    assert ran.code == 0  # the user asked for it
    assert LINE in ran.out


@pytest.mark.parametrize(("checks", "verdict"), [("values", "fail"), ("linearity", "inconclusive")])
def test_the_checks_of_an_op(project, checks, verdict):
    project.write("wrong.py", WRONG.replace("contract", checks))
    (own,) = load("wrong.py::own")
    assert run_one(own, Settings(max_cases=6)).verdict == verdict


@pytest.mark.parametrize(
    ("checks", "line"),
    [
        (["contract", "values"], "checks: contract, values only"),
        (sorted(CHECKS), ""),
        (7, ""),
        ([], ""),
    ],
)
def test_the_line(checks, line):
    report = Report(
        seed=0,
        profile="ci",
        environment={},
        summary=Summary(),
        results=[],
        in_force={"checks": checks},
    )
    assert totals(report).partition("0.0 s")[2] == (f", {line}" if line else "")
    hostile = msgspec.structs.replace(report, in_force={"checks": ["\x1b[31m\n\u202e\ud800"]})
    assert not {*"\x1b\n\u202e\ud800"} & {*totals(hostile)}

"""Waivers: read with care, met or red, and never for more than they name."""

from __future__ import annotations

import datetime
import linecache
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gradcheck.errors import UsageError
from gradcheck.policy import Exit, decide
from gradcheck.reporters import beside as shown
from gradcheck.results import Finding, OpResult, Report, summarise
from gradcheck.runner import run_one
from gradcheck.settings import CHECKS, Settings
from gradcheck.targets import load
from gradcheck.waivers import FILE, Reach, Waiver, applied, by_op, find, read, within
from tests.project import Project

TODAY = datetime.date(2026, 11, 28)
FEW = ("--max-cases", "8")
VALUES = ("--checks", "contract,values")
GATES = """
import gradcheck
import numpy as np


@gradcheck.register("x[n], W[n], b[n]")
class Affine:
    def forward(self, x, W, b):
        self.x, self.W = x, W
        return x * W + b

    def backward(self, dz):
        return DX * self.W, DW * self.x, dz


square = gradcheck.op(np.square, lambda dz, x: 2 * x * dz, "x[n]", name="square")
"""


def gates(dx: str = "dz", dw: str = "dz") -> str:
    """The file; right as it is, wrong with other factors."""
    return GATES.replace("DX", f"({dx})").replace("DW", f"({dw})")


def entry(**keys: str) -> str:
    """One entry, complete unless a key is given as ""."""
    whole = {
        "op": '"gates::Affine"',
        "code": '"wrong-gradient"',
        "reason": '"the sign of dW, ticket 12"',
        "expires": "2999-01-01",
    } | keys
    return "[[waiver]]\n" + "".join(f"{k} = {v}\n" for k, v in whole.items() if v)


# -- reading ------------------------------------------------------------------------------------


def test_a_file_is_read_entry_by_entry(tmp_path):
    path = tmp_path / FILE
    path.write_text(entry(input='"W"', reason='"two\\nlines"') + entry(op='"a.b::c d"'))
    first, second = read(path)
    assert first == Waiver(
        op="gates::Affine",
        code="wrong-gradient",
        input="W",
        reason="two lines",
        expires=datetime.date(2999, 1, 1),
        file=FILE,
    )
    assert (second.op, second.input) == ("a.b::c d", "")
    path.write_text("")
    assert read(path) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (entry(reason=""), "entry 1 (gates::Affine): reason is missing"),
        (entry(expires=""), "expires is missing: every waiver has op, code, reason and expires"),
        (entry(op=""), "entry 1: op is missing"),
        (entry(code=""), "code is missing"),
        (entry(reason='""'), "reason = ''"),
        (entry(reason='"  TODO: "'), "reason = 'TODO:'"),
        (entry(reason='"fixme"'), "say why it is known"),
        (entry(reason='"n/a"'), "say why it is known"),
        (entry(reason='"???"'), "say why it is known"),
        (entry(reason="12"), "reason = 12: must be a text"),
        (entry(expires='"2027-02-01"'), "expires = '2027-02-01': must be a date"),
        (entry(expires="2027-02-01T00:00:00"), "must be a date, as in 2027-02-01"),
        (entry(expires="true"), "must be a date"),
        (entry(expires="2027-02-31"), "cannot be read"),
        (entry(op='"Affine"'), "op = 'Affine': must be an op's id, module::name"),
        (entry(op='"gates::"'), "must be an op's id"),
        (entry(op="[]"), "op = []: must be a text"),
        (entry(code='"wrong-gradeint"'), "Did you mean 'wrong-gradient'"),
        (entry(code='"not-judged"', input='"W"'), "not-judged is of the op as a whole"),
        (entry(expire="2027-02-01"), "unknown key 'expire'. Did you mean 'expires'?"),
        (entry() + entry(reason='"again"'), "entry 2 (gates::Affine): the same op, code and input"),
        ("[waiver]\nop = 1\n", "each entry begins with [[waiver]]"),
        ("waiver = 3\n", "each entry begins with [[waiver]]"),
        ("waiver = [3]\n", "each entry begins with [[waiver]]"),
        ("[[waivers]]\n", "unknown key 'waivers'. Did you mean 'waiver'?"),
        ("[[waiver]\n", "cannot be read"),
        (entry() + "op = 'twice'\n", "cannot be read"),
        ("x = " + "[" * 50_000, "cannot be read"),
        (entry(expires="9" * 10_000), "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_with_file_entry_and_key(tmp_path, text, says):
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(b"\xff\xfe\x00[[waiver]]")
    with pytest.raises(UsageError, match="cannot be read"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read(path)


def test_a_reason_may_begin_with_todo(tmp_path):
    path = tmp_path / FILE
    path.write_text(entry(reason='"TODO of ticket 12: the sign"'))
    assert read(path)[0].reason == "TODO of ticket 12: the sign"


def test_which_file(tmp_path, monkeypatch):
    """The default may be missing, a named one may not; the command line is relative to here."""
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    plain, named = Settings(), Settings(waivers="known.toml")
    assert find(plain, tmp_path) is None
    for settings, given in ((named, None), (plain, "known.toml"), (named, "known.toml")):
        with pytest.raises(UsageError, match=r"known\.toml: .*names this file, and there is none"):
            find(settings, tmp_path, given)
    (tmp_path / FILE).touch()
    (tmp_path / "known.toml").touch()
    (below / "here.toml").touch()
    assert find(plain, tmp_path) == tmp_path / FILE
    assert find(named, tmp_path) == tmp_path / "known.toml"
    assert find(named, tmp_path, "here.toml") == Path("here.toml")


# -- what a run says of them ----------------------------------------------------------------------


def op(*found: tuple[str, str], name: str = "g::a", verdict: str = "", **more: Any) -> OpResult:
    """A result with these failing findings."""
    findings = [
        Finding(code=code, check="values", severity="fail", message="m", input=input)
        for code, input in found
    ]
    word: Any = verdict or ("fail" if findings else "pass")
    return OpResult(op=name, kind="pair", verdict=word, findings=findings, **more)


def report_of(*results: OpResult, **more: Any) -> Report:
    listed = [*results, op(name="g::right")]
    total = summarise(listed, len(more.get("errors", ())), 0.0)
    planned = more.pop("planned", len(listed))
    fixed: Any = {"seed": 0, "profile": "ci", "environment": {}, "summary": total}
    return Report(results=listed, planned=planned, **fixed, **more)


def waiver(
    code: str = "wrong-gradient", input: str = "", name: str = "g::a", day: int = 28
) -> Waiver:
    return Waiver(
        op=name,
        code=code,
        input=input,
        reason="known",
        expires=datetime.date(2026, 11, day),
        file=FILE,
    )


def states(report: Report) -> list[str]:
    return [w.state for w in report.waivers]


def exit_of(report: Report, **settings: Any) -> Exit:
    return decide(report, Settings(**settings))


WRONG_W = ("wrong-gradient", "W")


def test_met_lets_through_and_the_verdict_stays():
    for known in (waiver(), waiver(input="W")):
        report = applied(report_of(op(WRONG_W)), [known], TODAY)
        assert states(report) == ["met"]
        assert report.results[0].verdict == "fail"
        assert report.results[0].waived == "until 2026-11-28: known"
        assert (report.summary.failed, report.summary.waived) == (1, 1)
        assert exit_of(report) == Exit.PASSED
    assert exit_of(report_of(op(WRONG_W))) == Exit.FAILED


def test_it_holds_on_its_day_and_not_on_the_next():
    report = applied(report_of(op(WRONG_W)), [waiver(day=27)], TODAY)
    assert states(report) == ["expired"]
    assert report.results[0].waived == ""
    assert "ended on 2026-11-27" in report.waivers[0].message
    assert exit_of(report) == Exit.FAILED
    assert states(applied(report_of(op(WRONG_W)), [waiver(day=28)], TODAY)) == ["met"]


@pytest.mark.parametrize(
    "other",
    [("wrong-gradient", "x"), ("wrong-shape", "W"), ("wrong-gradient", "w"), ("overwritten", "")],
)
def test_another_mistake_in_the_same_op_is_red(other):
    report = applied(report_of(op(WRONG_W, other)), [waiver(input="W")], TODAY)
    assert states(report) == ["met"]
    assert report.results[0].waived == ""
    assert report.summary.waived == 0
    assert exit_of(report) == Exit.FAILED
    both = [waiver(input="W"), waiver(*other)]
    assert exit_of(applied(report_of(op(WRONG_W, other)), both, TODAY)) == Exit.PASSED
    late = [waiver(input="W"), waiver(*other, day=1)]
    assert exit_of(applied(report_of(op(WRONG_W, other)), late, TODAY)) == Exit.FAILED


def test_fixed_is_red_until_its_entry_is_gone():
    report = applied(report_of(op()), [waiver()], TODAY)
    assert states(report) == ["fixed"]
    assert "passes now" in report.waivers[0].message
    assert f"delete this entry from {FILE}" in report.waivers[0].message
    assert exit_of(report) == Exit.FAILED
    assert exit_of(applied(report_of(op()), [], TODAY)) == Exit.PASSED


def test_a_warning_needs_no_waiver():
    warned = Finding(code="shared-memory", check="purity", severity="warning", message="m")
    result = msgspec.structs.replace(op(), findings=[warned])
    assert states(applied(report_of(result), [waiver("shared-memory")], TODAY)) == ["fixed"]


def test_a_finding_that_is_not_there_is_unmet():
    report = applied(report_of(op(WRONG_W)), [waiver(input="x"), waiver(input="W")], TODAY)
    assert states(report) == ["unmet", "met"]
    assert "wrong-gradient of W" in report.waivers[0].message
    assert f"correct or delete this entry in {FILE}" in report.waivers[0].message
    assert report.results[0].waived
    assert exit_of(report) == Exit.FAILED


@pytest.mark.parametrize(
    ("reach", "state"),
    [
        (Reach(), []),
        (Reach(modules=("other",)), []),
        (Reach(modules=("g",)), ["unmet"]),
        (Reach(everything=True), ["unmet"]),
    ],
)
def test_an_op_that_is_not_there_is_unmet_where_the_run_would_have_met_it(reach, state):
    known = [waiver(name="g::rihgt")]
    report = applied(report_of(), known, TODAY, reach)
    assert states(report) == state
    assert exit_of(report) == (Exit.FAILED if state else Exit.PASSED)
    if state:
        assert "Did you mean 'g::right'? Correct or delete" in report.waivers[0].message
    for cut in ({"interrupted": True}, {"planned": 9}, {"errors": ["h.py cannot be imported"]}):
        assert states(applied(report_of(**cut), known, TODAY, reach)) == []


def test_without_all_checks_what_is_not_found_may_be_there_still():
    some = Reach(everything=True, checks=False)
    assert states(applied(report_of(op()), [waiver()], TODAY, some)) == []
    assert states(applied(report_of(op(WRONG_W)), [waiver()], TODAY, some)) == ["met"]


STOPPED = "37 of 100 cases were run: the op's time limit of 60 s"


@pytest.mark.parametrize(
    ("result", "reach"),
    [(op(), Reach(cases=False)), (op(assumptions=[STOPPED]), Reach(everything=True))],
)
def test_in_fewer_cases_what_is_not_met_may_be_there_still(result, reach):
    """It is as if the op had not been met: neither fixed nor, beside another waiver, unmet."""
    assert states(applied(report_of(op()), [waiver()], TODAY)) == ["fixed"]
    report = applied(report_of(result), [waiver()], TODAY, reach)
    assert states(report) == []
    assert exit_of(report) == Exit.PASSED
    found = msgspec.structs.replace(op(WRONG_W), assumptions=result.assumptions)
    both = [waiver(input="x"), waiver(input="W")]
    report = applied(report_of(found), both, TODAY, reach)
    assert states(report) == ["met"]
    assert exit_of(report) == Exit.PASSED
    report = applied(report_of(found), both[:1], TODAY, reach)  # the run is red: say why
    assert states(report) == ["unmet"]


def test_the_reach_of_settings():
    assert within(Settings(profile="ci")) == Reach()
    assert within(Settings(profile="dev")) == Reach(cases=False)
    assert within(Settings(profile="ci", max_cases=12)) == Reach(cases=False)
    assert within(Settings(profile="fast", max_cases=100)) == Reach()
    assert within(Settings(profile="ci", checks=("contract",))) == Reach(checks=False)
    assert within(Settings(profile="ci", checks=CHECKS)) == Reach()


def test_what_a_run_is_told_beforehand():
    known = [waiver(input="W"), waiver("never-ends"), waiver(name="g::b"), waiver(day=1, input="x")]
    assert by_op(known) == {
        "g::a": {("wrong-gradient", "W"), ("never-ends", ""), ("wrong-gradient", "x")},
        "g::b": {("wrong-gradient", "")},
    }


def test_what_could_not_be_judged_beside_a_waived_failure_is_red():
    found = op(("gradient-count", ""), reason="no entry of W's gradient could be judged")
    report = applied(report_of(found), [waiver("gradient-count")], TODAY)
    assert states(report) == ["met"]
    assert report.results[0].waived == ""
    assert exit_of(report) == exit_of(report, inconclusive="warn") == Exit.FAILED
    (line,) = (line.plain for line in shown.lines(report))
    assert line == (
        "g::a: only gradient-count is waived, and the rest is no pass: no entry of W's gradient "
        "could be judged"
    )
    both = [waiver("gradient-count"), waiver("not-judged")]
    report = applied(report_of(found), both, TODAY)
    assert states(report) == ["met", "met"]
    assert exit_of(report) == Exit.PASSED


def test_not_judged_is_a_code_of_its_own():
    unjudged = op(verdict="inconclusive", reason="too few cases")
    report = applied(report_of(unjudged), [waiver("not-judged")], TODAY)
    assert states(report) == ["met"]
    assert exit_of(report) == Exit.PASSED
    report = applied(report_of(unjudged), [waiver()], TODAY)
    assert states(report) == []  # nothing was said of its gradient, so nothing of the waiver
    assert exit_of(report) == Exit.FAILED
    report = applied(report_of(op(WRONG_W)), [waiver("not-judged")], TODAY)
    assert states(report) == ["unmet"]
    assert exit_of(report, inconclusive="warn") == Exit.FAILED


def test_waivers_alone_are_no_pass():
    report = applied(report_of(op(WRONG_W)), [waiver()], TODAY)
    alone = msgspec.structs.replace(
        report, results=report.results[:1], summary=summarise(report.results[:1], 0, 0.0), planned=1
    )
    assert exit_of(alone) == Exit.NOTHING
    assert alone.summary.waived == 1


def test_a_failing_result_without_a_finding_is_never_let_through():
    report = applied(report_of(op(verdict="fail")), [waiver()], TODAY)
    assert states(report) == ["unmet"]
    assert exit_of(report) == Exit.FAILED


def test_what_is_said_is_harmless():
    hostile = "g::\x1b[31m<script>\u202e\ud800" + "x" * 10_000
    known = waiver(name=hostile, input="\x1b]0;title\x07")
    report = applied(report_of(op(name=hostile)), [known], TODAY)
    for line in shown.lines(report):
        assert "\x1b" not in line.plain
        assert "\u202e" not in line.plain
        assert len(line.plain) < 4000


# -- on the command line --------------------------------------------------------------------------


def changed(project: Project, text: str) -> None:
    """Another gates.py, as if it had not been imported yet."""
    sys.modules.pop("gates", None)
    project.write("gates.py", text)
    linecache.clearcache()


def test_the_life_of_a_waiver(project):
    """New and red, waived, another mistake, expired, mended, gone."""
    project.write(
        "pyproject.toml",
        '[tool.gradcheck]\ntargets = ["gates.py"]\nmax-cases = 8\ndtypes = ["float64"]\n',
    )
    changed(project, gates(dw="-2 * dz"))
    assert project.run("run").code == 1

    project.write(FILE, entry(input='"W"'))
    ran = project.run("run")
    assert ran.code == 0, ran.text
    assert "gates::Affine: waived until 2999-01-01: the sign of dW, ticket 12" in ran.out
    assert "backward pass" not in ran.out  # one line, and no report
    assert "1 failed, 1 of these waived" in ran.out
    (waived,) = project.results()["waivers"]
    assert waived["state"] == "met"
    assert project.results()["results"][0]["verdict"] == "fail"
    assert project.run("report", ".gradcheck/results.json").code == 0
    assert "backward pass" in project.run("run", *VALUES, "-v").out

    changed(project, gates(dx="-2 * dz", dw="-2 * dz"))
    ran = project.run("run")
    assert ran.code == 1
    assert "gradient of x" in ran.out
    assert "gates::Affine: only wrong-gradient of W is waived" in ran.out

    changed(project, gates(dw="-2 * dz"))
    project.write(FILE, entry(input='"W"', expires="2026-01-31"))
    ran = project.run("run")
    assert ran.code == 1
    assert "waiver expired: gates::Affine, wrong-gradient of W: it still fails" in ran.out
    assert "backward pass" in ran.out


def test_the_end_of_a_waiver(project, monkeypatch):
    """It is fixed where a run would have met it: in all checks, and in the cases of profile ci."""
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["gates.py"]\n')
    project.write("gates.py", gates())
    project.write(FILE, entry(input='"W"'))
    ran = project.run("run", *FEW)
    assert ran.code == 0, ran.text
    assert project.results()["waivers"] == []
    monkeypatch.setenv("GRADCHECK_CHECKS", "contract")
    assert project.run("run").code == 0
    assert project.results()["waivers"] == []
    monkeypatch.delenv("GRADCHECK_CHECKS")

    ran = project.run("run")
    assert ran.code == 1
    assert "waiver fixed: gates::Affine, wrong-gradient of W: the op passes now" in ran.out
    assert "next: bring the waiver file up to date" in ran.out
    assert project.run("report", ".gradcheck/results.json").code == 1
    (project.folder / FILE).unlink()
    assert project.run("run", *FEW).code == 0


# -- a waived mistake hides no other --------------------------------------------------------------

MASKED = """
import gradcheck
import numpy as np

square = gradcheck.op(np.square, lambda dz, x: 2 * x * dz, "x[n]", name="square")


def summed(x, W):
    return x * x + (W * W).sum()


rare = gradcheck.op(
    summed,
    lambda dz, x, W: (2 * x * dz * (2 if abs(x).max() > 2.5 else 1), 3 * W * dz.sum()),
    "x[n], W[m]",
    name="rare",
)
tie = gradcheck.op(
    lambda x, W: np.asarray(x.max() + (W * W).sum()),
    lambda dz, x, W: (dz * (x == x.max()), 3 * W * dz),
    "x[n], W[m]",
    name="tie",
)
three = gradcheck.op(
    summed,
    lambda dz, x, W: (2 * x * dz, 9 * np.ones_like(W), 0.0),
    "x[n], W[m]",
    name="three",
)
strided = gradcheck.op(
    summed,
    lambda dz, x, W: (2 * x * dz.ravel("K").reshape(dz.shape), 3 * W * dz.sum()),
    "x[n d], W[m]",
    name="strided",
)
alone = gradcheck.op(
    summed, lambda dz, x, W: (2 * x * dz, 3 * W * dz.sum()), "x[n], W[m]", name="alone"
)
"""
KNOWN = [("wrong-gradient", "W")]


def test_another_mistake_of_the_op_turns_the_run_red(project):
    project.write("masked.py", MASKED)
    of_w = {"code": '"wrong-gradient"', "input": '"W"'}
    project.write(FILE, entry(op='"masked::rare"', **of_w) + entry(op='"masked::alone"', **of_w))
    ran = project.run("run", "masked.py", "-k", "rare", "--max-cases", "30", *VALUES)
    assert ran.code == 1, ran.text
    assert "gradient of x" in ran.out
    assert "masked::rare: only wrong-gradient of W is waived" in ran.out
    ran = project.run("run", "masked.py::square", "masked.py::alone", *FEW, *VALUES)
    assert ran.code == 0, ran.text


def test_what_a_waived_mistake_keeps_from_being_compared_is_no_pass(project):
    project.write("masked.py", MASKED)
    project.write(FILE, entry(op='"masked::three"', code='"gradient-count"'))
    ran = project.run("run", "masked.py::square", "masked.py::three", *FEW)
    assert ran.code == 1, ran.text
    assert "masked::three: only gradient-count is waived, and the rest is no pass: only 0 of" in (
        ran.out
    )
    both = entry(op='"masked::three"', code='"gradient-count"')
    project.write(FILE, both + entry(op='"masked::three"', code='"not-judged"'))
    assert project.run("run", "masked.py::square", "masked.py::three", *FEW).code == 0


@pytest.mark.parametrize(
    ("name", "cases", "checks", "other"),
    [
        ("rare", 30, ("values",), ("wrong-gradient", "x")),
        ("tie", 40, ("values",), ("wrong-at-tie", "x")),
        ("strided", 15, ("values", "layout"), ("layout", "")),
    ],
)
def test_what_waivers_name_stops_folds_and_skips_nothing(project, name, cases, checks, other):
    project.write("masked.py", MASKED)
    (masked,) = load(f"masked.py::{name}")
    settings = Settings(max_cases=cases, checks=checks)
    alone, told = run_one(masked, settings), run_one(masked, settings, known=KNOWN)
    assert codes(alone) == [("wrong-gradient", "W")]
    assert codes(told)[0][0].startswith(other[0])
    assert codes(told)[0][1] == other[1]
    assert codes(told)[1:] == [("wrong-gradient", "W")]  # what is waived comes last
    assert (alone.reason, told.reason) == ("", "")


def test_what_is_waived_and_alone_is_judged_as_if_it_were_right(project):
    project.write("masked.py", MASKED)
    (masked,) = load("masked.py::alone")
    told = run_one(masked, Settings(max_cases=30), known=KNOWN)
    assert (told.verdict, told.reason, told.cases) == ("fail", "", 30)
    assert codes(told) == [("wrong-gradient", "W")]
    (masked,) = load("masked.py::three")
    told = run_one(masked, Settings(max_cases=12), known=[("gradient-count", "")])
    assert told.verdict == "fail"
    assert told.reason.startswith("only 0 of 12 cases could be judged")


def codes(result: OpResult) -> list[tuple[str, str]]:
    return [(f.code, f.input) for f in result.findings if f.severity == "fail"]


def test_a_filter_leaves_the_waivers_of_other_ops_alone(project):
    project.write("gates.py", gates(dw="-2 * dz"))
    project.write(FILE, entry() + entry(op='"gates::gone"') + entry(op='"elsewhere::f"'))
    for chosen in (("gates.py::square",), ("gates.py", "-k", "square")):
        ran = project.run("run", *chosen, *FEW, *VALUES)
        assert ran.code == 0, ran.text
        assert project.results()["waivers"] == []
    ran = project.run("run", "gates.py", *FEW, *VALUES)
    assert ran.code == 1
    assert [w["state"] for w in project.results()["waivers"]] == ["met", "unmet"]
    assert "waiver unmet: gates::gone, wrong-gradient: there is no such op" in ran.out
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["gates.py"]\n')
    assert (
        project.run("run", *FEW, *VALUES).code == 1
    )  # all there is to check: nothing is elsewhere
    assert [w["state"] for w in project.results()["waivers"]] == ["met", "unmet", "unmet"]


def test_a_wrong_file_is_2_before_anything_is_checked(project):
    project.write("gates.py", gates())
    project.write(FILE, entry(reason='"TODO"'))
    ran = project.run("run", "gates.py", *FEW)
    assert (ran.code, ran.out) == (2, "")
    assert f"{FILE}: entry 1 (gates::Affine): reason" in ran.err
    ran = project.run("run", "gates.py", *FEW, "--waivers", "nowhere.toml")
    assert ran.code == 2
    assert "nowhere.toml: --waivers names this file, and there is none" in ran.err
    assert not (project.folder / ".gradcheck" / "results.json").exists()


def test_the_command_line_names_another_file(project, monkeypatch):
    project.write("pyproject.toml", '[tool.gradcheck]\nwaivers = "known.toml"\n')
    project.write("known.toml", "")
    project.write("gates.py", gates(dw="-2 * dz"))
    project.write("below/other.toml", entry())
    assert project.run("run", "gates.py", *FEW, *VALUES).code == 1
    monkeypatch.chdir(project.folder / "below")
    ran = project.run("run", "../gates.py", *FEW, *VALUES, "--waivers", "other.toml")
    assert ran.code == 0, ran.text

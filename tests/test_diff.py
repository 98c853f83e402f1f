"""`gradcheck diff`: what got worse is red, and two runs of the same code do not differ."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

import gradcheck
from gradcheck.changes import BETTER, OTHER, WORSE, Change, Changes, compare
from gradcheck.changes.evidence import _shift
from gradcheck.figures import Figures, Spread
from gradcheck.reporters.changes import markdown, text
from gradcheck.reporters.json import render
from gradcheck.results import (
    CheckSummary,
    Finding,
    OpResult,
    Report,
    Severity,
    Waived,
    summarise,
)
from gradcheck.runner import run
from gradcheck.settings import convert
from gradcheck.targets import load

FEW = ("--max-cases", "12")
CHECKED = {
    "values": CheckSummary(verdict="pass", comparisons=90),
    "purity": CheckSummary(verdict="pass", comparisons=10),
}


def finding(code: str = "wrong-gradient", input: str = "W", severity: Severity = "fail") -> Finding:
    return Finding(code=code, check="values", severity=severity, message="m", input=input)


def op(*found: Finding, name: str = "g::a", verdict: str = "", **more: Any) -> OpResult:
    fails = any(f.severity == "fail" for f in found)
    whole: dict[str, Any] = {
        "op": name,
        "kind": "pair",
        "verdict": verdict or ("fail" if fails else "pass"),
        "findings": list(found),
        "checks": CHECKED,
        "dtypes": ["float64", "float32"],
        "coverage": {"random": 90, "zeros": 1, "ties": 3},
        "cases": 100,
        "cases_rejected": 6,
        "comparisons": 100,
        "figures": Figures(spread=Spread(limits={"-11": 50, "-5": 40, "zero": 10})),
    } | more
    return OpResult(**whole)


def report_of(*results: OpResult, **more: Any) -> Report:
    listed = list(results)
    whole: dict[str, Any] = {
        "seed": 0,
        "profile": "ci",
        "environment": {"gradcheck": "0.1.0", "numpy": "2.3"},
        "summary": summarise(listed, 0, 0.0),
        "results": listed,
        "planned": len(listed),
    } | more
    return Report(**whole)


def kinds(old: Report, new: Report) -> list[str]:
    return [c.kind for c in compare(old, new).changes]


def of(a: OpResult, b: OpResult) -> Change:
    """The one change."""
    (change,) = compare(report_of(a), report_of(b)).changes
    return change


# -- verdicts and findings -------------------------------------------------------------------------


def test_the_same_report_does_not_differ():
    report = report_of(op(), op(finding(), name="g::b"))
    assert compare(report, report) == Changes(compared=2)


@pytest.mark.parametrize("before", ["pass", "inconclusive"])
def test_a_new_failure(before):
    change = of(op(verdict=before), op(finding(), finding(input="x")))
    assert (change.kind, change.now) == ("new-failure", "FAIL")
    assert change.was in ("pass", "not judged")
    assert change.what == "wrong-gradient of W, wrong-gradient of x"


def test_fixed():
    assert of(op(finding()), op()).kind == "fixed"


def test_a_failing_op_that_fails_otherwise():
    old, new = report_of(op(finding())), report_of(op(finding("wrong-shape", "x")))
    changes = compare(old, new)
    assert [(c.kind, c.what) for c in changes.changes] == [
        ("new-finding", "wrong-shape of x"),
        ("finding-fixed", "wrong-gradient of W"),
    ]
    assert len(changes.worse) == 1
    assert kinds(report_of(op(finding())), report_of(op(finding(), finding(input="x")))) == [
        "new-finding"
    ]


def test_no_longer_judged():
    unjudged = op(verdict="inconclusive", reason="only 2 of 12 cases could be judged")
    change = of(op(), unjudged)
    assert (change.kind, change.was, change.now) == ("no-longer-judged", "pass", "not judged")
    assert change.what == "only 2 of 12 cases could be judged"
    assert of(op(finding()), unjudged).kind == "no-longer-judged"
    assert of(unjudged, op()).kind == "judged"


def test_ops_that_are_gone_and_new_ones():
    old = report_of(op(), op(name="g::b"))
    new = report_of(op(), op(name="h::b"))
    changes = compare(old, new)
    assert [(c.kind, c.op, c.what) for c in changes.changes] == [
        ("op-gone", "g::b", "there is h::b now"),
        ("new-op", "h::b", ""),
    ]
    assert kinds(report_of(), report_of(op(finding()))) == ["new-failure"]
    assert kinds(report_of(), report_of(op(verdict="inconclusive"))) == ["no-longer-judged"]


@pytest.mark.parametrize("cut", [{"interrupted": True}, {"planned": 2}])
def test_an_op_that_a_cut_run_did_not_come_to(cut):
    old, new = report_of(op(), op(name="g::b")), report_of(op(), **cut)
    changes = compare(old, new)
    assert [c.kind for c in changes.worse] == ["not-checked"]
    assert any("the new run was cut short" in line for line in changes.differs)


def test_a_target_that_cannot_be_loaded():
    broken = report_of(op(), errors=["h.py cannot be imported"])
    assert kinds(report_of(op()), broken) == ["not-loaded"]
    assert kinds(broken, report_of(op())) == ["loaded"]


def test_a_new_warning_is_said_and_not_worse():
    changes = compare(report_of(op()), report_of(op(finding("shared-memory", "x", "warning"))))
    assert [(c.kind, c.what) for c in changes.changes] == [("new-warning", "shared-memory of x")]
    assert changes.worse == []


# -- waivers ---------------------------------------------------------------------------------------


def waived(state: str = "met") -> Waived:
    word: Any = state
    return Waived(
        op="g::a", code="wrong-gradient", reason="r", expires="2999-01-01", state=word, message="m"
    )


def test_a_failure_that_is_waived_at_once_is_said():
    """And it is a new finding: whoever reviews the change shall see that it is wrong now."""
    let_through = op(finding(), waived="until 2999-01-01: known")
    changes = compare(report_of(op()), report_of(let_through)).changes
    assert [(c.kind, c.now, c.what) for c in changes] == [
        ("new-finding", "FAIL (waived)", "wrong-gradient of W"),
        ("waived-failure", "FAIL (waived)", "waived until 2999-01-01: known"),
    ]
    assert kinds(report_of(), report_of(let_through)) == ["new-finding", "waived-failure"]
    assert kinds(report_of(op(finding())), report_of(let_through)) == ["waived-failure"]
    assert kinds(report_of(let_through), report_of(let_through)) == []
    assert of(let_through, op(finding())).kind == "no-longer-waived"


def test_what_a_waiver_covers_from_the_start_is_new_all_the_same():
    one = op(finding(), waived="until 2999-01-01: any input")
    for more in (finding(input="x"), finding("wrong-shape")):
        two = op(finding(), more, waived=one.waived)
        change = of(one, two)
        assert (change.kind, change.was, change.now) == (
            "new-finding", "FAIL (waived)", "FAIL (waived)",
        )  # fmt: skip
        assert of(two, one).kind == "finding-fixed"


def test_not_judged_and_let_through_is_no_longer_judged():
    unjudged = op(verdict="inconclusive", reason="too few cases", waived="until 2999-01-01: known")
    assert kinds(report_of(op()), report_of(unjudged)) == ["no-longer-judged", "waived-failure"]
    assert kinds(report_of(), report_of(unjudged)) == ["no-longer-judged", "waived-failure"]
    assert kinds(report_of(unjudged), report_of(unjudged)) == []


@pytest.mark.parametrize("state", ["fixed", "unmet"])
def test_a_waiver_that_is_used_up(state):
    old = report_of(op(finding(), waived="until 2999-01-01: r"), waivers=[waived()])
    new = report_of(op(), waivers=[waived(state)])
    assert kinds(old, new) == ["fixed", "waiver-used-up"]


# -- bounds ----------------------------------------------------------------------------------------


def limits(**counts: int) -> OpResult:
    """An op with these limits: ``m11=50`` are fifty of 1e-11."""
    powers = {k.replace("m", "-"): v for k, v in counts.items()}
    return op(figures=Figures(spread=Spread(limits=powers)))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"m11": 50, "m5": 40}, {"m9": 50, "m3": 40}, "worse-bounds"),
        ({"m9": 50, "m3": 40}, {"m11": 50, "m5": 40}, "better-bounds"),
        ({"m11": 90}, {"m5": 90}, "worse-bounds"),
        ({"m11": 90}, {"inf": 90}, "worse-bounds"),
        ({"m11": 50, "m5": 40}, {"m10": 50, "m4": 40}, ""),  # ten times, and no more
        ({"m11": 50, "m5": 40}, {"m11": 40, "m5": 50}, ""),  # more float32 cases
        ({"m11": 50, "m5": 40}, {"m11": 30, "m5": 60}, ""),  # many more
        ({"m11": 90}, {"m11": 90, "m2": 10}, ""),  # one case in ten
        ({"m11": 30, "zero": 70}, {"m11": 70, "zero": 30}, ""),  # fewer exact ones
        ({"m11": 5}, {"m2": 5}, ""),  # too few to say
        ({"m11": 90}, {}, ""),
        ({"m11": 90}, {"a": 90, "": 3, "٣": 9}, ""),  # a damaged file
    ],
)
def test_bounds(before, after, kind):
    found = kinds(report_of(limits(**before)), report_of(limits(**after)))
    assert found == ([kind] if kind else [])


def test_bounds_say_how_much():
    change = of(limits(m11=50, m5=40), limits(m9=50, m3=40))
    assert change.what == "the smallest error that would be seen is about 100 times larger"


def test_a_count_may_be_anything():
    assert kinds(report_of(limits(m11=90)), report_of(limits(m11=10**15))) == []


def test_the_shift_of_a_whole_distribution():
    x = sorted([-11] * 50 + [-5] * 40)
    assert _shift(x, x) == 0
    assert _shift(x, [v + 2 for v in x]) == 2
    assert _shift(x, [v + 2 for v in x][::2]) == pytest.approx(2, abs=0.2)


def test_a_failing_op_has_no_bounds_to_compare():
    failed = msgspec.structs.replace(limits(m2=90), verdict="fail", findings=[finding()])
    assert kinds(report_of(failed), report_of(failed)) == []
    assert kinds(report_of(limits(m11=90)), report_of(failed)) == ["new-failure"]


# -- coverage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        ({"dtypes": ["float64"]}, "dtypes no longer judged in: float32"),
        ({"checks": {"values": CHECKED["values"]}}, "checks no longer made: purity"),
        (
            {"checks": CHECKED | {"purity": CheckSummary(verdict="pass")}},
            "checks no longer made: purity",
        ),
        ({"coverage": {"random": 90}}, "kinds of case no longer met: zeros, ties"),
        ({"cases": 50}, "44 cases could be judged, 94 before"),
        ({"cases_rejected": 60}, "40 cases could be judged, 94 before"),
        ({"cases": 80}, "74 cases could be judged, 94 before"),
        ({"inconclusive": 15}, "15% of the comparisons are inconclusive, 0% before"),
    ],
)
def test_coverage_that_is_lost(lost, what):
    change = of(op(), op(**lost))
    assert (change.kind, change.what) == ("coverage-lost", what)
    assert kinds(report_of(op(**lost)), report_of(op())) == []


def test_a_case_that_the_draw_refused_is_chance_where_the_seeds_differ():
    less = op(coverage={"random": 92, "ties": 3})
    assert kinds(report_of(op()), report_of(less)) == ["coverage-lost"]
    assert kinds(report_of(op()), report_of(less, seed=1)) == []
    other = {"environment": {"gradcheck": "0.2.0", "numpy": "2.3"}}
    assert kinds(report_of(op()), report_of(less, **other)) == []
    gone = op(coverage={"random": 93})
    assert kinds(report_of(op()), report_of(gone, seed=1)) == ["coverage-lost"]


def test_a_few_more_refusals_are_chance_where_the_seeds_differ():
    before, after = op(cases=25, cases_rejected=8), op(cases=25, cases_rejected=12)
    assert kinds(report_of(before), report_of(after)) == ["coverage-lost"]
    assert kinds(report_of(before), report_of(after, seed=1)) == []
    half = op(cases_rejected=50)
    assert kinds(report_of(op()), report_of(half, seed=1)) == ["coverage-lost"]


def test_a_lower_profile_is_coverage_that_is_lost():
    """Kinds of case and bounds are not compared then; what else is gone is still said."""
    ran = {"cases": 25, "cases_rejected": 1, "coverage": {"random": 20}}
    less = op(figures=limits(m2=25).figures, **ran)
    changes = compare(report_of(op()), report_of(less, profile="fast"))
    assert [(c.kind, c.op, c.what) for c in changes.changes] == [
        ("coverage-lost", "", "25 cases of an op were to be checked, 100 before")
    ]
    assert changes.differs == [
        "profile ci in the old run, fast in the new one",
        "cases of other kinds, so bounds and kinds of case are not compared",
    ]
    few = report_of(op(**ran), in_force={"max-cases": 25})
    assert [c.what for c in compare(report_of(op()), few).worse] == [changes.changes[0].what]
    more = compare(report_of(less, profile="fast"), report_of(op(dtypes=["float64"])))
    assert [c.kind for c in more.worse] == ["coverage-lost"]


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        ({"dtypes": ["float64"]}, "dtypes no longer judged in: float32"),
        ({"checks": {"values": CHECKED["values"]}}, "checks no longer made: purity"),
        ({"cases_rejected": 20}, "5 cases could be judged, 94 before"),
    ],
)
def test_a_lower_profile_hides_nothing_else_that_is_lost(lost, what):
    ran = {"cases": 25, "cases_rejected": 1, "coverage": {"random": 20}} | lost
    changes = compare(report_of(op()), report_of(op(**ran), profile="fast"))
    assert [c.what for c in changes.worse if c.op] == [what]


def test_what_the_settings_leave_out_is_lost():
    """Said once of the run, not of each op as well, and of failing ops too."""
    few = {"in_force": {"checks": ["values"], "dtypes": ["float32"]}}
    less = {"dtypes": ["float32"], "checks": {"values": CHECKED["values"]}}
    every = report_of(op(), op(name="g::b"))
    some = report_of(op(**less), op(name="g::b", **less), **few)
    assert [(c.op, c.what) for c in compare(every, some).worse] == [
        ("", "checks left out: contract, reference, nodes, purity, linearity, layout, framework"),
        ("", "dtypes left out: float64"),
    ]
    assert compare(some, every).worse == []
    failing = report_of(op(finding())), report_of(op(finding()), **few)
    assert len(compare(*failing).worse) == 2
    assert compare(report_of(op()), report_of(op(), in_force={"checks": 7})).worse == []


# -- what is said ----------------------------------------------------------------------------------


def test_what_differs_besides_is_said_first_and_is_no_failure():
    new = report_of(op(), seed=3, environment={"gradcheck": "0.1.0", "numpy": "2.4"})
    new = msgspec.structs.replace(new, settings={"strict": True})
    changes = compare(report_of(op()), new)
    assert changes.worse == []
    lines = text(changes, "old.json", "new.json").splitlines()
    assert lines[:4] == [
        "from old.json to new.json",
        "not the same: seed 0 in the old run, 3 in the new one",
        "not the same: numpy 2.3 in the old run, 2.4 in the new one",
        "not the same: --strict none in the old run, True in the new one",
    ]


def test_the_worst_comes_first():
    old = report_of(op(), op(finding(), name="g::b"), op(name="g::c"), op(name="g::d"))
    new = report_of(
        op(dtypes=["float64"]), op(name="g::b"), op(finding(), name="g::c"), op(name="g::e")
    )
    shown = text(compare(old, new), "a", "b")
    order = ("WORSE: 3", "new failure", "op gone", "coverage lost", "better: 2", "fixed", "new op")
    places = [shown.index(word) for word in order]
    assert places == sorted(places)
    assert "g::c: from pass to FAIL: wrong-gradient of W" in shown
    assert shown.endswith("3 ops compared: 3 worse, 2 better")


def test_every_kind_is_worse_better_or_neither():
    from typing import get_args

    from gradcheck.changes.record import Kind

    assert sorted(get_args(Kind)) == sorted((*WORSE, *BETTER, *OTHER))


def test_many_ops_that_changed_in_one_way_are_one_line():
    ops = [op(name=f"g::op{k}") for k in range(40)]
    less = [msgspec.structs.replace(r, dtypes=["float64"]) for r in ops]
    shown = text(compare(report_of(*ops), report_of(*less)), "a", "b")
    assert "40 ops (g::op0, g::op1, g::op2, g::op3, and 36 more)" in " ".join(shown.split())
    assert "WORSE: 40" in shown


def test_hostile_names_are_harmless():
    name = "g::\x1b[31m<script>\u202e\ud800[bold]" + "x" * 10_000
    old, new = report_of(op(name=name)), report_of(errors=["\x1b]0;title\x07\n\nnext"])
    shown = text(compare(old, new), name, "\x07")
    assert not {"\x1b", "\u202e", "\ud800", "\x07"} & set(shown)
    assert len(shown) < 5000


# -- on the command line ---------------------------------------------------------------------------


def written(project, name: str, report: Report) -> str:
    project.write(name, render(report))
    return name


def test_exit_codes_and_what_is_printed(project):
    good = written(project, "good.json", report_of(op()))
    bad = written(project, "bad.json", report_of(op(finding())))
    ran = project.run("diff", good, bad)
    assert ran.code == 1
    assert "from good.json to bad.json" in ran.out
    assert "new failure" in ran.out
    ran = project.run("diff", bad, good)
    assert ran.code == 0
    assert "fixed" in ran.out
    ran = project.run("diff", good, good)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "1 op compared: nothing changed")


def test_what_cannot_be_read_is_2(project):
    good = written(project, "good.json", report_of(op()))
    project.write("scores.json", "[]")
    project.write("half.json", render(report_of(op()))[:200])
    project.write("later.json", render(report_of(op())).replace('_version": 1', '_version": 99'))
    for other in ("nowhere.json", "scores.json", "half.json", "later.json", "."):
        for pair in ((good, other), (other, good)):
            ran = project.run("diff", *pair)
            assert ran.code == 2, ran.text
            assert other in ran.err
            assert ran.out == ""


def test_nothing_to_compare_is_5(project):
    empty = written(project, "empty.json", report_of())
    assert project.run("diff", empty, empty).code == 5


def test_json(project):
    good = written(project, "good.json", report_of(op()))
    bad = written(project, "bad.json", report_of(op(finding())))
    assert project.run("diff", good, bad, "--json", "out/changes.json").code == 1
    loaded = json.loads((project.folder / "out" / "changes.json").read_text())
    assert loaded["compared"] == 1
    (change,) = loaded["changes"]
    assert (change["kind"], change["op"], change["was"], change["now"]) == (
        "new-failure", "g::a", "pass", "FAIL",
    )  # fmt: skip


def test_markdown(project):
    good = written(project, "good.json", report_of(op(), op(name="g::b"), seed=1))
    bad = written(project, "bad.json", report_of(op(finding()), op(name="g::c"), seed=2))
    ran = project.run("diff", good, bad, "--report", "markdown=out/comment.md", "--json", "c.json")
    assert ran.code == 1
    assert (project.folder / "out" / "comment.md").read_text() == (
        "## gradcheck diff: worse\n\n1 op compared: 2 worse, 1 better\n\n"
        "from `good.json` to `bad.json`\n\n"
        "- not the same: `seed 1 in the old run, 2 in the new one`\n\n"
        "### WORSE: 2\n\n| change | op | before | now | what |\n|---|---|---|---|---|\n"
        "| new failure | `g::a` | pass | FAIL | `wrong-gradient of W` |\n"
        "| op gone | `g::b` | pass | not there |  |\n\n"
        "### better: 1\n\n| change | op | before | now | what |\n|---|---|---|---|---|\n"
        "| new op | `g::c` | not there | pass |  |\n"
    )
    assert json.loads((project.folder / "c.json").read_text())["compared"] == 1
    ran = project.run("diff", good, good, "--report", "markdown=-")
    assert ran.code == 0
    assert ran.out.startswith("## gradcheck diff: nothing worse\n\n2 ops compared: nothing changed")
    assert "from good.json to good.json" in ran.err


def test_reports_of_one_run_are_no_reports_of_a_diff(project):
    good = written(project, "good.json", report_of(op()))
    ran = project.run("diff", good, good, "--report", "html=x.html")
    assert ran.code == 2
    assert "diff writes json and markdown" in ran.err
    assert not (project.folder / "x.html").exists()
    ran = project.run("diff", good, good, "--report", "markdown=c.txt", "--json", "c.txt")
    assert ran.code == 2
    assert "two reports" in ran.err


def test_markdown_takes_user_text_as_text_and_ends_within_a_comment():
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    hostile = ["a|b", "``|`", "<img src=x>", "@everyone\n| x |", "\u202e[a](b)" + "x" * 10_000]
    old = report_of(*[op(name=f"{n}::{n}") for n in hostile])
    new = report_of(*[op(finding(input=n), name=f"{n}::{n}") for n in hostile], errors=hostile)
    shown = markdown(compare(old, new), *hostile[:2])
    tokens = parser.parse(shown)
    cells = [tokens[k + 1] for k, t in enumerate(tokens) if t.type == "td_open"]
    assert len(cells) == 5 * 2 * len(hostile)
    for token in tokens:
        assert token.type != "html_block"
        for child in token.children or ():
            assert child.type in ("text", "code_inline", "softbreak")
            assert child.type == "code_inline" or not set("<@[") & set(child.content)
    many = report_of(*[op(finding(input=f"x{k}"), name=f"g::{k}") for k in range(3000)])
    long = markdown(compare(report_of(*[op(name=f"g::{k}") for k in range(3000)]), many), "a", "b")
    assert len(long.encode()) < 60_000
    rows = long.count("| new failure |")
    assert f"_... and {3000 - rows} more rows: gradcheck diff prints all_" in long


def test_of_two_runs(project):
    """A mistake that is put in, and the stream of a run as well as its file."""
    project.write("gates.py", GATES.replace("FACTOR", "1.0"))
    assert project.run("run", "gates.py", *FEW, "--json", "old.json").code == 0
    project.write("gates.py", GATES.replace("FACTOR", "1.500"))
    assert project.shell("run", "gates.py", *FEW, "--json", "new.json").code == 1
    ran = project.run("diff", "old.json", "new.json")
    assert ran.code == 1
    assert "gates::one: from pass to FAIL: wrong-gradient of x" in ran.out
    ran = project.run("diff", "old.json", ".gradcheck/results.ndjson")
    assert ran.code == 1
    assert "gates::one: from pass to FAIL" in ran.out


GATES = """
import gradcheck
import numpy as np

one = gradcheck.op(np.sin, lambda dz, x: FACTOR * np.cos(x) * dz, "x[n]", name="one")
two = gradcheck.op(np.cos, lambda dz, x: -np.sin(x) * dz, "x[n]", name="two")
"""


# -- of real runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["matrices", "dropout", "pooling"])
def test_two_seeds_of_right_ops_do_not_differ(module):
    """Those whose bounds and cases vary most between seeds are among them."""
    ops = load(f"reference_ops.{module}")
    one, two = (run(ops, convert({"profile": "fast", "seed": s}, "here")) for s in (0, 1))
    for old, new in ((one, two), (two, one)):
        changes = compare(old, new)
        assert changes.worse == [], changes.worse
        assert changes.compared == len(ops)


def test_a_gate_cannot_be_disarmed_by_its_settings(project, monkeypatch):
    project.write("gates.py", GATES.replace("FACTOR", "1.0"))
    assert project.run("run", "gates.py", *FEW, "--json", "old.json").code == 0
    monkeypatch.setenv("GRADCHECK_DTYPES", "float32")
    fewer = ("--max-cases", "8", "--checks", "values")
    assert project.run("run", "gates.py", *fewer, "--json", "new.json").code == 0
    ran = project.run("diff", "old.json", "new.json")
    assert ran.code == 1
    for lost in ("8 cases of an op", "checks left out: contract", "dtypes left out: float64"):
        assert lost in ran.out
    assert project.run("diff", "new.json", "old.json").code == 0


def test_a_forward_that_became_coarse_has_worse_bounds():
    """It computes in float32 now: what was seen from 1e-11 is seen from 1e-5."""

    def coarse(x):
        return np.sin(x.astype(np.float32)).astype(x.dtype)

    def backward(dz, x):
        return np.cos(x) * dz

    settings = convert({"max-cases": 20, "dtypes": ["float64"]}, "here")
    fine, now = (
        run([gradcheck.op(f, backward, "x[n]", name="sine")], settings) for f in (np.sin, coarse)
    )
    assert [r.verdict for r in (*fine.results, *now.results)] == ["pass", "pass"]
    assert [c.kind for c in compare(fine, now).worse] == ["worse-bounds"]
    assert "better-bounds" in kinds(now, fine)

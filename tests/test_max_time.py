"""A run that is out of time, or interrupted, says how much it checked and is no pass.

Time is set by hand here: a clock that jumps, so that no test depends on how fast a machine is.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gradcheck import files, random_graphs, runner, series
from gradcheck.errors import UsageError
from gradcheck.graphs.composing import compose
from gradcheck.policy import Exit, decide
from gradcheck.random_graphs import check_graphs
from gradcheck.registry import make
from gradcheck.reporters import beside as shown
from gradcheck.results import Report
from gradcheck.runner import run, run_one
from gradcheck.series import InTime, deadline, one_by_one
from gradcheck.settings import Settings, convert
from gradcheck.targets import load
from gradcheck.wishes import Wish
from tests.project import GATES

FEW = ("--max-cases", "12")
THREE = """
import gradcheck
import numpy as np

one = gradcheck.op(np.sin, lambda dz, x: np.cos(x) * dz, "x[n]", name="one")
two = gradcheck.op(np.cos, lambda dz, x: -np.sin(x) * dz, "x[n]", name="two")
three = gradcheck.op(np.exp, lambda dz, x: np.exp(x) * dz, "x[n]", name="three")
"""


class Clock:
    """``time.perf_counter``, which jumps when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "perf_counter", made)
    return made


def few(**more: object) -> Settings:
    return convert({"max-cases": 12, **more}, "here")


# -- between two ops ------------------------------------------------------------------------------


def test_no_time_is_all_the_time(clock):
    assert deadline(0) == math.inf
    assert deadline(60) == 60.0


def test_no_op_is_begun_when_the_time_is_over(clock):
    def ops() -> Iterator[str]:
        for name in ("a", "b", "c"):
            yield name
            clock.now += 10

    timed = InTime(ops(), until=15)  # type: ignore[arg-type]
    assert list(timed) == ["a", "b"]
    assert timed.late
    timed = InTime(ops(), until=math.inf)  # type: ignore[arg-type]
    assert len(list(timed)) == 3
    assert not timed.late


def test_the_last_op_may_end_after_the_time(clock):
    timed = InTime(iter(["a"]), until=15)  # type: ignore[arg-type]
    for _ in timed:
        clock.now = 99
    assert not timed.late


def test_a_run_out_of_time_says_so_and_is_no_pass(project, clock):
    project.write("gates.py", THREE)
    ops = load("gates.py")

    def taking_20(result: object) -> None:
        clock.now += 20

    report = run(iter(ops), few(**{"max-time": 30}), progress=taking_20, planned=3)
    assert [r.name for r in report.results] == ["one", "two"]
    assert (report.planned, report.interrupted) == (3, False)
    assert report.cut_short == "out of time (--max-time 30)"
    assert decide(report, Settings()) == Exit.FAILED
    assert shown.cut_short(report) == "2 of 3 ops checked: out of time (--max-time 30)"
    whole = run(ops, few())
    assert (whole.planned, whole.cut_short, shown.cut_short(whole)) == (3, "", "")
    assert decide(whole, Settings()) == Exit.PASSED


def test_an_op_with_wrong_settings_was_not_planned(project):
    """It is counted as an error: the run is not said to be out of time."""
    project.write("gates.py", THREE.replace('name="two"', 'name="two", signif=7.0'))
    report = run(load("gates.py"), few())
    assert (len(report.results), len(report.errors), report.planned) == (2, 1, 2)
    assert shown.cut_short(report) == ""


# -- within an op ---------------------------------------------------------------------------------


def test_an_op_that_ran_out_of_time_is_not_judged(project, clock):
    project.write("gates.py", THREE)
    (op,) = load("gates.py::one")
    whole = run_one(op, few())
    assert (whole.verdict, whole.cases) == ("pass", 12)
    result = run_one(op, few(), until=-1.0)
    assert result.verdict == "inconclusive"
    assert result.reason == "1 of 12 cases were run: the run is out of time"


def test_the_last_op_in_part_is_no_pass_either(project, clock, monkeypatch):
    """Not even where the settings let through what could not be judged."""
    project.write("gates.py", THREE)
    ops = load("gates.py")
    of_one = runner.run_one

    def late(op, **known):
        return of_one(op, **known | {"until": -1.0 if op.name == "three" else math.inf})

    monkeypatch.setattr(runner, "run_one", late)
    report = run(ops, few(**{"max-time": 30}))
    assert [r.verdict for r in report.results] == ["pass", "pass", "inconclusive"]
    assert decide(report, Settings(inconclusive="warn")) == Exit.FAILED
    line = "3 of 3 ops checked, the last one in part: out of time (--max-time 30)"
    assert shown.cut_short(report) == line


def test_unless_it_failed(project, clock):
    project.write("gates.py")
    (op,) = load("gates.py::Wrong")
    result = run_one(op, few(), until=-1.0)
    assert (result.verdict, result.cases) == ("fail", 1)


def test_what_is_left_is_the_limit_of_a_case():
    settings = Settings()
    assert runner._in_time(settings, math.inf) == settings
    assert runner._in_time(settings, 5.0).op_time_limit == 5.0
    assert runner._in_time(settings, 1000.0).op_time_limit == settings.op_time_limit
    assert runner._in_time(convert({"op-time-limit": 0}, "here"), 5.0).op_time_limit == 5.0
    assert runner._in_time(settings, -3.0).op_time_limit == runner.SHORTEST


# -- on the command line --------------------------------------------------------------------------


def late_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The time is over when so many ops have begun."""
    begun = []

    class Late(InTime):
        def __iter__(self) -> Iterator[object]:
            for op in self._ops:
                if len(begun) == count:
                    self.late = True
                    return
                begun.append(op)
                yield op

    monkeypatch.setattr(runner, "InTime", Late)
    monkeypatch.setattr("gradcheck.random_graphs.InTime", Late)


@pytest.mark.parametrize(("count", "done"), [(0, "0 of 3"), (2, "2 of 3")])
def test_the_summary_says_how_many_were_checked(project, monkeypatch, count, done):
    project.write("gates.py", THREE)
    late_after(monkeypatch, count)
    ran = project.run("run", "gates.py", *FEW, "--max-time", "600")
    assert ran.code == 1
    assert f"{done} ops checked: out of time (--max-time 600)" in ran.out
    assert "next: give it more time" in ran.out
    report = project.results()
    assert report["planned"] == 3
    assert len(report["results"]) == count
    assert report["cut_short"] == "out of time (--max-time 600)"
    assert project.run("report", ".gradcheck/results.json").code == 1


def test_with_a_clock_of_the_machines_own(project):
    """However fast it is, no time at all is too little."""
    project.write("gates.py", THREE)
    ran = project.run("run", "gates.py", *FEW, "--max-time", "1e-9")
    assert ran.code == 1
    assert "0 of 3 ops checked: out of time (--max-time 1e-09)" in ran.out
    assert project.run("run", "gates.py", *FEW, "--max-time", "3600").code == 0


def test_quiet_says_it_too(project):
    project.write("gates.py", THREE)
    ran = project.run("run", "gates.py", *FEW, "--max-time", "1e-9", "-q")
    assert "0 of 3 ops checked: out of time" in ran.out


def test_random_graphs_are_left_out_and_it_is_said(project, monkeypatch):
    project.write("gates.py", THREE)
    graphs = ("--graphs", "4", "--seed", "1")
    whole = project.run("run", "gates.py", *FEW, *graphs)
    assert whole.code == 0, whole.text
    assert "ops checked" not in whole.out
    assert project.results()["planned"] == len(project.results()["results"])
    late_after(monkeypatch, 1)
    ran = project.run("run", "gates.py", *FEW, *graphs, "--max-time", "600")
    assert ran.code == 1
    assert "random graphs: 4 of 4 not checked: out of time (--max-time 600)" in ran.out
    late_after(monkeypatch, 5)
    ran = project.run("run", "gates.py", *FEW, *graphs, "--max-time", "600")
    assert ran.code == 1
    assert "2 random graphs of 3 ops" in ran.out
    assert "; 2 of 4 not checked: out of time (--max-time 600)" in ran.out
    report = project.results()
    assert report["planned"] == len(report["results"]) + 2
    assert report["cut_short"]


@pytest.mark.parametrize("value", ["-1", "nan", "soon"])
def test_a_wrong_time_is_2(project, value):
    project.write("gates.py", THREE)
    ran = project.run("run", "gates.py", "--max-time", value)
    assert ran.code == 2
    assert "max-time" in ran.err


# -- interrupted ----------------------------------------------------------------------------------


def test_an_interrupt_between_two_ops_keeps_what_there_is():
    """While progress is shown, or the next op is composed."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    done, cut = one_by_one(["a", "b"], str.upper, [], interrupted)  # type: ignore[list-item]
    assert (done, cut) == (["A"], True)

    def ops() -> Iterator[str]:
        yield "a"
        raise KeyboardInterrupt

    assert one_by_one(ops(), str.upper, []) == (["A"], True)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_writes_every_kind_of_report_and_exits_130(project, kind):
    from gradcheck.reporters.kinds import KINDS

    wishes = [word for kind in KINDS for word in ("--report", f"{kind}=out/report.{kind}")]
    running = project.begun("gates.py::cube", *wishes)
    running.send_signal(kind)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130, out + err
    assert "1 of 3 ops checked: interrupted" in out
    assert "Traceback" not in out + err
    report = project.results()
    assert (report["interrupted"], report["planned"]) == (True, 3)
    assert [r["op"] for r in report["results"]] == ["gates::right"]
    assert {p.name for p in (project.folder / "out").iterdir()} == {f"report.{k}" for k in KINDS}
    assert project.run("report", "out/report.json").code == 130


def test_a_second_ctrl_c_loses_no_report(project):
    """Terminals and CI runners send it twice: it is the same one."""
    project.write("out/report.json", "old")
    running = project.begun("gates.py::cube", "--json", "out/report.json")
    running.send_signal(signal.SIGINT)
    for _ in range(40):
        time.sleep(0.01)
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
    running.communicate(timeout=120)
    assert running.returncode in (130, -signal.SIGINT)  # it may come while Python itself ends
    assert json.loads((project.folder / "out" / "report.json").read_text())["interrupted"]
    assert [p.name for p in (project.folder / "out").iterdir()] == ["report.json"]


def test_no_report_is_written_over_the_stream_of_its_run(project):
    project.write("gates.py", GATES)
    ran = project.run("run", "gates.py", "--json", ".gradcheck/results.ndjson")
    assert ran.code == 2
    assert "results.ndjson is written while the run goes on" in ran.err


def test_an_interrupt_while_a_file_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    monkeypatch.setattr(Path, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "other.json", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_an_interrupt_while_it_is_printed_still_writes_the_results(project, monkeypatch):
    project.write("gates.py", THREE)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradcheck.reporters.terminal.print_report", interrupted)
    assert project.run("run", "gates.py", *FEW).code == 130
    assert len(project.results()["results"]) == 3


def test_an_interrupted_report_is_130_whatever_its_waivers(project):
    report = Report(
        seed=0,
        profile="ci",
        environment={},
        summary=run([], few()).summary,
        results=[],
        interrupted=True,
        planned=3,
    )
    assert decide(report, Settings()) == Exit.INTERRUPTED
    assert shown.cut_short(report) == "0 of 3 ops checked: interrupted"


def test_selftest_goes_through_the_same_loop():
    """An op with wrong settings is a problem, not the end."""

    def work(op: object) -> object:
        raise UsageError("no")

    class Named:
        id = "g::a"

    problems = series.Problems([])
    assert series.one_by_one([Named()], work, problems) == ([], False)  # type: ignore[list-item]
    assert (problems.said, problems.faults) == (["g::a: no"], [])


def test_a_billion_random_graphs_end_with_the_time_and_it_says_how_many(project):
    """Their names are made one after the other: a list of them does not fit into memory."""
    project.write("gates.py", THREE)
    graphs = ("--graphs", "1000000000", "--max-time", "2")
    ran = project.run("run", "gates.py::one", *FEW, *graphs)
    assert ran.code == 1
    assert "of 1,000,000,000 not checked: out of time (--max-time 2)" in ran.out
    report = project.results()
    assert report["planned"] > 10**8
    assert report["cut_short"]
    only = project.run("run", "gates.py::one", *FEW, *graphs[:2], "-k", "graph-0-999999999")
    assert only.code == 0, only.text


def test_time_ends_where_no_graph_is_found(clock, monkeypatch):
    """Nothing is ever handed on to be checked, and the run must end all the same."""

    def nothing(*_args: object, **_options: object) -> None:
        clock.now += 1

    monkeypatch.setattr(random_graphs, "compose", nothing)
    wish = Wish(10**9, 0, ["reference_ops.nonlinear"], until=4.5)
    checked = check_graphs(load("reference_ops.nonlinear")[:1], Settings(), wish, fixed={})
    assert clock.now == 5
    assert checked.missing == 10**9 - 4
    assert checked.problems == []


def test_composing_ends_with_the_time(clock):
    """However slow the ops are that are tried at its nodes."""

    def slow(x: object) -> object:
        clock.now += 1
        return np.multiply(x, x)

    op = make((slow, lambda dz, x: 2 * x * dz, "x[n]"), {}, {})
    compose([op], random.Random("1"), nodes=50, until=20.0)
    assert 20 < clock.now < 30
    clock.now = 0.0
    compose([op], random.Random("1"), nodes=50)
    assert clock.now > 60


@pytest.mark.parametrize("slow", ["forward", "backward"])
def test_a_graph_that_is_cut_is_counted_with_those_that_were_not_checked(clock, slow):
    def passed(value: object, what: str) -> object:
        clock.now += what == slow
        return value

    def backward(dz: object, x: object) -> object:
        return passed(2 * x * dz, "backward")

    op = make((lambda x: passed(x * x, "forward"), backward, "x[n]"), {}, {})
    wish = Wish(3, 0, ["gates.py"], until=60.0)
    checked = check_graphs([op], Settings(), wish, fixed={})
    assert checked.missing
    assert checked.missing + len(checked.results) == 3
    assert all(r.verdict == "pass" for r in checked.results)

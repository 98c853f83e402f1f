"""The command line: exit codes, what is said and what is written."""

from __future__ import annotations

import json
import re
import signal

import pytest

from gradcheck.cli import run as run_module
from gradcheck.reporters.text import error_and_limit

FEW = ("--max-cases", "12")


# -- exit codes ---------------------------------------------------------------------------------


def test_a_pass_is_0_and_says_what_comes_next(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py::cube", "gates.py::right", *FEW)
    assert ran.code == 0
    assert "2 ops, 2 passed" in ran.out
    assert "next: put it into CI" in ran.out


def test_a_fail_is_1_and_shows_the_failure_whole(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    lines = ran.out.splitlines()
    order = ("Wrong: values: wrong gradient", "  where ", "  backward pass ", "  finite difference",
             "  relative error", "  likely", "  smallest case found", "    x = np.array(",
             "    cotangent = np.array(", "  backward            gates.py:17",
             "  again               gradcheck replay Wrong-", "op ", "gates::Wrong", "3 ops,",
             "report: .gradcheck/results.json",
             "next: mend it, then gradcheck replay Wrong-")  # fmt: skip
    places = [next(k for k, line in enumerate(lines) if line.startswith(o)) for o in order]
    assert places == sorted(places)
    assert "-2" in ran.out
    assert ran.err == ""


def test_an_error_and_what_would_have_been_seen_are_relative_to_the_same_entry(project):
    """A small entry among large ones: its error is more than a share of the largest entry's."""
    project.write("gates.py")
    project.run("run", "gates.py", *FEW)
    for result in project.results()["results"]:
        worst = result["worst"]
        own = max(abs(float(worst["backward"])), abs(float(worst["finite_difference"])))
        assert float(worst["limit"]) == pytest.approx(float(worst["bound"]) / own)
    assert error_and_limit(None) == ("-", "-")


def test_not_judged_is_1(project):
    project.write(
        "gates.py",
        "import gradcheck, random\n"
        "noisy = gradcheck.op(lambda x: x * random.random(), lambda dz, x: dz, 'x[n]')\n",
    )
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "NOT JUDGED" in ran.out
    assert "1 not judged" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "nowhere.py"), "there is no file 'nowhere.py'"),
        (("run", "gate.py"), "Did you mean 'gates.py'?"),
        (("run", "no_such_module"), "there is no module 'no_such_module'"),
        (("run", "gates.py::cub"), "Did you mean 'cube'?"),
        (("run", "gates.py", "-k", "cub3"), "Did you mean 'cube'?"),
        (("run", "gates.py", "--sed", "3"), "Did you mean --seed?"),
        (("run", "gates.py", "--profile", "cii"), 'Did you mean "ci"?'),
        (("run", "gates.py", "--seed", "x"), "--seed"),
        (("run", "gates.py", "--seed", "-1"), "must be 0 or more"),
        (("run", "gates.py", "--max-cases", "0"), "must be from 1 to"),
        (("run", "gates.py", "--checks", "valeus"), "Did you mean 'values'?"),
        (("run", "gates.py", "--checks", ""), "at least one check"),
        (("run", "folder/"), "is a folder and no package"),
        (("run", "absent/gates.py"), "there is no file"),
        (("rnu", "gates.py"), 'Did you mean "run"?'),
        (("replay",), "CASE"),
        (("replay", "cube-123456"), "there is no result file .gradcheck/results.json"),
        (("replay", "gates.py::cube", "{"), "the recipe cannot be read"),
        (("replay", "gates.py", "{}"), "holds 3 ops: name one"),
        (("explain", "worked_exampel"), "Did you mean 'worked_example'?"),
        (("explain", "gates.py"), "no graph"),
        (("explain", "worked_example", "1", "2"), "takes 3 numbers (x, y, z), not 2"),
        (("list", "gates.py::cub"), "Did you mean 'cube'?"),
    ],
)
def test_wrong_usage_is_2_and_names_the_right_word(project, arguments, says):
    project.write("gates.py")
    (project.folder / "folder").mkdir()
    ran = project.run(*arguments)
    assert ran.code == 2, ran.text
    assert says in " ".join(ran.err.replace("│", " ").split())
    assert "Traceback" not in ran.text
    assert ran.out == ""
    assert not (project.folder / ".gradcheck" / "results.json").exists()


def test_a_fault_of_ours_is_3_with_the_trace_in_a_file(project, monkeypatch):
    project.write("gates.py")
    monkeypatch.setattr(run_module, "select", lambda *_: 1 / 0)
    ran = project.run("run", "gates.py")
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert "please report it: ZeroDivisionError" in ran.err
    assert "ZeroDivisionError" in (project.folder / ".gradcheck" / "crash.txt").read_text()


def test_nothing_to_check_is_5(project):
    project.write("empty.py", "x = 1\n")
    ran = project.run("run", "empty.py")
    assert ran.code == 5
    assert "register a gate with @gradcheck.register" in ran.err


@pytest.mark.parametrize("table", ["", "[tool.other]\n", "[tool.gradcheck]\nseed = 1\n"])
def test_a_project_that_names_no_targets_is_5_with_three_ways_on(project, table):
    project.write("pyproject.toml", table)
    for command in ("run", "list"):
        ran = project.run(command)
        assert ran.code == 5
        assert ran.err.count("\n  ") == 3


def test_an_interrupt_is_130_and_keeps_what_there_is(project):
    running = project.begun()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    assert "interrupted: 1 op, 1 passed" in out
    assert "Traceback" not in out + err
    report = project.results()
    assert report["interrupted"] is True
    assert [r["op"] for r in report["results"]] == ["gates::right"]


def test_an_interrupt_before_the_run_is_130(project):
    project.write("gates.py", "raise KeyboardInterrupt\n")
    ran = project.run("run", "gates.py")
    assert (ran.code, ran.err) == (130, "gradcheck: interrupted\n")


# -- what runs where nothing is named ------------------------------------------------------------


def test_an_empty_folder_gets_the_reference_ops_and_is_told(project):
    ran = project.run("run", "--max-cases", "4", "--checks", "values")
    assert ran.out.startswith("no target named and no pyproject.toml here: checking the reference")
    assert "reference_ops.linear::affine" in ran.out
    assert "next: check your own gates with  gradcheck run my_gates.py" in ran.out
    assert ran.code == 0
    assert (project.folder / ".gradcheck" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("target", ["gates.py", "shop"])
def test_configured_targets_are_found_from_a_folder_below(project, monkeypatch, target):
    project.write("gates.py")
    project.write("shop/__init__.py", "from shop import gates\n")
    project.write("shop/gates.py")
    project.write("pyproject.toml", f'[tool.gradcheck]\ntargets = ["{target}"]\nmax-cases = 12\n')
    below = project.folder / "below"
    below.mkdir()
    for place, other in ((below, project.folder), (project.folder, below)):
        monkeypatch.chdir(place)
        ran = project.run("run")
        assert ran.code == 1
        assert "gates::Wrong" in ran.out
        assert [r["cases"] for r in project.results()["results"]][1:] == [12, 12]
        case = re.search(r"again +gradcheck replay (\S+)", ran.out)
        assert case is not None
        for folder in (place, other):
            monkeypatch.chdir(folder)
            again = project.run("replay", case[1])
            assert "Wrong: values: wrong gradient" in again.out, again.text


def test_an_unknown_key_is_2_and_names_file_and_nearest_key(project):
    project.write("pyproject.toml", "[tool.gradcheck]\nmax-case = 3\n")
    ran = project.run("run")
    assert ran.code == 2
    assert "pyproject.toml [tool.gradcheck]: unknown key 'max-case'" in ran.err
    assert "Did you mean 'max-cases' or " in ran.err


def test_an_unknown_environment_variable_is_2(project, monkeypatch):
    monkeypatch.setenv("GRADCHECK_SED", "3")
    ran = project.run("run")
    assert ran.code == 2
    assert "GRADCHECK_SED" in ran.err
    assert "'seed'" in ran.err


# -- options -------------------------------------------------------------------------------------


def test_the_report_is_written_whole_to_both_places(project):
    project.write("gates.py")
    project.write("out/second.json", "old")
    ran = project.run("run", "gates.py", *FEW, "--seed", "7", "--json", "out/second.json")
    report = project.results()
    assert report == project.results("out/second.json")
    assert report["schema_version"] == 1
    assert (report["seed"], report["profile"]) == (7, "ci")
    assert {"gradcheck", "python", "numpy"} <= set(report["environment"])
    summary = report["summary"]
    assert (summary["ops"], summary["passed"], summary["failed"]) == (3, 2, 1)
    wrong = report["results"][0]
    assert wrong["op"] == "gates::Wrong"
    assert wrong["source"] == {"file": "gates.py", "line": 17, "forward_line": 13}
    finding = wrong["findings"][0]
    assert (finding["code"], finding["check"], finding["severity"]) == (
        "wrong-gradient", "values", "fail",
    )  # fmt: skip
    assert finding["replay"] in ran.out
    assert finding["case"].startswith("x = np.array(")
    assert {p.name for p in (project.folder / ".gradcheck").iterdir()} == {
        ".gitignore", "results.json", "results.ndjson",
    }  # fmt: skip


def test_a_device_is_written_into_and_not_replaced(project, tmp_path):
    """As root, replacing /dev/null by a file would break the machine."""
    import os
    import threading

    project.write("gates.py")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert project.run("run", "gates.py::right", *FEW, "--json", str(pipe)).code == 0
    reader.join(30)
    assert json.loads(read[0])["summary"]["passed"] == 1
    assert pipe.is_fifo()


def test_quiet_is_failures_and_one_line(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py::right", *FEW, "-q")
    assert ran.code == 0
    assert re.fullmatch(r"1 op, 1 passed, .*s\n", ran.out)
    ran = project.run("run", "gates.py", *FEW, "-q")
    assert "Wrong: values: wrong gradient" in ran.out
    assert "verdict" not in ran.out
    assert ran.out.splitlines()[-1].startswith("3 ops, 2 passed, 1 failed")


def test_verbose_shows_what_passed_and_its_conventions(project):
    project.write(
        "gates.py",
        "import gradcheck, numpy as np\n"
        "relu = gradcheck.op(lambda x: np.maximum(x, 0), lambda dz, x: dz * (x > 0), 'x[n]')\n",
    )
    plain = project.run("run", "gates.py", *FEW)
    assert "convention: at x = 0" not in plain.out
    ran = project.run("run", "gates.py", *FEW, "-v")
    assert ran.code == 0
    assert "gates::relu: pass (function pair, gates.py:2)" in ran.out
    assert "convention: at x = 0: slopes 0 to 1, yours 0" in ran.out
    assert "  met: " in ran.out


def test_warnings_pass_and_are_shown_in_full_when_asked(project):
    project.write(
        "gates.py",
        "import gradcheck\n"
        "same = gradcheck.op(lambda x, y: x + y, lambda dz, x, y: (dz, dz), 'x[n], y[n]')\n",
    )
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 0
    assert re.search(r"gates::same +pass, \d warning", ran.out)
    assert "next: -v shows the warnings" in ran.out
    ran = project.run("run", "gates.py", *FEW, "-v")
    assert "shares memory" in ran.out
    assert re.search(r"  again +gradcheck replay same-", ran.out)
    assert project.run("run", "gates.py", *FEW, "--strict").code == 1


def test_keyword_and_profile_and_checks_choose(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", "-k", "cub", "--profile", "fast", "--checks", "values")
    assert ran.code == 0
    report = project.results()
    assert report["profile"] == "fast"
    (only,) = report["results"]
    assert only["op"] == "gates::cube"
    assert only["cases"] == 25
    assert set(only["checks"]) == {"values"}


def test_central_prints_the_lectures_rule(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py::right", *FEW, "--method", "central")
    assert ran.code == 0
    assert "0.0001" in ran.out or "1e-4" in ran.out or "1e-04" in ran.out


def test_list_names_ops_with_inputs_and_place(project):
    project.write("gates.py")
    project.write("broken.py", "import nowhere_at_all\n")
    ran = project.run("list", "gates.py")
    assert ran.code == 0
    assert re.search(r"gates::Wrong +gate class +x\[n\] +gates\.py:17", ran.out)
    assert re.search(r"gates::cube +function with vjp +x\[n\]", ran.out)
    ran = project.run("list", "gates.py", "broken.py")
    assert ran.code == 1
    assert "gates::right" in ran.out
    assert "No module named 'nowhere_at_all' (at broken.py:1)" in ran.err


def test_list_knows_the_reference_ops(project):
    ran = project.run("list")
    assert ran.code == 0
    assert "reference_ops.graphs::worked_example" in ran.out

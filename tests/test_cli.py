"""The command line: exit codes, what is said, what is written, and that the same seed says the same."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from typing import Any

import pytest

from gradcheck.cli import run as run_module
from gradcheck.cli.screen import Progress, Screen
from gradcheck.results import OpResult, Worst
from tests.project import COMMAND, GATES, Project, clean_environment

FEW = ("--max-cases", "12")


def timeless(value: Any) -> Any:
    """A report without its times."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


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
             "report: .gradcheck/results.json", "next: mend it, then gradcheck replay Wrong-")  # fmt: skip
    places = [next(k for k, line in enumerate(lines) if line.startswith(o)) for o in order]
    assert places == sorted(places)
    assert "-2" in ran.out
    assert ran.err == ""


def test_what_a_pass_could_see_is_not_below_its_own_error(project):
    """Both columns are relative to the entry: an error above what can be seen would be a fail."""
    project.write("gates.py")
    project.run("run", "gates.py::cube", "gates.py::right")
    ran = project.run("run", "gates.py")
    for row in re.findall(r"^gates::\S+ +pass +(\S+) +(\S+) ", ran.out, re.M):
        error, seen = map(float, row)
        assert error <= seen


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
        (("run", "gates.py", "--max-cases", "0"), "must be at least 1"),
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
    project.write(
        "gates.py",
        GATES
        + "\nimport pathlib, time\n"
        + "def slow(x):\n"
        + "    pathlib.Path('begun').touch()\n"
        + "    time.sleep(0.05)\n"
        + "    return x\n"
        + "never_done = gradcheck.op(slow, lambda dz, x: dz, 'x[n]')\n",
    )
    running = project.start("run", "gates.py::right", "gates.py::never_done")
    for _ in range(600):
        if (project.folder / "begun").exists() or running.poll() is not None:
            break
        time.sleep(0.05)
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
    assert "Did you mean 'max-cases'?" in ran.err


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
        ".gitignore", "results.json",
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


# -- replay --------------------------------------------------------------------------------------


def test_replay_by_id_and_by_recipe_show_the_same_case(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", *FEW)
    finding = project.results()["results"][0]["findings"][0]
    case = finding["replay"].split()[-1]
    by_id = project.run("replay", case)
    assert by_id.code == 1
    assert finding["case"].splitlines()[0] in by_id.out
    assert "in 1 of 1 cases" in by_id.out
    (project.folder / ".gradcheck" / "results.json").unlink()
    by_recipe = project.run("replay", "gates.py::Wrong", finding["recipe"])
    assert by_recipe.code == 1
    body = by_id.out.partition("  again")[0]
    assert by_recipe.out.startswith(body)
    assert body.partition("FAIL")[0] in ran.out


def test_replay_of_a_mended_op_passes(project):
    project.write("gates.py")
    project.run("run", "gates.py", *FEW)
    case = project.results()["results"][0]["findings"][0]["replay"].split()[-1]
    project.write("mended.json", (project.folder / ".gradcheck/results.json").read_text())
    project.write("gates.py", GATES.replace("-2.0 * ", ""))
    ran = project.shell("replay", case, "--results", "mended.json")
    assert ran.code == 0
    assert "gates::Wrong: this case passes" in ran.out


def test_replay_of_an_unknown_id_names_the_nearest(project):
    project.write("gates.py")
    project.run("run", "gates.py", *FEW)
    case = project.results()["results"][0]["findings"][0]["replay"].split()[-1]
    ran = project.run("replay", case[:-1] + "x")
    assert ran.code == 2
    assert f"Did you mean '{case}'?" in ran.err
    project.run("run", "gates.py::right", *FEW)
    ran = project.run("replay", case)
    assert ran.code == 2
    assert "It holds no failing case" in ran.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a gradcheck report"),
        ('{"schema_version": 1, "seed"', "is not a gradcheck report"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "is damaged"),
    ],
)
def test_replay_from_a_damaged_file_is_2(project, text, says):
    project.write("gates.py")
    project.write("old.json", text)
    ran = project.run("replay", "cube-1", "--results", "old.json")
    assert ran.code == 2
    assert says in ran.err


def test_replay_of_an_op_that_is_gone(project):
    project.write("gates.py")
    project.run("run", "gates.py", *FEW)
    case = project.results()["results"][0]["findings"][0]["replay"].split()[-1]
    project.write("gates.py", "x = 1\n")
    ran = project.shell("replay", case)
    assert ran.code == 2
    assert "no op 'gates::Wrong' any more" in ran.err


# -- explain -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["worked_example", "f", "reference_ops.graphs::worked_example", "reference_ops::f"]
)
def test_explain_shows_the_lectures_graph_by_any_of_its_names(project, name):
    ran = project.run("explain", name)
    assert ran.code == 0, ran.text
    assert ran.out.startswith("f(x = 1, y = 2, z = 0)")
    assert "df/dy    = 2 + 3 = 5" in ran.out


def test_explain_takes_values(project):
    ran = project.run("explain", "f", "--", "1", "-2", "3")
    assert ran.code == 0
    assert "f(x = 1, y = -2, z = 3)" in ran.out


def test_explain_where_nodes_refuse_numbers_is_2(project):
    ran = project.run("explain", "window_score", "1", "2", "3", "4")
    assert ran.code == 2
    assert "window_score cannot be evaluated at numbers (x, W, b, u): ValueError" in ran.err


def test_explain_finds_the_only_graph_of_a_file_and_asks_among_two(project):
    text = (
        "from gradcheck import Graph\n"
        "import gradcheck\n"
        "double = gradcheck.op(lambda a: a + a, lambda dz, a: 2 * dz, 'a[]')\n"
        "def made(name):\n"
        "    graph = Graph(name)\n"
        "    graph.output(graph.apply(double, graph.input('x'), name=name))\n"
        "    return graph.op()\n"
        "loss = made('J')\n"
    )
    project.write("one.py", text)
    project.write("two.py", text + "other = made('K')\n")
    assert "dJ/dx    = 2" in project.run("explain", "one.py", "3").out
    assert "dJ/dx    = 2" in project.run("explain", "one.py::J", "3").out
    assert project.run("explain", "one.py").code == 2
    ran = project.run("explain", "two.py", "3")
    assert ran.code == 2
    assert "two.py has several graphs: name one, as in two.py::" in ran.err


# -- the terminal --------------------------------------------------------------------------------


def test_version_and_help_import_nothing_heavy(project):
    heavy = "('numpy', 'hypothesis', 'rich', 'cyclopts', 'msgspec', 'pytest')"
    code = (
        "import sys; sys.argv = ['gradcheck', *{arguments!r}]\n"
        "from gradcheck.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('HEAVY', [m for m in {heavy} if m in sys.modules])"
    )
    for arguments, allowed in (
        (["--version"], []),
        (["--help"], ["rich", "cyclopts"]),
        (["run", "--help"], ["rich", "cyclopts"]),
    ):
        text = code.format(arguments=arguments, heavy=heavy)
        out = subprocess.check_output([COMMAND[0], "-c", text], text=True, env=clean_environment())
        shown, _, loaded = out.partition("HEAVY ")
        assert eval(loaded) == allowed
        assert "0.1" in shown if arguments == ["--version"] else "Exit codes: 0 all" in shown


def test_help_names_every_option_with_a_sentence(project):
    ran = project.run("run", "--help")
    assert ran.code == 0
    for option in ("--keyword -k", "--seed", "--profile", "--max-cases", "--checks", "--scope",
                   "--strict", "--signif", "--step", "--method", "--time-limit", "--json",
                   "--quiet -q", "--verbose -v"):  # fmt: skip
        assert option in ran.out
    assert "130 interrupted" in " ".join(ran.out.split())


def test_a_reader_that_goes_away_gets_no_traceback_and_the_exit_code_stays(project):
    project.write("gates.py")
    running = project.start("run", "gates.py", *FEW)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(60) == 1
    assert err == ""
    assert project.results()["summary"]["failed"] == 1


def test_a_terminal_without_utf8_gets_plain_signs(project):
    project.write("gates.py")
    ran = project.shell("run", "gates.py", *FEW, PYTHONIOENCODING="ascii")
    assert ran.code == 1
    assert ran.err == ""
    assert "+/- " in ran.out
    assert ran.out.isascii()
    ran = project.shell("run", "--sed", "1", PYTHONIOENCODING="ascii")
    assert ran.code == 2
    assert ran.text.isascii()


def test_no_color_has_no_colours_and_force_color_has(project):
    project.write("gates.py")
    colours = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    arguments = ("run", "gates.py", "-q", *FEW)
    assert "\x1b" not in project.run(*arguments).out
    assert colours.search(project.shell(*arguments, FORCE_COLOR="1").out)
    assert not colours.search(project.shell(*arguments, FORCE_COLOR="1", NO_COLOR="1").out)


def test_what_ops_print_is_not_in_the_report(project):
    project.write(
        "gates.py",
        "import gradcheck\n"
        "def loud(x):\n    print('noise')\n    return x\n"
        "loud = gradcheck.op(loud, lambda dz, x: dz, 'x[n]')\n",
    )
    ran = project.run("run", "gates.py", *FEW)
    assert "noise" not in ran.out


def result(name: str, verdict: Any, error: float) -> OpResult:
    worst = Worst(
        input="x", entry=(0,), backward=1.0, finite_difference=1.0, bound=0.0,
        relative_error=error, limit=0.0,
    )  # fmt: skip
    return OpResult(op=f"m::{name}", kind="", verdict=verdict, worst=worst)


def test_the_live_line_says_how_far_and_how_bad():
    progress = Progress(Screen(), 3)
    progress.begin("a")
    assert progress.line() == "0 of 3 ops: a"
    progress.advance(result("a", "pass", 1e-9))
    progress.begin("b")
    progress.advance(result("b", "fail", 1.5))
    progress.begin("c")
    assert progress.line() == "2 of 3 ops, 1 not passed, worst so far 1.5 (b): c"


def test_the_live_line_is_gone_in_the_end(project):
    """On a terminal: drawn while ops run and print, erased before the report."""
    import io

    stream = io.StringIO()
    console = Screen(file=stream, force_terminal=True, width=60, color_system=None)
    progress = Progress(console, 1)
    progress.begin("a" * 100)
    with progress.shown():
        pass
    drawn = stream.getvalue()
    assert "0 of 1 ops: aaa" in drawn
    assert "…" in drawn
    assert drawn.endswith("\x1b[2K")


def test_where_the_output_is_no_terminal_a_line_comes_now_and_then(project, monkeypatch):
    import io

    from gradcheck.cli import screen

    monkeypatch.setattr(screen, "PLAIN_SECONDS", 0.01)
    stream = io.StringIO()
    progress = Progress(Screen(file=stream, width=60), 1)
    progress.begin("a")
    with progress.shown():
        for _ in range(500):
            if stream.getvalue():
                break
            time.sleep(0.01)
    assert stream.getvalue().startswith("0 of 1 ops: a (0 s)\n")


# -- the same seed -------------------------------------------------------------------------------


def test_the_same_seed_says_the_same_and_another_does_not(project):
    project.write("gates.py")
    reports = []
    for seed in ("3", "3", "4"):
        project.run("run", "gates.py", "--max-cases", "20", "--seed", seed)
        reports.append(timeless(project.results()))
    assert reports[0] == reports[1]
    assert reports[0]["results"] != reports[2]["results"]


ODD = "\n".join(f"c{k} = {2 * 7919 * k + 12345678901}" for k in range(300)) + "\nodd = {41, 77, 1013}\n"


def test_another_module_with_constants_changes_no_case(project: Project):
    """Hypothesis draws constants that it finds in the source of imported local modules."""
    project.write("odd_constants.py", ODD)
    project.write("gates.py", GATES + "import os\nif os.environ.get('ODD'): import odd_constants\n")
    reports = []
    for more in ({}, {"ODD": "1"}):
        assert project.shell("run", "gates.py", "--seed", "5", **more).code == 1
        reports.append(timeless(project.results()))
    assert reports[0] == reports[1]

"""`gradcheck replay` and `explain`, and that the same seed says the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.project import GATES, Project

FEW = ("--max-cases", "12")


def timeless(value: Any) -> Any:
    """A report without its times."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


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


def test_replay_of_a_warning_shows_the_warning_alone(project):
    """One case is little evidence; that it is not enough for a verdict is no news here."""
    project.write(
        "gates.py",
        "import gradcheck\n"
        "bias = gradcheck.op(lambda x, b: x + b, lambda dz, x, b: (dz + 0, 1.0 * dz),"
        " 'x[n d], b[n d]')\n",
    )
    assert project.run("run", "gates.py", "--max-cases", "40").code == 0
    finding = project.results()["results"][0]["findings"][0]
    assert finding["severity"] == "warning"
    ran = project.run("replay", finding["replay"].split()[-1])
    assert ran.out.startswith("bias: contract: ")
    assert "WARNING" in ran.out
    assert "NOT JUDGED" not in ran.out


def test_replay_of_a_fail_beyond_the_declaration_is_that_fail(project):
    """What is an accident is told beside a declared case, which the replayed one is not."""
    project.write(
        "gates.py",
        "import gradcheck\n"
        "multiply = gradcheck.op(lambda x, y: x * y, lambda dz, x, y: (dz * y, dz * x),"
        " 'x[n d], y[n d]', scope='forward')\n",
    )
    assert project.run("run", "gates.py", "--max-cases", "40").code == 1
    finding = project.results()["results"][0]["findings"][0]
    assert finding["severity"] == "fail"
    ran = project.run("replay", finding["replay"].split()[-1])
    assert ran.code == 1
    assert "FAIL" in ran.out


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
    assert project.run("explain", "one.py").code == 0  # at the plain case
    assert project.run("explain", "one.py", "1", "2").code == 2
    ran = project.run("explain", "two.py", "3")
    assert ran.code == 2
    assert "two.py has several graphs: name one, as in two.py::" in ran.err


# -- the same seed -------------------------------------------------------------------------------


def test_the_same_seed_says_the_same_and_another_does_not(project):
    project.write("gates.py")
    reports = []
    for seed in ("3", "3", "4"):
        project.run("run", "gates.py", "--max-cases", "20", "--seed", seed)
        reports.append(timeless(project.results()))
    assert reports[0] == reports[1]
    assert reports[0]["results"] != reports[2]["results"]


ODD = "\n".join(f"c{k} = {2 * 7919 * k + 12345678901}" for k in range(300)) + "\nodd = {41, 77}\n"


def test_another_module_with_constants_changes_no_case(project: Project):
    """Hypothesis draws constants that it finds in the source of imported local modules."""
    project.write("odd_constants.py", ODD)
    project.write("gates.py", GATES + "import os\nif os.environ.get('ODD'): import odd_constants\n")
    reports = []
    for more in ({}, {"ODD": "1"}):
        assert project.shell("run", "gates.py", "--seed", "5", **more).code == 1
        reports.append(timeless(project.results()))
    assert reports[0] == reports[1]

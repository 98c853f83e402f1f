"""Messages and plumbing of shipping checkers, continued from ``tests/test_traps.py``.

For the habits among the faults no behaviour can be tested; the code is built so that they cannot
take hold:

* T13, the function under test replaced by another: nothing is patched. `Evaluator` calls the op's
  own forward for the reference and its own vjp for the gradient (tested with a subclass, too).
* T32, two booleans returned in one order and unpacked in the other: no function returns two flags
  (tested below); statuses are enumerations, results are records with names.
* T35, a documented parameter that is never used: every parameter is read (tested below), and
  numbers in a help text are those of the table.
* T39, numbers parsed from another library's text: numbers travel as floats in records; regular
  expressions read signatures and names only, and no `float()` takes a text (tested below).
* T42, waivers without a reason: there are none; what is accepted is a declared fact of the op.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gradcheck import GradientError, check
from gradcheck.model import Recipe
from gradcheck.policy import Exit, decide
from gradcheck.registry import make
from gradcheck.results import OpResult, Report, summarise
from gradcheck.runner import run, run_one
from gradcheck.settings import PROFILES, Settings
from tests.gates import Array, Function, sine, sine_backward, x5

PACKAGE = Path(__file__).parents[2] / "gradcheck"
NOT_OURS = {
    *("pytest_pycollect_makeitem", "draw_integer", "draw_float"),
    *("__setitem__", "__array_function__", "_compared"),  # of nodes: all of them refuse
}
"""Their parameters are those of an interface of pytest, Hypothesis, Python or NumPy."""


OPTIONS = {"running", "checking", "reporting"}
"""Groups of options that several commands have; the help takes them from the classes."""


def functions(folder: Path = PACKAGE) -> Iterator[ast.FunctionDef]:
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield node


def parameters(function: ast.FunctionDef) -> list[str]:
    a = function.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    return [p.arg for p in every if p.arg not in ("self", "cls") and not p.arg.startswith("_")]


def statements(function: ast.FunctionDef) -> list[ast.stmt]:
    """Its body without docstring and ellipsis."""
    return [
        s
        for s in function.body
        if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
    ]


# -- the habits ------------------------------------------------------------------------------------


def test_t32_no_function_returns_two_flags() -> None:
    for function in functions():
        annotation = ast.unparse(function.returns) if function.returns else ""
        assert annotation != "tuple[bool, bool]", function.name


def test_t35_every_parameter_is_read() -> None:
    tables = {f.name for f in functions(PACKAGE / "mutants")}  # one signature for all of a table
    for function in functions():
        body = statements(function)
        read = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)}
        unread = [p for p in parameters(function) if p not in read] if body else []
        excused = function.name in NOT_OURS | tables
        assert not unread or excused, f"{function.name} never reads {unread}"


def test_t35_documented_parameters_are_the_parameters() -> None:
    for function in functions():
        _, found, rest = (ast.get_docstring(function) or "").partition("Parameters\n----------\n")
        if not found:
            continue
        lines = rest.partition("\n\n")[0].splitlines()
        named = ", ".join(s.partition(" : ")[0] for s in lines if s and not s.startswith(" "))
        documented = {n.strip().lstrip("*") for n in named.split(",")}
        assert documented == set(parameters(function)) - OPTIONS, function.name


def test_t35_the_help_s_numbers_are_the_table_s() -> None:
    from gradcheck.cli.commands import Checking

    for name, cases in PROFILES.items():
        assert f"{name} {cases:,}" in (Checking.__doc__ or "")


def test_t35_documented_options_are_the_options() -> None:
    from gradcheck.cli import commands

    for group in (commands.Checking, commands.Running, commands.Reporting):
        text = (group.__doc__ or "").partition("----------\n")[2]
        documented = {s.strip() for s in text.splitlines() if s.strip() and s[4:5] != " "}
        assert documented == set(group.__annotations__), group.__name__


def test_t39_no_number_is_read_from_a_text() -> None:
    """`float` and `int` are called on numbers, not on what was split off or matched in a text."""
    readers = ("split", "group", "partition", "search", "match", "findall")
    for function in functions():
        for node in ast.walk(function):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("float", "int")):
                continue
            inside = [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
            assert not set(inside) & set(readers), ast.unparse(node)


# -- T38: on failure an explosion of cost ----------------------------------------------------------


def evaluations(backward: Function, size: int) -> int:
    """Forward evaluations of one projected check of ``size`` entries."""
    op = make([sine, backward, np.linspace(0.3, 2, size)], {}, {})
    settings = Settings(budget=32, dtypes=("float64",), checks=("values",))
    result = run_one(op, settings, only=[Recipe(regime="example")])
    assert result.modes["projected"] > 0
    assert result.verdict == ("pass" if backward is sine_backward else "fail")
    return result.forward_points


@pytest.mark.parametrize("size", [300, 20_000])
def test_t38_a_failing_check_costs_a_few_times_a_passing_one(size: int) -> None:
    def all_wrong(dz: Array, x: Array) -> Array:
        return 1.5 * dz * np.cos(x)

    def one_wrong(dz: Array, x: Array) -> Array:
        dx = sine_backward(dz, x)
        dx[size // 3] *= -50
        return dx

    passing = evaluations(sine_backward, size)
    for wrong in (all_wrong, one_wrong):
        assert evaluations(wrong, size) < 40 * passing


# -- T41: a gate that passes when there is no result -----------------------------------------------


def report_of(*results: OpResult, errors: tuple[str, ...] = ()) -> Report:
    listed = list(results)
    summary = summarise(listed, len(errors), 0.0)
    return Report(
        seed=0, profile="dev", environment={}, summary=summary, results=listed, errors=[*errors]
    )


def judged(verdict: str) -> OpResult:
    return msgspec.convert({"op": "gate", "kind": "pair", "verdict": verdict}, OpResult)


@pytest.mark.parametrize("inconclusive", ["fail", "warn"])
def test_t41_without_a_result_there_is_no_pass(inconclusive: str) -> None:
    settings = msgspec.convert({"inconclusive": inconclusive}, Settings)
    assert decide(report_of(), settings) == Exit.NOTHING
    assert decide(run([], settings), settings) == Exit.NOTHING
    assert decide(report_of(errors=("cannot be loaded",)), settings) == Exit.FAILED
    assert decide(report_of(judged("pass")), settings) == Exit.PASSED


@pytest.mark.parametrize("inconclusive", ["fail", "warn"])
def test_t41_nothing_judged_is_no_pass_even_where_it_only_warns(inconclusive: str) -> None:
    settings = msgspec.convert({"inconclusive": inconclusive}, Settings)
    unjudged = report_of(judged("inconclusive"), judged("inconclusive"))
    assert decide(unjudged, settings) != Exit.PASSED
    some = decide(report_of(judged("pass"), judged("inconclusive")), settings)
    assert (some == Exit.PASSED) == (inconclusive == "warn")


def test_t41_exit_codes_of_nothing(project) -> None:
    project.write("empty.py", "x = 1\n")
    assert project.run("run", "empty.py").code == Exit.NOTHING
    project.write(
        "noise.py",
        "import random\nimport gradcheck\n"
        "noise = gradcheck.op(lambda x: x * random.random(), lambda dz, x: dz, 'x[n]')\n",
    )
    assert project.run("run", "noise.py").code == Exit.FAILED
    project.write("pyproject.toml", '[tool.gradcheck]\ninconclusive = "warn"\n')
    assert project.run("run", "noise.py").code != Exit.PASSED


def test_t41_a_check_without_a_case_is_no_pass() -> None:
    with pytest.raises(GradientError) as caught:
        check(sine, sine_backward, x5, valid=lambda x: False, max_cases=5)
    assert caught.value.result.verdict == "inconclusive"

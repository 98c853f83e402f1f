"""A tape in a module offers its ops: to the command line, to pytest, to children, to replay."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gradcheck
from gradcheck import targets
from gradcheck.errors import UsageError
from tests.tapes.engines import of_numbers

ENGINES = Path(__file__).with_name("engines.py")
OPS = """
import gradcheck
from engines import of_numbers, Value

lib = gradcheck.tape(
    leaf=Value, value=lambda v: v.data, backward=lambda v: v.backward(), grad=lambda v: v.grad,
    scalar=True,
)
lib.ops("tanh wrong_tanh mul:*")
elsewhere = of_numbers()
"""
HELD = """
import gradcheck

square = gradcheck.op(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n]")
LISTED = [square, gradcheck.op(lambda x: 3 * x, lambda dz, x: 3 * dz, "x[n]")]
NAMED = {"cube": gradcheck.op(lambda x: x**3, lambda dz, x: 3 * x**2 * dz, "x[n]")}
NOTHING, MIXED = [], [square, 3]
"""


@pytest.fixture
def tape(project):
    shutil.copy(ENGINES, project.folder / "engines.py")
    project.write("my_ops.py", OPS)
    return project


def test_the_command_line_runs_the_ops_of_a_tape(tape):
    ran = tape.run("run", "my_ops.py", "--max-cases", "12")
    assert ran.code == 1
    for line in (
        "my_ops::tanh ",
        "my_ops::wrong_tanh ",
        "my_ops::mul ",
        "3 ops, 2 passed, 1 failed",
    ):
        assert line in ran.out
    assert "again               gradcheck replay wrong_tanh-" in ran.out


def test_several_at_a_time_are_the_same(tape):
    ran = tape.run("run", "my_ops.py", "--max-cases", "12", "-j", "2")
    assert ran.code == 1
    assert "3 ops, 2 passed, 1 failed" in ran.out


def test_one_op_of_a_tape_is_a_target_and_its_failure_replays(tape):
    ran = tape.run("run", "my_ops.py::wrong_tanh", "--max-cases", "12")
    assert ran.code == 1
    again = ran.out.partition("gradcheck replay ")[2].split()[0]
    replayed = tape.run("replay", again)
    assert replayed.code == 1
    assert "wrong gradient" in replayed.out
    assert tape.run("run", "my_ops.py::tanh", "--max-cases", "12").code == 0


def test_a_list_and_a_dict_of_ops_are_collected_once(project):
    project.write("held.py", HELD)
    names = [op.name for op in targets.load("held.py")]
    assert names == ["square", "LISTED[1]", "NAMED[cube]"]
    assert [op.name for op in targets.load("held.py::LISTED[1]")] == ["LISTED[1]"]


def test_a_list_in_a_test_module_is_what_tests_are_parametrized_with(pytester):
    pytester.makepyfile(test_held=HELD)
    pytester.makepyprojecttoml("[tool.gradcheck]\nmax-cases = 12\n")
    ran = pytester.runpytest_subprocess("-q", "-p", "no:randomly")
    ran.assert_outcomes(passed=1)


def test_two_tapes_with_one_name_clash_unless_they_are_named(project):
    shutil.copy(ENGINES, project.folder / "engines.py")
    one = OPS.replace("lib", "two").replace("elsewhere", "more")
    project.write("clash.py", OPS + one)
    with pytest.raises(UsageError, match="two ops are called 'tanh'"):
        targets.load("clash.py")
    project.write("apart.py", OPS + one.replace("scalar=True", "scalar=True, name='two'"))
    assert "two.tanh" in [op.name for op in targets.load("apart.py")]


def test_a_tape_is_parametrized():
    lib = of_numbers()
    lib.ops("exp tanh")

    @gradcheck.parametrize(lib)
    def check(op):
        gradcheck.check(op)

    cases = next(m for m in check.pytestmark if m.name == "parametrize").args[1]
    assert [case.id for case in cases] == ["exp", "tanh"]


def test_pytest_has_an_item_for_each_op_of_a_tape(pytester):
    shutil.copy(ENGINES, pytester.path / "engines.py")
    pytester.makepyfile(test_ops=OPS)
    pytester.makepyprojecttoml("[tool.gradcheck]\nmax-cases = 12\n")
    ran = pytester.runpytest_subprocess("-q", "-rA", "-p", "no:randomly")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["*PASSED test_ops.py::tanh*", "*FAILED test_ops.py::wrong_tanh*"])

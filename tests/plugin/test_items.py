"""Items in a session: selection, failure texts, other plugins, warnings."""

from __future__ import annotations

import json
import shlex
from xml.etree import ElementTree

import pytest

from tests.project import GATES

FAST = "[tool.gradcheck]\nmax-cases = 12\n"
WARNS = """
import gradcheck

twice = gradcheck.op(lambda x, y: x + y, lambda dz, x, y: (dz, dz), "x[n], y[n]")
"""


@pytest.fixture
def gates(pytester):
    """A wrong and two right ops in a test module, few cases each."""
    pytester.makepyprojecttoml(FAST)
    pytester.makepyfile(test_gates=GATES)
    return pytester


def test_the_failure_is_the_report(gates):
    ran = gates.runpytest_inprocess()
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(
        [
            "gradcheck: 3 ops, seed 0, 12 cases each",
            "*___ Wrong ___*",
            "Wrong: values: wrong gradient *FAIL *",
            "  where               gradient of x, entry (*",
            "  backward pass  *",
            "  finite difference * ± *",
            "    x = np.array(*",
            "  backward            test_gates.py:16",
            "  again               gradcheck replay test_gates.py::Wrong '{*}'",
            "FAILED test_gates.py::Wrong - wrong gradient: gradient of x, *",
        ]
    )
    shown = ran.stdout.str()
    assert "Traceback" not in shown
    assert "runner.py" not in shown
    assert "GradientError" not in shown


def test_the_printed_command_shows_the_same_case_again(gates, project, monkeypatch):
    monkeypatch.chdir(gates.path)
    text = gates.runpytest_inprocess().stdout.str()
    command = next(line for line in text.splitlines() if line.startswith("  again"))
    _, program, *arguments = shlex.split(command)
    assert program == "gradcheck"
    ran = project.shell(*arguments)
    assert ran.code == 1
    case = next(line for line in text.splitlines() if line.startswith("    x = np.array("))
    assert case in ran.out


@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        (("-k", "cube"), {"passed": 1, "deselected": 2}),
        (("-k", "not Wrong"), {"passed": 2, "deselected": 1}),
        (("-m", "gradcheck"), {"passed": 2, "failed": 1}),
        (("-m", "not gradcheck"), {"deselected": 3}),
        (("-x",), {"failed": 1}),
        (("--maxfail=2",), {"passed": 2, "failed": 1}),
        (("--deselect", "test_gates.py::Wrong"), {"passed": 2, "deselected": 1}),
        (("test_gates.py::right",), {"passed": 1}),
        (("--strict-markers", "-k", "right"), {"passed": 1, "deselected": 2}),
        (("--import-mode=importlib", "-k", "right"), {"passed": 1, "deselected": 2}),
        (("-W", "error", "-k", "right"), {"passed": 1, "deselected": 2}),
    ],
)
def test_selection_is_pytests_own(gates, arguments, outcomes):
    gates.runpytest_inprocess(*arguments).assert_outcomes(**outcomes)


@pytest.mark.parametrize("configured", [False, True])
def test_last_failed_runs_what_failed(gates, configured):
    if configured:
        (gates.path / "test_gates.py").rename(gates.path / "gates.py")
        gates.makepyprojecttoml(FAST + 'targets = ["gates.py"]\n')
    gates.makepyfile(test_other="def test_other():\n    pass\n")
    gates.runpytest_inprocess().assert_outcomes(passed=3, failed=1)
    ran = gates.runpytest_inprocess("--lf")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*run-last-failure: rerun previous 1 failure*"])


def results(path):
    """The results in a JUnit file."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        for item in case.iter("property"):
            if item.get("name") == "gradcheck":
                found[case.get("name")] = json.loads(item.get("value")) | {"seconds": 0}
    return found


def test_junit_has_the_report_and_the_result(gates):
    gates.runpytest_inprocess("--junitxml=out.xml", "--durations=3")
    failure = next(ElementTree.parse(gates.path / "out.xml").iter("failure"))
    assert failure.get("message").startswith("wrong gradient: gradient of x, entry (")
    assert "Wrong: values: wrong gradient" in failure.text
    found = results(gates.path / "out.xml")
    assert found["Wrong"]["findings"][0]["code"] == "wrong-gradient"
    assert found["cube"]["verdict"] == "pass"
    assert found["cube"]["op"] == "test_gates::cube"


@pytest.mark.parametrize("plugin", ["terminal", "cacheprovider", "warnings", "junitxml"])
def test_without_other_plugins(gates, plugin):
    ran = gates.runpytest_inprocess("-p", f"no:{plugin}")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in ran.stdout.str() + ran.stderr.str()


@pytest.mark.parametrize("style", ["auto", "long", "short", "line", "native", "no"])
def test_every_style_of_traceback(gates, style):
    ran = gates.runpytest_inprocess(f"--tb={style}")
    ran.assert_outcomes(passed=2, failed=1)
    shown = ran.stdout.str()
    assert "gradcheck/runner.py" not in shown
    if style not in ("no", "line"):
        assert "Wrong: values: wrong gradient" in shown
    if style == "line":
        ran.stdout.fnmatch_lines(["test_gates.py:16: wrong gradient: gradient of x, entry (*"])


def test_the_list_of_items_as_a_tree(gates):
    ran = gates.runpytest_inprocess("--co")
    ran.stdout.fnmatch_lines(["*<Module test_gates.py>", "*<OpItem Wrong>", "*<OpItem cube>"])


def test_options_go_over_the_configuration(gates):
    ran = gates.runpytest_inprocess("--gradcheck-seed=5", "-k", "right", "--junitxml=out.xml")
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 5, 12 cases each"])
    gates.makepyprojecttoml('[tool.gradcheck]\nprofile = "ci"\n')
    ran = gates.runpytest_inprocess("--gradcheck-profile=fast", "-k", "right", "--junitxml=out.xml")
    ran.stdout.fnmatch_lines(["gradcheck: 1 op, seed 0, 25 cases each"])
    assert results(gates.path / "out.xml")["right"]["cases"] == 25


@pytest.mark.parametrize("arguments", [(), ("-W", "error")])
def test_a_warning_is_no_failure(pytester, arguments):
    """Also where the project turns warnings into errors: a right gradient stays right."""
    pytester.makepyprojecttoml(FAST)
    pytester.makepyfile(test_warns=WARNS)
    ran = pytester.runpytest_inprocess(*arguments)
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["*test_warns.py:3: GradcheckWarning: twice: *"])


def test_a_warning_can_be_filtered(pytester):
    pytester.makepyprojecttoml(FAST)
    pytester.makepyfile(test_warns=WARNS)
    category = "ignore::gradcheck.pytest_plugin.GradcheckWarning"
    ran = pytester.runpytest_inprocess("-W", category)
    ran.assert_outcomes(passed=1)
    assert "GradcheckWarning" not in ran.stdout.str()


def test_what_could_not_be_judged_fails_unless_the_settings_say_warn(pytester):
    pytester.makepyfile(
        test_noise="import gradcheck, random\n"
        "noise = gradcheck.op(lambda x: x * random.random(), lambda dz, x: dz, 'x[n]')\n"
    )
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["noise: no verdict *NOT JUDGED", "FAILED *::noise - not judged: *"])
    pytester.makepyprojecttoml('[tool.gradcheck]\ninconclusive = "warn"\n')
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(passed=1)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED, "nothing was judged: no evidence is no pass"
    ran.stdout.fnmatch_lines(["failed: no op passed: *could not be judged"])
    pytester.makepyfile(test_right=WARNS)
    assert pytester.runpytest_inprocess().ret == 0


def test_wrong_settings_of_one_op_are_one_sentence(pytester):
    pytester.makepyfile(
        test_gates="import gradcheck\n"
        "bad = gradcheck.op(lambda x: x, lambda dz, x: dz, 'x[n]', dtypes='flaot16')\n"
    )
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["op: dtype 'flaot16' is not supported. Did you mean 'float16'*"])
    assert "Traceback" not in ran.stdout.str()


# -- gradcheck.check in ordinary tests -----------------------------------------------------------

CHECKS = """
import gradcheck
import numpy as np

def sine(x):
    return np.sin(x)

def test_wrong():
    gradcheck.check(sine, lambda dz, x: dz * np.cos(x) * 2, np.array([0.5, 1.0]), max_cases=4)

def test_right():
    found = gradcheck.check(sine, lambda dz, x: dz * np.cos(x), np.array([0.5, 1.0]), max_cases=4)
    assert found.verdict == "pass"
"""


def test_check_in_a_test_raises_the_report(pytester):
    pytester.makepyfile(test_sine=CHECKS)
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(
        [
            ">       gradcheck.check(sine, *",
            "E  *sine: values: wrong gradient *FAIL *",
            "E * backward pass *",
            "E * finite difference * ± *",
            "E * likely  *",
            "E *     x = np.array(*",
        ]
    )
    assert "gradcheck replay" not in ran.stdout.str()  # no target names it: nothing to replay


def test_check_in_a_test_hides_our_own_frames(pytester):
    pytester.makepyfile(test_sine=CHECKS)
    assert "api.py" not in pytester.runpytest_inprocess().stdout.str()


def test_check_in_a_test_says_what_in_the_short_summary(pytester):
    pytester.makepyfile(test_sine=CHECKS)
    ran = pytester.runpytest_inprocess()
    ran.stdout.fnmatch_lines(
        ["FAILED test_sine.py::test_wrong - sine: wrong gradient: gradient of x*"]
    )

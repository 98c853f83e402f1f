"""One report, whatever runs the tests: processes, attempts, orders; and what can be missing."""

from __future__ import annotations

import importlib.util
import random

import pytest

from tests.plugin.conftest import CALLS, RIGHT, by_op
from tests.plugin.test_items import WARNS, results
from tests.project import GATES

NOTHING_ELSE = ("-p", "no:jaxtyping", "-p", "no:randomly")
PROJECT = {
    "gates": GATES,
    "test_gates": RIGHT,
    "test_calls": CALLS
    + """
def test_right():
    gradcheck.check(sine, right, POINT)

def test_expected():
    with pytest.raises(gradcheck.GradientError):
        gradcheck.check(sine, wrong, POINT)
""",
}


@pytest.fixture
def whole(few):
    """Targets, ops in a test module, and calls in tests."""
    few.makepyprojecttoml(
        '[tool.gradcheck]\nmax-cases = 11\nchecks = ["values"]\ntargets = ["gates.py"]\n'
    )
    few.makepyfile(**PROJECT)
    return few


def differences(one, other, place=""):
    """Where two reports differ, but for times."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one.keys() - {"seconds"}:
            yield from differences(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for k, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}[{k}]")
    elif one != other:
        yield f"{place}: {one!r:.300} and {other!r:.300}"


def test_processes_give_the_same_report(whole, report):
    whole.makepyprojecttoml('[tool.gradcheck]\nmax-cases = 11\ntargets = ["gates.py"]\n')
    whole.makepyfile(test_warns=WARNS)
    alone, serial = report("--junitxml=serial.xml")
    ran, spread = report(*NOTHING_ELSE, "-n", "1", "--junitxml=out.xml")
    outcomes = ran.parseoutcomes()
    assert outcomes == alone.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (6, 1)
    assert outcomes["warnings"] > 0
    assert list(differences(spread, serial)) == []
    found = results(whole.path / "out.xml")
    assert {"Wrong", "cube", "right", "twice"} <= found.keys()
    assert found == results(whole.path / "serial.xml")
    assert serial["planned"] == len(serial["results"]) == 7
    ran.stdout.fnmatch_lines(
        [
            "gates::Wrong *FAIL*",
            "FAILED gates.py::Wrong - wrong gradient: gradient of x*",
        ]
    )


def test_processes_that_end_early_say_what_was_planned(whole, report):
    (whole.path / "gradcheck-waivers.toml").write_text(
        '[[waiver]]\nop = "gates::cube"\ncode = "wrong-gradient"\nreason = "was wrong"\n'
        "expires = 2999-01-01\n"
    )
    whole.makepyfile(test_broken="import gradcheck\nop = gradcheck.op(3, 'x[n]')\n")
    ran, found = report(*NOTHING_ELSE, "-n", "1", "-x")
    assert ran.ret != 0
    assert len(found["errors"]) == 1
    assert not found["interrupted"]


def test_a_random_order_gives_the_same_report(whole, report):
    """What pytest-randomly and others do, with an order that is known to be another."""
    _, first = report()
    whole.makeconftest(
        "import random\n\ndef pytest_collection_modifyitems(items):\n"
        "    random.Random(3).shuffle(items)\n    print([i.name for i in items])\n"
    )
    names = ["right", "test_right", "test_expected", "Wrong", "cube", "right"]
    assert random.Random(3).sample(names, len(names)) != names
    _, second = report()
    assert list(differences(second, first)) == []


needs_randomly = pytest.mark.skipif(
    importlib.util.find_spec("pytest_randomly") is None, reason="pytest-randomly is not installed"
)
needs_reruns = pytest.mark.skipif(
    importlib.util.find_spec("pytest_rerunfailures") is None,
    reason="pytest-rerunfailures is not installed",
)


@needs_randomly
def test_pytest_randomly_gives_the_same_report(whole, report, monkeypatch):
    _, first = report()
    monkeypatch.delenv("PYTEST_ADDOPTS")
    ran, second = report("-p", "randomly", "-p", "no:jaxtyping", how="subprocess")
    ran.stdout.fnmatch_lines(["Using --randomly-seed=*"])
    assert list(differences(second, first)) == []


FLAKY = (
    CALLS
    + """
attempts = []

def test_flaky():
    attempts.append(1)
    gradcheck.check(sine, right if len(attempts) == 2 else wrong, POINT)
"""
)


@needs_reruns
@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=str)
def test_the_last_attempt_counts(few, report, processes):
    few.makepyfile(test_flaky=FLAKY)
    ran, found = report(*NOTHING_ELSE, "--reruns=2", *processes)
    assert ran.ret == 0
    (result,) = found["results"]
    assert result["op"] == "test_flaky.py::test_flaky::sine"
    assert result["verdict"] == "pass"
    assert not result["waived"]


def test_an_attempt_begun_anew_forgets_the_last(few, report):
    """As pytest-rerunfailures does it: the same item goes through its phases again."""
    few.makepyfile(test_flaky=FLAKY)
    few.makeconftest(
        """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for attempt in range(2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            if report.failed:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
    )
    ran, found = report()
    assert ran.ret == 0
    (result,) = found["results"]
    assert (result["verdict"], result["waived"]) == ("pass", "")


@pytest.mark.parametrize("plugin", ["terminal", "cacheprovider", "hypothesispytest", "xdist"])
def test_without_other_plugins(whole, report, plugin):
    ran, found = report("-p", f"no:{plugin}", "-W", "error")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert by_op(found)["gates::Wrong"]["verdict"] == "fail"
    assert "INTERNALERROR" not in ran.stdout.str() + ran.stderr.str()
    assert "Traceback" not in ran.stdout.str() + ran.stderr.str()


def test_without_the_plugin_check_still_works(few):
    few.makepyfile(test_calls=CALLS + "def test_it():\n    gradcheck.check(sine, right, POINT)\n")
    few.runpytest_inprocess("-p", "no:gradcheck").assert_outcomes(passed=1)

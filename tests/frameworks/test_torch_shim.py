"""Ours beside torch.autograd.gradcheck: what it says, and that it changes nothing."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from tests.frameworks.shim_suites import EFFECTS, HEAD, OUTCOMES, PLANTED
from tests.project import python

torch = pytest.importorskip("torch")

from gradcheck.frameworks import framework_of  # noqa: E402
from gradcheck.torch_shim import apart, beside, summary  # noqa: E402
from gradcheck.torch_shim.record import KINDS, Record, Said, decoded, encoded  # noqa: E402

SHIM = ("-p", "gradcheck.torch_shim")
LOADED = framework_of(len, (torch.zeros(()),)), beside
"""Once for all: what an inner session is the first to import, pytester makes it forget again."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:cacheprovider")


def outcomes(ran):
    return {r.nodeid: (r.when, r.outcome) for r in ran.reprec.getreports() if r.when == "call"}


@pytest.fixture
def run(pytester):
    """Run a suite in this process, by itself or beside ours."""

    def go(text, *options):
        pytester.makepyfile(test_suite=text)
        return pytester.runpytest_inprocess("-W", "ignore", *options)

    return go


@pytest.fixture
def run_forking(pytester, run):
    """The same where the shim forks: in a process of its own, this one may have imported JAX."""
    if not sys.platform.startswith("linux") or torch.accelerator.is_available():
        pytest.skip("the shim makes no child here")

    def go(text, *options):
        pytester.makepyfile(test_suite=text)
        return pytester.runpytest_subprocess("-W", "ignore", *options)

    return run if apart.can_fork() else go


def lines(ran):
    text = ran.stdout.str()
    assert summary.TITLE in text
    found = text.partition(summary.TITLE)[2].splitlines()[1:]
    return [line for line in found if not line.startswith("=")]


def test_planted_functions_and_unchanged_outcomes(run):
    alone, ran = run(PLANTED), run(PLANTED, *SHIM, "--gradcheck-shim-cases=2")
    alone.assert_outcomes(**OUTCOMES)
    ran.assert_outcomes(**OUTCOMES)
    assert outcomes(ran) == outcomes(alone)
    found = lines(ran)
    assert found[0] == (
        "11 calls in 10 tests: 6 agreements, 1 wrong gradient that passed, 1 false alarm, 3 not run"
    )
    said = {line.partition(": ")[0]: line for line in found[2:]}
    wrong = said["wrong gradient that passed"]
    assert "test_suite.py::test_hidden_by_atol: Gate: wrong gradient: " in wrong
    assert "test_suite.py::test_single_precision: Gate: " in said["false alarm"]
    assert '"Jacobian mismatch for output 0' in said["false alarm"]
    text = "\n".join(found)
    assert "test_sparse: <lambda>: sparse inputs (torch.sparse_coo) are not taken" in text
    assert "raises ValueError: gradcheck expects at least one" in text
    assert "raises ZeroDivisionError" in text


def effects(run, *options):
    ran = run(EFFECTS, *options)
    ran.assert_outcomes(passed=1)
    with open("effects.json") as file:  # pytester's own folder is the current one
        return json.load(file)


def test_nothing_changes_beside_a_child(run_forking):
    alone = effects(run_forking)
    assert effects(run_forking, *SHIM, "--gradcheck-shim-cases=1") == alone


def test_nothing_changes_without_a_child(run, monkeypatch):
    monkeypatch.setattr(apart, "can_fork", lambda: False)
    alone, after = effects(run), effects(run, *SHIM, "--gradcheck-shim-cases=1")
    assert after[1] > alone[1]  # what a function keeps in Python's own objects cannot be known
    assert (after[0], *after[2:]) == (alone[0], *alone[2:])


def test_verbose_names_every_call_with_its_times(run):
    text = HEAD + "\ndef test_right():\n    gradcheck(Right.apply, (point(),))\n"
    (first, *_), shown = lines(run(text, *SHIM)), lines(run(text, *SHIM, "-v"))
    assert first == "1 call in 1 test: 1 agreement, 0 wrong gradients that passed, 0 false alarms"
    assert any(line.startswith("agreement: test_suite.py::test_right: Gate: ") for line in shown)
    assert " s, gradcheck " in shown[-1]


def test_calls_in_a_conftest_a_fixture_and_at_import(run, pytester):
    pytester.makeconftest(
        HEAD + "\n@pytest.fixture(scope='session')\ndef sure():\n"
        "    return gradcheck(Right.apply, (point(),))\n"
    )
    text = HEAD + "gradcheck(Right.apply, (point(),))\n\ndef test_it(sure):\n    assert sure\n"
    ran = run(text, *SHIM)
    ran.assert_outcomes(passed=1)
    assert lines(ran)[0].startswith("2 calls in 2 tests: 2 agreements")


def test_a_suite_without_calls_says_so(run):
    ran = run("def test_it():\n    pass\n", *SHIM)
    assert lines(ran) == ["no call of torch.autograd.gradcheck or gradgradcheck"]


def test_functions_are_given_back(run):
    own = torch.autograd.gradcheck
    run("import torch\ndef test_it():\n    assert torch.autograd.gradcheck.__wrapped__\n", *SHIM)
    assert torch.autograd.gradcheck is own
    assert not hasattr(own, "__wrapped__")


def test_ours_goes_wrong_and_no_test_hears_of_it(run, monkeypatch):
    def broken(*_):
        raise RuntimeError("our own mistake \x1b[31m")

    monkeypatch.setattr(beside, "judged", broken)
    ran = run(HEAD + "\ndef test_it():\n    assert gradcheck(Right.apply, (point(),))\n", *SHIM)
    ran.assert_outcomes(passed=1)
    assert "not run: test_suite.py::test_it: Gate: RuntimeError: our own mistake \\x1b[31m" in (
        lines(ran)
    )


def test_what_kills_or_never_ends_is_said(run_forking, pytester, monkeypatch):
    monkeypatch.setattr(apart, "GRACE", apart.GRACE)
    pytester.makeconftest("from gradcheck.torch_shim import apart\n\napart.GRACE = 0.5\n")
    text = HEAD + (
        "import os, time\nHOME = os.getpid()\n\n"
        "def dies(x):\n    os.getpid() == HOME or os.kill(os.getpid(), 11)\n    return x**2\n\n"
        "def hangs(x):\n    os.getpid() == HOME or torch.randn(20, 20).matrix_exp() is None\n"
        "    while os.getpid() != HOME:\n        try:\n            time.sleep(1)\n"
        "        except BaseException:\n            pass\n    return x**2\n\n"
        "@pytest.mark.parametrize('function', [dies, hangs])\n"
        "def test_it(function):\n    assert gradcheck(function, (point(),))\n"
    )
    ran = run_forking(text, *SHIM, "--gradcheck-shim-seconds=0.5")
    ran.assert_outcomes(passed=2)
    text = "\n".join(lines(ran))
    assert "dies: the child process that checked it died (killed by signal 11)" in text
    assert "hangs: it was still at work after 1 s, and was ended" in text


@pytest.mark.parametrize("option", ["--gradcheck-shim-cases=0", "--gradcheck-shim-seconds=0"])
def test_options_that_make_no_sense(run, option):
    ran = run(PLANTED, *SHIM, option)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert option.partition("=")[0] in ran.stderr.str()


def test_without_torch_it_says_what_to_install(run, monkeypatch):
    usual = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else usual(name, *a)
    )
    ran = run("def test_it():\n    pass\n", *SHIM)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "pip install 'gradcheck[torch]'" in ran.stderr.str()


def test_workers_send_their_records(pytester):
    pytest.importorskip("xdist")
    text = HEAD + (
        "\ngradcheck(Tiny.apply, (point(),))\n\n"
        "@pytest.mark.parametrize('which', [Right, Tiny])\n"
        "def test_it(which):\n    assert gradcheck(which.apply, (point(),))\n"
    )
    pytester.makepyfile(test_suite=text)
    ran = pytester.runpytest_subprocess(*SHIM, "-n1", "--gradcheck-shim-cases=1")
    ran.assert_outcomes(passed=2)
    assert lines(ran)[0].startswith("3 calls in 3 tests: 1 agreement, 2 wrong gradients that")


def test_outside_of_pytest(tmp_path):
    script = HEAD + (
        "import gradcheck.torch_shim\n\ngradcheck.torch_shim.install(cases=1)\n"
        "assert torch.autograd.gradcheck(Tiny.apply, (point(),))\n"
    )
    (tmp_path / "own.py").write_text(script.replace("import pytest\n", ""))
    ran = python(tmp_path, "own.py")
    first, counts, _, found = ran.stderr.splitlines()
    assert first == summary.TITLE
    assert counts.startswith("1 call in 1 test: 0 agreements, 1 wrong gradient that passed")
    assert found.startswith("wrong gradient that passed: ")
    assert "own.py:" in found


def said(theirs, ours, check="values"):
    return Record(
        test="t.py::a",
        name="f",
        order=1,
        theirs=Said(verdict=theirs),
        ours=Said(verdict=ours, check=check),
    )


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (said("pass", "pass"), "agreement"),
        (said("fail", "fail"), "agreement"),
        (said("fail", "pass"), "false alarm"),
        (said("pass", "fail"), "wrong gradient"),
        (said("pass", "fail", "purity"), "other fault"),
        (said("pass", "not judged"), "not judged"),
        (said("fail", "not run"), "not run"),
    ],
)
def test_kinds(record, kind):
    assert record.kind == kind
    assert kind in KINDS
    assert decoded(encoded([record])) == [record]


def test_long_lists_and_hostile_names_are_cut():
    records = [said("pass", "fail")] * (summary.MOST + 2)
    shown = list(summary.lines(records))
    assert shown[-1] == "and 2 more wrong gradients that passed"
    assert len(shown) == summary.MOST + 3

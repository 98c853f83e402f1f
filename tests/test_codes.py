"""The codes of findings: all that are emitted are explained, and every example shows its code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gradcheck import targets
from gradcheck.cli.explaining import listing, words
from gradcheck.codes import CODES, GROUPS, LIKELY, headline
from gradcheck.results import OpResult
from gradcheck.runner import run, run_one
from gradcheck.settings import CHECKS, Settings

PACKAGE = Path(__file__).parent.parent / "gradcheck"
SOURCES = [p for p in PACKAGE.rglob("*.py") if "codes" not in p.relative_to(PACKAGE).parts]
FINDERS = {"find": 1, "find_in": 1, "_finding": 0, "noted": 0}
"""Functions that make a finding, and the place of its code among their arguments."""
SPOKEN = {"forward-raised", "backward-raised"}
"""Codes that are put together: f"{where}-raised"."""
READINGS = {"exploding-gradient", "vanishing-gradient", "dead-units", "saturated-units"}
"""Codes that stand in a table of their module."""
SEVERITIES = ("fail", "not judged", "warning", "note")
CASES = {"mostly-rejected": 80}
"""Cases of an example that needs more of them for a verdict."""
DISTURBED = {"not-deterministic", "unwritten-memory", "under-jit"}
"""A backward that is no function of what it is given, or cannot be traced, fails others as well."""


# -- the table -----------------------------------------------------------------------------------


def strings(node: ast.AST) -> set[str]:
    """The strings that an expression may be: itself, or either branch of a choice."""
    if isinstance(node, ast.IfExp):
        return strings(node.body) | strings(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def emitted(source: str) -> set[str]:
    """Codes that a module gives to findings, by its calls."""
    found: set[str] = set()
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        for keyword in call.keywords:
            if keyword.arg == "code":
                found |= strings(keyword.value)
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        place = FINDERS.get(name)
        if place is not None and len(call.args) > place:
            found |= strings(call.args[place])
    return found


def test_every_code_that_is_emitted_is_explained_and_every_one_explained_is_emitted():
    found = set().union(*(emitted(p.read_text()) for p in SOURCES))
    health = (PACKAGE / "health.py").read_text()
    assert all(f'"{code}"' in health for code in READINGS)
    assert found | SPOKEN | READINGS | {"not-judged"} == set(CODES)


def test_a_code_that_nobody_explained_would_be_seen():
    assert emitted('outcome.find(NAME, "new-code", message)') == {"new-code"}
    assert emitted('Finding(code="a" if x else "b", check=NAME)') == {"a", "b"}
    assert emitted('yield _finding("hollow", name, message)') == {"hollow"}


def test_likely_names_are_those_of_the_diagnosis():
    """Names stand as first argument of Diagnosis, or in tables of (name, text, ...)."""
    found: set[str] = set()
    for path in (PACKAGE / "diagnosis").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found |= strings(node)
    assert set(LIKELY) <= found
    named = {w for w in found if "-" in w and w.replace("-", "").isalpha() and w.islower()}
    assert named <= set(LIKELY)


def test_codes_are_grouped_by_the_checks_in_their_order():
    order = list(dict.fromkeys(code.check for code in CODES.values()))
    assert set(order) == set(GROUPS)
    assert set(CHECKS) <= set(GROUPS)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda c: c.name)
def test_texts_are_whole_sentences_that_fit_a_terminal(code):
    for text in (code.what, code.why, code.fix):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "  " not in text
    assert not code.headline[0].isupper()
    assert all(len(line) <= 76 for line in code.example.splitlines())
    compile(code.example, code.name, "exec")


def test_a_headline_of_a_later_version_is_its_code():
    assert headline("wrong-at-tie") == "wrong gradient along a tie"
    assert headline("of-a-later-version") == "of-a-later-version"


# -- examples ------------------------------------------------------------------------------------


def results_of(name: str, folder: Path) -> dict[str, OpResult]:
    """Results of the ops called wrong and right in an example."""
    path = folder / f"{name.replace('-', '_')}_example.py"
    path.write_text(CODES[name].example)
    options = CODES[name].options.split()
    given = {
        "cost": "--cost" in options,
        "time_limit": float(options[-1]) if "--time-limit" in options else 10.0,
    }
    ops = {op.name.lower(): op for op in targets.load(str(path))}
    settings = Settings(max_cases=CASES.get(name, 25), isolate="--isolate" in options, **given)
    if settings.isolate:
        return {key: run([ops[key]], settings).results[0] for key in ("wrong", "right")}
    return {key: run_one(ops[key], settings) for key in ("wrong", "right")}


@pytest.mark.parametrize("name", CODES)
def test_the_example_shows_its_code_and_the_mended_one_passes(name, tmp_path):
    code = CODES[name]
    if code.needs:
        pytest.importorskip(code.needs)
    found = results_of(name, tmp_path)
    wrong, right = found["wrong"], found["right"]
    assert (right.verdict, right.findings) == ("pass", [])
    if code.check == "verdict":
        assert wrong.verdict == "inconclusive"
        assert not any(f.severity in ("fail", "not judged") for f in wrong.findings)
        return
    own = [f for f in wrong.findings if f.code == name]
    assert min(own, key=lambda f: SEVERITIES.index(f.severity)).severity == code.severity
    assert {f.check for f in own} == {code.check}
    verdicts = {"fail": "fail", "not judged": "inconclusive"}
    assert wrong.verdict == verdicts.get(code.severity, "pass")
    if name not in DISTURBED:
        assert {f.code for f in wrong.findings} == {name}


# -- gradcheck explain ---------------------------------------------------------------------------


def test_explain_without_a_name_lists_all(project):
    ran = project.run("explain")
    assert ran.code == 0
    for name in (*CODES, *GROUPS, *LIKELY):
        assert name in ran.out


@pytest.mark.parametrize("name", CODES)
def test_explain_a_code(project, name):
    ran = project.run("explain", name)
    assert ran.code == 0
    plain = " ".join(ran.out.split())
    code = CODES[name]
    for text in (code.headline, code.what, code.why, code.fix, code.options):
        assert " ".join(text.split()) in plain
    assert "wrong" in ran.out.lower()
    assert f"docs/codes.md#{name}" in ran.out


@pytest.mark.parametrize("width", [80, 40])
def test_explain_keeps_to_the_width(width):
    for name in CODES:
        prose = words(name, width).partition("\n")[2].partition("  example")[0]
        assert all(len(line) <= width for line in prose.splitlines()), name
    assert all(len(line) <= 80 for line in listing(80).splitlines())


def test_explain_a_likely_mistake_and_one_of_one_attribute(project):
    assert LIKELY["sign"].what in project.run("explain", "sign").out
    both = " ".join(project.run("explain", "attribute/sign").out.split())
    assert LIKELY["sign"].what in both
    assert LIKELY["attribute"].what in both
    assert project.run("explain", "attribute/nothing").code == 2


def test_a_word_with_two_meanings_has_both(project):
    ran = project.run("explain", "overwritten").out
    assert "overwritten: overwrites what it was given" in ran
    assert "likely: overwritten" in ran
    ran = project.run("explain", "values").out
    assert "likely: values" in ran
    assert "wrong-gradient" in ran


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("wrong-gradint", "Did you mean 'wrong-gradient'"),
        ("transpos", "Did you mean 'transpose'"),
        ("worked_exampel", "Did you mean 'worked_example'?"),
        ("qqqq", "gradcheck explain lists the codes"),
        ("\x1b[31mred", "there is no code and no graph \\x1b[31mred."),
    ],
)
def test_explain_an_unknown_word_names_the_nearest(project, word, said):
    ran = project.run("explain", word)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_code_comes_before_a_graph_of_that_name_which_its_file_reaches(project):
    graph = "import gradcheck\n@gradcheck.graph('x[]')\ndef convention(x):\n    return x * 2.0\n"
    project.write("mine.py", graph)
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["mine.py"]\n')
    assert "another convention" in project.run("explain", "convention").out
    assert "multiply" in project.run("explain", "mine.py::convention").out
    assert "multiply" in project.run("explain", "convention", "3").out  # no code takes numbers


def test_explaining_a_code_imports_nothing_heavy():
    code = (
        "import sys; from gradcheck.cli.app import dispatch; dispatch(['explain', 'sign']);"
        "print([m for m in ('numpy', 'hypothesis', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")

"""An upgrade that adds a check does not turn green code red until the user moves on.

There is one edition today, so a later one is planted: `wrong-gradient` is taken for a check that
came with it.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import gradcheck
from gradcheck import editions, settings
from gradcheck.editions import demoted, failing
from gradcheck.reporters import beside as shown
from gradcheck.results import Finding, OpResult, Report, Severity, summarise
from gradcheck.settings import Settings, convert

FEW = ("--max-cases", "12")
GATES = """
import gradcheck
import numpy as np

wrong = gradcheck.op(np.square, lambda dz, x: 3 * x * dz, "x[n]", name="wrong")
right = gradcheck.op(np.square, lambda dz, x: 2 * x * dz, "x[n]", name="right")
"""


def plant(monkeypatch: pytest.MonkeyPatch, *codes: str) -> None:
    """An edition 2027 with these codes."""
    monkeypatch.setattr(settings, "EDITIONS", ("2026", "2027"))
    monkeypatch.setattr(editions, "SINCE", dict.fromkeys(codes, "2027"))


def found(severity: Severity = "fail", code: str = "wrong-gradient") -> Finding:
    return Finding(code=code, check="values", severity=severity, message="it is off")


# -- today ----------------------------------------------------------------------------------------


def test_the_default_is_the_oldest():
    assert Settings().edition == settings.EDITIONS[0] == "2026"
    assert list(settings.EDITIONS) == sorted(settings.EDITIONS, key=int)


def test_the_table_names_known_codes_and_later_editions():
    from gradcheck.codes import CODES

    assert set(editions.SINCE) <= set(CODES)
    assert set(editions.SINCE.values()) <= set(settings.EDITIONS[1:])


@pytest.mark.parametrize("severity", ["fail", "not judged", "warning", "note"])
def test_nothing_is_demoted_today(severity):
    assert demoted(found(severity), "2026") == found(severity)


# -- with a later edition -------------------------------------------------------------------------


@pytest.mark.parametrize("severity", ["fail", "not judged"])
def test_a_later_finding_is_a_note(monkeypatch, severity):
    plant(monkeypatch, "wrong-gradient")
    note = demoted(found(severity), "2026")
    assert (note.severity, note.edition) == ("note", "2027")
    assert note.message == "it is off (demanded from edition 2027 on)"
    assert demoted(note, "2026") == note
    assert demoted(found(severity), "2027") == found(severity)
    other = found(severity, "wrong-shape")
    assert demoted(other, "2026") == other
    assert not failing([found()], "2026")
    assert failing([found()], "2027")


@pytest.mark.parametrize("severity", ["warning", "note"])
def test_what_does_not_fail_stays(monkeypatch, severity):
    plant(monkeypatch, "wrong-gradient")
    assert demoted(found(severity), "2026") == found(severity)


def test_green_stays_green_until_the_user_moves_on(project, monkeypatch):
    project.write("gates.py", GATES)
    assert project.run("run", "gates.py", *FEW).code == 1  # were it a check of today
    plant(monkeypatch, "wrong-gradient")
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 0, ran.text
    assert "backward pass" not in ran.out
    assert (
        'edition 2027 would fail 1 op (-v shows why); edition = "2027" in [tool.gradcheck] moves on'
        in ran.out
    )
    result = project.results()["results"][0]
    assert result["verdict"] == "pass"
    assert result["checks"]["values"]["verdict"] == "pass"
    (note,) = [f for f in result["findings"] if f["edition"]]
    assert (note["code"], note["severity"], note["edition"]) == ("wrong-gradient", "note", "2027")
    assert note["case"]
    assert note["replay"]
    verbose = " ".join(project.run("run", "gates.py", *FEW, "-v").out.split())
    assert "NOTE" in verbose

    project.write("pyproject.toml", '[tool.gradcheck]\nedition = "2027"\n')
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "edition" not in ran.out
    assert project.run("run", "gates.py", *FEW, "--edition", "2026").code == 0
    ran = project.run("run", "gates.py", *FEW, "--edition", "2028")
    assert ran.code == 2
    assert re.search(r"edition = '2028': must be one of 2026, 2027", ran.err)


def test_it_holds_at_every_door(monkeypatch):
    plant(monkeypatch, "wrong-gradient")
    x = np.array([0.5, -1.25, 2.0])
    assert gradcheck.check(np.square, lambda dz, x: 3 * x * dz, x, max_cases=12).verdict == "pass"
    with pytest.raises(gradcheck.GradientError):
        gradcheck.check(np.square, lambda dz, x: 3 * x * dz, x, max_cases=12, edition="2027")


def test_an_older_mistake_beside_a_later_one_stays_red(monkeypatch):
    """A note does not hide what failed before."""
    plant(monkeypatch, "wrong-gradient")

    def overwrites(dz, x):
        x += 1
        return 3 * x * dz

    x = np.array([0.5, -1.25, 2.0])
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(np.square, overwrites, x, max_cases=12)
    codes = {f.code for f in caught.value.result.findings if f.severity == "fail"}
    assert "overwritten" in codes
    assert "wrong-gradient" not in codes


def test_a_later_mistake_does_not_keep_later_checks_from_running(monkeypatch):
    """Linearity and layout are left out where values fail: a note is no fail."""
    x = np.array([0.5, -1.25, 2.0])

    def checked(backward) -> OpResult:
        try:
            return gradcheck.check(np.square, backward, x, max_cases=12)
        except gradcheck.GradientError as error:
            return error.result

    def not_linear(dz, x):
        return 2 * x * dz + 0.01

    before = {f.code for f in checked(not_linear).findings if f.severity == "fail"}
    assert "not-linear" not in before
    plant(monkeypatch, "wrong-gradient")
    after = {f.code for f in checked(not_linear).findings if f.severity == "fail"}
    assert "not-linear" in after


def test_strict_ones_too(monkeypatch):
    """A pass that is hollow is decided after the cases."""
    x = np.array([0.5, -1.25, 2.0])

    def unused(x, y):
        return x + 0 * y

    def backward(dz, x, y):
        return dz.copy(), np.zeros_like(y)

    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(unused, backward, x, x.copy(), max_cases=12, strict=True)
    codes = {f.code for f in caught.value.result.findings if f.severity == "fail"}
    assert codes == {"unmoved"}
    plant(monkeypatch, "unmoved")
    assert gradcheck.check(unused, backward, x, x.copy(), max_cases=12, strict=True)


def test_the_line_counts_ops_that_pass_today(monkeypatch):
    plant(monkeypatch, "wrong-gradient")
    note = demoted(found(), "2026")
    twice = OpResult(op="g::a", kind="pair", verdict="pass", findings=[note, note])
    failed = OpResult(op="g::b", kind="pair", verdict="fail", findings=[note, found("fail", "x")])
    listed = [twice, failed]
    report = Report(
        seed=0, profile="ci", environment={}, summary=summarise(listed, 0, 0.0), results=listed
    )
    assert "edition 2027 would fail 1 op " in shown.coming(report)
    later = OpResult(op="g::c", kind="pair", verdict="pass", findings=[note])
    more = Report(
        seed=0,
        profile="ci",
        environment={},
        summary=summarise([twice, later], 0, 0.0),
        results=[twice, later],
    )
    assert "would fail 2 ops" in shown.coming(more)


def test_a_newer_edition_needs_a_newer_gradcheck():
    with pytest.raises(gradcheck.UsageError, match="edition = '2099': must be one of 2026"):
        convert({"edition": "2099"}, "pyproject.toml")

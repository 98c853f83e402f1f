"""``gradcheck report``: result files that are cut off, foreign or not there; the old file stays."""

from __future__ import annotations

import json

import pytest

from gradcheck.reporters import json as reporter
from gradcheck.reporters import ndjson
from gradcheck.scores import Scores
from tests.reporters import samples

REPORT = samples.WRONG["failing"]
TEXT = reporter.render(REPORT)


def refused(project, content, says, name="results.json"):
    """It is refused with that sentence, and what was there stays."""
    path = project.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    old = project.write("old.xml", "old")
    ran = project.run("report", name, "--report", "junit=old.xml")
    assert ran.code == 2
    assert ran.err.startswith("gradcheck: ")
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert old.read_text() == "old"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 1.0])
def test_a_result_file_that_is_cut_off(project, share):
    cut = TEXT[: int((len(TEXT) - 3) * share)]
    refused(project, cut, "results.json is not a gradcheck report: Input data was truncated")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TEXT.replace('"schema_version": 1', '"schema_version": 2'), "has schema version 2"),
        (TEXT.replace('"schema_version": 1', '"schema_version": "1"'), "not a gradcheck report"),
        (json.dumps({"ops": []}), "not a gradcheck report: Object missing required field"),
        ("[1, 2]", "not a gradcheck report"),
        ("null", "not a gradcheck report"),
        ("<html>", "not a gradcheck report"),
        (TEXT.replace('"verdict": "fail"', '"verdict": "failed"'), "is damaged: Invalid enum"),
        (TEXT.replace('"seed": 7', '"seed": NaN'), "not a gradcheck report"),
        ('{"schema_version": 1, "x": ' + "[" * 100_000, "not a gradcheck report"),
        (TEXT.encode("utf-16"), "it is no text"),
        (TEXT.encode()[:200] + b"\xff" + TEXT.encode()[200:], "it is no text"),
        (b"\0" * 4096, "not a gradcheck report"),
        (reporter.render(Scores(seed=0, profile="ci", environment={}, scores=[])), "is damaged"),
    ],
)
def test_a_result_file_of_something_else(project, content, says):
    refused(project, content, says)


def test_a_stream_of_another_version_or_damaged(project):
    text = ndjson.render(REPORT)
    other = text.replace('"schema_version":1', '"schema_version":3', 1)
    refused(project, other, "results.ndjson has schema version 3", "results.ndjson")
    damaged = text.replace('"verdict":"fail"', '"verdict":"failed"', 1)
    refused(project, damaged, "results.ndjson, line 3 is damaged", "results.ndjson")


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.json", "No such file or directory"), (".", "Is a directory")],
)
def test_a_result_file_that_is_not_there(project, name, says):
    ran = project.run("report", name, "--report", "junit=new.xml")
    assert ran.code == 2
    assert f"cannot read {name}: {says}; gradcheck run writes result files" in ran.err
    assert not (project.folder / "new.xml").exists()


@pytest.mark.parametrize(
    ("name", "code"),
    [("passing", 0), ("failing", 1), ("not judged", 1), ("interrupted", 130), ("errors only", 1)],
)
@pytest.mark.parametrize("kind", [reporter, ndjson])
def test_reports_and_exit_code_are_those_of_the_run(project, kind, name, code):
    project.write("results", kind.render(samples.EVERY[name]))
    ran = project.run("report", "results", "--report", "junit=a.xml", "--report", "sarif=a.sarif")
    assert (ran.code, ran.out) == (code, "")
    assert (project.folder / "a.xml").read_text().startswith("<?xml")
    assert json.loads((project.folder / "a.sarif").read_text())["version"] == "2.1.0"


def test_a_report_from_another_machine_needs_nothing_of_it(project):
    """Its sources are not here, and its paths are of another system."""
    foreign = samples.wrong(target="C:\\gates.py::f", source=samples.Source(file="C:\\a b\\g.py"))
    project.write("results.json", reporter.render(samples.report(foreign)))
    for kind in ("junit", "sarif", "github", "markdown", "ndjson", "json"):
        assert project.run("report", "results.json", "--report", f"{kind}=out.{kind}").code == 1

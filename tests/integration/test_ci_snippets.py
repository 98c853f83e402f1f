"""The snippets for CI systems: their commands are run, and the files that they name are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner import Job, read
from tests.integration.scratch import CI, Repository, failing


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def scripts_of_jenkins(text: str) -> list[str]:
    """What the ``sh`` steps of a Jenkinsfile run; backslashes there are Groovy's."""
    found = re.findall(r"\bsh (?:'''(.*?)'''|'([^'\n]*)')", text, re.DOTALL)
    texts = [long or short for long, short in found]
    return [" ".join(text.replace("\\\n", "\n").split()) for text in texts]


@pytest.fixture(params=["bug", "mended"])
def code(repository: Repository, request: pytest.FixtureRequest) -> int:
    """The exit code that the gate has to have."""
    if request.param == "mended":
        repository.mend()
    return 1 if request.param == "bug" else 0


def check_files(repository: Repository, junit: str, html: str, code: int) -> None:
    names = failing((repository.folder / junit).read_text())
    assert names == (["Squash"] if code else [])
    assert "Squash" in (repository.folder / html).read_text()


def test_gitlab(repository: Repository, code: int) -> None:
    job: dict[str, Any] = read(CI / "gitlab-ci.yml")["gradcheck"]
    *install, check = job["script"]
    for command in install:
        assert repository.run("bash", "-c", command).code == 0
    assert repository.run("bash", "-c", check, CI="true", GITLAB_CI="true").code == code
    assert job["artifacts"]["when"] == "always"
    (html,) = job["artifacts"]["paths"]
    check_files(repository, job["artifacts"]["reports"]["junit"], html, code)


def test_jenkins(repository: Repository, code: int) -> None:
    text = (CI / "Jenkinsfile").read_text()
    *install, check = scripts_of_jenkins(text)
    assert len(install) == text.count("sh '") - 1
    for command in install:
        assert repository.run("sh", "-xec", command).code == 0
    assert repository.run("sh", "-xec", check).code == code
    always = text.partition("always {")[2]
    junit, html = re.findall(r"(?:junit|archiveArtifacts) '(.*)'", always)
    check_files(repository, junit, html, code)


def test_any_other_ci(repository: Repository, code: int) -> None:
    done = repository.run("bash", str(CI / "ci.sh"), "my_gates.py", REPORTS="out")
    assert done.code == code
    check_files(repository, "out/gradcheck.xml", "out/gradcheck.html", code)


def test_any_other_ci_takes_the_targets_of_the_settings(repository: Repository) -> None:
    repository.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["my_gates.py::square"]\n')
    assert repository.run("bash", str(CI / "ci.sh")).code == 0
    assert (repository.folder / "reports" / "gradcheck.html").is_file()


def test_a_workflow_without_the_action(repository: Repository, tmp_path: Path, code: int) -> None:
    job = Job(repository, tmp_path).workflow(CI / "github-workflow.yml")
    assert job.state == ("failure" if code else "success")
    assert ("::error file=my_gates.py" in job.log) == bool(code)
    assert job.summary
    assert job.artifacts["gradcheck"].keys() == {"gradcheck.html", "gradcheck.xml"}
    assert failing(job.artifacts["gradcheck"]["gradcheck.xml"]) == (["Squash"] if code else [])

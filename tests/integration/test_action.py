"""The composite action, step by step as a runner does it, on three gates with a planted bug."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.runner import Job
from tests.integration.scratch import CI, WRONG_LINE, Repository, failing

CHECK, LOOK = "Check the gradients", "Look for gradcheck"
FILES = {"gradcheck.html", "gradcheck.xml", "gradcheck.sarif"}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job on a new runner, for a new repository."""
    return Job(Repository(tmp_path), tmp_path)


def commands(job: Job) -> list[str]:
    """What the runner shows at lines of files, or above the log."""
    return [line for line in job.log.splitlines() if line.startswith("::")]


def alerts(sarif: str) -> list[tuple[str, str, int]]:
    """Level, file and line of each result."""
    (run,) = json.loads(sarif)["runs"]
    places = [r["locations"][0]["physicalLocation"] for r in run["results"]]
    return [
        (r["level"], p["artifactLocation"]["uri"], p["region"]["startLine"])
        for r, p in zip(run["results"], places, strict=True)
    ]


def test_a_planted_bug_is_shown_everywhere_and_fails_the_job(job: Job) -> None:
    job.workflow(CI / "github-action.yml")
    assert job.codes[CHECK] == 1
    assert (job.state, job.outputs["exit-code"]) == ("failure", "1")
    (error,) = [a for a in commands(job) if a.startswith("::error")]
    assert error.startswith(f"::error file=my_gates.py,line={WRONG_LINE},")
    assert "Squash" in error
    assert "3 ops, 2 passed, 1 failed" in job.summary
    assert "FAIL `my_gates::Squash`" in job.summary
    assert "Squash" in job.artifacts["gradcheck"]["gradcheck.html"]
    assert failing(job.artifacts["gradcheck"]["gradcheck.xml"]) == ["Squash"]
    assert job.artifacts["gradcheck"].keys() == FILES
    assert ("error", "my_gates.py", WRONG_LINE) in alerts(job.alerts["gradcheck"])
    assert all(Path(job.outputs[kind]).is_file() for kind in ("html", "junit", "sarif"))


def test_a_mended_repository_passes(job: Job) -> None:
    job.repository.mend()
    job.workflow(CI / "github-action.yml")
    assert job.codes[CHECK] == 0
    assert (job.state, job.outputs["exit-code"]) == ("success", "0")
    assert [a for a in commands(job) if a.startswith("::error")] == []
    assert failing(job.artifacts["gradcheck"]["gradcheck.xml"]) == []
    assert [a for a in alerts(job.alerts["gradcheck"]) if a[0] == "error"] == []
    assert "3 ops, 3 passed" in job.summary


def test_nothing_is_uploaded_that_was_not_asked_for(job: Job) -> None:
    job.action(targets="my_gates.py::square", artifact="")
    assert (job.state, job.artifacts, job.alerts) == ("success", {}, {})
    assert Path(job.outputs["html"]).is_file()


def test_several_targets_and_options_in_another_folder(job: Job) -> None:
    job.repository.write("deep/my_gates.py", (job.repository.folder / "my_gates.py").read_text())
    job.action(
        targets="my_gates.py::Squash\nmy_gates.py::square",
        args="--max-cases 11  -k Squash",
        working_directory="deep",
        artifact="deep",
    )
    assert job.codes[CHECK] == 1
    assert f"::error file=deep/my_gates.py,line={WRONG_LINE}," in job.log
    assert "square" not in job.artifacts["deep"]["gradcheck.xml"]


def test_targets_of_the_settings(job: Job) -> None:
    job.repository.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["my_gates.py::Squash"]\n')
    assert job.action().outputs["exit-code"] == "1"
    assert "1 op, 0 passed, 1 failed" in job.summary


WAIVER = """[[waiver]]
op = "my_gates::Squash"
code = "wrong-gradient"
reason = "a factor of -2, to be mended with the next release"
expires = 2999-12-31
"""


def test_a_waiver_lets_the_known_bug_through_until_it_is_mended(job: Job) -> None:
    job.repository.write("known failures.toml", WAIVER)
    job.action(targets="my_gates.py", waivers="known failures.toml")
    assert (job.state, job.outputs["exit-code"]) == ("success", "0")
    assert "a factor of -2" in job.summary
    job.repository.mend()
    every = {"waivers": "known failures.toml", "args": "--max-cases 100"}  # as many as ci has
    job.action(targets="my_gates.py", artifact="mended", **every)
    assert (job.state, job.outputs["exit-code"]) == ("failure", "1")


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"targets": "my_gate.py"}, 2, "my_gate"),
        ({"targets": "my_gates.py", "args": "--max-cases ten"}, 2, "max-cases"),
        ({"targets": "--max-cases=3"}, 2, "--max-cases=3"),  # no option, where targets stand
        ({}, 5, "names no targets"),
    ],
)
def test_what_cannot_be_run_fails_the_job(
    job: Job, given: dict[str, str], code: int, says: str
) -> None:
    job.repository.write("pyproject.toml", "[tool.gradcheck]\n")
    job.action(**given, sarif="true")
    assert (job.state, job.codes[CHECK]) == ("failure", code)
    assert says in job.log
    assert (job.artifacts, job.alerts) == ({}, {})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"command": ".venv/bin/gradcheck"}, "gradcheck is not installed"),
        ({"command": ""}, "gradcheck is not installed"),
        ({"sarif": "yes"}, "neither true nor false"),
    ],
)
def test_what_is_missing_is_said_before_the_work(
    job: Job, given: dict[str, str], says: str
) -> None:
    job.action(targets="my_gates.py", **given)
    assert job.codes == {LOOK: 2}
    (error,) = commands(job)
    assert error.startswith("::error title=")
    assert says in error
    assert job.artifacts == {}


def test_a_command_of_several_words(job: Job) -> None:
    job.action(targets="my_gates.py::square", command="python -m gradcheck")
    assert job.state == "success"


HOSTILE = ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "*.py"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_to_check_is_never_run(job: Job, hostile: str) -> None:
    job.action(targets=hostile, args=hostile, waivers=hostile, artifact=hostile, sarif="true")
    assert (job.state, job.codes[CHECK], job.outputs["exit-code"]) == ("failure", 2, "2")
    assert not (job.repository.folder / "pwned").exists()
    assert "syntax error" not in job.log


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", ["command", "sarif"])
def test_how_to_check_is_never_run(job: Job, name: str, hostile: str) -> None:
    job.action(**{"targets": "my_gates.py", name: hostile})
    assert (job.state, job.codes) == ("failure", {LOOK: 2})
    assert not (job.repository.folder / "pwned").exists()


def test_words_are_not_expanded(job: Job) -> None:
    job.action(targets="*.py $HOME ~ {a,b}")
    assert job.codes[CHECK] == 2
    assert "*.py" in job.log

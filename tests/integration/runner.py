"""Does what GitHub's runner does with the steps of a job and of our composite action.

``run:`` steps are run by bash as there. Actions of others are not: what they would be given is
checked and kept. A key, an expression or an action that is not known here is an error.
"""

from __future__ import annotations

import glob
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.expressions import Unknown, fill, holds
from tests.integration.scratch import ROOT, Repository

yaml = pytest.importorskip("yaml")
OURS = "OWNER/gradcheck"
"""Stands in the snippets for this repository."""
INPUTS = {
    "actions/checkout": {"persist-credentials"},
    "actions/setup-python": {"python-version"},
    "actions/upload-artifact": {"name", "path", "if-no-files-found"},
    "github/codeql-action/upload-sarif": {"sarif_file", "category"},
}
"""The inputs that we use of the actions of others, from their action.yml."""
STEP = {"name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"}
SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}
"""What GitHub runs scripts with on Linux."""


def read(path: Path) -> Any:
    """A YAML file; everything in it is text, as in the runner's inputs."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


@dataclass
class Job:
    """A job on a runner, and what came of it."""

    repository: Repository
    place: Path
    """For the runner's own files."""
    state: str = "success"
    codes: dict[str, int] = field(default_factory=dict)
    """Exit code of each script that was run, by the name of its step."""
    log: str = ""
    summary: str = ""
    artifacts: dict[str, dict[str, str]] = field(default_factory=dict)
    """By name: the files' texts by their names."""
    alerts: dict[str, str] = field(default_factory=dict)
    """What was uploaded to code scanning, by category."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Of our action."""

    def workflow(self, path: Path) -> Job:
        """The one job of a workflow."""
        (job,) = read(path)["jobs"].values()
        self._steps(job["steps"], inputs={}, in_action=False)
        return self

    def action(self, **given: str) -> Job:
        """Our action alone, with these inputs; underscores stand for hyphens."""
        self._ours({name.replace("_", "-"): value for name, value in given.items()})
        return self

    def _ours(self, given: Mapping[str, str]) -> None:
        action = read(ROOT / "action.yml")
        if not given.keys() <= action["inputs"].keys():
            raise Unknown(f"action.yml has no input {given.keys() - action['inputs'].keys()}")
        inputs = {k: v["default"] for k, v in action["inputs"].items()} | dict(given)
        contexts = self._steps(action["runs"]["steps"], inputs, in_action=True)
        self.outputs = {k: fill(v["value"], contexts) for k, v in action["outputs"].items()}

    def _steps(
        self, steps: list[dict[str, Any]], inputs: Mapping[str, str], *, in_action: bool
    ) -> dict[str, Any]:
        contexts: dict[str, Any] = {"inputs": inputs, "steps": {}, "state": self.state}
        for step in steps:
            if not step.keys() <= STEP or (in_action and "run" in step and "shell" not in step):
                raise Unknown(f"a step with the keys {', '.join(step)}")
            contexts["state"], written = self.state, dict[str, str]()
            if holds(step.get("if", "success()"), contexts):
                if "run" in step:
                    written = self._script(step, contexts)
                else:
                    wanted = {k: fill(v, contexts) for k, v in step.get("with", {}).items()}
                    self._use(step["uses"], wanted)
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": written}
        return contexts

    def _script(self, step: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, str]:
        """Run a script; gives what it wrote to its outputs."""
        own = Path(tempfile.mkdtemp(dir=self.place))
        files = {k: own / k for k in ("script", "output", "summary")}
        files["script"].write_text(fill(step["run"], contexts))
        temporary = self.place / "temporary"
        temporary.mkdir(exist_ok=True)
        environment = {k: fill(v, contexts) for k, v in step.get("env", {}).items()}
        done = subprocess.run(
            [*SHELLS[step.get("shell")], str(files["script"])],
            cwd=self.repository.folder / fill(step.get("working-directory", "."), contexts),
            env=self.repository.environment(
                CI="true",
                GITHUB_ACTIONS="true",
                GITHUB_OUTPUT=str(files["output"]),
                GITHUB_STEP_SUMMARY=str(files["summary"]),
                GITHUB_WORKSPACE=str(self.repository.folder),
                RUNNER_OS="Linux",
                RUNNER_TEMP=str(temporary),
            )
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        self.codes[step["name"]] = done.returncode
        self.log += done.stdout
        self.state = "failure" if done.returncode else self.state
        texts = {k: f.read_text() if f.exists() else "" for k, f in files.items()}
        self.summary += texts["summary"]
        return dict(line.split("=", 1) for line in texts["output"].splitlines())

    def _use(self, action: str, given: dict[str, str]) -> None:
        name, _, version = action.partition("@")
        if name == OURS:
            return self._ours(given)
        if name not in INPUTS or not given.keys() <= INPUTS[name] or not version:
            raise Unknown(f"{action} with {', '.join(given)}")
        if name == "actions/upload-artifact":
            self._keep(given)
        elif name == "github/codeql-action/upload-sarif":
            self.alerts[given["category"]] = Path(given["sarif_file"]).read_text()
        return None

    def _keep(self, given: Mapping[str, str]) -> None:
        """Upload an artefact: no hidden files, and no name twice."""
        place = str(self.repository.folder / given["path"])
        pattern = f"{place}/**" if Path(place).is_dir() else place
        found = [Path(p) for p in glob.glob(pattern, recursive=True) if Path(p).is_file()]
        wrong = given["name"] in self.artifacts or not found
        if wrong and (found or given.get("if-no-files-found") == "error"):
            self.state = "failure"
            return
        self.artifacts[given["name"]] = {p.name: p.read_text() for p in found}

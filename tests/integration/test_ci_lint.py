"""The files for CI are linted; each linter is shown to find a planted mistake."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.integration.expressions import Unknown, evaluate, fill, holds
from tests.integration.runner import OURS, read
from tests.integration.scratch import CI, ROOT

ACTION, HOOKS = ROOT / "action.yml", ROOT / ".pre-commit-hooks.yaml"
WORKFLOWS = [CI / "github-action.yml", CI / "github-workflow.yml"]
GITLAB, JENKINS, SHELL = CI / "gitlab-ci.yml", CI / "Jenkinsfile", CI / "ci.sh"
CONFIG = CI / "pre-commit-config.yaml"
YAML = [ACTION, HOOKS, *WORKFLOWS, GITLAB, CONFIG]
STYLE = (
    "{extends: default, rules: {line-length: {max: 100}, document-start: disable,"
    " truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}}}"
)


def module(name: str, *arguments: str) -> list[str]:
    """A linter that is a Python module."""
    pytest.importorskip(name)
    return [sys.executable, "-m", name, *arguments]


def program(name: str, *arguments: str) -> list[str]:
    """A linter that is a program, beside this Python or on the PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}")
    return [found, *arguments]


def schema(name: str, *more: str) -> list[str]:
    return module("check_jsonschema", "--builtin-schema", name, *more)


LINTERS: dict[str, Callable[[], list[str]]] = {
    "action": lambda: schema("vendor.github-actions"),
    "workflow": lambda: schema("vendor.github-workflows"),
    "timeout": lambda: schema("custom.github-workflows-require-timeout"),
    "gitlab": lambda: schema("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "manifest": lambda: module("pre_commit", "validate-manifest"),
    "config": lambda: module("pre_commit", "validate-config"),
    "yaml": lambda: module("yamllint", "--strict", "-d", STYLE),
    "shell": lambda: program("shellcheck", "--shell", "bash"),
    "security": lambda: program("zizmor", "--offline", "--no-progress"),
}
CASES: list[tuple[str, Path, str, str]] = [
    ("action", ACTION, "using: composite", "using: composit"),
    *(("workflow", path, "runs-on:", "run-on:") for path in WORKFLOWS),
    *(("timeout", path, "    timeout-minutes: 30\n", "") for path in WORKFLOWS),
    ("gitlab", GITLAB, "when: always", "when: ever"),
    ("manifest", HOOKS, "language: system", "language: sytem"),
    ("config", CONFIG, "hooks:", "hook:"),
    *(("yaml", path, "name: grad", "name:  grad") for path in YAML if path != GITLAB),
    ("yaml", GITLAB, "image: ", "image:   "),
    ("shell", SHELL, '"$@"', "$@"),
    ("security", ACTION, '<<< "$TARGETS"', '<<< "${{ inputs.targets }}"'),
    *(("security", path, "persist-credentials: false", "fetch-depth: 1") for path in WORKFLOWS),
]
"""A linter, a file, and a mistake that it has to find there."""


def complaints(linter: str, text: str, path: Path, place: Path) -> str:
    """What a linter says of a text; empty where it finds nothing."""
    target = place / (f".github/workflows/{path.name}" if path in WORKFLOWS else path.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    command = [*LINTERS[linter](), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(("linter", "path", "right", "wrong"), CASES)
def test_linted(linter: str, path: Path, right: str, wrong: str, tmp_path: Path) -> None:
    text = path.read_text().replace(f"uses: {OURS}@VERSION", f"uses: {OURS}@{'0' * 40} # v0.1.0")
    assert complaints(linter, text, path, tmp_path) == ""
    assert right in text
    assert complaints(linter, text.replace(right, wrong), path, tmp_path) != ""


def scripts() -> Iterator[tuple[str, str]]:
    """Every script in the files, by the file and its step."""
    for path in (ACTION, *WORKFLOWS):
        loaded = read(path)
        jobs: list[dict[str, Any]] = list(loaded["jobs"].values()) if "jobs" in loaded else []
        for part in jobs or [loaded["runs"]]:
            for step in part["steps"]:
                if "run" in step:
                    yield f"{path.name}: {step['name']}", step["run"]


@pytest.mark.parametrize(("name", "script"), list(scripts()))
def test_scripts_are_right_shell(name: str, script: str, tmp_path: Path) -> None:
    ours = "#!/bin/bash\nset -eo pipefail\nexport TARGETS ARGS WAIVERS COMMAND SARIF HERE\n"
    assert complaints("shell", ours + script, SHELL, tmp_path) == "", name
    assert complaints("shell", ours + script + "\necho $HERE", SHELL, tmp_path) != ""


def interpolations(text: str) -> list[str]:
    """Scripts of a file that an input could become a part of."""
    parts = re.findall(r"^( *)(?:- )?run:(.*(?:\n\1 +.*|\n *$)*)", text, re.MULTILINE)
    return [body for _, body in parts if "${{" in body]


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_nothing_is_interpolated_into_a_script(path: Path) -> None:
    assert interpolations(path.read_text()) == []
    assert [s for _, s in scripts() if "${{" in s] == []


@pytest.mark.parametrize(
    "planted",
    ["run: echo ${{ inputs.x }}", "- run: |\n    true\n\n    echo ${{ inputs.x }}\n  name: x"],
)
def test_an_interpolation_is_found(planted: str) -> None:
    assert len(interpolations(planted)) == 1


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_actions_of_others_are_pinned_to_a_commit(path: Path) -> None:
    others = [u for u in re.findall(r"uses: (.*)", path.read_text()) if "OWNER" not in u]
    assert others
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used) for used in others)


@pytest.mark.skipif(find_spec("groovy_parser") is None, reason="there is no groovy_parser")
def test_the_jenkinsfile_is_groovy() -> None:
    from groovy_parser.parser import parse_groovy_content

    text = JENKINS.read_text()
    parse_groovy_content(text)
    with pytest.raises(Exception, match=r"(?i)unexpected|expected"):
        parse_groovy_content(text.replace("stages {", "stages {{ ("))


# -- what the tests' own runner understands ------------------------------------------------------

CONTEXTS: dict[str, Any] = {
    "inputs": {"a": "x", "none": "", "off": "false"},
    "steps": {"check": {"outputs": {"file": "f"}}},
    "state": "failure",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.a == 'X'", True),
        ("inputs.a != 'x' || !inputs.none", True),
        ("inputs.none || 'it''s'", "it's"),
        ("inputs.off && 'a text is true'", "a text is true"),
        ("always() && (success() || inputs.none != '')", False),
        ("failure()", True),
        ("steps.check.outputs.file", "f"),
        ("steps.check.outputs.other", ""),
    ],
)
def test_expressions(text: str, value: str | bool) -> None:
    assert evaluate(text, CONTEXTS) == value


@pytest.mark.parametrize(
    "text",
    [
        "inputs.b",
        "env.HOME",
        "steps.other.outputs.file",
        "hashFiles('x')",
        "contains(inputs.a, 'x')",
        "inputs.a == 1",
        "inputs.a ==",
        "inputs.a inputs.a",
        "inputs",
        "(inputs.a",
        "inputs[0]",
    ],
)
def test_unknown_expressions_are_errors(text: str) -> None:
    with pytest.raises(Unknown):
        evaluate(text, CONTEXTS)


def test_a_condition_wants_success_unless_it_asks_for_the_state() -> None:
    assert not holds("inputs.a == 'x'", CONTEXTS)
    assert holds("${{ always() && inputs.a == 'x' }}", CONTEXTS)
    assert fill("<${{ inputs.a }}-${{ inputs.none || 'y' }}>", CONTEXTS) == "<x-y>"

"""The pre-commit hook, run by the real pre-commit: from this repository, and as the snippet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.runner import read
from tests.integration.scratch import CI, ROOT, Ran, Repository

pytest.importorskip("pre_commit")
SNIPPET = CI / "pre-commit-config.yaml"
MANIFEST = ROOT / ".pre-commit-hooks.yaml"


class Committer(Repository):
    """A repository with pre-commit."""

    def pre_commit(self, *arguments: str) -> Ran:
        return self.run(sys.executable, "-m", "pre_commit", *arguments)

    def commit(self) -> Ran:
        self.git("add", "--all")
        return self.run("git", "commit", "--message", "change")

    def environment(self, **more: str) -> dict[str, str]:
        store = str(self.folder.parent / "store")
        return super().environment(PRE_COMMIT_HOME=store, PRE_COMMIT_COLOR="never", **more)


@pytest.fixture
def repository(tmp_path: Path) -> Committer:
    return Committer(tmp_path)


def published(place: Path) -> tuple[Path, str]:
    """A repository that holds our manifest, and its commit."""
    place.mkdir()
    ours = Repository(place)
    ours.write(MANIFEST.name, MANIFEST.read_text())
    ours.git("add", "--all")
    ours.git("commit", "--quiet", "--message", "hooks")
    return ours.folder, ours.git("rev-parse", "HEAD").strip()


def test_from_this_repository(repository: Committer, tmp_path: Path) -> None:
    url, commit = published(tmp_path / "published")
    hook = "{id: gradcheck, args: [my_gates.py]}"
    entry = f"{{repo: '{url}', rev: {commit}, hooks: [{hook}]}}"
    repository.write(".pre-commit-config.yaml", f"repos: [{entry}]\n")
    repository.git("add", "--all")
    failed = repository.pre_commit("run", "--all-files")
    assert failed.code == 1, failed.out
    assert "Squash: values: wrong gradient" in failed.out
    assert "- exit code: 1" in failed.out
    repository.mend()
    repository.git("add", "--all")
    passed = repository.pre_commit("run", "--all-files")
    assert (passed.code, "Passed" in passed.out) == (0, True), passed.out
    assert "[WARNING]" not in failed.out + passed.out


def test_the_snippet_lets_no_wrong_gradient_be_committed(repository: Committer) -> None:
    repository.write(".pre-commit-config.yaml", SNIPPET.read_text())
    assert repository.pre_commit("install").code == 0
    refused = repository.commit()
    assert refused.code == 1, refused.out
    assert "Squash: values: wrong gradient" in refused.out
    repository.mend()
    assert repository.commit().code == 0
    assert "change" in repository.git("log", "--oneline")


def test_nothing_is_checked_where_no_python_file_changes(repository: Committer) -> None:
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "before the hook")
    repository.write(".pre-commit-config.yaml", SNIPPET.read_text())
    repository.write("NOTES.md", "the bug is still there\n")
    repository.git("add", "--all")
    skipped = repository.pre_commit("run")
    assert (skipped.code, "Skipped" in skipped.out) == (0, True), skipped.out


def test_one_process_checks_all_targets_however_many_files_change(repository: Committer) -> None:
    repository.mend()
    for k in range(40):
        repository.write(f"module_{k}.py", "raise SystemExit('imported, but nobody named it')\n")
    repository.write(".pre-commit-config.yaml", SNIPPET.read_text())
    repository.git("add", "--all")
    passed = repository.pre_commit("run", "--all-files", "--verbose")
    assert passed.code == 0, passed.out
    assert passed.out.count("3 ops, 3 passed") == 1


def test_the_snippet_is_the_hook_of_the_manifest() -> None:
    (ours,) = read(MANIFEST)
    ((snippet,),) = [repo["hooks"] for repo in read(SNIPPET)["repos"]]
    del ours["description"]
    assert snippet == ours | {"args": ["my_gates.py"]}


@pytest.mark.parametrize("path", [MANIFEST, SNIPPET], ids=lambda path: path.name)
def test_every_version_of_pre_commit_takes_the_language(path: Path) -> None:
    assert "language: system\n" in path.read_text()  # "unsupported" only from 4.4 on

"""The work of ``gradcheck selftest``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from gradcheck import files, policy
from gradcheck.cli import faults
from gradcheck.cli.loading import collect
from gradcheck.cli.run import Job, chosen, select
from gradcheck.cli.screen import Progress, screen
from gradcheck.errors import NothingCollected
from gradcheck.model import Op
from gradcheck.reporters import json
from gradcheck.reporters.scores import print_scores
from gradcheck.scores import Scores
from gradcheck.selftest import selftest
from gradcheck.settings import Settings, load


def selftest_job(job: Job, json_path: str | None = None) -> int:
    """Break each op in every way that applies, print the scores; returns the exit code.

    Raises
    ------
    UsageError
        A setting or target is wrong, or the scores cannot be written.
    NothingCollected
        There is no op to test.
    """
    here = Path.cwd()  # an import may go elsewhere
    settings = load(here, profile="ci", command_line=job.given)
    console = screen()
    if json_path is not None:
        files.claim(Path(json_path))
    names, root = chosen(job.targets, settings)
    errors: list[str] = []
    ops = select(collect(names, errors, root), job.keyword)
    if not ops and not errors:
        raise NothingCollected(f"no ops in {', '.join(names)}")
    scores = _run_shown(ops, settings, job, (console, errors))
    print_scores(console, scores, verbosity=job.verbosity)
    if json_path is not None:
        files.write(here / json_path, json.render(scores))
    if job.verbosity >= 0:
        console.print(f"next: {_next(scores)}", soft_wrap=True, markup=False)
    if scores.faults:
        faults.tell(scores.faults, here)
    return int(policy.decide_scores(scores))


def _run_shown(
    ops: list[Op], settings: Settings, job: Job, shown: tuple[Console, list[str]]
) -> Scores:
    console, errors = shown
    if job.verbosity < 0:
        return selftest(ops, settings, fixed=job.given, errors=errors)
    progress = Progress(console, len(ops))
    with progress.shown():
        return selftest(
            progress.over(ops),
            settings,
            fixed=job.given,
            errors=errors,
            progress=lambda score: progress.count(failed=bool(score.reason or score.survived)),
        )


def _next(scores: Scores) -> str:
    if scores.interrupted:
        return "run it again for the ops that are missing"
    if any(s.reason for s in scores.scores) or scores.errors:
        return "mend what has no score (gradcheck run says more), then run it again"
    if any(s.survived for s in scores.scores):
        return "declare the inputs that the survivors need, or say why they cannot occur"
    return "these inputs are strong enough: put gradcheck run into CI"

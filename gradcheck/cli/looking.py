"""The commands that look at ops and results, as one types them; as lazy as `commands`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from gradcheck.cli.commands import Reporting


def list_ops(*target: str) -> int:
    """List the ops of targets with their inputs.

    Parameters
    ----------
    target
        As for run; without targets those that run would check.
    """
    from gradcheck.cli.inspect import list_ops

    return list_ops(target)


def replay(
    case: str,
    recipe: str | None = None,
    /,
    *,
    results: str | None = None,
) -> int:
    """Run one failing case again.

    Parameters
    ----------
    case
        The id that a report printed (affine-3f9c1a), looked up in the last results; or an op
        (my_gates.py::affine) followed by a recipe, which needs no file.
    recipe
        The recipe as one line of JSON, where an op is named.
    results
        A result file to look the id up in, instead of the last one.
    """
    from gradcheck.cli.inspect import replay

    return replay(case, recipe, results)


def explain(
    name: str | None = None,
    *values: float,
    svg: Annotated[str | None, Parameter(name="--svg")] = None,
) -> int:
    """Explain a code of a finding (wrong-gradient), or show a graph node by node.

    A code: what it means, why it matters, how to fix it, and an example with the wrong and the
    mended gate. A graph: value, upstream, local and downstream gradient of each node. Without a
    name, all codes.

    Parameters
    ----------
    name
        A code, a likely mistake (sign, transpose), a check (purity); or a graph by its name
        (worked_example, or f), or with its file (my_graphs.py::loss). Codes are looked up first.
    values
        Numbers for a graph's sources; where they are left out, its own example, else the plain
        case that the checks draw.
    svg
        Also draw the graph there.
    """
    from gradcheck.cli.explaining import explain as work

    return work(name, values, svg)


def report(results: str, *, reporting: Reporting = Reporting()) -> int:
    """Make reports from a result file, without running anything.

    Without options it is shown in the terminal, as at the end of its run. Exit code as of the run.

    Parameters
    ----------
    results
        A results.json, or the results.ndjson of a run that was killed.
    """
    from gradcheck.cli.report import report as work

    return work(results, reporting.wishes())


def diff(
    old: str,
    new: str,
    *,
    report: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: str | None = None,
) -> int:
    """Compare two result files: new failures, what is mended, worse bounds, lost coverage.

    Exit code 1 where something got worse.

    Parameters
    ----------
    old
        A result file, for instance of the main branch.
    new
        A later one.
    report
        KIND=PATH: write the changes there; repeatable. KIND is json, or markdown for a comment on a
        pull request; PATH - is standard output.
    json
        Short for --report json=PATH.
    """
    from gradcheck.cli.diff import diff as work

    return work(old, new, Reporting(report=report, json=json).wishes())

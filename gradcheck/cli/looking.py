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
    graph: str,
    *values: float,
    svg: Annotated[str | None, Parameter(name="--svg")] = None,
) -> int:
    """Show a graph node by node: value, upstream, local and downstream gradient.

    Parameters
    ----------
    graph
        A graph by its name (worked_example, or f), or with its file (my_graphs.py::loss).
    values
        Numbers for its sources; where they are left out, its own example, else the plain case that
        the checks draw.
    svg
        Also draw it there.
    """
    from gradcheck.cli.inspect import explain

    return explain(graph, values, svg)


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


def diff(old: str, new: str) -> int:
    """Compare two result files: new failures, what is mended, worse bounds, lost coverage.

    Exit code 1 where something got worse.

    Parameters
    ----------
    old
        A result file, for instance of the main branch.
    new
        A later one.
    """
    from gradcheck.cli.diff import diff as work

    return work(old, new)

"""The commands as one types them. Their work is imported when it is done: help needs no NumPy."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative="")]


def run(
    *target: str,
    keyword: Annotated[str | None, Parameter(alias="-k")] = None,
    seed: int | None = None,
    profile: Literal["fast", "dev", "ci", "thorough"] | None = None,
    max_cases: int | None = None,
    checks: str | None = None,
    scope: Literal["declared", "forward"] | None = None,
    strict: Flag = False,
    signif: float | None = None,
    step: float | None = None,
    method: Literal["adaptive", "central"] | None = None,
    time_limit: float | None = None,
    cost: Flag = False,
    graphs: int = 0,
    json: Annotated[str | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False,
) -> int:
    """Check ops and write a report.

    Without targets, those of [tool.gradcheck] in the nearest pyproject.toml; where there is no
    pyproject.toml upward, the reference ops that come with gradcheck.

    Parameters
    ----------
    target
        Files (my_gates.py), modules (my_package.gates), or single ops (my_gates.py::affine).
    keyword
        Only ops whose id (module::name) contains this text.
    seed
        Seed of all cases; the same seed gives the same report.
    profile
        Cases per op: fast 25, dev 50, ci 100, thorough 1,000.
    max_cases
        Cases per op, over the profile.
    checks
        Some of contract,reference,values,nodes,purity,linearity,layout, separated by commas.
    scope
        "forward": what forward accepts, backward must handle.
    strict
        Shared memory and tiny provable differences are failures.
    signif
        Relative errors up to this are no failure; 0 is strict.
    step
        The smaller step in float64, rounded to a power of two.
    method
        "central": the lecture's plain rule at exactly 1e-4, with its truncation and round-off.
    time_limit
        Seconds for one forward and backward pass; 0 is none.
    cost
        Also measure time and memory of backward beside forward; a warning at most.
    graphs
        Also compose so many random graphs of the ops that pass, and check each end to end.
    json
        Also write the report there.
    quiet
        Failures and one line.
    verbose
        Also warnings, conventions, coverage and assumptions.
    """
    given = {
        "seed": seed,
        "profile": profile,
        "max-cases": max_cases,
        "checks": None if checks is None else [c.strip() for c in checks.split(",") if c.strip()],
        "scope": scope,
        "strict": strict or None,
        "signif": signif,
        "step": step,
        "method": method,
        "time-limit": time_limit,
        "cost": cost or None,
    }
    from gradcheck.cli.run import Job, run_job

    settings = {k: v for k, v in given.items() if v is not None}
    return run_job(Job(target, settings, keyword, json, verbose - quiet, graphs))


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


def selftest(
    *target: str,
    keyword: Annotated[str | None, Parameter(alias="-k")] = None,
    seed: int | None = None,
    profile: Literal["fast", "dev", "ci", "thorough"] | None = None,
    max_cases: int | None = None,
    checks: str | None = None,
    scope: Literal["declared", "forward"] | None = None,
    json: Annotated[str | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False,
) -> int:
    """Break each op's backward in every way that applies, and count what the checks catch.

    Says whether the declared inputs are strong enough. A mistake that no check catches has
    survived, unless no case at all tells it from the right backward: then it is equivalent.
    Exit code 1 where one survives, or where the right op does not pass.

    Parameters
    ----------
    target
        As for run; without targets those that run would check.
    keyword
        Only ops whose id (module::name) contains this text.
    seed
        Seed of all cases.
    profile
        Cases per op: fast 25, dev 50, ci 100, thorough 1,000.
    max_cases
        Cases per op, over the profile.
    checks
        Some of contract,values,nodes,purity,linearity,layout, separated by commas.
    scope
        "forward": what forward accepts, backward must handle.
    json
        Write the scores there.
    quiet
        Survivors and one line.
    verbose
        Also every planted mistake, with what caught it.
    """
    given = {
        "seed": seed,
        "profile": profile,
        "max-cases": max_cases,
        "checks": None if checks is None else [c.strip() for c in checks.split(",") if c.strip()],
        "scope": scope,
    }
    from gradcheck.cli.run import Job
    from gradcheck.cli.selftest import selftest_job

    settings = {k: v for k, v in given.items() if v is not None}
    return selftest_job(Job(target, settings, keyword, json, verbose - quiet))

"""The commands as one types them. Their work is imported when it is done: help needs no NumPy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative="")]
Profile = Literal["fast", "dev", "ci", "thorough"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """How to check: settings, over those of every other source.

    Parameters
    ----------
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
    """

    keyword: Annotated[str | None, Parameter(alias="-k")] = None
    seed: int | None = None
    profile: Profile | None = None
    max_cases: int | None = None
    checks: str | None = None
    scope: Literal["declared", "forward"] | None = None

    def given(self) -> dict[str, Any]:
        """The settings that were given, by their keys."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "keyword"}
        if self.checks is not None:
            found["checks"] = [c.strip() for c in self.checks.split(",") if c.strip()]
        return {
            k.replace("_", "-"): v for k, v in found.items() if v is not None and v is not False
        }


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Running(Checking):
    """How to run.

    Parameters
    ----------
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
    max_time
        Seconds for the whole run; one that is cut short says so and is no pass.
    jobs
        Ops that are checked at a time, each in a process of its own; auto: one for each CPU.
    isolate
        Check each op in a child process of its own: one that crashes or exits is a failure.
    memory_limit
        Memory of each process that checks ops, as in 4G; what takes more gets MemoryError.
    cost
        Also measure time and memory of backward beside forward; a warning at most.
    edition
        Checks that came later than this edition are notes.
    waivers
        The file of known failures, each with a reason and an expiry date.
    """

    strict: Flag = False
    signif: float | None = None
    step: float | None = None
    method: Literal["adaptive", "central"] | None = None
    time_limit: float | None = None
    max_time: float | None = None
    jobs: Annotated[str | None, Parameter(alias="-j")] = None
    isolate: Flag = False
    memory_limit: str | None = None
    cost: Flag = False
    edition: str | None = None
    waivers: str | None = None


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Which reports to write.

    Parameters
    ----------
    report
        KIND=PATH: write a report; repeatable. KIND is one of json, ndjson, html, junit, sarif,
        github, markdown; PATH - is standard output.
    json
        Short for --report json=PATH.
    html
        Short for --report html=PATH.
    """

    report: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    json: str | None = None
    html: str | None = None

    def wishes(self) -> list[str]:
        """``KIND=PATH`` for each report."""
        short = {"json": self.json, "html": self.html}
        return [*self.report, *(f"{k}={path}" for k, path in short.items() if path is not None)]


def run(
    *target: str,
    running: Running = Running(),
    graphs: int = 0,
    dask: str = "",
    reporting: Reporting = Reporting(),
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
    graphs
        Also compose so many random graphs of the ops that pass, and check each end to end.
    dask
        Check the ops on a dask.distributed cluster, at an address such as tcp://host:8786.
    quiet
        Failures and one line.
    verbose
        Also warnings, conventions, coverage and assumptions.
    """
    from gradcheck.cli.run import Job, run_job
    from gradcheck.cli.signals import one_interrupt

    told = reporting.wishes(), verbose - quiet
    job = Job(target, running.given(), running.keyword, *told, graphs=graphs, dask=dask)
    with one_interrupt():
        return run_job(job)


def selftest(
    *target: str,
    checking: Checking = Checking(),
    json: str | None = None,
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
    json
        Write the scores there.
    quiet
        Survivors and one line.
    verbose
        Also every planted mistake, with what caught it.
    """
    from gradcheck.cli.run import Job
    from gradcheck.cli.selftest import selftest_job

    job = Job(target, checking.given(), checking.keyword, (), verbose - quiet)
    return selftest_job(job, json)

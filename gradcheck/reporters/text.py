"""A failure as plain text, as a terminal, a pytest section or an exception shows it.

Order: what, how bad, where, the two numbers with their uncertainty, the guess with its evidence,
the case as code, the line, the command.
"""

from __future__ import annotations

from gradcheck.results import Convention, Finding, OpResult, Report, Worst, unnum

_HEADLINE = {
    "wrong-gradient": "wrong gradient",
    "wrong-at-tie": "wrong gradient along a tie",
    "wrong-shape": "wrong shape",
    "wrong-dtype": "wrong dtype",
    "no-gradient": "no gradient",
    "not-a-gradient": "not a gradient",
    "gradient-count": "wrong number of gradients",
    "overwritten": "overwrites what it was given",
    "shared-memory": "shares memory",
    "workspace-returned": "returns its workspace",
    "not-deterministic": "two answers",
    "keeps-state": "keeps state",
    "instances-share-state": "instances share state",
    "second-call": "second call fails",
    "not-linear": "not linear",
    "layout-dependent": "depends on memory layout",
    "forward-raised": "forward raises",
    "backward-raised": "backward raises",
    "forward-not-finite": "forward not finite",
    "no-real-output": "no real output",
    "random-forward": "random forward",
    "never-ends": "never ends",
    "slightly-off": "slightly off",
}
_VERDICT = {"pass": "PASS", "fail": "FAIL", "inconclusive": "NOT JUDGED"}


def failure(result: OpResult, *, verbose: bool = False) -> str:
    """Everything that went wrong with one op, gravest first; warnings only where asked for."""
    parts = []
    if result.verdict == "inconclusive":
        parts.append(_unjudged(result))
    grave = [f for f in result.findings if f.severity == "fail"]
    parts += [finding(result, f) for f in grave]
    lesser = [f for f in result.findings if f.severity in ("warning", "note")]
    if verbose:
        parts += [finding(result, f) for f in lesser]
    elif lesser and grave:
        parts.append(f"{len(lesser)} warning{'s' * (len(lesser) != 1)} besides (-v shows them)")
    if result.assumptions:
        parts.append("assumed: " + "; ".join(result.assumptions))
    return "\n\n".join(parts)


def _unjudged(result: OpResult) -> str:
    lines = [f"{result.name}: NOT JUDGED", "", f"  why                 {result.reason}"]
    if result.rejected:
        for what, count in list(result.rejected.items())[:3]:
            lines.append(f"  rejected            {what} ({count})")
    lines.append("  this is no pass: without evidence nothing is said of the gradient")
    lines.append(f"  backward            {result.source}")
    return "\n".join(lines)


def finding(result: OpResult, found: Finding) -> str:
    """One finding with its evidence."""
    mark = {"fail": "FAIL", "warning": "WARNING", "note": "NOTE"}.get(found.severity, "NOT JUDGED")
    title = f"{result.name}: {found.check}: {_HEADLINE.get(found.code, found.code)}"
    lines = [f"{title:<48s}  {mark}   {_extent(result, found)}".rstrip(), ""]
    if found.numbers is not None and found.code in ("wrong-gradient", "wrong-at-tie"):
        lines += _numbers(found, found.numbers)
    if found.code != "wrong-gradient":
        lines += _wrapped("what", found.message)
    if found.diagnosis:
        lines += _wrapped("likely", found.diagnosis)
    if found.traceback:
        lines += ["", "  your code", *("  " + line for line in found.traceback.splitlines())]
    if found.case:
        kind = f" ({found.regime})" if found.regime else ""
        lines += ["", f"  smallest case found{kind}"]
        lines += ["    " + line for line in found.case.splitlines()]
    lines += ["", f"  backward            {result.source}"]
    if found.replay:
        lines.append(f"  again               {found.replay}")
    return "\n".join(lines)


def _extent(result: OpResult, found: Finding) -> str:
    numbers = found.numbers
    cases = f"in {found.cases} of {result.cases} cases"
    if numbers is not None and numbers.entries:
        return f"{numbers.wrong} of {numbers.entries} entries of {found.input}, {cases}"
    return cases


def _numbers(found: Finding, numbers: Worst) -> list[str]:
    coarse, fine = (*numbers.steps, 0.0, 0.0)[:2]
    parts = (
        f"(h = {coarse:.2g} and {fine:.2g}: truncation {unnum(numbers.truncation):.1g}, "
        f"round-off {unnum(numbers.roundoff):.1g})"
    )
    return [
        f"  where               gradient of {found.input}, entry {place(numbers.entry)}",
        f"  backward pass       {unnum(numbers.backward): .6g}",
        f"  finite difference   {unnum(numbers.finite_difference): .6g} "
        f"± {unnum(numbers.bound):.1g}    {parts}",
        f"  relative error      {unnum(numbers.relative_error):.2g}, "
        f"would have seen {unnum(numbers.limit):.1g}",
    ]


def place(entry: tuple[int, ...]) -> str:
    """An entry as it is written in code; a 0-d array has only one."""
    return "(" + ", ".join(map(str, entry)) + ("," if len(entry) == 1 else "") + ")"


def _wrapped(label: str, text: str) -> list[str]:
    import textwrap

    lines = textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"  {label:<18s}  {lines[0]}", *(" " * 22 + line for line in lines[1:])]


def convention(kept: Convention) -> str:
    """A convention in words: ``at 0: left 0, right 1, yours 0``."""
    left, right, yours = (unnum(v) for v in (kept.left, kept.right, kept.yours))
    where = kept.where if kept.where.startswith("a ") else f"{kept.input} = {kept.where}"
    return f"at {where}: slopes {left:g} to {right:g}, yours {yours:g} ({kept.count} times)"


def one_line(result: OpResult) -> str:
    """An op in one line, for terminals that are none and for quiet runs."""
    error = f"{unnum(result.worst.relative_error):.1e}" if result.worst else "-"
    return (
        f"{_VERDICT[result.verdict]:<10s}  {result.op:<44s}  worst {error}  {result.cases} cases  "
        f"{result.forward_calls} forwards  {result.seconds:.2f} s"
    )


def totals(report: Report) -> str:
    """The last line of a run."""
    s = report.summary
    parts = [f"{s.ops} op{'s' * (s.ops != 1)}", f"{s.passed} passed"]
    parts += [f"{s.failed} failed"] if s.failed else []
    parts += [f"{s.inconclusive} not judged"] if s.inconclusive else []
    parts += [f"{s.errors} could not be loaded"] if s.errors else []
    parts.append(f"{s.comparisons:,} comparisons")
    parts += [f"{s.conventions:,} conventions"] if s.conventions else []
    parts += [f"{s.rejected:,} rejected cases"] if s.rejected else []
    parts.append(f"{s.forward_calls:,} forward evaluations")
    parts.append(f"{s.seconds:.1f} s")
    return ", ".join(parts)

"""A failure as plain text, as a terminal, a pytest section or an exception shows it.

Order: what, how bad, where, the two numbers with their uncertainty, the guess with its evidence,
the case as code, the line, the command.
"""

from __future__ import annotations

import shlex
import textwrap

from gradcheck.records import unnum
from gradcheck.results import Convention, Finding, OpResult, Report, Tolerance, Worst

_HEADLINE = {
    "wrong-gradient": "wrong gradient",
    "wrong-at-tie": "wrong gradient along a tie",
    "wrong-node": "a node is wrong",
    "node-disturbed": "a node is disturbed",
    "kinks-meet": "kinks meet",
    "overwritten-value": "overwrites what another node reads",
    "wrong-shape": "wrong shape",
    "wrong-dtype": "wrong dtype",
    "no-gradient": "no gradient",
    "not-a-gradient": "not a gradient",
    "gradient-count": "wrong number of gradients",
    "overwritten": "overwrites what it was given",
    "shared-memory": "shares memory",
    "workspace-returned": "returns its workspace",
    "not-deterministic": "two answers",
    "unwritten-memory": "memory never written",
    "second-backward": "second backward differs",
    "same-array-twice": "the same array twice",
    "overlapping-inputs": "overlapping inputs",
    "wanted-alone": "wrong when wanted alone",
    "keeps-state": "keeps state",
    "instances-share-state": "instances share state",
    "second-call": "second call fails",
    "not-linear": "not linear",
    "layout-dependent": "depends on memory layout",
    "forward-raised": "forward raises",
    "backward-raised": "backward raises",
    "widened-output": "wider than its inputs",
    "forward-not-finite": "forward not finite",
    "no-real-output": "no real output",
    "random-forward": "random forward",
    "never-ends": "never ends",
    "slightly-off": "slightly off",
    "convention": "another convention",
    "unmoved": "nothing moves",
    "mostly-zero": "mostly zero",
    "mostly-rejected": "mostly rejected",
    "exploding-gradient": "gradient explodes",
    "vanishing-gradient": "gradient vanishes",
    "dead-units": "dead units",
    "saturated-units": "saturated units",
    "lost-tail": "far tail lost",
    "wrong-forward": "forward differs from the reference",
    "reference-shape": "another shape",
    "surrogate-shape": "another shape",
    "loose-tolerance": "loose tolerance",
    "costly-backward": "backward grows faster than forward",
}
LONGEST_COMMAND = 2000
"""A recipe longer than this is not printed: nobody pastes it, and the case is there as code."""


def failure(result: OpResult, *, verbose: bool = False, stored: bool = True) -> str:
    """Everything that went wrong with one op, gravest first.

    Parameters
    ----------
    result : OpResult
        With a verdict other than pass; else only its warnings are shown.
    verbose : bool
        Warnings and notes too.
    stored : bool
        The result is going to be in a result file, where its replay ids can be looked up.
    """
    parts = [_unjudged(result)] if result.verdict == "inconclusive" else []
    parts += [finding(result, f, stored=stored) for f in result.findings if f.severity == "fail"]
    lesser = [f for f in result.findings if f.severity in ("warning", "note")]
    if verbose:
        parts += [finding(result, f, stored=stored) for f in lesser]
    elif lesser and parts:
        hint = " (-v shows them)" if stored else ""
        parts.append(f"{len(lesser)} warning{'s' * (len(lesser) != 1)} besides{hint}")
    if parts and result.assumptions:
        parts.append("noted: " + "; ".join(result.assumptions))
    return "\n\n".join(parts)


def headline(result: OpResult) -> str:
    """The gravest finding as one line, for lists of failures."""
    for found in result.findings:
        if found.severity == "fail":
            return f"{_HEADLINE.get(found.code, found.code)}: {found.message}"
    return f"not judged: {result.reason}"


def _unjudged(result: OpResult) -> str:
    lines = [f"{result.name + ': no verdict':<48s}  NOT JUDGED", ""]
    lines += _wrapped("why", result.reason)
    for what, count in list(result.rejected.items())[:3]:
        lines += _wrapped("rejected", f"{what} ({count})")
    lines += _wrapped("so", "this is no pass: without evidence nothing is said of the gradient")
    return "\n".join([*lines, "", *_labelled("backward", str(result.source))])


def finding(result: OpResult, found: Finding, *, stored: bool = True) -> str:
    """One finding with its evidence."""
    mark = {"fail": "FAIL", "warning": "WARNING", "note": "NOTE"}.get(found.severity, "NOT JUDGED")
    title = f"{result.name}: {found.check}: {_HEADLINE.get(found.code, found.code)}"
    lines = [f"{title:<48s}  {mark}   {_extent(result, found)}".rstrip(), ""]
    if found.numbers is not None and found.code in ("wrong-gradient", "wrong-at-tie", "wrong-node"):
        lines += _numbers(found, found.numbers)
    if what := _what(found):
        lines += _wrapped("what", what)
    if found.path:
        lines += _wrapped("path", found.path)
    if found.diagnosis:
        lines += _wrapped("likely", found.diagnosis)
    if found.traceback:
        lines += ["", "  your code", *("  " + line for line in found.traceback.splitlines())]
    if found.case:
        kind = f" ({found.regime})" if found.regime else ""
        lines += ["", f"  smallest case found{kind}"]
        lines += ["    " + line for line in found.case.splitlines()]
    lines += ["", *_labelled("backward", str(found.source or result.source))]
    return "\n".join(lines + _again(result, found, stored=stored))


def _what(found: Finding) -> str:
    """The message, where the numbers do not say it already."""
    if found.code == "wrong-node" and found.numbers is not None:
        return found.message.partition(": gradient of ")[0]
    if found.code != "wrong-gradient":
        return found.message
    undeclared, sign, _ = found.message.partition(", backward is wrong for it")
    return undeclared + sign if sign else ""


def _again(result: OpResult, found: Finding, *, stored: bool) -> list[str]:
    """How to see it again; an op that no target names is seen again by the same call."""
    if not (found.replay and result.target):
        return []
    if stored:
        return _labelled("again", found.replay)
    command = f"gradcheck replay {shlex.quote(result.target)} {shlex.quote(found.recipe)}"
    return _labelled("again", command) if len(command) < LONGEST_COMMAND else []


def _labelled(label: str, text: str) -> list[str]:
    return [f"  {label:<18s}  {text}"]


def _extent(result: OpResult, found: Finding) -> str:
    numbers = found.numbers
    if found.check == "cost":  # no case of the run
        return ""
    cases = f"in {found.cases} of {result.cases} cases"
    if numbers is not None and numbers.entries:
        return f"{numbers.wrong} of {numbers.entries} entries of {found.input}, {cases}"
    return cases


def _numbers(found: Finding, numbers: Worst) -> list[str]:
    error, limit = error_and_limit(numbers)
    difference = f"{unnum(numbers.finite_difference): .6g} ± {unnum(numbers.bound):.1g}"
    return [
        *_labelled("where", f"gradient of {found.input}, entry {place(numbers.entry)}"),
        f"  backward pass       {unnum(numbers.backward): .6g}",
        f"  finite difference   {difference}{_parts(numbers)}",
        *_labelled("relative error", f"{error}, would have seen {limit}"),
    ]


def _parts(numbers: Worst) -> str:
    """Where the uncertainty comes from."""
    if not numbers.steps or not all(numbers.steps):
        return ""
    how = "h = " + " and ".join(f"{h:.2g}" for h in numbers.steps)
    if len(numbers.steps) == 1:
        how = f"fit up to {how}"
    return (
        f"    ({how}: truncation {unnum(numbers.truncation):.1g}, "
        f"round-off {unnum(numbers.roundoff):.1g})"
    )


def error_and_limit(worst: Worst | None) -> tuple[str, str]:
    """A relative error, and the smallest one that would have been seen at that entry.

    Both are relative to the entry itself, so that the one is comparable with the other: a right
    entry has an error below what can be seen.
    """
    if worst is None:
        return "-", "-"
    return _rounded(unnum(worst.relative_error)), _rounded(unnum(worst.limit))


def _rounded(value: float) -> str:
    return f"{value:.2g}"


def place(entry: tuple[int, ...]) -> str:
    """An entry as it is written in code; a 0-d array has only one."""
    return "(" + ", ".join(map(str, entry)) + ("," if len(entry) == 1 else "") + ")"


def _wrapped(label: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"  {label:<18s}  {lines[0]}", *(" " * 22 + line for line in lines[1:])]


def convention(kept: Convention) -> str:
    """A convention in words: ``at x = 0: slopes 0 to 1, yours 0``."""
    left, right, yours = (unnum(v) for v in (kept.left, kept.right, kept.yours))
    where = kept.where if kept.where.startswith("a ") else f"{kept.input} = {kept.where}"
    return f"at {where}: slopes {left:g} to {right:g}, yours {yours:g} ({kept.count} times)"


def tolerance(found: Tolerance) -> str:
    """A tolerance of an op's own: ``signif=0.001: 2 % of it used, 2.1e-05 would still pass``."""
    used, tightest = unnum(found.used), unnum(found.tightest)
    return f"signif={found.signif:g}: {used:.0%} of it used, signif={tightest:.2g} would still pass"


def totals(report: Report) -> str:
    """The last line of a run."""
    s = report.summary
    parts = [f"{s.ops} op{'s' * (s.ops != 1)}", f"{s.passed} passed"]
    parts += [f"{s.failed} failed"] if s.failed else []
    parts += [f"{s.inconclusive} not judged"] if s.inconclusive else []
    parts += [f"{s.errors} could not be checked"] if s.errors else []
    parts.append(f"{s.comparisons:,} comparisons")
    parts += [f"{s.conventions:,} conventions"] if s.conventions else []
    parts += [f"{s.rejected:,} rejected cases"] if s.rejected else []
    parts.append(f"{s.forward_calls:,} forward evaluations")
    parts.append(f"{s.seconds:.1f} s")
    return ("interrupted: " if report.interrupted else "") + ", ".join(parts)

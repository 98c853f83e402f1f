"""A failure as plain text, as a terminal, a pytest section or an exception shows it.

Order: what, how bad, where, the two numbers with their uncertainty, the guess with its evidence,
the case as code, the line, the command. What a user wrote is made harmless (`plain`).
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable

from gradcheck import codes
from gradcheck.figures import Curve
from gradcheck.plain import NAME, SENTENCE, clean, visible
from gradcheck.records import unnum
from gradcheck.reporters import sparkline
from gradcheck.results import Convention, Finding, OpResult, Report, Tolerance, Worst
from gradcheck.settings import CHECKS

WIDTH = 98
"""Columns of a line that is wrapped, where nobody says how wide the page is."""
NARROW = 72
"""Below, what is wrapped goes on below its label, not beside it."""
LONGEST_COMMAND = 2000
"""A command longer than this is not printed: nobody pastes it, and the case is there as code."""


def failure(
    result: OpResult, *, verbose: bool = False, stored: bool = True, width: int = WIDTH
) -> str:
    """Everything that went wrong with one op, gravest first.

    Parameters
    ----------
    result : OpResult
        With a verdict other than pass; else only its warnings are shown.
    verbose : bool
        Warnings and notes too.
    stored : bool
        The result is going to be in a result file, where its replay ids can be looked up.
    width : int
        Columns of the page. Code and commands are not wrapped: they are there to be pasted.
    """
    parts = [_unjudged(result, width)] if result.verdict == "inconclusive" else []
    lesser = [f for f in result.findings if f.severity in ("warning", "note")]
    shown = [f for f in result.findings if f.severity == "fail"] + lesser * verbose
    parts += [finding(result, f, stored=stored, width=width) for f in shown]
    if lesser and parts and not verbose:
        hint = " (-v shows them)" if stored else ""
        parts.append(f"{warnings_and_notes(lesser)} besides{hint}")
    if parts and result.assumptions:
        noted = "noted: " + "; ".join(clean(a, SENTENCE) for a in result.assumptions)
        parts.append("\n".join(_filled(noted, width, "  ")))
    return "\n\n".join(parts)


def warnings_and_notes(findings: Iterable[Finding]) -> str:
    """How many there are of each: ``2 warnings, 1 note``; empty where there is none."""
    told = [f.severity for f in findings]
    counts = {word: told.count(word) for word in ("warning", "note")}
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for word, n in counts.items() if n)


def headline(result: OpResult) -> str:
    """The gravest finding as one line, for lists of failures."""
    for found in result.findings:
        if found.severity == "fail":
            return clean(f"{codes.headline(found.code)}: {found.message}", SENTENCE)
    return f"not judged: {clean(result.reason, SENTENCE)}"


def _unjudged(result: OpResult, width: int) -> str:
    lines = [*_titled(f"{clean(result.name, NAME)}: no verdict", "NOT JUDGED", "", width), ""]
    lines += _wrapped("why", result.reason, width)
    for what, count in list(result.rejected.items())[:3]:
        lines += _wrapped("rejected", f"{clean(what, SENTENCE)} ({count})", width)
    so = "this is no pass: without evidence nothing is said of the gradient"
    lines += _wrapped("so", so, width)
    return "\n".join([*lines, "", *_labelled("backward", str(result.source))])


def finding(result: OpResult, found: Finding, *, stored: bool = True, width: int = WIDTH) -> str:
    """One finding with its evidence; see `failure`."""
    mark = {"fail": "FAIL", "warning": "WARNING", "note": "NOTE"}.get(found.severity, "NOT JUDGED")
    title = f"{clean(result.name, NAME)}: {found.check}: {codes.headline(found.code)}"
    lines = [*_titled(title, mark, _extent(result, found), width), ""]
    if found.numbers is not None and found.code in ("wrong-gradient", "wrong-at-tie", "wrong-node"):
        lines += _numbers(found, found.numbers, width)
        lines += _curve(result, found, width)
    for label, said in (("what", _what(found)), ("path", found.path), ("likely", found.diagnosis)):
        lines += _wrapped(label, said, width) if said else []
    if found.traceback:
        frames = (clean(line.rstrip(), SENTENCE) for line in found.traceback.splitlines())
        lines += ["", "  your code", *("  " + line for line in frames)]
    if found.case:
        kind = f" ({clean(found.regime, NAME)})" if found.regime else ""
        lines += ["", f"  smallest case found{kind}"]
        lines += ["    " + visible(line) for line in found.case.splitlines()]
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
    whole = f"gradcheck replay {shlex.quote(result.target)} {shlex.quote(found.recipe)}"
    command = found.replay if stored else whole
    return _labelled("again", command) if len(command) < LONGEST_COMMAND else []


def _titled(title: str, mark: str, extent: str, width: int) -> list[str]:
    """The headline: what, the verdict, how much of it; in two lines where the page is narrow."""
    title, extent = clean(title, 3 * NAME), clean(extent, 3 * NAME)
    whole = f"{title:<48s}  {mark}   {extent}".rstrip()
    if len(whole) <= width or width >= WIDTH:
        return [whole]
    return [f"{title}  {mark}", *(_filled(f"  {extent}", width, "  ") if extent else [])]


def _labelled(label: str, text: str) -> list[str]:
    """Not wrapped, as what is pasted or clicked."""
    return [f"  {label:<18s}  {clean(text)}"]


def _extent(result: OpResult, found: Finding) -> str:
    numbers = found.numbers
    if found.check == "cost":  # no case of the run
        return ""
    cases = f"in {found.cases} of {result.cases} cases"
    if numbers is not None and numbers.entries:
        return f"{numbers.wrong} of {numbers.entries} entries of {found.input}, {cases}"
    return cases


def _numbers(found: Finding, numbers: Worst, width: int) -> list[str]:
    error, limit = error_and_limit(numbers)
    value = f"{unnum(numbers.finite_difference): .6g} ± {unnum(numbers.bound):.1g}"
    compared, parts = f"  finite difference   {value}", _parts(numbers)
    if len(compared + parts) <= width or width >= WIDTH:
        lines = [compared + parts]
    else:
        lines = [compared, *_filled(f"    {parts.strip()}", width, "     ")]
    return [
        *_wrapped("where", f"gradient of {found.input}, entry {place(numbers.entry)}", width),
        f"  backward pass       {unnum(numbers.backward): .6g}",
        *lines,
        *_wrapped("relative error", f"{error}, would have seen {limit}", width),
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


def curve_of(result: OpResult, found: Finding) -> Curve | None:
    """The op's curve, if it is of the entry that the finding is about."""
    curve, numbers = result.figures.curve, found.numbers
    if curve is None or numbers is None:
        return None
    return curve if (curve.input, curve.entry) == (found.input, numbers.entry) else None


def _curve(result: OpResult, found: Finding, width: int) -> list[str]:
    """The error of the finite difference by step size, where it is known."""
    curve = curve_of(result, found)
    if curve is None:
        return []
    if width < NARROW:
        drawn = sparkline.lines(curve, width - 4)
        return [f"  {sparkline.LABEL}", *(f"    {line}" for line in drawn)] if drawn else []
    labels = [sparkline.LABEL, "", "", "", ""]
    drawn = sparkline.lines(curve, width - 22)
    return [f"  {label:<18s}  {line}" for label, line in zip(labels, drawn, strict=False)]


def _wrapped(label: str, text: str, width: int) -> list[str]:
    """Beside its label, and on below it."""
    after = " " * (22 if width >= NARROW else 6)
    return _filled(f"  {label:<18s}  {clean(text, SENTENCE)}", width, after)


def _filled(text: str, width: int, after: str) -> list[str]:
    """Lines of a paragraph; the first is indented as it is, the others by ``after``."""
    start = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text[len(start) :],
        max(width, 30),
        initial_indent=start,
        subsequent_indent=after,
        break_long_words=False,
        break_on_hyphens=False,
    )


def convention(kept: Convention) -> str:
    """A convention in words: ``at x = 0: slopes 0 to 1, yours 0``."""
    left, right, yours = (unnum(v) for v in (kept.left, kept.right, kept.yours))
    where = kept.where if kept.where.startswith("a ") else f"{kept.input} = {kept.where}"
    where = clean(where, NAME)
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
    parts += [f"{s.waived} of these waived"] if s.waived else []
    parts += [f"{s.errors} could not be checked"] if s.errors else []
    parts.append(f"{s.comparisons:,} comparisons")
    parts += [f"{s.conventions:,} conventions"] if s.conventions else []
    parts += [f"{s.rejected:,} rejected cases"] if s.rejected else []
    parts.append(f"{s.forward_points:,} forward evaluations")
    parts.append(f"{s.seconds:.1f} s")
    some = report.in_force.get("checks")
    if some and isinstance(some, list | tuple) and not {*CHECKS} <= {*map(str, some)}:
        parts.append(f"checks: {clean(', '.join(map(str, some)), SENTENCE)} only")
    return ("interrupted: " if report.interrupted else "") + ", ".join(parts)

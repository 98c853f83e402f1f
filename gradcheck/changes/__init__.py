"""What changed between two runs: `gradcheck diff`, for whoever reviews a change. Pure.

Two runs of the same code must not differ, whatever their seeds. Where the seeds are the same, every
case is the same, and whatever is gone is gone for a reason. Where they are not, a rule only fires
on what the draw of the cases does not explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gradcheck.changes.evidence import Plan, bounds, coverage
from gradcheck.changes.record import BETTER, OTHER, WORSE, Change, Changes, Kind
from gradcheck.results import OpResult, Report, Verdict
from gradcheck.settings import CHECKS, PROFILES, Settings

__all__ = ["BETTER", "OTHER", "WORSE", "Change", "Changes", "compare"]

WORDS: dict[Verdict, str] = {"pass": "pass", "fail": "FAIL", "inconclusive": "not judged"}


def compare(old: Report, new: Report) -> Changes:
    """What changed from one run to a later one.

    Parameters
    ----------
    old, new : Report

    Returns
    -------
    Changes
        A new run that was to check fewer cases, or to make fewer checks, has lost coverage by that.
    """
    before, after = ({r.op: r for r in report.results} for report in (old, new))
    found: list[Change] = []
    plan = _plan(old, new)
    for op, result in after.items():
        found += _of_op(before[op], result) if op in before else _new(result)
        if op in before and "fail" not in (before[op].verdict, result.verdict):
            found += bounds(before[op], result)
            found += coverage(before[op], result, plan)
    found += _gone(before, after, cut=new.interrupted or new.missing > 0)
    found += _less(old, new)
    found += _loading(old.errors, new.errors)
    found += _waivers(old, new)
    order = (*WORSE, *BETTER, *OTHER)
    found.sort(key=lambda c: order.index(c.kind))
    shared = len(before.keys() & after.keys())
    return Changes(changes=found, differs=list(_differs(old, new)), compared=shared)


def _cases(report: Report) -> int:
    """How many cases of an op a run was to check."""
    count = report.in_force.get("max-cases", PROFILES.get(report.profile))
    return count if isinstance(count, int) and count > 0 else PROFILES["ci"]


def _less(old: Report, new: Report) -> Iterator[Change]:
    """What the settings of the new run left out: then it cannot speak of what it did not do."""
    if _cases(new) < _cases(old):
        what = f"{_cases(new)} cases of an op were to be checked, {_cases(old)} before"
        yield Change(kind="coverage-lost", what=what)
    for name in ("checks", "dtypes"):
        if lost := _left_out(old, new, name):
            yield Change(kind="coverage-lost", what=f"{name} left out: {', '.join(lost)}")


def _left_out(old: Report, new: Report, name: str) -> list[str]:
    every = {"checks": CHECKS, "dtypes": Settings().dtypes}[name]
    a, b = (report.in_force.get(name, every) for report in (old, new))
    if not (isinstance(a, list | tuple) and isinstance(b, list | tuple)):
        return []  # a damaged file
    return [str(x) for x in a if x not in b]


def _plan(old: Report, new: Report) -> Plan:
    same = old.seed == new.seed and old.environment == new.environment
    return Plan(
        share=min(1.0, _cases(new) / _cases(old)),
        same_cases=same and _cases(old) == _cases(new),
        checks=_left_out(old, new, "checks"),
        dtypes=_left_out(old, new, "dtypes"),
    )


def _of_op(a: OpResult, b: OpResult) -> Iterator[Change]:
    """Verdicts and findings of an op that is in both."""
    was, now = _word(a), _word(b)
    fresh, mended = _more(b, a, "fail"), _more(a, b, "fail")
    if b.waived and not a.waived:
        yield Change(kind="waived-failure", op=b.op, was=was, now=now, what=f"waived {b.waived}")
    if b.verdict == "fail" and a.verdict != "fail" and not b.waived:
        yield Change(kind="new-failure", op=b.op, was=was, now=now, what=_why(b))
    elif b.verdict == "inconclusive" and a.verdict != "inconclusive":
        yield Change(kind="no-longer-judged", op=b.op, was=was, now=now, what=_why(b))
    elif b.verdict == "fail" and fresh:
        yield Change(kind="new-finding", op=b.op, was=was, now=now, what=", ".join(fresh))
    elif b.verdict != "pass" and a.waived and not b.waived:
        yield Change(kind="no-longer-waived", op=b.op, was=was, now=now, what=_why(b))
    if b.verdict == "pass" and a.verdict != "pass":
        kind: Kind = "fixed" if a.verdict == "fail" else "judged"
        yield Change(kind=kind, op=b.op, was=was, now=now)
    elif a.verdict == b.verdict == "fail" and mended:
        yield Change(kind="finding-fixed", op=b.op, was=was, now=now, what=", ".join(mended))
    if warnings := _more(b, a, "warning"):
        yield Change(kind="new-warning", op=b.op, what=", ".join(warnings))


def _new(result: OpResult) -> Iterator[Change]:
    """An op that was not there."""
    kind: Kind = "new-op"
    if result.verdict == "fail":
        kind = "new-finding" if result.waived else "new-failure"
    elif result.verdict == "inconclusive":
        kind = "no-longer-judged"
    was, now = "not there", _word(result)
    yield Change(kind=kind, op=result.op, was=was, now=now, what=_why(result))
    if result.waived:
        what = f"waived {result.waived}"
        yield Change(kind="waived-failure", op=result.op, was=was, now=now, what=what)


def _gone(
    before: dict[str, OpResult], after: dict[str, OpResult], *, cut: bool
) -> Iterator[Change]:
    new = {r.name: op for op, r in after.items() if op not in before}
    for op, result in before.items():
        if op not in after:
            there = new.get(result.name)
            yield Change(
                kind="not-checked" if cut else "op-gone",
                op=op,
                was=_word(result),
                now="not checked" if cut else "not there",
                what=f"there is {there} now" if there else "",
            )


def _word(result: OpResult) -> str:
    return WORDS[result.verdict] + (" (waived)" if result.waived else "")


def _why(result: OpResult) -> str:
    found = ", ".join(_named(result, "fail"))
    return found if result.verdict == "fail" else result.reason


def _named(result: OpResult, severity: str) -> dict[str, None]:
    """Findings by code and input: what makes two of them the same."""
    kept = (f for f in result.findings if f.severity == severity)
    return dict.fromkeys(f"{f.code} of {f.input}" if f.input else f.code for f in kept)


def _more(a: OpResult, b: OpResult, severity: str) -> list[str]:
    """Findings of ``a`` that ``b`` has not."""
    others = _named(b, severity)
    return [name for name in _named(a, severity) if name not in others]


def _loading(old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    a, b = dict.fromkeys(old), dict.fromkeys(new)
    yield from (Change(kind="not-loaded", what=e) for e in b if e not in a)
    yield from (Change(kind="loaded", what=e) for e in a if e not in b)


def _waivers(old: Report, new: Report) -> Iterator[Change]:
    """Waivers that held and are not needed any more."""
    held = {(w.op, w.code, w.input) for w in old.waivers if w.state == "met"}
    for w in new.waivers:
        if w.state in ("fixed", "unmet") and (w.op, w.code, w.input) in held:
            yield Change(kind="waiver-used-up", op=w.op, what=f"{w.code}: {w.message}")


def _standing(report: Report) -> dict[str, Any]:
    """Settings that no command line gave."""
    return {k: v for k, v in report.in_force.items() if k not in report.settings}


def _differs(old: Report, new: Report) -> Iterator[str]:
    for name in ("seed", "profile"):
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            yield f"{name} {a} in the old run, {b} in the new one"
    if old.profile != new.profile:
        fewer = _cases(new) < _cases(old)
        kinds = " and kinds of case" * fewer
        yield f"cases of other kinds, so bounds{kinds} are not compared"
    for word, x, y in (
        ("", old.environment, new.environment),
        ("--", old.settings, new.settings),
        ("setting ", _standing(old), _standing(new)),
    ):
        for key in sorted((x.keys() | y.keys()) - {"seed"}):
            if x.get(key) != y.get(key):
                a, b = (d.get(key, "none") for d in (x, y))
                yield f"{word}{key} {a} in the old run, {b} in the new one"
    for report, which in ((old, "old"), (new, "new")):
        done = f"{len(report.results)} of {report.planned} ops"
        if report.interrupted or report.missing:
            yield f"the {which} run was cut short: {done}"

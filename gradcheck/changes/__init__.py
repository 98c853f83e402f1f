"""What changed between two runs: `gradcheck diff`, for whoever reviews a change. Pure.

Two runs of the same code must not differ, whatever their seeds. Where the seeds are the same, every
case is the same, and whatever is gone is gone for a reason. Where they are not, a rule only fires
on what the draw of the cases does not explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gradcheck.changes.evidence import bounds, coverage
from gradcheck.changes.record import BETTER, OTHER, WORSE, Change, Changes, Kind
from gradcheck.results import OpResult, Report, Verdict
from gradcheck.settings import PROFILES

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
        Coverage is compared where the new run was to check as many cases as the old one.
    """
    before, after = ({r.op: r for r in report.results} for report in (old, new))
    found: list[Change] = []
    for op, result in after.items():
        found += _of_op(before[op], result) if op in before else _new(result)
        if op in before and "fail" not in (before[op].verdict, result.verdict):
            found += bounds(before[op], result)
            if _as_many(old, new):
                found += coverage(before[op], result, same_cases=_same_cases(old, new))
    found += _gone(before, after, cut=new.interrupted or new.planned > len(new.results))
    found += _loading(old.errors, new.errors)
    found += _waivers(old, new)
    order = (*WORSE, *BETTER, *OTHER)
    found.sort(key=lambda c: order.index(c.kind))
    shared = len(before.keys() & after.keys())
    return Changes(changes=found, differs=list(_differs(old, new)), compared=shared)


def _as_many(old: Report, new: Report) -> bool:
    """The new run was to check as many cases as the old one, or more."""
    return PROFILES.get(new.profile, 0) >= PROFILES.get(old.profile, 0)


def _same_cases(old: Report, new: Report) -> bool:
    return old.seed == new.seed and old.environment == new.environment


def _of_op(a: OpResult, b: OpResult) -> Iterator[Change]:
    """Verdicts and findings of an op that is in both."""
    was, now = _word(a), _word(b)
    fresh, mended = _more(b, a, "fail"), _more(a, b, "fail")
    if b.verdict != "pass" and b.waived:
        if not a.waived:
            yield Change(kind="waived-failure", op=b.op, was=was, now=now, what=_why(b))
    elif b.verdict == "fail" and a.verdict != "fail":
        yield Change(kind="new-failure", op=b.op, was=was, now=now, what=_why(b))
    elif b.verdict == "inconclusive" and a.verdict != "inconclusive":
        yield Change(kind="no-longer-judged", op=b.op, was=was, now=now, what=_why(b))
    elif b.verdict == "fail" and fresh:
        yield Change(kind="new-finding", op=b.op, was=was, now=now, what=", ".join(fresh))
    elif b.verdict != "pass" and a.waived:
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
    if result.waived:
        kind = "waived-failure"
    elif result.verdict != "pass":
        kind = "new-failure" if result.verdict == "fail" else "no-longer-judged"
    yield Change(kind=kind, op=result.op, was="not there", now=_word(result), what=_why(result))


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
    if result.waived:
        return f"waived {result.waived}"
    return result.reason or ", ".join(_named(result, "fail"))


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


def _differs(old: Report, new: Report) -> Iterator[str]:
    for name in ("seed", "profile"):
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            yield f"{name} {a} in the old run, {b} in the new one"
    if old.profile != new.profile:
        fewer = not _as_many(old, new)
        yield "cases of other kinds, so bounds" + " and coverage" * fewer + " are not compared"
    for word, x, y in (
        ("", old.environment, new.environment),
        ("--", old.settings, new.settings),
    ):
        for key in sorted((x.keys() | y.keys()) - {"seed"}):
            if x.get(key) != y.get(key):
                a, b = (d.get(key, "none") for d in (x, y))
                yield f"{word}{key} {a} in the old run, {b} in the new one"
    for report, which in ((old, "old"), (new, "new")):
        done = f"{len(report.results)} of {report.planned} ops"
        if report.interrupted or report.planned > len(report.results):
            yield f"the {which} run was cut short: {done}"

"""The last line of ``gradcheck run``: what to do next."""

from __future__ import annotations

from gradcheck.plain import SENTENCE, clean
from gradcheck.results import Report


def advice(report: Report, *, reference: bool) -> str:
    """One thing to do, for the gravest of what was found.

    ``reference``: it was the reference ops that were checked, and nothing of the user's.
    """
    open_ops = [r for r in report.results if r.verdict != "pass" and not r.waived]
    failing = [f for r in open_ops for f in r.findings if f.severity == "fail" and f.replay]
    if report.interrupted:
        return "run it again for the ops that are missing"
    if failing:
        return f"mend it, then {clean(failing[0].replay, SENTENCE)}"
    if report.cut_short and not report.errors:
        return "give it more time (--max-time), or fewer cases (--profile fast)"
    if report.errors or open_ops:
        return "see above what could not be checked or judged, and why"
    if any(w.state != "met" for w in report.waivers):
        return "bring the waiver file up to date; the lines above say which entries"
    if report.results and not report.summary.passed:
        return "have at least one op that passes: waivers alone are no evidence"
    if reference:
        return "check your own gates with  gradcheck run my_gates.py"
    if any(f.severity == "warning" for r in report.results for f in r.findings):
        return "-v shows the warnings; the exit code is 0: they fail nothing"
    if report.summary.waived:
        return "mend what is waived before its date; until then the exit code is 0"
    return "put it into CI: the exit code is 0 only where every op passes or is waived"

"""Which findings stand for others and stop an op early; one that is waived does neither.

Else the mistake that a waiver names would hide what it does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from gradcheck.results import Finding

Known = Collection[tuple[str, str]]
"""Code and input of what is waived in an op; the input "" is any."""
FOLD_AFTER = {
    "gradient-count": ("wrong-gradient", "wrong-shape"),
    "wrong-gradient": ("wrong-at-tie",),
    "wrong-node": ("wrong-gradient", "wrong-at-tie", "slightly-off"),
    "node-disturbed": ("wrong-gradient", "wrong-at-tie"),
}
"""What explains what: findings on the right are folded under the one on the left."""


def is_known(finding: Finding, known: Known) -> bool:
    """A waiver names it."""
    return (finding.code, finding.input) in known or (finding.code, "") in known


def counts(finding: Finding, known: Known) -> bool:
    """It is a fail, and no waiver names it."""
    return finding.severity == "fail" and not is_known(finding, known)


def folder(findings: Collection[Finding], known: Known) -> Callable[[Finding], bool]:
    """Whether a finding of an op says nothing more beside the others.

    A fail is folded under what explains it. A waived one explains no more than what is wrong at
    ties with the same input's gradient. Less than a fail beyond the declaration is folded where the
    same is a fail within it.
    """
    fails = [f for f in findings if f.severity == "fail"]
    failed = {(f.code, f.input) for f in fails}
    causes = {f.code for f in fails if not is_known(f, known)}
    explained = {code for cause in causes for code in FOLD_AFTER.get(cause, ())}
    waived = {f.input for f in fails if f.code == "wrong-gradient" and is_known(f, known)}

    def folded(finding: Finding) -> bool:
        if finding.severity != "fail":
            return finding.severity != "not judged" and (finding.code, finding.input) in failed
        return finding.code in explained or (
            finding.code == "wrong-at-tie" and _alone(finding) and finding.input in waived
        )

    return folded


def _alone(finding: Finding) -> bool:
    """A tie of one input with itself."""
    return finding.numbers is not None and finding.numbers.input == finding.input

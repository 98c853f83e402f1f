"""Adding the trials of an op up to its verdict. Counting happens here and nowhere else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from gradcheck import editions
from gradcheck.answer import Counters
from gradcheck.audit import audit, warning
from gradcheck.checks import nodes
from gradcheck.checks.effort import Coarse
from gradcheck.checks.facts import Outcome
from gradcheck.engine import Drawn
from gradcheck.folding import Known, counts, folder, is_known
from gradcheck.health import Health
from gradcheck.model import Op
from gradcheck.records import num, unnum
from gradcheck.refusals import Refusals
from gradcheck.results import (
    CheckSummary,
    Convention,
    Finding,
    OpResult,
    Severity,
    Tolerance,
    Verdict,
    Worst,
)
from gradcheck.seen import Seen
from gradcheck.settings import CHECKS, Settings
from gradcheck.trial import Trial
from gradcheck.vacuity import Vacuity

INCONCLUSIVE_SHARE = 0.2
"""An op with more inconclusive comparisons than this share is not judged."""
JUDGED_CASES = 10
"""An op with fewer judged cases than this is not judged (where so many were asked for)."""
FEW = 3
"""Kinks of an input that are named by their places; at more of them inputs are tied."""

Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Tally:
    """Running totals of one op."""

    op: Op
    settings: Settings
    planned: int = 0
    known: Known = ()
    own_checks: bool = False
    """The op itself, and not the user of the run, chose the checks."""
    cases: int = 0
    judged: int = 0
    failing: int = 0
    refusals: Refusals = field(default_factory=Refusals)
    coverage: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    judged_inputs: Counter[str] = field(default_factory=Counter)
    compared_inputs: Counter[str] = field(default_factory=Counter)
    declared: Counter[str] = field(default_factory=Counter)
    """Comparisons on declared inputs: "made" and "inconclusive"."""
    checks: dict[str, Counter[str]] = field(default_factory=dict)
    conventions: Counter[tuple[str, float, float, float, str]] = field(default_factory=Counter)
    worst: Worst | None = None
    worst_trial: Trial | None = None
    """The case that ``worst`` is of."""
    seen: Seen = field(default_factory=Seen)
    _worst_order: tuple[bool, bool, float] = (False, False, -1.0)
    hopeless: bool = False
    unfinished: str = ""
    """The run's time was over before the cases were: how many there are."""
    vacuity: Vacuity = field(default_factory=Vacuity)
    health: Health = field(default_factory=Health)
    excess: float = 0.0
    """The largest error beyond all bounds on declared inputs."""
    notes: list[str] = field(default_factory=list)
    coarse: Coarse = field(default_factory=Coarse)
    _first: dict[Key, tuple[Finding, Drawn, Trial]] = field(default_factory=dict)
    _seen: Counter[Key] = field(default_factory=Counter)

    def add(self, trial: Trial, drawn: Drawn) -> None:
        """Count one trial."""
        self.cases += 1
        if trial.rejected:
            note = trial.recipe.note or trial.recipe.regime
            self.refusals.add(note, trial.rejected)
            return
        self.coverage[trial.recipe.note or trial.recipe.regime] += 1
        self.judged += trial.judged and trial.recipe.cotangent != "zero"
        self.failing += any(counts(f, self.known) for f in trial.findings)
        found: dict[Key, Finding] = {}
        for finding in trial.findings:  # a kink or a tie of a case has a finding each
            found.setdefault(
                (finding.code, finding.check, finding.input, finding.severity), finding
            )
            hopeless = finding.code in ("never-ends", "random-forward")
            self.hopeless |= hopeless and not is_known(finding, self.known)
        for key, finding in found.items():
            self._first.setdefault(key, (finding, drawn, trial))
        self._seen.update(found.keys())
        self.seen.add(trial)
        self.vacuity.add(trial)
        self.health.add(trial)
        for name, outcome in trial.outcomes.items():
            self._count(name, outcome, trial)

    def _count(self, name: str, outcome: Outcome, trial: Trial) -> None:
        counts = self.checks.setdefault(name, Counter())
        counts["comparisons"] += outcome.comparisons
        counts["inconclusive"] += outcome.inconclusive
        counts["conventions"] += len(outcome.conventions)
        counts["fails"] += sum(f.severity == "fail" and f.check == name for f in trial.findings)
        self.reasons.update(outcome.reasons)
        self.modes.update(outcome.modes)
        self.coarse.add(outcome)
        self.judged_inputs.update(outcome.judged)
        if not trial.recipe.beyond and name != nodes.NAME:  # which says nothing of an entry
            self.declared["made"] += outcome.comparisons
            self.declared["inconclusive"] += outcome.inconclusive
            self.excess = max(self.excess, outcome.excess)
        for input, entries in outcome.entries.items():
            self.compared_inputs[input] += entries
        for convention in outcome.conventions:
            place = (convention.input, *convention.normalised(), convention.where)
            self.conventions[place] += 1
        for worst in outcome.worst.values():
            if worst.wrong and not trial.failed:
                continue  # wrong where nobody declared it: not what a pass is worth
            order = _order(worst, trial)
            if order > self._worst_order:
                self.worst, self.worst_trial, self._worst_order = worst, trial, order

    def note_stop(self, done: int, planned: int, why: str) -> None:
        """Say that not all cases were run."""
        if done < planned:
            self.notes.append(f"{done} of {planned} cases were run: {why}")

    def representatives(self) -> list[tuple[Finding, Drawn, Trial]]:
        """The first of each kind of finding with its case, gravest first, what is waived last."""
        order = {"fail": 0, "not judged": 1, "warning": 2, "note": 3}
        folded = folder([f for f, _, _ in self._first.values()], self.known)
        kept = [
            (msgspec.structs.replace(f, cases=self._seen[k]), drawn, trial)
            for k, (f, drawn, trial) in self._first.items()
            if not folded(f)
        ]
        return sorted(kept, key=lambda k: (order[k[0].severity], is_known(k[0], self.known)))

    def result(self, findings: list[Finding], counters: Counters, seconds: float) -> OpResult:
        """The op's result."""
        if not any(counts(f, self.known) for f in findings):
            findings = [*findings, *self._hollow()]
        verdict, reason = self._verdict(findings)
        tolerance = self._tolerance()
        if tolerance is not None and tolerance.loose:
            findings = [*findings, warning(tolerance, self.cases)]
        return OpResult(
            op=self.op.id,
            target=self.op.target,
            kind=self.op.kind,
            verdict=verdict,
            reason=reason,
            source=self.op.source,
            checks={n: self._summary(n) for n in CHECKS if n in self.checks},
            worst=self.worst,
            findings=findings,
            coverage=dict(self.coverage),
            rejected=dict(self.refusals.counts),
            conventions=self._conventions(),
            tolerance=tolerance,
            health=self.health.nodes(),
            assumptions=[
                *self.op.assumptions,
                *self.notes,
                *self.coarse.said(),
                *self.refusals.never_met(self.coverage),
            ],
            dtypes=list(self.settings.dtypes),
            modes=dict(self.modes),
            cases=self.cases,
            cases_rejected=self.refusals.counts.total(),
            comparisons=sum(c["comparisons"] for c in self.checks.values()),
            inconclusive=sum(c["inconclusive"] for c in self.checks.values()),
            forward_calls=counters.forward_calls,
            forward_points=counters.forward_points,
            backward_calls=counters.backward_calls,
            seconds=seconds,
        )

    def _hollow(self) -> list[Finding]:
        """In which respects a pass says less than it seems to, or a right graph trains badly."""
        severity: Severity = "fail" if self.settings.strict else "warning"
        rejected = (self.refusals.counts.total(), self.cases)
        met = self.vacuity.findings(rejected, severity, self.op.unpaired)
        hollow = [*met, *self.health.findings(severity)]
        return [editions.demoted(f, self.settings.edition) for f in hollow]

    def _summary(self, name: str) -> CheckSummary:
        counts = self.checks[name]
        verdict: Verdict = "fail" if counts["fails"] else "pass"
        if verdict == "pass" and name in ("values", nodes.NAME):
            undecided = counts["inconclusive"] > INCONCLUSIVE_SHARE * counts["comparisons"]
            verdict = "inconclusive" if undecided or not counts["comparisons"] else "pass"
        return CheckSummary(
            verdict=verdict,
            comparisons=counts["comparisons"],
            inconclusive=counts["inconclusive"],
            conventions=counts["conventions"],
        )

    def _verdict(self, findings: list[Finding]) -> tuple[Verdict, str]:
        """Verdict and reason; of a fail that is waived, why the rest could not be judged."""
        if any(counts(f, self.known) for f in findings):
            return "fail", ""
        unjudged = [f.message for f in findings if f.severity == "not judged"]
        reason = unjudged[0] if unjudged else self._unjudged()
        if any(f.severity == "fail" for f in findings):
            return "fail", reason
        return ("inconclusive" if reason else "pass"), reason

    def _unjudged(self) -> str:
        """Why there is not enough evidence for a pass; empty where there is."""
        if self.unfinished:
            return self.unfinished
        values = self.checks.get("values")
        missing = any(code == "no-gradient" for code, *_ in self._first)
        if values is not None and not values["comparisons"] and missing:
            return "nothing was compared: backward returned no gradient for a real input"
        if not any(i.differentiable for i in self.op.inputs):
            return "no input is real: there is no gradient to check"
        wanted = min(JUDGED_CASES, (self.planned + 1) // 2)
        if self.judged < max(1, wanted if self.op.options.vary_sizes else 1):
            reasons = (self.refusals.counts + self.reasons).most_common(3)
            why = "; ".join(f"{k} ({n})" for k, n in reasons)
            return f"only {self.judged} of {self.cases} cases could be judged" + (
                f": {why}" if why else ""
            )
        seen = self.checks.get(nodes.NAME)
        if self.own_checks and not {"values", nodes.NAME} & {*(self.settings.checks or CHECKS)}:
            left = f"the op's own checks= leaves {', '.join(self.settings.checks or ())} alone"
            return f"{left}: no gradient was compared with a finite difference"
        if "values" not in self.checks:
            hollow = seen is not None and seen["comparisons"] <= seen["inconclusive"]
            return "no node of the graph could be judged" if hollow else ""
        made, undecided = self.declared["made"], self.declared["inconclusive"]
        if undecided > INCONCLUSIVE_SHARE * made:
            why = ", ".join(f"{k} ({n})" for k, n in self.reasons.most_common(3))
            return f"{undecided} of {made} comparisons are inconclusive: {why}"
        if reference := self._no_reference():
            return reference
        for input in self.op.inputs:
            if input.differentiable and not input.optional and not self.judged_inputs[input.name]:
                return f"no entry of {input.name}'s gradient could be judged"
            if self.compared_inputs[input.name] and not self.judged_inputs[input.name]:
                return f"no entry of {input.name}'s gradient could be judged"
        return ""

    def _tolerance(self) -> Tolerance | None:
        """How much of the op's own tolerance was used; None where it sets none."""
        own = self.op.options.signif
        if own is None or own != self.settings.signif or "values" not in self.checks:
            return None
        return audit(own, self.excess, self.settings.dtypes)

    def _no_reference(self) -> str:
        """The op has a reference, and no case could be compared with it."""
        counts = self.checks.get("reference")
        if counts is None or counts["comparisons"] > counts["inconclusive"]:
            return ""
        why = next((r for r in self.reasons if r.startswith("the reference ")), "")
        return f"no case could be compared with the reference: {why}"

    def _conventions(self) -> list[Convention]:
        grouped: dict[tuple[str, float, float, float], Counter[str]] = {}
        for (input, left, right, yours, where), count in self.conventions.items():
            grouped.setdefault((input, left, right, yours), Counter())[where] += count
        return [
            Convention(
                input=input,
                count=sum(places.values()),
                left=num(left),
                right=num(right),
                yours=num(yours),
                where=", ".join(sorted(places, key=float)) if len(places) <= FEW else "a tie",
            )
            for (input, left, right, yours), places in grouped.items()
        ]


def _order(worst: Worst, trial: Trial) -> tuple[bool, bool, float]:
    """Wrong before right, the wider precision before the narrower, then by relative error."""
    error = unnum(worst.relative_error)
    wide = trial.facts is not None and trial.facts.precision == "float64"
    return (worst.wrong > 0, wide, error if error == error else float("inf"))

"""What makes a pass hollow: comparisons were made, and could not have failed.

The rules, over all cases with a cotangent that is not zero:

* *unmoved*: no perturbation of an input ever moved the output. Its gradient, zero, is right; that
  backward uses it is not shown.
* *mostly-zero*: the gradient of an input is exactly zero in more than four of five cases.
* *mostly-rejected*: forward refused more than half of the cases.
* *unpaired-parameter*: a layer holds an array that looks like a parameter, and no gradient of it
  was found.

Each is a warning, and a fail under ``strict``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gradcheck.checks import values
from gradcheck.results import Finding, Severity
from gradcheck.trial import Trial

FEW = 5
"""Cases that say nothing of a share yet."""
MOST = 0.8
"""A maximum of two numbers routes past either in half of all cases; this share is another thing."""


@dataclass(slots=True)
class Vacuity:
    """Counts by input."""

    compared: Counter[str] = field(default_factory=Counter)
    unmoved: Counter[str] = field(default_factory=Counter)
    zero: Counter[str] = field(default_factory=Counter)

    def add(self, trial: Trial) -> None:
        """Count one case."""
        outcome = trial.outcomes.get(values.NAME)
        if outcome is None or trial.recipe.cotangent == "zero":
            return
        for name, still in outcome.still.items():
            self.compared[name] += 1
            self.unmoved[name] += still.forward
            self.zero[name] += still.backward

    def findings(
        self, rejected: tuple[int, int], severity: Severity, alone: Sequence[str] = ()
    ) -> Iterator[Finding]:
        """What is hollow.

        Parameters
        ----------
        rejected : (int, int)
            How many cases, and of how many.
        severity : str
            Of each finding.
        alone : sequence of str, optional
            A sentence for each group of parameters that no gradient pairs with.
        """
        for sentence in alone if self.compared else ():
            yield _finding("unpaired-parameter", "", sentence, severity, rejected[1])
        for name, count in self.compared.items():
            if count < FEW:
                continue
            if self.unmoved[name] == count:
                message = (
                    f"no perturbation of {name} moves the output in any of {count} cases: a zero "
                    "gradient was compared with zero. Is it used at all? A rounded or piecewise "
                    "constant function says so with a surrogate or nondiff"
                )
                yield _finding("unmoved", name, message, severity, count)
            elif self.zero[name] > MOST * count:
                message = (
                    f"the gradient of {name} is exactly zero in {self.zero[name]} of {count} "
                    "cases: the inputs hardly reach where it is not"
                )
                yield _finding("mostly-zero", name, message, severity, self.zero[name])
        refused, cases = rejected
        if cases >= FEW and 2 * refused > cases:
            message = (
                f"forward refused {refused} of {cases} cases: narrow the domain in a signature or "
                "with domain=, so that more of it is met"
            )
            yield _finding("mostly-rejected", "", message, severity, refused)


def _finding(code: str, name: str, message: str, severity: Severity, cases: int) -> Finding:
    return Finding(
        code=code, check=values.NAME, severity=severity, message=message, input=name, cases=cases
    )

"""Forward's values against another implementation of it, given as ``reference=``.

Finite differences verify the derivative of the forward that was computed: a wrong forward with a
matching backward passes them. An eager float64 implementation of the same function finds it, and
is how a fast kernel in low precision is really checked. (Its gradients: see `values`.)
"""

from __future__ import annotations

import numpy as np

from gradcheck import backward_noise
from gradcheck.arrays import Float, is_real
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.checks.standin import StandIn, of_reference
from gradcheck.compare import SMALL, Rules
from gradcheck.evaluation import UserCodeRaised
from gradcheck.floats import eps_of
from gradcheck.ladder import KAPPA
from gradcheck.results import Finding

NAME = "reference"
LOST = 8 * eps_of("float64")
"""What a reference of exactly 0 may have lost: terms of size 1 that cancelled in it."""
ROUNDINGS = 3
"""Neighbours of the inputs at which the reference is asked how much rounding them matters."""


def check(facts: Facts) -> Outcome:
    """Each output y of the gate against r, the reference's, at the inputs that the gate was given.

    Right iff |y - r| <= A + signif max(|r|, max|r| / 100) + 8 eps max|r|. A is rounding noise:
    six standard deviations from difference tables over neighbouring inputs (More and Wild 2011,
    see `backward_noise`), at least six half units in the last place of y, and six times what r
    moves where the inputs are rounded otherwise: no gate of its precision could tell these inputs
    apart (a loss of logits of a thousand, in float32). ``signif`` is the
    difference that is no failure anywhere: 1e-8, in float32 1e-5, in float16 5e-3, in bfloat16
    2e-2, or the op's own. Where r is exactly 0, terms of size 1 may have cancelled in the reference
    itself: log(1 + 1e-89) is 0, and log1p is not.
    """
    outcome = Outcome()
    made = of_reference(facts)
    if made.misshapen:
        outcome.find(NAME, "another-shape", made.misshapen, severity="not judged")
    elif made.refused:
        outcome.comparisons = outcome.inconclusive = 1
        outcome.reasons[made.refused] = 1
    else:
        _compare(outcome, facts, made)
    return outcome


def _moved(facts: Facts, made: StandIn) -> list[Float]:
    """How far each of the reference's outputs moves where inputs are off by one rounding.

    A jump says nothing of rounding: it is as large at half of the way.
    """
    random = np.random.default_rng(0)
    found: list[Float] = [np.zeros(o.shape) for o in made.outputs]
    for _ in range(ROUNDINGS):
        signs = [random.choice([-1.0, 1.0], p.shape) for p in made.primals]
        whole, half = (_gaps(facts, made, [share * s for s in signs]) for share in (1.0, 0.5))
        for place, (far, near) in enumerate(zip(whole, half, strict=True)):
            smooth = near <= 0.75 * far
            found[place] = np.fmax(found[place], np.where(smooth & np.isfinite(far), far, 0.0))
    return found


def _gaps(facts: Facts, made: StandIn, shares: list[Float]) -> list[Float]:
    """|r(x + roundings) - r(x)| by output; zeros where the reference refuses."""
    near = tuple(
        p * (1 + 0.5 * eps_of(own.dtype) * share) if is_real(p) else p
        for p, own, share in zip(made.primals, facts.case.primals, shares, strict=True)
    )
    try:
        outputs = made.evaluator.forward(near, facts.case.attributes)
    except UserCodeRaised:
        outputs = made.outputs
    if len(outputs) != len(made.outputs):
        outputs = made.outputs
    pairs = zip(outputs, made.outputs, strict=True)
    return [
        np.abs(a.astype(np.float64) - b) if a.shape == b.shape and is_real(b) else np.zeros(b.shape)
        for a, b in pairs
    ]


def _compare(outcome: Outcome, facts: Facts, made: StandIn) -> None:
    noise = backward_noise.of_forward(facts.evaluator, facts.case, facts.answer.outputs)
    moved = _moved(facts, made)
    signif = Rules.of(facts.precision, facts.settings.signif).signif
    several = len(made.outputs) > 1
    for place, (own, other) in enumerate(zip(facts.answer.outputs, made.outputs, strict=True)):
        y, r = own.astype(np.float64), other.astype(np.float64)
        outcome.comparisons += y.size
        if not y.size:
            continue
        bound = signif * np.maximum(np.abs(r), SMALL * float(np.abs(r).max()))
        bound += 8 * eps_of(own.dtype) * float(np.abs(r).max())  # terms of that size may cancel
        bound += noise[place] + KAPPA * moved[place] if is_real(own) else 0.5
        bound = np.where(r == 0, np.maximum(bound, LOST), bound)
        over = np.abs(y - r) / np.where(bound > 0, bound, 1e-300)
        if not (over > 1).any():
            continue
        entry = tuple(int(i) for i in np.unravel_index(int(over.argmax()), y.shape))
        name = f"output {place + 1}" if several else "the output"
        outcome.findings.append(
            Finding(
                code="wrong-forward",
                check=NAME,
                severity="fail",
                entry=entry,
                message=(
                    f"forward gives {y[entry]:.6g} at entry {entry} of {name}, the reference "
                    f"{r[entry]:.6g} (rounding explains {bound[entry]:.1g}); "
                    f"{int((over > 1).sum())} of {y.size} entries differ"
                ),
            )
        )

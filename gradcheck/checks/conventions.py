"""The choices that backward makes at kinks and ties: noted, and held against pinned ones."""

from __future__ import annotations

from gradcheck import moves
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.compare import Status
from gradcheck.judged import Judged
from gradcheck.records import num
from gradcheck.results import Convention


def note(outcome: Outcome, facts: Facts, k: int, judged: Judged) -> None:
    """Note the choices made at kinks; one that is not the pinned one is a fail."""
    input = facts.op.inputs[k]
    pinned = facts.op.options.conventions.get(input.name)
    for i in judged.where(Status.CONVENTION):
        convention = _convention(facts, k, judged, i)
        outcome.conventions.append(convention)
        if pinned is None:
            continue
        tied = moves.is_tied(facts.case.primals, judged.moves[i])
        allowed = pinned.places.get(float(convention.where), pinned.ties if tied else ())
        left, right, yours = convention.normalised()
        shares = _shares(left, right, yours) if tied else (yours,)
        if allowed and not any(abs(share - a) <= 1e-3 for share in shares for a in allowed):
            demanded = " or ".join(f"{a:g}" for a in allowed)
            message = (
                f"at {input.name} = {convention.where} backward takes {yours:g} of the larger "
                f"one-sided slope; conventions= demands {demanded} (any from {left:g} to {right:g} "
                "would be a gradient)"
            )
            outcome.find_in("values", "convention", input, message)


def _shares(left: float, right: float, yours: float) -> tuple[float, ...]:
    """What share of the larger slope backward takes at a tie, as it may be read.

    An entry that is stretched over several outputs is tied in some, and moves others: then neither
    slope is 0, and the share is that of the jump between them, from one end or the other.
    """
    jump = right - left
    if min(abs(left), abs(right)) <= 1e-3:
        return (yours,)
    place = (yours - left) / jump if jump > 0 else 0.0
    return yours, place, 1 - place


def _convention(facts: Facts, k: int, judged: Judged, i: int) -> Convention:
    flat = int(judged.moves[i].parts[0][1][0])
    return Convention(
        input=facts.op.inputs[k].name,
        count=1,
        left=num(judged.low[i]),
        right=num(judged.high[i]),
        yours=num(judged.analytic[i]),
        where=f"{float(facts.case.primals[k].reshape(-1)[flat]):g}",
    )

"""What the check of values says: findings with their numbers, in words."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.arrays import Float, relative_error, unravel
from gradcheck.checks.facts import Facts
from gradcheck.compare import Comparison
from gradcheck.judged import Judged, One
from gradcheck.point import Move
from gradcheck.records import num
from gradcheck.results import Finding, Worst

NAME = "values"


def lost_tail(facts: Facts, k: int, judged: Judged, places: list[int]) -> Finding:
    i = places[0]
    name = facts.op.inputs[k].name
    entry = unravel(int(judged.moves[i].parts[0][1][0]), facts.case.primals[k].shape)
    return Finding(
        code="lost-tail",
        check=NAME,
        severity="note",
        input=name,
        entry=entry,
        message=(
            f"gradient of {name}, entry {entry}: backward gives exactly 0 in a far tail, finite "
            f"difference {judged.value[i]:.3g}; it is lost beside the other entries "
            '(tails="exact" makes that a fail)'
        ),
    )


def found_by(judged: Judged, failed: Sequence[int]) -> str:
    """Which entries the failing random directions were narrowed to."""
    sizes = [len(judged.moves[i].parts[0][1]) for i in failed]
    single, spread = sizes.count(1), sum(n for n in sizes if n > 1)
    ending = "y" if single == 1 else "ies"
    found = f"; random directions were narrowed to {single} wrong entr{ending}"
    return found + (f", and more are wrong among {spread} others" if spread else "")


def wrong(worst: Worst, found_by: str) -> Finding:
    return Finding(
        code="wrong-gradient",
        check=NAME,
        severity="fail",
        input=worst.input,
        entry=worst.entry,
        numbers=worst,
        message=(
            f"gradient of {worst.input}, entry {worst.entry}: backward gives "
            f"{float(worst.backward):.6g}, finite difference {float(worst.finite_difference):.6g} "
            f"± {float(worst.bound):.1g}{found_by}"
        ),
    )


def slightly_off(facts: Facts, worst: Worst, errors: Float) -> Finding:
    """Provable, and too small to matter: a warning with its size."""
    where = f"on {len(errors)} of {worst.entries} entries" if worst.entries else "along a direction"
    return Finding(
        code="slightly-off",
        check=NAME,
        severity="fail" if facts.settings.strict else "warning",
        input=worst.input,
        entry=worst.entry,
        numbers=worst,
        message=(
            f"gradient of {worst.input} is off by {errors.max():.1g} of its size {where}, beyond "
            "all rounding: an epsilon that forward has and backward has not, or a constant with "
            "too few digits? (--signif 0 fails it)"
        ),
    )


def tie_finding(facts: Facts, move: Move, made: Comparison) -> Finding:
    inputs = facts.op.inputs
    k, entries, _ = move.parts[0]
    names = " + ".join(dict.fromkeys(inputs[p].name for p, _, _ in move.parts))
    count = sum(len(e) for _, e, _ in move.parts)
    estimate = made.estimate
    error = relative_error(made.analytic, estimate.value)
    entry = unravel(int(entries[0]), facts.case.primals[k].shape)
    return Finding(
        code="wrong-at-tie",
        check=NAME,
        severity="fail",
        input=inputs[k].name,
        entry=entry,
        message=(
            f"{count} tied entries of {names}: moved together the function has slope "
            f"{estimate.value:.6g}, but their gradients add up to {made.analytic:.6g}; at a tie "
            "the gradient may be split in any way, but nothing may be lost or counted twice"
        ),
        numbers=Worst(
            input=names,
            entry=entry,
            backward=num(made.analytic),
            finite_difference=num(estimate.value),
            bound=num(estimate.bound + made.noise),
            relative_error=num(error),
            limit=num(made.limit),
            steps=(2 * estimate.step, estimate.step),
            truncation=num(estimate.truncation),
            roundoff=num(estimate.roundoff),
        ),
    )


def worst(place: tuple[str, tuple[int, ...]], one: One, counts: tuple[int, int]) -> Worst:
    """One comparison as a record. ``counts``: wrong entries of the input, and compared ones."""
    return Worst(
        input=place[0],
        entry=place[1],
        backward=num(one.analytic),
        finite_difference=num(one.value),
        bound=num(one.bound + one.noise),
        relative_error=num(one.relative_error),
        limit=num(one.limit),
        steps=one.steps,
        truncation=num(one.truncation),
        roundoff=num(one.roundoff),
        wrong=counts[0],
        entries=counts[1],
    )

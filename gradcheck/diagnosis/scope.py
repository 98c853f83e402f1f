"""In which cases the gradient is wrong: one attribute value, one dtype, special values, sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.diagnosis.evidence import Diagnosis, Evidence, Tried

ENOUGH_RIGHT = 3
"""Right cases that must stand against the wrong ones."""


@dataclass(frozen=True, slots=True)
class Split:
    """One property that tells wrong cases from right ones."""

    kind: str
    text: str
    clean: bool
    """No right case shares the wrong ones' value."""


def only_for(evidence: Evidence, *, strictly: bool) -> Diagnosis | None:
    """The one property that separates failing from passing cases, if exactly one does.

    ``strictly``: no right case may share the wrong ones' value.
    """
    wrong = [t for t in evidence.tried if t.wrong]
    right = [t for t in evidence.tried if not t.wrong]
    if not wrong or len(right) < ENOUGH_RIGHT:
        return None
    splits = list(_splits(wrong, right))
    for rank in ("attribute", "dtype", "values", "sizes"):
        for clean in (True,) if strictly else (True, False):
            found = [s for s in splits if s.kind == rank and s.clean == clean]
            rivals = [s for s in splits if s.kind != rank and s.clean and not clean]
            if len(found) == 1 and not rivals:
                return Diagnosis(rank, found[0].text)
    return None


def _splits(wrong: list[Tried], right: list[Tried]) -> Iterator[Split]:
    columns: set[tuple[str, ...]] = set()
    for key in wrong[0].facts:
        column = (key.partition(":")[0], *(t.facts.get(key, "") for t in (*wrong, *right)))
        if column in columns:
            continue  # tied sizes are one property
        columns.add(column)
        bad = list(dict.fromkeys(t.facts.get(key, "") for t in wrong))
        shared = [t for t in right if t.facts.get(key, "") in bad]
        others = len(right) - len(shared)
        if others < (2 * ENOUGH_RIGHT if shared else ENOUGH_RIGHT) or 2 * len(shared) > len(wrong):
            continue
        kind, _, what = key.partition(":")
        if kind == "sizes" and "1" not in bad:
            continue  # most mistakes vanish where there is one of everything
        good = [v for v in dict.fromkeys(t.facts.get(key, "") for t in right) if v not in bad]
        total = len(wrong) + len(shared)
        evidence = f"fails in {len(wrong)} of {total} such cases, passes in {others} of {others}"
        yield Split(kind, f"only {_where(what, bad, good)}: {evidence} others", not shared)


def _where(what: str, bad: list[str], good: list[str]) -> str:
    """Of which cases it is true. The value of what a case does not have, a second axis, is ""."""
    if what == "":
        return f"for {bad[0]}"
    size, _, input = what.partition(" of ")[2].partition(" of ")
    if good == [""]:
        return f"where {input} has an {size}" if input else f"where {what} is given"
    if len(bad) > 1 and len(good) == 1 and "" not in bad:
        return f"for {what} other than {good[0]}"
    places = [f"for {what}={v}" if v else _missing(what, size, input) for v in bad]
    return " or ".join(places).replace(" or for ", " or ")


def _missing(what: str, size: str, input: str) -> str:
    return f"where {input} has no {size}" if input else f"where {what} is not given"

"""How much of a case's gradients is looked at: every entry, blocks of them, or random directions.

Chosen by the budget of forward evaluations, the sharpest that it pays for; the report says where it
was not every entry, and what may hide there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec
import numpy as np

from gradcheck import compressed, moves
from gradcheck.arrays import Array
from gradcheck.checks.facts import Facts, Outcome
from gradcheck.compare import Status
from gradcheck.graphs.composed import Composed
from gradcheck.judged import Judged
from gradcheck.judging import Judge
from gradcheck.moves import LEVELS, Speeds
from gradcheck.point import Entries, Move

DENSE = 32
"""Entries of an input from which on blocks stand for entries that all outputs follow."""
BLOCKS = 64
"""So many blocks an input is cut into, each one direction and three evaluations ..."""
SMALLEST, LARGEST = 16, 64
"""... but into none of fewer entries than this, or of more."""
CLIMBING = 64
"""Entries that may always go up the ladder one by one."""
DIRECTIONS = 8
"""Random directions per input beyond the budget, at most."""
LADDER = 40
"""Evaluations of one derivative on the ladder."""
QUICK = 3
"""Evaluations of one derivative on the quick path."""
LARGE = 128
"""Entries of a graph's inputs from which on the entries of its nodes are looked at instead."""
NODES = 64
"""Nodes up to which all are."""
SWEPT = 2**14
"""Outputs of one evaluation of the budget: one that has more of them counts as several."""


def by_nodes(facts: Facts) -> bool:
    """A large graph: every entry at each node, and the whole along one direction.

    Where each node's gradients are right at the values and the upstream that it meets, and their
    sums agree with the whole along a random direction, the graph's own entries are right: what
    links them is not written by hand.
    """
    if not isinstance(facts.op.detail, Composed) or facts.op.options.differentiates is not None:
        return False
    entries = sum(facts.case.primals[k].size for k in facts.compared)
    if entries < LARGE or facts.settings.budget < QUICK * LARGE:
        return False
    passed = facts.passed()
    if passed is None or len(passed[1].downstream) > NODES:
        return False
    return all(s.op.options.differentiates is None for s in passed[0].steps)


class Way(Enum):
    """What one derivative of an input is taken along."""

    ENTRIES = "entries"
    BLOCKS = "blocks"
    DIRECTIONS = "directions"
    JOINT = "joint"
    """One direction over all inputs at once."""


class Effort(msgspec.Struct, frozen=True):
    """The way of each input."""

    ways: dict[int, Way]
    directions: int = DIRECTIONS
    """Per input, where the way is directions."""
    budget: int = 0


def chosen(judge: Judge, along: Mapping[int, Sequence[Move]], budget: int) -> Effort:
    """The sharpest way that costs no more than the budget.

    Finds the structure of each input on the way, and leaves it with the judge.

    Parameters
    ----------
    judge : Judge
    along : mapping
        By input, the moves of a full check.
    budget : int
        Evaluations of forward for one case, of `SWEPT` outputs or fewer.
    """
    ways: dict[int, Way] = {}
    cost = 0
    budget = int(budget / max(1.0, judge.point.here.size / SWEPT))
    for k, wanted in along.items():
        if cost > budget:
            break
        entries, count, found = isinstance(wanted, Entries), len(wanted), None
        if entries and 2 * compressed.probes(judge.point.primals[k].shape) <= budget - cost:
            found = compressed.find(judge.point, k)
        dense = entries and found is None and count >= DENSE
        ways[k] = Way.BLOCKS if dense else Way.ENTRIES
        if found is not None:
            judge.structures[k], count = found, found.groups
        cost += QUICK * (_blocks(count) if dense else count)
    if cost <= budget:
        return Effort(ways, budget=budget)
    judge.structures.clear()
    each = budget // (QUICK * len(along))
    if each < 1 or each == len(along) == 1:
        return Effort(dict.fromkeys(along, Way.JOINT))
    return Effort(dict.fromkeys(along, Way.DIRECTIONS), min(each, DIRECTIONS))


class Found(msgspec.Struct, frozen=True):
    """What was found of one input."""

    judged: Judged
    way: Way
    grouped: bool = False
    """Entries were moved in groups."""
    settled: int = 0
    """How many entries were settled by themselves, where the rest was too much."""


def look(judge: Judge, one: tuple[int, Sequence[Move]], effort: Effort, speeds: Speeds) -> Found:
    """Judge the gradient of one input.

    Parameters
    ----------
    judge : Judge
    one : (int, sequence of Move)
        The input, and the moves of a full check of it.
    effort : Effort
    speeds : Speeds
        For what is not looked at entry by entry.
    """
    k, along = one
    way, size = effort.ways[k], judge.point.primals[k].size
    if way is Way.BLOCKS:
        made = _in_blocks(judge, k, effort, speeds)
        if made is not None:
            return Found(made, way)
        way = Way.ENTRIES if QUICK * size <= effort.budget else Way.DIRECTIONS
    if way is Way.DIRECTIONS:
        parts = moves.blocks(k, size, effort.directions, speeds)
        return Found(judge.projected(parts, speeds), way)
    if isinstance(along, Entries) and len(along) == 1:
        return Found(judge.alone(along), Way.ENTRIES)
    screened = judge.screen(along)
    grouped = k in judge.structures
    most = max(CLIMBING, effort.budget // LADDER)
    if screened.climbing <= most or not isinstance(along, Entries):
        return Found(judge.finish(screened), Way.ENTRIES, grouped)
    settled = screened.passed()
    rest = _along_few(judge, k, np.array(screened.open), speeds)
    judged = Judged.joined([settled, rest])
    return Found(judged, Way.DIRECTIONS, grouped, len(settled.moves))


def _along_few(judge: Judge, k: int, entries: Array, speeds: Speeds) -> Judged:
    """Entries that are too many to climb one by one, along a few directions over all of them."""
    parts = np.array_split(entries, min(DIRECTIONS, len(entries)))
    return judge.projected(moves.of(k, parts, speeds), speeds)


def _blocks(size: int) -> int:
    """Into how many blocks so many entries are cut."""
    return max(-(-size // LARGEST), min(BLOCKS, -(-size // SMALLEST)))


def _in_blocks(judge: Judge, k: int, effort: Effort, speeds: Speeds) -> Judged | None:
    """Block by block, and entry by entry where one does not pass at once.

    Where the budget does not pay for that, what is left is looked at along directions. None where
    there is so much of it, or an entry so wrong, that all entries are to be seen.
    """
    size = judge.point.primals[k].size
    blocks = moves.in_turn(k, size, -(-size // _blocks(size)), speeds)
    screened = judge.screen(blocks)
    open_ = screened.open
    if 2 * len(open_) > len(blocks):
        return None
    passed = screened.passed()
    if not open_:
        return passed
    entries = np.unique(blocks.flat[open_])
    if (QUICK + LADDER) * len(entries) > effort.budget:
        return Judged.joined([passed, _along_few(judge, k, entries, speeds)])
    judged = judge.compare(Entries(k, entries))
    if judged.where(Status.FAIL) and QUICK * size <= effort.budget:
        return None
    return Judged.joined([passed, judged])


class Coarse:
    """What was not looked at entry by entry, over the cases of an op."""

    def __init__(self) -> None:
        self._cases: Counter[str] = Counter()
        self._shows: dict[str, float] = {}
        self._graphs = 0

    def add(self, outcome: Outcome) -> None:
        """One case."""
        self._graphs += outcome.by_nodes
        if outcome.by_nodes:
            return
        for name, error in outcome.coarse.items():
            self._cases[name] += 1
            self._shows[name] = max(error, self._shows.get(name, 0.0))

    def said(self) -> list[str]:
        """A sentence for each input."""
        graphs = [
            f"in {self._graphs} large case{'s' * (self._graphs != 1)} every entry was looked at in "
            "each node, and the graph as a whole along a random direction"
        ]
        return graphs * (self._graphs > 0) + [
            f"{name}: in {count} case{'s' * (count != 1)} along random directions, of blocks of "
            f"entries or of all: an error in one entry shows from {self._shows[name]:.1g} of the "
            f"largest entry on, several cancel by accident in one of {2 * LEVELS} cases or fewer"
            for name, count in self._cases.items()
        ]

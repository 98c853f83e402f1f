"""Where the boxes of a graph go: in layers from left to right, with few crossings.

Longest-path layers, one dummy box per layer that a wire only passes through, and barycentre sweeps
for the order and then the heights (Sugiyama, Tagawa and Toda, IEEE Trans. SMC 1981).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import fmean

SWEEPS = 24


@dataclass(frozen=True, slots=True)
class Box:
    """A box with its ports: how far below its top each wire enters (left) and leaves (right)."""

    width: float
    height: float
    ins: tuple[float, ...] = ()
    outs: tuple[float, ...] = ()
    loose: bool = False
    """May stand in any layer before the boxes that it leads to."""


@dataclass(frozen=True, slots=True)
class Wire:
    """From an output of a box to an input of a later one."""

    tail: int
    out: int
    head: int
    into: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes, then dummies, in layers. Wires that leave one output share their dummies."""

    boxes: list[Box]
    layers: list[list[int]]
    top: list[float]
    hops: list[Wire]
    """Wires cut at their dummies: each leads from one layer to the next."""
    routes: list[list[int]]
    """By wire, its hops."""

    def begins(self, hop: Wire) -> float:
        """The height at which a hop leaves its tail."""
        return self.top[hop.tail] + self.boxes[hop.tail].outs[hop.out]

    def ends(self, hop: Wire) -> float:
        """The height at which a hop enters its head."""
        return self.top[hop.head] + self.boxes[hop.head].ins[hop.into]


def arrange(boxes: Sequence[Box], wires: Sequence[Wire], *, gap: float, dummy: Box) -> Layout:
    """Place boxes that are given in topological order.

    Parameters
    ----------
    boxes : sequence of Box
    wires : sequence of Wire
        Each from a box to a later one.
    gap : float
        The least distance between two boxes of a layer.
    dummy : Box
        What a layer keeps free for a wire that passes through it.
    """
    layer = _layers(boxes, wires)
    every, hops, routes = list(boxes), list[Wire](), list[list[int]]()
    known: dict[Wire, int] = {}
    for wire in wires:
        at, route = (wire.tail, wire.out), list[int]()
        for step in range(layer[wire.tail] + 1, layer[wire.head] + 1):
            last = step == layer[wire.head]
            begun = Wire(*at, wire.head, wire.into) if last else Wire(*at, -1, step)
            if begun not in known:
                known[begun] = len(hops)
                hops.append(begun if last else Wire(*at, len(every), 0))
                if not last:
                    every.append(dummy)
                    layer.append(step)
            route.append(known[begun])
            at = (hops[known[begun]].head, 0)
        routes.append(route)
    layers = [
        [b for b in range(len(every)) if layer[b] == k] for k in range(max(layer, default=0) + 1)
    ]
    made = Layout(every, layers, [0.0] * len(every), hops, routes)
    _sweep(made, gap)
    return made


def _layers(boxes: Sequence[Box], wires: Sequence[Wire]) -> list[int]:
    """The longest way from the left; a loose box goes as far right as it may."""
    layer = [0] * len(boxes)
    for wire in sorted(wires, key=lambda w: w.head):
        layer[wire.head] = max(layer[wire.head], layer[wire.tail] + 1)
    for number, box in enumerate(boxes):
        if box.loose:
            heads = [layer[w.head] for w in wires if w.tail == number]
            layer[number] = min(heads, default=1) - 1
    return layer


def _sweep(made: Layout, gap: float) -> None:
    """Order each layer by where its wires come from or lead to, and move its boxes there."""
    before: list[list[Wire]] = [[] for _ in made.boxes]
    after: list[list[Wire]] = [[] for _ in made.boxes]
    for hop in made.hops:
        before[hop.head].append(hop)
        after[hop.tail].append(hop)
    for layer in made.layers:
        _stack(made, layer, [0.0] * len(layer), gap)
    best = (crossings(made), [list(layer) for layer in made.layers])
    for sweep in range(2 * SWEEPS):
        settled = sweep >= SWEEPS  # the order stays, the heights still move
        if sweep == SWEEPS:
            made.layers[:] = best[1]
        rightwards = sweep % 2 == 0
        for layer in made.layers if rightwards else reversed(made.layers):
            wanted = {}
            for b in layer:
                left = [made.begins(h) - made.ends(h) for h in before[b]]
                right = [made.ends(h) - made.begins(h) for h in after[b]]
                shifts = left + right if settled else left if rightwards else right
                wanted[b] = made.top[b] + (fmean(shifts) if shifts else 0.0)
            if not settled:
                layer.sort(key=lambda b: wanted[b] + made.boxes[b].height / 2)
            _stack(made, layer, [wanted[b] for b in layer], gap)
        if not settled:
            best = min(best, (crossings(made), [list(v) for v in made.layers]), key=itemgetter(0))
    for layer in made.layers:
        _straighten(made, layer, before, gap)
    highest = min(made.top, default=0.0)
    made.top[:] = [t - highest for t in made.top]


def crossings(made: Layout) -> int:
    """How often two wires cross."""
    place = {b: k for k, layer in enumerate(made.layers) for b in layer}
    pairs: dict[int, list[tuple[float, float]]] = {}
    for hop in made.hops:
        pairs.setdefault(place[hop.tail], []).append((made.begins(hop), made.ends(hop)))
    count = 0
    for channel in pairs.values():
        ends = list[float]()
        for _, end in sorted(channel):
            count += len(ends) - bisect_right(ends, end)
            insort(ends, end)
    return count


def _straighten(
    made: Layout, layer: Sequence[int], before: Sequence[Sequence[Wire]], gap: float
) -> None:
    """Wires that only pass through, and boxes with one wire in, go level where there is room."""
    for k, b in enumerate(layer):
        if len(before[b]) != 1:
            continue
        room = [float("-inf"), float("inf")]
        if k > 0:
            room[0] = made.top[layer[k - 1]] + made.boxes[layer[k - 1]].height + gap
        if k + 1 < len(layer):
            room[1] = made.top[layer[k + 1]] - made.boxes[b].height - gap
        wanted = made.top[b] + made.begins(before[b][0]) - made.ends(before[b][0])
        made.top[b] = max(room[0], min(room[1], wanted))


def _stack(made: Layout, layer: Sequence[int], wanted: Iterable[float], gap: float) -> None:
    """Nearest to the wanted heights without overlap: pools of adjacent violators."""
    below, pools = 0.0, list[tuple[float, int]]()
    offsets = []
    for b, want in zip(layer, wanted, strict=True):
        offsets.append(below)
        mean, count = want - below, 1
        while pools and pools[-1][0] >= mean:
            other, others = pools.pop()
            mean = (mean * count + other * others) / (count + others)
            count += others
        pools.append((mean, count))
        below += made.boxes[b].height + gap
    placed = [mean for mean, count in pools for _ in range(count)]
    for b, mean, offset in zip(layer, placed, offsets, strict=True):
        made.top[b] = mean + offset

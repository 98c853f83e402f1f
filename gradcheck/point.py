"""A case as finite differences see it: a point, ways to move from it, outputs where one ends up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import msgspec
import numpy as np

from gradcheck.arrays import Array, Float, copy_tuple, ends, flatten, is_double
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.floats import FORMATS, dtype_of
from gradcheck.model import Outputs


class Move(msgspec.Struct, frozen=True):
    """A direction in the space of all inputs: which entries move, and how fast."""

    parts: tuple[tuple[int, Array, Array], ...]
    """(input, flat entries, speeds) for each input that moves."""
    single: tuple[int, int] | None = None
    """(input, flat entry) where one entry moves alone at speed 1, as nearly always."""
    whole: bool = False
    """All entries of the inputs move, in their order."""

    @staticmethod
    def entry(input: int, flat: int) -> Move:
        return Move(((input, np.array([flat]), np.ones(1)),), (input, flat))

    def slope(self, gradients: Sequence[Float | None]) -> float:
        """The derivative along this move that the gradients claim."""
        total = 0.0
        for k, entries, speeds in self.parts:
            gradient = gradients[k]
            assert gradient is not None
            flat = gradient.reshape(-1)
            total += float(np.dot(flat if self.whole else flat[entries], speeds))
        return total


class Entries(Sequence[Move]):
    """Single entries of one input, each a move of its own: some, or the first so many."""

    def __init__(self, input: int, flat: Array | int) -> None:
        self.input, self._flat = input, flat

    @property
    def flat(self) -> Array:
        """(n,) flat places."""
        return np.arange(self._flat) if isinstance(self._flat, int) else self._flat

    def __len__(self) -> int:
        return self._flat if isinstance(self._flat, int) else len(self._flat)

    def some(self, places: Array | slice) -> Entries:
        """Those at some places, in this order."""
        return Entries(self.input, self.flat[places])

    @overload
    def __getitem__(self, place: int) -> Move: ...
    @overload
    def __getitem__(self, place: slice) -> Entries: ...
    def __getitem__(self, place: int | slice) -> Move | Entries:
        if isinstance(place, slice):
            return self.some(place)
        if isinstance(self._flat, int) and 0 <= place < self._flat:
            return Move.entry(self.input, place)
        return Move.entry(self.input, int(self.flat[place]))


@dataclass(frozen=True, slots=True)
class Rows(Sequence[Move]):
    """n moves of one input, of s entries each."""

    k: int
    flat: Array
    """(n, s)"""
    speeds: Float
    """(n, s)"""

    @staticmethod
    def of(moves: Sequence[Move]) -> Rows | None:
        """The moves as rows; None where they are of several inputs, or sizes, or of everything."""
        if isinstance(moves, Rows):
            return moves
        if isinstance(moves, Entries):
            return Rows(moves.input, moves.flat[:, None], np.ones((len(moves), 1)))
        if any(m.whole for m in moves):
            return None
        kinds = {tuple((k, len(entries)) for k, entries, _ in m.parts) for m in moves}
        if len(kinds) != 1 or len(moves[0].parts) != 1:
            return None
        flat = np.stack([m.parts[0][1] for m in moves])
        return Rows(moves[0].parts[0][0], flat, np.stack([m.parts[0][2] for m in moves]))

    def __len__(self) -> int:
        return len(self.flat)

    def some(self, places: Array | slice) -> Rows:
        """Those at some places, in this order."""
        return Rows(self.k, self.flat[places], self.speeds[places])

    @overload
    def __getitem__(self, place: int) -> Move: ...
    @overload
    def __getitem__(self, place: slice) -> Rows: ...
    def __getitem__(self, place: int | slice) -> Move | Rows:
        if isinstance(place, slice):
            return self.some(place)
        return Move(((self.k, self.flat[place], self.speeds[place]),))


def some(moves: Sequence[Move], places: Array) -> Sequence[Move]:
    """Those moves of several at some places, in this order."""
    if isinstance(moves, (Entries, Rows)):
        return moves.some(places)
    return [moves[int(i)] for i in places]


@dataclass(slots=True)
class Point:
    """One case with its outputs and one cotangent: where derivatives are taken."""

    evaluator: Evaluator
    primals: tuple[Array, ...]
    attributes: dict[str, object]
    here: Float
    """(m,) real outputs at the primals, flattened."""
    cotangent: Float
    """(m,) float64."""
    precision: str
    """The precision forward really computes in, one of `FORMATS`."""
    exponent: int | None = None
    """Overrides `QUICK_EXPONENT` (the ``--step`` option)."""
    in_place: bool = False
    """Forward writes into its inputs: every evaluation gets its own copies."""
    lent: tuple[tuple[Array, ...], tuple[Array, ...]] | None = None
    """The primals, and copies of these very primals that may be perturbed; None: make copies."""
    stacks: set[tuple[int, str]] = field(init=False, default_factory=set)
    """Inputs that forward was seen to take stacked, and how (`batching`)."""
    eps: float = field(init=False)
    """Spacing of the precision at 1."""
    tiny: float = field(init=False)
    """The smallest normal number of the precision."""
    work: tuple[Array, ...] = field(init=False)
    """The arrays that are perturbed in place and handed to forward."""
    _forward: Callable[[tuple[Array, ...]], Outputs] = field(init=False)
    """Forward at these very arrays."""
    _flat: tuple[Any, ...] = field(init=False)
    """Each working array as something that a flat position indexes."""
    _primals: tuple[Array, ...] = field(init=False)
    """The primals, flattened."""
    _double: tuple[bool, ...] = field(init=False)
    """Which inputs are perturbed in place without rounding."""

    def __post_init__(self) -> None:
        own = FORMATS[self.precision]
        self.eps, self.tiny = own.eps, own.tiny
        lent = self.lent is not None and self.lent[0] is self.primals
        self._forward = self.evaluator.caller(self.attributes)
        own_copies = self.lent[1] if lent and self.lent else copy_tuple(self.primals)
        plain = [w.flags.c_contiguous for w in own_copies]
        pairs = list(zip(own_copies, plain, strict=True))
        # forward may make what it is given read-only: of the others it gets a view
        self.work = tuple([w if c else w.view() for w, c in pairs])
        double = self.precision == "float64"
        self._flat = tuple([w.reshape(-1) if c else w.flat for w, c in pairs])
        self._primals = tuple([p.reshape(-1) for p in self.primals])
        self._double = tuple([double and c and is_double(w) for w, c in pairs])

    def displaced(self, move: Move, step: float) -> Float:
        """Outputs at primals + step * move; NaN where forward refuses or changes shape."""
        if move.whole:
            try:
                return self.far_along(move, step)
            finally:
                self.put_back(move)
        parts = [(self._flat[k], entries, speeds) for k, entries, speeds in move.parts]
        olds = [target[entries] for target, entries, _ in parts]
        for (target, entries, speeds), old in zip(parts, olds, strict=True):
            target[entries] = self.rounded(speeds * np.float64(step) + old)
        try:
            return self._outputs()
        finally:
            for (target, entries, _), old in zip(parts, olds, strict=True):
                target[entries] = old

    def far_along(self, move: Move, step: float) -> Float:
        """`displaced` where all entries of some inputs move, which stay there (`put_back`)."""
        for k, _, speeds in move.parts:
            self._shift(k, speeds, step)
        return self._outputs()

    def put_back(self, move: Move) -> None:
        """The inputs that a whole move has moved are at the primals again."""
        for k, _, _ in move.parts:
            self._flat[k][:] = self._primals[k]

    def _shift(self, k: int, speeds: Array, step: float) -> None:
        """Put input ``k`` at its primal + step * speeds."""
        target, primal = self._flat[k], self._primals[k]
        if self._double[k]:
            np.multiply(speeds, np.float64(step), out=target)
            target += primal
        else:
            target[:] = self.rounded(speeds * np.float64(step) + primal)

    def size_of(self, move: Move) -> float:
        """The largest |x| among the entries that move."""
        largest = 0.0
        for k, entries, _ in move.parts:
            moved = self._primals[k] if move.whole else self._primals[k][entries]
            if moved.size:
                low, high = ends(moved)
                largest = max(largest, high, -low)
        return largest

    def with_entries(self, k: int, flat: Array | slice, values: Float) -> Float:
        """Outputs with some entries of input ``k`` replaced."""
        target = self._flat[k]
        old = np.array(target[flat])
        target[flat] = values
        try:
            return self._outputs()
        finally:
            target[flat] = old

    def fill(self, found: Float, k: int, flat: Array | None, values: Float) -> None:
        """Put into each row the outputs with some entries of input ``k`` replaced: (n, m).

        ``flat`` and ``values`` are (n, s); None: all entries, in their order.
        """
        target = self._flat[k]
        try:
            if flat is None:
                for row, new in enumerate(values):
                    target[:] = new
                    found[row] = self._computed()[0]
                target[:] = self._primals[k]
                return
            olds = self._primals[k][flat]
            for row, (entries, new, old) in enumerate(zip(flat, values, olds, strict=True)):
                target[entries] = new
                found[row] = self._computed()[0]
                target[entries] = old
        except BaseException:  # a limit, or an interrupt
            target[:] = self._primals[k]
            raise

    def _outputs(self) -> Float:
        outputs, made = self._computed()
        if made is None:
            return np.full(self.here.shape, np.nan)
        own: Float = outputs if _fresh(made) else outputs.copy()
        return own

    def _computed(self) -> tuple[Any, tuple[Array, ...] | None]:
        """Outputs at the working arrays, and the arrays they are of; NaN where they are none."""
        try:
            given = copy_tuple(self.work) if self.in_place else self.work
            made = self._forward(given)
        except UserCodeRaised:
            return np.nan, None
        outputs = flatten(made)
        return (outputs, made) if outputs.shape == self.here.shape else (np.nan, None)

    def rounded(self, values: Float) -> Float:
        """What the values become in the precision that forward computes in."""
        if self.precision == "float64":
            return values
        return values.astype(dtype_of(self.precision)).astype(np.float64)

    def entries(self, k: int, flat: Array) -> Float:
        """Values of some entries of input ``k``, as float64."""
        return np.asarray(self._primals[k][flat], dtype=np.float64)


def _holders(made: tuple[Array, ...]) -> int:
    return sys.getrefcount(made[0])


def _own() -> int:
    """Holders of an array that we alone hold, in a tuple, with a flat view of it."""
    made = (np.empty((1, 1)),)
    flat = flatten(made)
    return _holders(made) + 0 * flat.size


_OURS = _own()


def _fresh(made: tuple[Array, ...]) -> bool:
    """An array that forward made for this call, and nobody else holds: it need not be copied."""
    one = len(made) == 1 and made[0].base is None and made[0].flags.writeable
    return one and _holders(made) <= _OURS

"""Which values forward takes, where it refuses most of those that look like the example's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from gradcheck.arrays import Array, is_real
from gradcheck.asking import Asker, example_sizes
from gradcheck.model import DEFINITE, NONZERO, POSITIVE, REAL, SYMMETRIC, UNIT, Domain, Op


def definite(op: Op) -> list[Mapping[int, Domain]]:
    """Symmetric matrices whose example has positive eigenvalues."""
    pairs = enumerate(zip(op.inputs, op.example or (), strict=True))
    places = [k for k, (i, x) in pairs if i.domain.kind == SYMMETRIC and _is_definite(x)]
    return [dict.fromkeys(places, Domain(DEFINITE))] if places else []


def _is_definite(array: Array) -> bool:
    return bool(np.linalg.eigvalsh(array.astype(np.float64)).min() > 0)


def narrowed(op: Op, asker: Asker, tried: Iterable[Mapping[int, Domain]]) -> tuple[Op, list[str]]:
    """A smaller domain where forward refuses most values of the example's kind."""
    base = example_sizes(op)

    def rate(kinds: Mapping[int, Domain]) -> float:
        return sum(asker.accepts(asker.values(base, q, kinds)) for q in range(6)) / 6

    if rate({}) > 0.5:
        return op, []
    for kinds in tried:
        if rate(kinds) > 0.8:
            inputs = tuple(
                replace(i, domain=kinds[k]) if k in kinds else i for k, i in enumerate(op.inputs)
            )
            words = ", ".join(f"{op.inputs[k].name}: {d}" for k, d in kinds.items())
            return replace(op, inputs=inputs), [f"{words} (forward refuses most other values)"]
    return op, []


def candidates(op: Op) -> Iterator[dict[int, Domain]]:
    """Narrower domains, the least narrow first: for one real input, then for all together."""
    real = [
        k
        for k, i in enumerate(op.inputs)
        if i.domain.kind in (REAL, POSITIVE, NONZERO) and not i.domain.ranged
    ]
    for kind in (NONZERO, POSITIVE, UNIT):
        sizes = {k: None if kind == UNIT else op.inputs[k].domain.size for k in real}
        for k in real:
            yield {k: Domain(kind, size=sizes[k])}
        yield {k: Domain(kind, size=sizes[k]) for k in real}
    yield {k: _around(op, k) for k in real}


def _around(op: Op, k: int) -> Domain:
    """The example's own range."""
    assert op.example is not None
    values = op.example[k]
    if not (is_real(values) and values.size):
        return Domain()
    low, high = float(values.min()), float(values.max())
    return Domain(REAL, low, high if high > low else low + 0.1 * max(1.0, abs(low)))

"""Asking forward whether it takes some inputs: what it refuses is outside of its domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.arrays import Array, all_finite
from gradcheck.corners import shapes_for
from gradcheck.domains import decode, resolve
from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.model import Case, Domain, Op, Recipe


class Asker:
    """Asks forward whether it takes some inputs."""

    def __init__(self, op: Op, evaluator: Evaluator) -> None:
        self.op, self._evaluator = op, evaluator
        self._attributes = {a.name: a.values[0] for a in op.attributes}
        self.last = ""
        """What forward said when it last refused."""

    def accepts(
        self, primals: tuple[Array, ...], attributes: Mapping[str, Any] | None = None
    ) -> bool:
        try:
            outputs = self._evaluator.forward(primals, {**self._attributes, **(attributes or {})})
        except UserCodeRaised as error:
            self.last = error.summary
            return False
        except UsageError as error:  # it returns no arrays there
            self.last = str(error)
            return False
        self.last = "not finite"
        return all_finite(outputs)

    def right_shapes(self, primals: tuple[Array, ...]) -> bool:
        """Backward returns gradients of the inputs' shapes there."""
        case = Case(Recipe(regime="probe"), primals, self._attributes)
        try:
            outputs = self._evaluator.forward(primals, self._attributes)
            answer = self._evaluator.answer(case, tuple(np.ones_like(o) for o in outputs))
        except UserCodeRaised:
            return False
        shapes = zip(answer.gradients or (), primals, self.op.inputs, strict=False)
        return answer.gradients is not None and all(
            g is None or not i.differentiable or np.shape(g) == p.shape for g, p, i in shapes
        )

    def values(
        self, sizes: Mapping[str, int], seed: int, kinds: Mapping[int, Domain] | None = None
    ) -> tuple[Array, ...]:
        """Plain values at some sizes."""
        rng = np.random.default_rng(seed)
        made = []
        for k, (input, shape) in enumerate(
            zip(self.op.inputs, shapes_for(self.op, sizes, ()), strict=True)
        ):
            domain = resolve((kinds or {}).get(k, input.domain), sizes)
            numbers = rng.integers(0, 65536, int(np.prod(shape)))
            made.append(decode(numbers, shape, domain, "generic"))
        return tuple(made)


def example_sizes(op: Op) -> dict[str, int]:
    """The size of each dimension in the example call."""
    assert op.example is not None
    sizes: dict[str, int] = {}
    for input, value in zip(op.inputs, op.example, strict=True):
        for dim, size in zip(input.dims, value.shape, strict=False):
            if isinstance(dim, str):
                sizes.setdefault(dim, size)
    return sizes

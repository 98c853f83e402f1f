"""Many points of one input in one call of forward, by torch.func.vmap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.autograd import Function

from gradcheck.arrays import Array
from gradcheck.foreign import Arrays, Unavailable
from gradcheck.frameworks.protocol import Naming
from gradcheck.frameworks.torch.arrays import Loans, array_of, tensors_in
from gradcheck.frameworks.torch.calling import OfFunction
from gradcheck.frameworks.torch.higher import first_line
from gradcheck.frameworks.torch.passes import Passes
from gradcheck.frameworks.torch.watching import sets_up


def vmaps(function: type[Function]) -> bool:
    """torch.func.vmap takes the Function: by a rule of its own, or by a generated one."""
    own = function.vmap is not Function.vmap
    return sets_up(function) and (function.generate_vmap_rule or own)


class Stacked:
    """``stacked(primals, k, values, attributes)`` of `foreign.Foreign`."""

    def __init__(self, passes: Passes, named: Naming) -> None:
        self._passes, self._named = passes, named
        self._refused = ""
        """Why vmap does not take it, once that was seen."""
        target = passes.target
        if isinstance(target, OfFunction) and not vmaps(target.function):
            self._refused = (
                "torch.func.vmap wants setup_context, and generate_vmap_rule = True or a vmap rule"
            )

    def __call__(
        self, primals: Arrays, k: int, values: Any, attributes: Mapping[str, Any]
    ) -> tuple[Array, ...]:
        """Outputs with a leading axis, one row for each of the values of input ``k``.

        Raises
        ------
        Unavailable
            vmap does not take the target.
        """
        if self._refused:
            raise Unavailable(self._refused)
        loans = Loans(self._passes.device)
        moving = list(primals)
        moving[k] = _Moving(values)
        named, pairs = self._named(moving, attributes), self._passes.pairs
        lent = {n: _lent(loans, v, n in pairs) for n, v in named.items()}
        arguments = {n: a for n, (a, _) in lent.items()}
        dims = {n: d for n, (_, d) in lent.items()}
        call = torch.func.vmap(self._passes.target.call, (dims,), randomness="same")
        try:
            with torch.no_grad():
                made = tensors_in(call(arguments))
        except Exception as error:
            self._refused = first_line(error)
            raise Unavailable(self._refused) from error
        fixed = self._passes.fixed(len(made))
        return tuple(array_of(t) for n, t in enumerate(made) if n not in fixed)


class _Moving:
    """Stands for the input that moves: its values, one a row."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)


def _lent(loans: Loans, value: Any, pair: bool) -> tuple[Any, Any]:
    """A value with tensors in it, and which of them have the leading axis."""
    if isinstance(value, _Moving):
        return loans.tensor(value.values, pair=pair), 0
    if type(value) in (list, tuple):
        parts = [_lent(loans, v, pair) for v in value]
        return type(value)(p[0] for p in parts), type(value)(p[1] for p in parts)
    if isinstance(value, Mapping):
        keyed = {k: _lent(loans, v, pair) for k, v in value.items()}
        return {k: p[0] for k, p in keyed.items()}, {k: p[1] for k, p in keyed.items()}
    return loans.lend(value, pair=pair), None

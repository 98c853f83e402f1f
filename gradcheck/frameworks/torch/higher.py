"""The gradient of the gradient, and forward mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.autograd.forward_ad

from gradcheck.arrays import Array
from gradcheck.foreign import Arrays, Unavailable
from gradcheck.frameworks.protocol import Naming
from gradcheck.frameworks.torch.arrays import Loans, array_of, is_real, tensors_in
from gradcheck.frameworks.torch.calling import users_frames
from gradcheck.frameworks.torch.passes import Passes, Recorded

forward_ad: Any = torch.autograd.forward_ad
_REFUSALS = (
    "not implemented",
    "once_differentiable",
    "not supported",
    "does not support",
    "don't yet support",
)
"""Words by which PyTorch says that it cannot do something, in a RuntimeError, too."""


class Higher:
    """A target's gradients as functions of primals and cotangents, and forward mode."""

    def __init__(self, passes: Passes, named: Naming) -> None:
        self._passes, self._named = passes, named

    def gradients(
        self, primals: Arrays, cotangents: Arrays, attributes: Mapping[str, Any]
    ) -> tuple[Array, ...]:
        """One gradient for each real argument, zeros where the outputs do not depend on it."""
        made, upstream = self._started(primals, cotangents, attributes)
        found = self._passes.engine(made, upstream)
        return tuple(array_of(found.get(id(t), torch.zeros_like(t))) for t in made.leaves)

    def second(
        self, primals: Arrays, cotangents: Arrays, attributes: Mapping[str, Any]
    ) -> tuple[tuple[Array, ...], Callable[[Arrays], tuple[Any, ...]]]:
        """The same, and a pullback to gradients of primals and cotangents."""
        made, upstream = self._started(primals, cotangents, attributes)
        for cotangent in upstream:
            cotangent.requires_grad_()
        with refusals():
            grads = torch.autograd.grad(
                made.real, made.leaves, upstream, create_graph=True, allow_unused=True
            )
        filled = [
            torch.zeros_like(t) if g is None else g for t, g in zip(made.leaves, grads, strict=True)
        ]

        def pull(given: Arrays) -> tuple[Any, ...]:
            loans = Loans(self._passes.device)
            pairs = zip(filled, given, strict=True)
            along = [(g, loans.tensor(c, pair=g.is_complex())) for g, c in pairs if g.requires_grad]
            found = self._pulled(along, [*made.leaves, *upstream])
            own = self._named.listed(self._passes.by_name(made, found))
            up = iter(upstream)
            more = [_upstream(found, next(up)) if o.requires_grad else None for o in made.outputs]
            return (*own, *more)

        return tuple(map(array_of, filled)), pull

    def _pulled(
        self, along: list[tuple[torch.Tensor, torch.Tensor]], leaves: list[torch.Tensor]
    ) -> dict[int, torch.Tensor]:
        """By ``.grad``: asked for some leaves, the engine goes round what refuses elsewhere."""
        for leaf in leaves:
            leaf.grad = None
        if along:
            with refusals():
                torch.autograd.backward(
                    [g for g, _ in along], [c for _, c in along], retain_graph=True
                )
        return {id(t): t.grad for t in leaves if t.grad is not None}

    def _started(
        self, primals: Arrays, cotangents: Arrays, attributes: Mapping[str, Any]
    ) -> tuple[Recorded, list[torch.Tensor]]:
        named = self._named(primals, attributes)
        made = self._passes.recorded(named, call=self._passes.target.call)
        upstream = self._passes.upstream(made, cotangents)
        return made, upstream

    def jvp(
        self, primals: Arrays, tangents: Arrays, attributes: Mapping[str, Any]
    ) -> tuple[Array, ...]:
        """The outputs' tangents."""
        along = self._named(tangents, attributes)
        loans = Loans(self._passes.device)

        def call(named: dict[str, Any]) -> Any:
            directions = {n: loans.lend(along[n], pair=n in self._passes.pairs) for n in along}
            own = {n: v for n, v in named.items() if n in along and n not in attributes}
            dual = {n: _dual(v, directions[n]) for n, v in own.items()}
            return self._passes.target.call(named | dual)

        with refusals(), forward_ad.dual_level():
            named = self._named(primals, attributes)
            given = {n: loans.lend(v, pair=n in self._passes.pairs) for n, v in named.items()}
            with users_frames(), torch.no_grad():
                made = tensors_in(call(self._passes.target.placed(given)))
            fixed = self._passes.fixed(len(made))
            pairs = [forward_ad.unpack_dual(t) for n, t in enumerate(made) if n not in fixed]
            return tuple(
                array_of(torch.zeros_like(p.primal) if p.tangent is None else p.tangent)
                for p in pairs
            )


def _dual(value: Any, tangent: Any) -> Any:
    """The real tensors in a value with their tangents."""
    if is_real(value):
        return forward_ad.make_dual(value, tangent.reshape(value.shape))
    if type(value) in (list, tuple):
        return type(value)(_dual(v, t) for v, t in zip(value, tangent, strict=True))
    if isinstance(value, Mapping):
        return {k: _dual(v, tangent[k]) for k, v in value.items()}
    return value


def _upstream(found: Mapping[int, torch.Tensor], cotangent: torch.Tensor) -> Array:
    return array_of(found.get(id(cotangent), torch.zeros_like(cotangent)))


@contextmanager
def refusals() -> Iterator[None]:
    """What PyTorch has no formula for, or is asked not to do, is no finding.

    Raises
    ------
    Unavailable
        In place of PyTorch's own error.
    """
    try:
        with users_frames():
            yield
    except NotImplementedError as error:
        raise Unavailable(first_line(error)) from error
    except RuntimeError as error:
        if any(word in str(error) for word in _REFUSALS):
            raise Unavailable(first_line(error)) from error
        raise


def first_line(error: Exception) -> str:
    """What an exception says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

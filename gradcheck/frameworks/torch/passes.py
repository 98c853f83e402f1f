"""Forward and backward passes of one target as functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gradcheck.arrays import Array
from gradcheck.errors import UsageError
from gradcheck.frameworks.protocol import Named, Pull
from gradcheck.frameworks.torch.advising import with_advice
from gradcheck.frameworks.torch.arrays import Loans, array_of, is_real, memory_of, tensors_in
from gradcheck.frameworks.torch.calling import Target, users_frames

Tensors = list[torch.Tensor]
_LEAF = "leaf Variable"
"""What torch says where something is changed in place whose gradient is wanted."""


@dataclass(slots=True)
class Recorded:
    """One forward pass that autograd has recorded."""

    loans: Loans
    named: dict[str, Any]
    """The arguments as they were lent: tensors whose gradient is wanted are leaves."""
    outputs: Tensors
    """Those that can have a gradient, and those of integers."""
    leaves: Tensors = field(default_factory=list)

    @property
    def real(self) -> Tensors:
        """The outputs that autograd has a way back from."""
        return [o for o in self.outputs if o.requires_grad]


class Passes:
    """A target called with arrays by name."""

    def __init__(
        self,
        target: Target,
        device: torch.device,
        pairs: frozenset[str],
        nondiff: frozenset[str] = frozenset(),
    ) -> None:
        self.target, self.device, self.pairs = target, device, pairs
        self._nondiff = nondiff
        """Arguments that need no gradient: PyTorch refuses some that do."""
        self._fixed: dict[int, frozenset[int]] = {}
        """By the number of outputs, the places of the real ones that have no gradient, as it was
        when they were seen first: one that has none at some inputs only is constant there."""
        self._indirect = False
        """Tensors are handed over as results of a copy: forward changes them in place."""

    # -- forward

    def run(self, named: Named) -> tuple[Array, ...]:
        """The outputs, nothing recorded."""
        loans = Loans(self.device)
        given = {n: loans.lend(v, pair=n in self.pairs) for n, v in named.items()}
        if self._indirect:
            given = dict(zip(given, _cloned(list(given.values())), strict=True))
        with users_frames(), torch.no_grad():
            returned = self.target.call(given)
        made = tensors_in(returned)
        if made and self.target.watch is not None and isinstance(returned, (list, Mapping)):
            raise UsageError(
                f"forward returns {_kind(returned)}: PyTorch's autograd records the tensors that a "
                "Function returns alone or in a tuple, and gives those in anything else no "
                "gradient: return a tuple of tensors"
            )
        if not made and not self._fixed:  # once there were some: fewer at an odd size
            raise UsageError(
                f"forward returns {_kind(returned)}, and no tensor: return a tensor, or a tuple of "
                "tensors"
            )
        if len(made) not in self._fixed:
            self.recorded(named)
        fixed = self._fixed[len(made)]
        return tuple(array_of(t) for k, t in enumerate(made) if k not in fixed)

    def recorded(
        self,
        named: Named,
        wanted: frozenset[str] | None = None,
        *,
        call: Callable[[dict[str, Any]], Any] | None = None,
    ) -> Recorded:
        """A forward pass with gradients of all real arguments, or of those that are wanted.

        ``call`` stands for the target's own, which is under watch.
        """
        loans = Loans(self.device)
        given = {n: loans.lend(v, pair=n in self.pairs) for n, v in named.items()}
        given = self.target.placed(given)
        chosen = [n for n in given if n not in self._nondiff and (wanted is None or n in wanted)]
        leaves = [t for n, t in placed({n: given[n] for n in chosen}) if is_real(t)]
        for leaf in leaves:
            leaf.requires_grad_()
        made = Recorded(loans, given, [], leaves)
        returned = self._called(made, call)
        tensors = tensors_in(returned)
        fixed = self._fixed.setdefault(len(tensors), _without_way_back(tensors))
        made.outputs = [t for k, t in enumerate(tensors) if k not in fixed]
        loans.given_back()
        return made

    def _called(self, made: Recorded, call: Callable[[dict[str, Any]], Any] | None) -> Any:
        call = call or (lambda named: self.target.call(named, watched=True))
        with users_frames(), torch.enable_grad():
            try:
                if not self._indirect:
                    return call(made.named)
            except RuntimeError as error:
                if _LEAF not in str(error):
                    raise with_advice(error, made.named) from None
                self._indirect = True
            return self._in_place(made, call)

    def _in_place(self, made: Recorded, call: Callable[[dict[str, Any]], Any]) -> Any:
        """Called with copies; what it changes without marking it shows in the arrays."""
        copies = _cloned(list(made.named.values()))
        returned = call(dict(zip(made.named, copies, strict=True)))
        watch = self.target.watch
        if watch is None or not watch.dirty:
            with torch.no_grad():
                for (_, own), (_, now) in zip(
                    placed(made.named), placed(dict(enumerate(copies))), strict=True
                ):
                    own.copy_(now)
        return returned

    def fixed(self, count: int) -> frozenset[int]:
        """Of that many outputs, the places of the real ones that have no gradient."""
        return self._fixed.get(count, frozenset())

    # -- backward

    def vjp(self, named: Named, wanted: frozenset[str] | None) -> tuple[tuple[Array, ...], Pull]:
        """The outputs and the pullback, by the engine."""
        made = self.recorded(named, wanted)

        def pull(cotangents: tuple[Any, ...]) -> Mapping[str, Any]:
            return self._pulled(made, wanted, cotangents)

        return tuple(map(array_of, made.outputs)), pull

    def _pulled(
        self, made: Recorded, wanted: frozenset[str] | None, cotangents: tuple[Any, ...]
    ) -> Mapping[str, Any]:
        loans = Loans(self.device)
        upstream = self.upstream(made, cotangents, loans)
        watch = self.target.watch
        if watch is not None:
            watch.raw = None
        try:
            with users_frames():
                found = self.engine(made, upstream)
        except RuntimeError:
            raw = watch.raw if watch is not None else None
            if raw is None or not self._shapes_tell(made, raw):
                raise
            found = {}
        finally:
            made.loans.given_back()
            loans.given_back()
        if watch is None or watch.raw is None:
            return self.by_name(made, _unshared(found, upstream))
        return self._as_returned(made, (wanted, watch.raw), found, upstream)

    def upstream(
        self, made: Recorded, cotangents: tuple[Any, ...], loans: Loans | None = None
    ) -> list[torch.Tensor]:
        """The cotangents of the outputs that have a way back, as tensors."""
        loans = loans or Loans(self.device)
        pairs = zip(made.outputs, cotangents, strict=True)
        return [loans.tensor(c, pair=o.is_complex()) for o, c in pairs if o.requires_grad]

    def engine(
        self, made: Recorded, upstream: Tensors, outputs: Tensors | None = None
    ) -> dict[int, torch.Tensor]:
        """Gradients by the identity of the leaf; none where the outputs do not depend on it."""
        real = made.real if outputs is None else outputs
        if not real or not made.leaves:
            return {}
        grads = torch.autograd.grad(
            real, made.leaves, upstream, retain_graph=True, allow_unused=True
        )
        return {id(t): g for t, g in zip(made.leaves, grads, strict=True) if g is not None}

    def by_name(self, made: Recorded, found: Mapping[int, torch.Tensor]) -> dict[str, Any]:
        """Gradients of leaves by the name of their argument; zeros where there is none."""
        return {n: _arrays(value, found) for n, value in made.named.items()}

    def _shapes_tell(self, made: Recorded, raw: tuple[Any, ...]) -> bool:
        """The engine refuses what backward returned for a shape: the check has words for that."""
        given = list(made.named.values())
        if len(raw) != len(given) or not all(g is None or is_real(g) for g in raw):
            return False
        pairs = [(g, t) for g, t in zip(raw, given, strict=True) if is_real(t) and g is not None]
        return any(g.shape != t.shape for g, t in pairs)

    def _as_returned(
        self,
        made: Recorded,
        seen: tuple[frozenset[str] | None, tuple[Any, ...]],
        found: dict[int, torch.Tensor],
        upstream: Tensors,
    ) -> dict[str, Any]:
        """Gradients by name as backward returned them, before the engine cast and summed them."""
        wanted, raw = seen
        watch, result = self.target.watch, dict[str, Any]()
        assert watch is not None
        taken = set(map(memory_of, upstream))
        for (name, argument), gradient in zip(made.named.items(), raw, strict=False):
            if not is_real(argument) or not isinstance(gradient, torch.Tensor):
                continue
            place = memory_of(gradient)
            if wanted is not None and name not in wanted:
                if place not in taken:
                    watch.unwanted(name)
                continue
            own = found.get(id(argument))
            if own is not None and gradient.shape != argument.shape:
                watch.reduced(name, tuple(gradient.shape))
                gradient = own
            if argument.is_complex() != gradient.is_complex():
                gradient = gradient.to(argument.dtype) if own is None else own
            result[name] = array_of(gradient.clone() if place in taken else gradient)
            taken.add(place)
        return result


def _without_way_back(outputs: Tensors) -> frozenset[int]:
    """The places of real outputs that autograd does not differentiate, beside others that it does.

    Where it differentiates none, all are kept: they say that their gradients are zero.
    """
    real = [k for k, t in enumerate(outputs) if is_real(t)]
    fixed = frozenset(k for k in real if not outputs[k].requires_grad)
    return fixed if len(fixed) < len(real) else frozenset()


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def placed(named: Mapping[Any, Any]) -> Iterator[tuple[Any, torch.Tensor]]:
    """The tensors in the arguments, each with the name of its argument."""
    for name, value in named.items():
        for tensor in tensors_in(value):
            yield name, tensor


def _cloned(value: Any) -> Any:
    """Copies of the tensors in a value, which are no leaves."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, Mapping):
        return {k: _cloned(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_cloned, value))
    return value


def _unshared(found: Mapping[int, torch.Tensor], upstream: Tensors) -> dict[int, torch.Tensor]:
    """Gradients in memory of their own: what the engine hands on may be the upstream gradient."""
    taken, result = set(map(memory_of, upstream)), dict[int, torch.Tensor]()
    for key, gradient in found.items():
        place = memory_of(gradient)
        result[key] = gradient.clone() if place in taken else gradient
        taken.add(place)
    return result


def _arrays(value: Any, found: Mapping[int, torch.Tensor]) -> Any:
    """Gradients in the place of the tensors of an argument; zeros where there is none."""
    if isinstance(value, torch.Tensor):
        if not is_real(value) or not value.requires_grad:
            return None
        gradient = found.get(id(value))
        return array_of(torch.zeros_like(value) if gradient is None else gradient)
    if isinstance(value, Mapping):
        return {k: _arrays(v, found) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_arrays(v, found) for v in value]
    return None

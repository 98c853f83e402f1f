"""The same gradients in PyTorch's other ways: accumulated, recomputed, batched, cast."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.utils.deterministic
from torch.autograd import Function

from gradcheck.arrays import Array
from gradcheck.foreign import Arrays, Derived, Foreign, ForwardMode, Unavailable, Variant
from gradcheck.frameworks.protocol import Naming
from gradcheck.frameworks.torch.arrays import array_of, is_real, tensors_in
from gradcheck.frameworks.torch.calling import OfFunction, is_native
from gradcheck.frameworks.torch.forking import can_fork
from gradcheck.frameworks.torch.higher import Higher, first_line, refusals
from gradcheck.frameworks.torch.passes import Passes, Recorded
from gradcheck.frameworks.torch.randomness import TorchRandom
from gradcheck.frameworks.torch.recomputing import Recomputed
from gradcheck.frameworks.torch.stacking import Stacked, vmaps

Answer = tuple[tuple[Array, ...], Callable[[Arrays], Any]]


@contextmanager
def filled() -> Iterator[None]:
    """Memory that torch hands out uninitialised holds NaN, by torch's own option.

    Its public switch, `use_deterministic_algorithms`, sets the compiler's, too, and imports it.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    options: Any = torch.utils.deterministic
    fills = options.fill_uninitialized_memory
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    options.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch._C._set_deterministic_algorithms(before, warn_only=warns)
        options.fill_uninitialized_memory = fills


class Beyond:
    """One target's passes, driven otherwise."""

    def __init__(self, passes: Passes, named: Naming) -> None:
        self._passes, self._named = passes, named

    def foreign(self, framework: str) -> Foreign:
        """All of it that the target has."""
        watch = self._passes.target.watch
        higher = Higher(self._passes, self._named)
        push = ForwardMode(code="forward-mode", jvp=higher.jvp) if self._pushes else None
        return Foreign(
            framework=framework,
            variants=tuple(self._variants()),
            derived=(
                Derived(
                    code="second-order",
                    said="in the gradient of the gradient",
                    forward=higher.gradients,
                    rule=higher.second,
                ),
            ),
            forward_mode=push,
            remarks=watch.remarks if watch is not None else None,
            random=TorchRandom(self._passes.device),
            stacked=Stacked(self._passes, self._named),
            compiled=is_native(self._passes.target),
            can_fork=can_fork,
            filled=filled,
        )

    def _variants(self) -> Iterator[Variant]:
        yield Variant(
            code="accumulated",
            said="where gradients are added to what .grad holds,",
            rule=self.accumulated,
        )
        yield Variant(
            code="undefined-upstream",
            said="where an output's upstream gradient is undefined (nothing used that output),",
            rule=self.one_by_one,
            raised="fail",
        )
        yield Variant(
            code="shared-state",
            said="where forward runs at other inputs before backward does,",
            rule=self.interleaved,
        )
        yield Variant(
            code="recomputed",
            said="where forward runs again in the backward pass (torch.utils.checkpoint)",
            rule=self.recomputed,
        )
        yield Variant(
            code="under-vmap",
            said="with a batch of upstream gradients (is_grads_batched=True)",
            rule=self.batched,
        )
        function = self._function
        if function is not None and vmaps(function):
            yield Variant(code="under-vmap", said="under torch.func.vmap", rule=self.mapped)
        if function is not None and casts(function):
            yield Variant(
                code="autocast",
                said="in an autocast region",
                rule=self.autocast,
                precision="bfloat16" if self._passes.device.type == "cpu" else "float16",
            )

    @property
    def _function(self) -> type[Function] | None:
        target = self._passes.target
        return target.function if isinstance(target, OfFunction) else None

    @property
    def _pushes(self) -> bool:
        """Forward mode is there: any composition has it, a Function with ``jvp``."""
        function = self._function
        return function is None or function.jvp is not Function.jvp

    def _listed(self, made: Recorded, found: Mapping[int, torch.Tensor]) -> list[Any]:
        return self._named.listed(self._passes.by_name(made, found))

    def _recorded(self, primals: Arrays, attributes: Mapping[str, Any], call: Any = None) -> Any:
        call = call or self._passes.target.call
        return self._passes.recorded(self._named(primals, attributes), call=call)

    # -- the same gradients

    def accumulated(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """``.grad`` holds the gradients of another backward pass already."""
        first = self._recorded(primals, attributes)

        def pull(cotangents: Arrays) -> Any:
            upstream = self._passes.upstream(first, cotangents)
            torch.autograd.backward(first.real, [-3 * u for u in upstream])
            before = {id(t): t.grad.clone() for t in first.leaves if t.grad is not None}
            again = self._recorded(primals, attributes)
            for old, new in zip(first.leaves, again.leaves, strict=True):
                new.grad = old.grad
            upstream = self._passes.upstream(again, cotangents)
            torch.autograd.backward(again.real, upstream)
            found = {
                id(new): new.grad - before[id(old)]
                for old, new in zip(first.leaves, again.leaves, strict=True)
                if new.grad is not None and id(old) in before
            }
            return self._listed(again, found)

        return tuple(map(array_of, first.outputs)), pull

    def interleaved(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """What forward keeps belongs to its own call."""
        made = self._recorded(primals, attributes)
        others = tuple(p * p.dtype.type(0.5) if p.dtype.kind in "fV" else p for p in primals)
        with suppress(Exception):  # these may lie outside of the domain
            self._recorded(others, attributes)
        return self._back(made)

    def one_by_one(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """One output at a time: the sum is the whole, backward being linear."""
        made = self._recorded(primals, attributes)

        def pull(cotangents: Arrays) -> Any:
            upstream = self._passes.upstream(made, cotangents)
            total: dict[int, torch.Tensor] = {}
            for output, cotangent in zip(made.real, upstream, strict=True):
                found = self._passes.engine(made, [cotangent], [output])
                for key, gradient in found.items():
                    total[key] = total[key] + gradient if key in total else gradient
            return self._listed(made, total)

        return tuple(map(array_of, made.outputs)), pull

    def recomputed(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """Nothing is kept: forward runs again in the backward pass."""
        with refusals():
            return self._answer(primals, attributes, Recomputed(self._passes))

    def autocast(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """In a region where PyTorch chooses the precision of each operation."""
        kind = self._passes.device.type
        dtype = torch.bfloat16 if kind == "cpu" else torch.float16

        def call(named: dict[str, Any]) -> Any:
            with torch.autocast(kind, dtype=dtype):
                return self._passes.target.call(named)

        made = self._recorded(primals, attributes, call)

        def pull(cotangents: Arrays) -> Any:
            upstream = self._passes.upstream(made, cotangents)
            own = [u.to(o.dtype) for u, o in zip(upstream, made.real, strict=True)]
            return self._listed(made, self._passes.engine(made, own))

        return tuple(map(array_of, made.outputs)), pull

    def batched(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """Backward under vmap, beside another upstream gradient."""
        made = self._recorded(primals, attributes)

        def pull(cotangents: Arrays) -> Any:
            upstream = self._passes.upstream(made, cotangents)
            try:
                rows = [torch.stack([-u, u]) for u in upstream]
                grads = torch.autograd.grad(
                    made.real, made.leaves, rows, is_grads_batched=True, allow_unused=True
                )
            except Exception as error:  # a loop does what vmap cannot: no finding
                raise Unavailable(first_line(error)) from error
            pairs = zip(made.leaves, grads, strict=True)
            return self._listed(made, {id(t): g[1] for t, g in pairs if g is not None})

        return tuple(map(array_of, made.outputs)), pull

    def mapped(self, primals: Arrays, attributes: Mapping[str, Any]) -> Answer:
        """The Function under vmap, at these primals beside others."""

        def call(named: dict[str, Any]) -> Any:
            rows, dims = dict[str, Any](), dict[str, Any]()
            for name, value in named.items():
                batched = isinstance(value, torch.Tensor)
                other = value.flip(0) if batched and value.ndim and is_real(value) else value
                rows[name] = torch.stack([other, value]) if batched else value
                dims[name] = 0 if batched else None
            mapped = torch.func.vmap(self._passes.target.call, (dims,), randomness="same")
            return [t[1] for t in tensors_in(mapped(rows))]

        return self._answer(primals, attributes, call)

    def _answer(self, primals: Arrays, attributes: Mapping[str, Any], call: Any) -> Answer:
        return self._back(self._recorded(primals, attributes, call))

    def _back(self, made: Recorded) -> Answer:
        def pull(cotangents: Arrays) -> Any:
            upstream = self._passes.upstream(made, cotangents)
            return self._listed(made, self._passes.engine(made, upstream))

        return tuple(map(array_of, made.outputs)), pull


def casts(function: type[Function]) -> bool:
    """Its forward is under ``torch.amp.custom_fwd``."""
    inner = getattr(function.forward, "__wrapped__", None)
    return inner is not None and "amp" in inspect.getfile(_code_of(function.forward))


def _code_of(function: Any) -> Any:
    return getattr(function, "__code__", function)

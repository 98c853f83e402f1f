"""What a user's autograd.Function does with its context, and what its backward really returns.

The engine casts and sums what backward returns, and puts zeros for None, before anybody sees it. A
thin subclass runs the same methods and notes what went through them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.autograd import Function

from gradcheck.foreign import Remark
from gradcheck.frameworks.torch.arrays import is_real

_OWN = frozenset({"saved_for_forward"})
"""What torch itself keeps in a context's attributes."""


class Watch:
    """A Function under watch: ``function.apply`` is called instead of the user's."""

    def __init__(self, function: type[Function]) -> None:
        self.raw: tuple[Any, ...] | None = None
        """What backward returned the last time; None where it has not."""
        self.dirty = False
        """Forward marks an input as changed in place."""
        self.fixed: frozenset[int] = frozenset()
        """Places of the outputs that forward marks as not differentiable."""
        self._kept: dict[str, tuple[str, bool]] = {}
        """Attributes of the context: what each holds, and whether that can have a gradient."""
        self._told: set[str] = set()
        self._unwanted: dict[str, None] = {}
        self._reduced: dict[str, tuple[int, ...]] = {}
        self.function = self._under_watch(function)

    def _under_watch(self, function: type[Function]) -> type[Function]:
        name = "backward" if function.vjp is Function.vjp else "vjp"
        theirs = getattr(function, name)

        def backward(ctx: Any, *cotangents: Any) -> Any:
            given = theirs(ctx, *cotangents)
            self.raw = given if isinstance(given, tuple) else (given,)
            return given

        methods: dict[str, Any] = {name: staticmethod(backward)}
        if sets_up(function):

            def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
                function.setup_context(ctx, inputs, output)
                self._look(ctx, inputs, output)

            methods["setup_context"] = staticmethod(setup_context)
        else:

            def forward(ctx: Any, *inputs: Any) -> Any:
                output = function.forward(ctx, *inputs)
                self._look(ctx, inputs, output)
                return output

            methods["forward"] = staticmethod(forward)
        meta: Any = type(function)
        made: type[Function] = meta(function.__name__, (function,), methods)
        return made

    def _look(self, ctx: Any, inputs: Iterable[Any], output: Any) -> None:
        outputs = output if isinstance(output, tuple) else (output,)
        self.dirty = bool(ctx.dirty_tensors)
        marked = [id(t) for t in ctx.non_differentiable or ()]
        self.fixed = frozenset(k for k, t in enumerate(outputs) if id(t) in marked)
        own = {id(t): "an input" for t in inputs if isinstance(t, torch.Tensor)}
        own |= {id(t): "an output" for t in outputs if isinstance(t, torch.Tensor)}
        for name, value in vars(ctx).items():
            if name in _OWN or name in self._told:
                continue
            for tensor in _tensors(value):
                if id(tensor) in own:
                    real = is_real(tensor) or self._kept.get(name, ("", False))[1]
                    self._kept[name] = own[id(tensor)], real

    def unwanted(self, name: str) -> None:
        """Backward computed a gradient that nobody asked for."""
        self._unwanted.setdefault(name)

    def reduced(self, name: str, shape: tuple[int, ...]) -> None:
        """Backward returned a gradient that the engine has summed to the input's shape."""
        self._reduced.setdefault(name, shape)

    def remarks(self) -> Iterator[Remark]:
        """What was seen and not told yet."""
        for name, (what, real) in self._kept.items():
            kind = "" if real else " of integers"
            yield Remark(
                code="kept-by-attribute",
                message=(
                    f"ctx.{name} holds {what}{kind}: keep it with ctx.save_for_backward, which "
                    "frees it after backward and notices when it was changed in between"
                ),
                severity="warning" if real else "note",  # without a gradient it is in no cycle
            )
        for name, shape in self._reduced.items():
            yield Remark(
                code="unreduced-gradient",
                message=(
                    f"the gradient of {name} has shape {shape}: PyTorch sums it to the shape of "
                    f"{name}, and so does this check"
                ),
                severity="note",
                input=name,
            )
        if self._unwanted:
            yield Remark(
                code="gradient-not-wanted",
                message=(
                    f"backward computes the gradient of {', '.join(self._unwanted)} where it is "
                    "not wanted: ctx.needs_input_grad says so, and None saves the work"
                ),
                severity="note",
            )
        self._told |= set(self._kept)
        self._kept.clear()
        self._reduced.clear()
        self._unwanted.clear()


def sets_up(function: type[Function]) -> bool:
    """Written with ``setup_context``: forward takes no context."""
    return function.setup_context is not Function.setup_context


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        yield from (v for v in value if isinstance(v, torch.Tensor))
    elif isinstance(value, Mapping):
        yield from (v for v in value.values() if isinstance(v, torch.Tensor))

"""A call of `gradcheck` or `gradgradcheck`, read as a function of the tensors that it checks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gradcheck.options import OPTION_NAMES, SETTING_NAMES

USUAL_RTOL = 1e-3
"""PyTorch's own; a call that names a larger one says how far off its gradient may be."""
NEAR = 2.0**-4
"""How far from the call's own point the other points lie, as a share of each entry."""
RESERVED = frozenset({*OPTION_NAMES, *SETTING_NAMES})
"""What `gradcheck.check` takes as its own keywords: no parameter may be called so."""


class NotTaken(Exception):
    """Ours cannot check this call; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a call asks for, with copies of its tensors."""

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    order: int
    options: Mapping[str, Any]
    """The keywords of the call, PyTorch's defaults included."""

    @property
    def name(self) -> str:
        """Of the function under test, as a person would call it."""
        return name_of(self.function)

    @property
    def signif(self) -> float | None:
        """The relative error that the call lets through, where it names more than the usual."""
        rtol = float(self.options.get("rtol", USUAL_RTOL))
        return min(rtol, 0.999) if rtol > USUAL_RTOL else None


def read(
    original: Callable[..., Any], order: int, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Call:
    """What is asked for, with copies of the tensors as they are now.

    Raises
    ------
    NotTaken
        The arguments are not those of the function.
    """
    try:
        bound = inspect.signature(original).bind(*arguments, **keywords)
    except TypeError as error:
        raise NotTaken(str(error)) from None
    bound.apply_defaults()
    options = dict(bound.arguments)
    function, inputs = options.pop("func"), options.pop("inputs")
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    copies = tuple(_copied(value) for value in inputs)
    return Call(function=function, inputs=copies, order=order, options=options)


def _copied(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)


def name_of(function: Any) -> str:
    """``Cube`` for ``Cube.apply``, the class of a module, a function's own name."""
    while isinstance(function, functools.partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    if getattr(function, "__name__", "") == "apply" and isinstance(owner, type):
        return owner.__name__
    return str(getattr(function, "__name__", "") or type(function).__name__)


@dataclass(frozen=True, slots=True)
class Point:
    """A function of the tensors that are checked, and these tensors."""

    function: Callable[..., Any]
    tensors: tuple[torch.Tensor, ...]


def points(call: Call, count: int) -> Iterator[Point]:
    """The call's own point, and up to so many less one near it that the function takes.

    Raises
    ------
    NotTaken
        Nothing here can be checked, or not by ours.
    """
    places = [k for k, v in enumerate(call.inputs) if _is_checked(v)]
    if not places:
        raise NotTaken("no input is a floating-point tensor that requires a gradient")
    own = tuple(call.inputs[k] for k in places)
    kept, shapes = _outputs(call, places, own)
    if not kept:
        raise NotTaken("no output requires a gradient")
    function = _function(call, places, kept)
    yield Point(function, own)
    for number in range(1, count):
        near = tuple(_near(tensor, 1000 * number + k) for k, tensor in enumerate(own))
        if all(torch.equal(a, b) for a, b in zip(near, own, strict=True)):
            return
        try:
            found = _outputs(call, places, near)
        except Exception:  # outside of its domain: PyTorch asked for the call's own point
            continue
        if found == (kept, shapes):
            yield Point(function, near)


def _is_checked(value: Any) -> bool:
    if not isinstance(value, torch.Tensor) or not value.requires_grad:
        return False
    if value.layout is not torch.strided:
        raise NotTaken(f"sparse inputs ({value.layout}) are not taken")
    return value.is_floating_point() or value.is_complex()


def _outputs(
    call: Call, places: Sequence[int], tensors: Sequence[torch.Tensor]
) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Which outputs require a gradient, and their shapes and types; ValueError for no number."""
    with torch.enable_grad():
        given = list(call.inputs)
        for k, tensor in zip(places, tensors, strict=True):
            given[k] = tensor.detach().clone().requires_grad_()
        outputs = _as_tuple(call.function(*given))
    kept = tuple(k for k, o in enumerate(outputs) if getattr(o, "requires_grad", False))
    for output in (outputs[k] for k in kept):
        if output.layout is not torch.strided:
            raise NotTaken(f"sparse outputs ({output.layout}) are not taken")
        if not bool(torch.isfinite(output.detach()).all()):
            raise ValueError("not finite")
    return kept, tuple((tuple(outputs[k].shape), outputs[k].dtype) for k in kept)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _near(tensor: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
    factor = (1 + NEAR * (2 * share - 1)).to(tensor.device)
    moved = (tensor.detach() * factor).to(tensor.dtype)
    return moved.requires_grad_()


def _function(call: Call, places: Sequence[int], kept: Sequence[int]) -> Callable[..., Any]:
    """The user's function of the tensors under check alone, giving what has a gradient alone."""
    several = len(kept) > 1

    def function(*tensors: torch.Tensor) -> Any:
        given = list(call.inputs)
        for k, tensor in zip(places, tensors, strict=True):
            given[k] = tensor
        outputs = _as_tuple(call.function(*given))
        return tuple(outputs[k] for k in kept) if several else outputs[kept[0]]

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = _names(call.function, len(call.inputs))
    parameters = [inspect.Parameter(names[k], kind) for k in places]
    function.__name__ = function.__qualname__ = call.name
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def _names(function: Any, count: int) -> list[str]:
    """Of the arguments: the user's own where there are so many, none of them a keyword of ours."""
    owner = getattr(function, "__self__", None)
    if getattr(function, "__name__", "") == "apply" and isinstance(owner, type):
        function, skipped = getattr(owner, "forward", None), 1
        skipped -= hasattr(owner, "setup_context") and (
            owner.setup_context is not torch.autograd.Function.setup_context
        )
    else:
        skipped = 0
    try:
        found = [p.name for p in inspect.signature(function).parameters.values() if p.kind <= 1]
    except (TypeError, ValueError):
        found = []
    found = [f"{n}_" if n in RESERVED else n for n in found[skipped:]]
    usual = [f"input{k}" for k in range(count)]
    return found[:count] if len(found) >= count else usual

"""How each kind of target is called with tensors by name: a Function, a module, any callable."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import torch
from torch.autograd import Function
from torch.func import functional_call

from gradcheck.errors import UsageError
from gradcheck.frameworks.torch.watching import Watch, sets_up

_ROOT = str(Path(torch.__file__).parent)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Target(Protocol):
    """A target as one call with tensors by name."""

    @property
    def signature(self) -> inspect.Signature:
        """Forward's own arguments."""
        ...

    @property
    def written(self) -> tuple[Any, ...]:
        """The user's own functions."""
        ...

    @property
    def watch(self) -> Watch | None:
        """What sees its contexts, where it has such."""
        ...

    def tensors(self) -> list[torch.Tensor]:
        """What it holds itself: parameters and buffers."""
        ...

    def placed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that it is really called with."""
        ...

    def call(self, named: Mapping[str, Any], *, watched: bool = False) -> Any:
        """What the target returns."""
        ...


class OfFunction:
    """An autograd.Function: positional arguments only."""

    def __init__(self, function: type[Function]) -> None:
        self.function, self.watch = function, Watch(function)
        found = list(inspect.signature(function.forward).parameters.values())
        found = [p for p in found if p.kind is not p.KEYWORD_ONLY]  # apply takes none
        self.signature = inspect.Signature(found if sets_up(function) else found[1:])
        self._order = list(self.signature.parameters)
        own = function.backward if function.vjp is Function.vjp else function.vjp
        more: list[Any] = [function.setup_context] if sets_up(function) else []
        self.written: tuple[Any, ...] = (function.forward, own, *more)
        self._defaults = {
            name: p.default
            for name, p in self.signature.parameters.items()
            if p.default is not p.empty
        }

    def tensors(self) -> list[torch.Tensor]:
        return []

    def placed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """In forward's order, with defaults where an earlier argument is left out."""
        order = self._order
        if list(named) == order:
            return dict(named)
        last = max((k for k, name in enumerate(order) if name in named), default=-1)
        known = {n: self._defaults[n] for n in order[: last + 1] if n in self._defaults}
        known |= named
        first = {n: known[n] for n in order if n in known}
        return first | {n: v for n, v in named.items() if n not in first}

    def call(self, named: Mapping[str, Any], *, watched: bool = False) -> Any:
        function: Any = self.watch.function if watched else self.function
        return function.apply(*self.placed(named).values())


class OfCallable:
    """Any function of tensors that autograd differentiates."""

    watch = None

    def __init__(
        self, function: Callable[..., Any], said: Sequence[str], attributes: Mapping[str, Any]
    ) -> None:
        self.function = function
        try:
            self.signature = _without_private(inspect.signature(function))
        except (TypeError, ValueError):  # a builtin of torch's
            self.signature = _made_up(said, attributes)
        theirs = inspect.isfunction(inspect.unwrap(function)) and not is_torch(function)
        self.written: tuple[Any, ...] = (function,) if theirs else ()

    def tensors(self) -> list[torch.Tensor]:
        return []

    def placed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        return dict(named)

    def call(self, named: Mapping[str, Any], *, watched: bool = False) -> Any:
        del watched
        positional, keywords = split(self.signature, named)
        return self.function(*positional, **keywords)


class OfModule:
    """An nn.Module: its parameters by name, its buffers as they are."""

    watch = None

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.signature = _without_private(inspect.signature(module.forward))
        theirs = not is_torch(type(module))
        self.written: tuple[Any, ...] = (type(module).forward,) if theirs else ()
        taken = set(self.signature.parameters)
        self.parameters: dict[str, torch.Tensor] = {}
        self._own: dict[str, str] = {}
        self._frozen: dict[str, torch.Tensor] = dict(module.named_buffers())
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                self._frozen[name] = parameter.detach()
                continue
            shown = name.replace(".", "_")
            shown = shown if shown.isidentifier() else f"layer{shown}"
            while shown in taken:
                shown += "_"
            taken.add(shown)
            self.parameters[shown], self._own[shown] = parameter, name

    def tensors(self) -> list[torch.Tensor]:
        return [*self.module.parameters(), *self.module.buffers()]

    def placed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        return dict(named)

    def call(self, named: Mapping[str, Any], *, watched: bool = False) -> Any:
        del watched
        own = {self._own[n]: v for n, v in named.items() if n in self._own}
        for name, shown in zip(own, self._own, strict=True):
            if own[name].shape != self.parameters[shown].shape:  # kernels read as many all the same
                raise ValueError(f"{name} has the shape {tuple(self.parameters[shown].shape)}")
        like = next(iter(own.values()), None)
        for name, buffer in self._frozen.items():  # copies: forward writes running means
            own[name] = _as_precise(buffer, like)
        rest = {n: v for n, v in named.items() if n not in self._own}
        positional, keywords = split(self.signature, rest)
        return functional_call(self.module, own, tuple(positional), keywords)


def _as_precise(buffer: torch.Tensor, like: torch.Tensor | None) -> torch.Tensor:
    """A copy in the precision of a parameter, and where that is; complex only if it was."""
    if like is None or not (buffer.is_floating_point() or buffer.is_complex()):
        return buffer.clone()
    dtype = like.dtype.to_real()
    return buffer.to(like.device, dtype.to_complex() if buffer.is_complex() else dtype, copy=True)


def split(signature: inspect.Signature, named: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Positional and keyword arguments: by position as far as nothing is left out."""
    parameters, left = signature.parameters, dict(named)
    positional, through = list[Any](), True
    for name, parameter in parameters.items():
        if parameter.kind in _POSITIONAL and through:
            if name in left:
                positional.append(left.pop(name))
            else:
                through = False
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    if variadic and through:
        positional += [left.pop(n) for n in list(left) if n not in parameters]
    return positional, left


def _without_private(signature: inspect.Signature) -> inspect.Signature:
    """Without what a user does not give (``_stacklevel=3``)."""
    shown = [p for n, p in signature.parameters.items() if not n.startswith("_")]
    return signature.replace(parameters=shown)


def _made_up(names: Sequence[str], attributes: Mapping[str, Any]) -> inspect.Signature:
    """These arguments and the keywords that were given."""
    made = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    keyword = inspect.Parameter.KEYWORD_ONLY
    made += [inspect.Parameter(n, keyword) for n in attributes if n not in names]
    return inspect.Signature(made)


def is_torch(thing: Any) -> bool:
    """Written by PyTorch, not by the user."""
    module = str(getattr(thing, "__module__", None) or "")
    return module == "torch" or module.startswith("torch.")


def target_of(
    target: Any, said: Sequence[str], attributes: Mapping[str, Any]
) -> tuple[str, Target]:
    """What kind of target it is, and how it is called.

    ``said``: names for the arguments of a function that does not tell its own.

    Raises
    ------
    UsageError
        It is a class of modules, or a Function without backward.
    """
    owner = getattr(target, "__self__", None)
    if getattr(target, "__name__", "") == "apply" and is_function(owner):
        target = owner
    if is_function(target):
        if target.backward is Function.backward and target.vjp is Function.vjp:
            raise UsageError(f"{target.__name__} has no backward: there is no gradient to check")
        if target.forward is Function.forward:
            raise UsageError(f"{target.__name__} has no forward: a subclass defines it")
        return "torch.autograd.Function", OfFunction(target)
    if isinstance(target, Function):
        name = type(target).__name__
        raise UsageError(f"{name}() is an instance of a Function: pass the class, {name}")
    if isinstance(target, type):
        raise UsageError(
            f"{target.__name__} is a class of modules: make an instance, as in "
            f"gradcheck.check({target.__name__}(...), x)"
        )
    if isinstance(target, torch.nn.Module) and not is_compiled(target):
        return "torch.nn.Module", OfModule(target)
    if not callable(target):
        raise UsageError(
            f"{type(target).__name__} cannot be checked: pass an autograd.Function, an nn.Module, "
            "a function of tensors, or a forward and a backward function of tensors"
        )
    return "torch function", OfCallable(target, said, attributes)


def is_function(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Function)


def is_native(target: Target) -> bool:
    """An op of PyTorch's own, or of a library's in C++: no line of Python is called."""
    function = target.function if isinstance(target, OfCallable) else None
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.isbuiltin(function) or type(function).__module__ in ("torch._ops", "torch._C")


def is_compiled(module: torch.nn.Module) -> bool:
    """What torch.compile or torch.jit makes of a module: called as it is."""
    return hasattr(module, "_orig_mod") or isinstance(module, torch.jit.ScriptModule)


class users_frames:  # a context manager that reads as a word
    """Tracebacks of what is raised inside lead through the user's lines, not through torch's."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        if kind is not None and isinstance(error, Exception):
            raise error.with_traceback(_theirs(trace))


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    frames, kept = list[TracebackType](), None
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    for frame in reversed(frames):
        if not frame.tb_frame.f_code.co_filename.startswith(_ROOT):
            kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept

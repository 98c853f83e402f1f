"""Parameters of a layer and their gradients, found on its attributes.

Pairs that public code uses: ``W`` with ``dW``, ``grad_W``, ``W_grad``; dicts ``params`` with
``grads`` (``parameters``/``gradients``, the same keys or ``dW``); lists of equal length;
attributes that are objects with ``data`` (or ``value``) and ``grad``. The report says which were
paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import Array, is_real

_GROUPS = (
    ("params", "grads"),
    ("parameters", "gradients"),
    ("parameters", "grads"),
    ("params", "gradients"),
    ("weights", "grads"),
    ("params", "dparams"),
    ("params", "grad"),
)
_VALUES = ("data", "value", "w")
_GRADS = ("grad", "gradient", "dw")

DEPTH = 6
"""Steps into layers that are made of layers."""

Path = tuple[Any, ...]
"""Steps from the layer to an array: attribute names as strings, keys and indices as `_Key`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One array of a layer and where its gradient appears."""

    name: str
    path: Path
    gradient_paths: tuple[Path, ...]
    """Several where a list of parameters holds one array more than once: they add up."""
    value: Array
    returned: int | None = None
    """Its place among what backward returns beside the inputs' gradients."""

    def write(self, instance: Any, value: Any) -> None:
        """Write a value into the layer's own array, so that whatever shares it sees it too."""
        array = _load(instance, self.path)
        if array.flags.writeable:
            array[...] = value
        else:
            _store(instance, self.path, np.array(value, array.dtype))

    def gradient(self, instance: Any) -> Any:
        """The gradient after backward; None where there is none."""
        found = [g for g in (_maybe(instance, p) for p in self.gradient_paths) if g is not None]
        return sum(found[1:], start=found[0]) if found else None

    def clear(self, instance: Any) -> None:
        """Zero the gradient before backward, for layers that accumulate."""
        for path in self.gradient_paths:
            current = _maybe(instance, path)
            if isinstance(current, np.ndarray) and current.flags.writeable:
                current[...] = 0

    @property
    def place(self) -> str:
        """As one writes it: ``self.params['W']``."""
        return _spell(self.path)

    @property
    def gradients(self) -> str:
        """Where its gradient is, as one writes it."""
        return " + ".join(map(_spell, self.gradient_paths))

    def sentence(self) -> str:
        if self.returned is not None:
            return f"{self.place} is a parameter, backward returns its gradient"
        return f"{self.place} is a parameter, its gradient is {self.gradients}"


def find(prototype: Any, ran: Any) -> list[Parameter]:
    """Parameters of a layer, given it before and after a forward and backward pass.

    ``ran`` shows where gradients appear; values come from ``prototype``.
    """
    found: dict[int, Parameter] = {}
    for path in sorted(_arrays(prototype), key=len):  # a layer's own before its parts'
        value = _load(prototype, path)
        if not is_real(value) or value.size == 0:
            continue
        gradient_path = _where_gradient(ran, path, value.shape)
        if gradient_path is None:
            continue
        known = found.get(id(value))
        if known is None:
            found[id(value)] = Parameter(_name(path), path, (gradient_path,), value)
        elif _listed(path) and _listed(known.path) and path[:-1] == known.path[:-1]:
            found[id(value)] = replace(known, gradient_paths=(*known.gradient_paths, gradient_path))
    return list(found.values())


def held(instance: Any) -> list[Parameter]:
    """Every real array that a layer holds, each once, as if it were a parameter."""
    found: dict[int, Parameter] = {}
    for path in sorted(_arrays(instance), key=len):
        value = _load(instance, path)
        if is_real(value) and value.size:
            found.setdefault(id(value), Parameter(_name(path), path, (), value))
    return list(found.values())


def still(instance: Any, parameter: Parameter, value: Any) -> bool:
    """The instance has this value there."""
    return np.array_equal(_maybe(instance, parameter.path), value)


def lasting(
    found: Sequence[Parameter], instance: Any, forward: Callable[[], Any]
) -> list[Parameter]:
    """Those that forward leaves as they are: an instance that ran before has kept values, too.

    ``self.h`` with ``self.dh`` looks like a parameter; it is written anew by each forward pass.
    """
    for parameter in found:
        parameter.write(instance, _moved(parameter.value))
    forward()
    return [p for p in found if still(instance, p, _moved(p.value))]


def _moved(value: Array) -> Array:
    return np.asarray(value + 1, value.dtype)


def match_returned(prototype: Any, gradients: Sequence[Any]) -> list[Parameter]:
    """Parameters whose gradients backward returns beside its inputs': paired by shape and order."""
    paths = [p for p in _arrays(prototype) if is_real(_load(prototype, p))]
    found: dict[int, Parameter] = {}
    for place, gradient in enumerate(gradients):
        size = np.size(gradient) if isinstance(gradient, np.ndarray) else 0
        left = [p for p in paths if id(_load(prototype, p)) not in found]
        fitting = [p for p in left if 0 < size == _load(prototype, p).size]
        exact = [p for p in fitting if np.shape(gradient) == _load(prototype, p).shape]
        for path in (exact or fitting)[:1]:
            value = _load(prototype, path)
            found[id(value)] = Parameter(_name(path), path, (), value, place)
    return list(found.values())


def _where_gradient(ran: Any, path: Path, shape: tuple[int, ...]) -> Path | None:
    for candidate in _gradient_paths(path):
        gradient = _maybe(ran, candidate)
        if isinstance(gradient, np.ndarray | np.generic) and gradient.shape == shape:
            return candidate
    return None


def _listed(path: Path) -> bool:
    return isinstance(path[-1], _Key) and isinstance(path[-1].key, int)


def _arrays(instance: Any) -> Iterator[Path]:
    """Paths to every array that a layer holds: directly, in a dict or list, or in a holder."""
    yield from _inside((), instance, set())


def _inside(path: Path, owner: Any, seen: set[int]) -> Iterator[Path]:
    """Arrays of an object, and of the layers that it is made of."""
    if id(owner) in seen or len(path) > DEPTH:
        return
    seen.add(id(owner))
    for name, value in _attributes(owner):
        yield from _below((*path, name), value)
        parts = value if isinstance(value, (list, tuple)) else (value,)
        for index, part in enumerate(parts):
            if hasattr(part, "forward") and hasattr(part, "backward") and hasattr(part, "__dict__"):
                step = (*path, name) if part is value else (*path, name, _Key(index))
                yield from _inside(step, part, seen)


def _attributes(owner: Any) -> list[tuple[str, Any]]:
    """An object's own attributes, those in slots too."""
    slots = [s for c in type(owner).__mro__ for s in getattr(c, "__slots__", ())]
    found = {s: getattr(owner, s) for s in slots if isinstance(s, str) and hasattr(owner, s)}
    return list({**found, **getattr(owner, "__dict__", {})}.items())


def _below(path: Path, value: Any) -> Iterator[Path]:
    if isinstance(value, np.ndarray):
        yield path
    elif isinstance(value, MutableMapping) and isinstance(path[-1], str):
        for key, item in value.items():
            yield from _below((*path, _Key(key)), item)
    elif isinstance(value, MutableSequence) and isinstance(path[-1], str):
        for index, item in enumerate(value):
            yield from _below((*path, _Key(index)), item)
    else:
        for attribute in _VALUES:
            if isinstance(getattr(value, attribute, None), np.ndarray) and any(
                hasattr(value, g) for g in _GRADS
            ):
                yield (*path, attribute)


@dataclass(frozen=True, slots=True)
class _Key:
    """A step into a dict or list."""

    key: Any


def _gradient_paths(path: Path) -> Iterator[Path]:
    """Where the gradient of the array at a path may be: beside it, on the same layer."""
    if isinstance(path[-1], str) and path[-1] in _VALUES and len(path) > 1:
        for name in _GRADS:
            yield (*path[:-1], name)
    elif isinstance(path[-1], _Key):
        yield from _beside_group(path[:-2], path[-2], path[-1])
    else:
        owner, last = path[:-1], path[-1]
        groups = ("grads", "gradients", "grad")
        yield from ((*owner, name) for name in _spellings(last))
        for key in (*_spellings(last), last):
            yield from ((*owner, group, _Key(key)) for group in groups)


def _beside_group(owner: Path, group: str, key: _Key) -> Iterator[Path]:
    """For ``params["W"]``: ``grads["W"]``, ``grads["dW"]``, ``self.dW``, ``dparams["W"]``."""
    for values, grads in _GROUPS:
        if group.lstrip("_") == values:
            for name in (key.key, *_spellings(key.key)):
                yield (*owner, group.replace(values, grads), _Key(name))
            yield from ((*owner, name) for name in _spellings(key.key))
    yield from ((*owner, name, key) for name in _spellings(group))


def _spellings(name: Any) -> tuple[str, ...]:
    if not isinstance(name, str):
        return ()
    return (
        f"d{name}",
        f"d_{name}",
        f"grad_{name}",
        f"{name}_grad",
        f"grad{name}",
        f"g{name}",
        f"{name}_gradient",
        f"gradient_{name}",
        f"_d{name}",
        f"_d{name.lstrip('_')}",
        f"_grad_{name.lstrip('_')}",
        f"_grad{name}",
    )


def _name(path: Path) -> str:
    words = [str(s.key) if isinstance(s, _Key) else s for s in path]
    if isinstance(path[-1], _Key) and isinstance(path[-1].key, str):
        return words[-1]
    if len(path) > 1 and path[-1] in _VALUES:
        words = words[:-1]
    return "_".join(words)


def _spell(path: Path) -> str:
    text = "self"
    for step in path:
        text += f"[{step.key!r}]" if isinstance(step, _Key) else f".{step}"
    return text


def _load(instance: Any, path: Path) -> Any:
    value = instance
    for step in path:
        value = value[step.key] if isinstance(step, _Key) else getattr(value, step)
    return value


def _maybe(instance: Any, path: Path) -> Any:
    try:
        return _load(instance, path)
    except (AttributeError, KeyError, IndexError, TypeError):
        return None


def _store(instance: Any, path: Path, array: Array) -> None:
    owner = _load(instance, path[:-1])
    last = path[-1]
    if isinstance(last, _Key):
        owner[last.key] = array
    else:
        setattr(owner, last, array)

"""Doors to other frameworks, found by entry point and loaded only once the user has imported them.

In a package's own pyproject.toml, the framework's package on the left, its door on the right::

    [project.entry-points."gradcheck.frameworks"]
    mylib = "mylib_gradcheck:DOOR"

A door is picked by the modules that the target and the values of an example call come from. One
that belongs to a project, not to a package, is given to `add`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.frameworks.protocol import Framework

__all__ = ["GROUP", "add", "framework_of", "is_value"]

GROUP = "gradcheck.frameworks"
_PLAIN = frozenset({"builtins", "numpy", "functools", "gradcheck", "types", "typing", "abc"})
_DEPTH = 4
"""How deep in lists, tuples and dicts values are looked for."""


_added: dict[str, Framework] = {}


def add(door: Framework) -> None:
    """Take a door without an entry point, as beside the ops it is for; it replaces one of its name.

    Parameters
    ----------
    door : Framework
        Its framework is imported already: the door's own module does that.
    """
    _added[door.name] = door


def framework_of(target: Any, values: Sequence[Any], asked: str | None = None) -> Framework | None:
    """The framework that a target belongs to, or that the values of its example call belong to.

    Parameters
    ----------
    target : object
    values : sequence
        The example call, keywords included.
    asked : str, optional
        ``framework=``: the one that a plain function with a signature is meant for.

    Raises
    ------
    UsageError
        No door of that name is installed, its framework is not, or the door cannot be loaded.
    """
    if asked is not None:
        return _demanded(_asked(asked), target, values)
    roots = dict.fromkeys(_roots(target))
    foreign = [v for v in _leaves(values) if not _PLAIN.issuperset(_roots(v))]
    if _PLAIN.issuperset(roots) and not foreign:
        return None
    found = (_loaded(name, point) for name, point in _doors().items() if name not in _added)
    for door in (*_added.values(), *(door for door in found if door)):
        if door.takes(target) or any(map(door.owns, foreign)):
            return door
    return None


def is_value(thing: Any) -> bool:
    """A framework's own value, though it can be called, as a model that is a pytree of JAX's."""
    return framework_of(None, (thing,)) is not None


def _demanded(door: Framework, target: Any, values: Sequence[Any]) -> Framework:
    """The door that was asked for, unless it is another one's that the target belongs to."""
    if door.takes(target) or any(map(door.owns, _leaves(values))):
        return door
    own = framework_of(target, values)
    if own is not None and own.name != door.name:
        what = "the target is" if own.takes(target) else "the example's values are"
        raise UsageError(
            f"framework={door.name!r}: {what} of {own.name}: leave framework= out, or pass what "
            f"is of {door.name}"
        )
    return door


def _asked(name: str) -> Framework:
    if name in _added:
        return _added[name]
    if name not in _doors():
        known = (*_doors(), *_added)
        raise UsageError(f"framework={name!r}: no such door.{did_you_mean(name, known)}")
    try:
        __import__(name)
    except ImportError as error:
        raise UsageError(
            f"framework={name!r}: {name} cannot be imported ({error}): pip install "
            f"'gradcheck[{name}]', or {name} by itself"
        ) from error
    door = _loaded(name, _doors()[name])
    assert door is not None
    return door


@cache
def _doors() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def _loaded(name: str, point: EntryPoint) -> Framework | None:
    """The door of a framework that the user has imported; None where nobody has."""
    if name not in sys.modules:
        return None
    try:
        door: Framework = point.load()
    except Exception as error:
        raise UsageError(
            f"the door to {name} ({point.value}, from {_package(point)}) cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    return door


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


def _roots(thing: Any) -> Iterator[str]:
    """The packages that an object and the classes of it come from."""
    kind = thing if isinstance(thing, type) else type(thing)
    for cls in kind.__mro__:
        yield str(cls.__module__).partition(".")[0]
    if callable(thing):
        yield str(getattr(thing, "__module__", None) or "builtins").partition(".")[0]


def _leaves(values: Any, depth: int = _DEPTH) -> Iterator[Any]:
    if isinstance(values, dict):
        values = list(values.values())
    if depth and isinstance(values, (list, tuple)):
        for value in values:
            yield from _leaves(value, depth - 1)
    else:
        yield values

"""Forward's arguments as named leaves of pytrees, and the call that they stand for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradcheck.errors import UsageError
from gradcheck.frameworks.jax import native
from gradcheck.plain import clean
from gradcheck.signed import Signed

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_KEYS = ("key", "rng", "prng", "seed")
"""What an argument is called that holds an old key of jax.random, two integers."""


class _Name(str):
    """A name with dots, which `inspect` takes for a parameter's."""

    def isidentifier(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Tree:
    """One argument that is no plain array: its leaves by name, others as they are."""

    structure: Any
    leaves: tuple[Any, ...]
    """Names of arrays (`_Name`), and whatever else stands there."""


@dataclass(slots=True)
class Layout:
    """What forward takes, and what an example call says of it."""

    parameters: tuple[inspect.Parameter, ...]
    """The target's own."""
    trees: dict[str, Tree] = field(default_factory=dict)
    """By argument, where it is a pytree."""
    complexes: set[str] = field(default_factory=set)
    """Names of leaves that are complex: real arrays with a trailing axis of 2 outside."""
    example: list[Any] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Of the example's values."""
    notes: list[str] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)
    """Names of the arguments that ``*args`` takes."""

    def forward(self) -> Callable[..., Any]:
        """A function of the flat parameters; only its signature is read."""
        if not self.names:
            return Signed(self.parameters)
        own = inspect.Parameter
        made = [own(_Name(n), own.POSITIONAL_OR_KEYWORD) for n in self.names]
        taken = {*self.names, *self.trees}
        for parameter in self.parameters:
            if parameter.name not in taken and parameter.kind in (*_POSITIONAL, own.KEYWORD_ONLY):
                made.append(parameter.replace(kind=own.KEYWORD_ONLY))
            elif parameter.kind is own.VAR_KEYWORD:
                made.append(parameter)
        known = {p.name for p in made}
        made[len(self.names) : len(self.names)] = [
            own(n, own.KEYWORD_ONLY) for n in self.attributes if n not in known and n.isidentifier()
        ]
        return Signed(made)

    def call(self, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional arguments and keywords from values by name, JAX's or plain."""
        args, keywords, rest, whole = list[Any](), dict[str, Any](), dict(values), True
        for parameter in self.parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                args += [self._take(n, rest) for n in self.spare]
            if parameter.kind not in (*_POSITIONAL, parameter.KEYWORD_ONLY):
                continue
            if parameter.name not in rest and parameter.name not in self.trees:
                whole = False  # what comes after a default is given by name
                continue
            value = self._take(parameter.name, rest)
            if whole and parameter.kind in _POSITIONAL:
                args.append(value)
            else:
                keywords[parameter.name] = value
        return args, {**keywords, **rest}

    def _take(self, name: str, rest: dict[str, Any]) -> Any:
        tree = self.trees.get(name)
        if tree is None:
            return self._own(name, rest.pop(name))
        leaves = [self._own(v, rest.pop(v)) if type(v) is _Name else v for v in tree.leaves]
        return jax.tree_util.tree_unflatten(tree.structure, leaves)

    def _own(self, name: str, value: Any) -> Any:
        """A complex number where two real ones stand for it."""
        if name not in self.complexes:
            return value
        if value.ndim == 0 or value.shape[-1] != 2:
            raise ValueError(f"{name} is complex: its last axis holds real and imaginary part")
        return lax.complex(value[..., 0], value[..., 1])


def layout_of(
    target: Callable[..., Any],
    example: Sequence[Any],
    attributes: Mapping[str, Any],
    static: frozenset[str],
) -> Layout:
    """The layout of a call.

    Parameters
    ----------
    target : callable
    example : sequence
        Positional arguments: arrays, and pytrees of them.
    attributes : mapping
        Keywords.
    static : set of str
        Parameters that JAX does not differentiate or trace (nondiff_argnums, static_argnums).
    """
    made = Layout(_parameters(target, len(example), attributes))
    named = [p for p in made.parameters if p.kind in _POSITIONAL]
    more = next((p.name for p in made.parameters if p.kind is p.VAR_POSITIONAL), "x")
    given: dict[str, Any] = {}
    for place, value in enumerate(example):
        if place < len(named):
            given[named[place].name] = value
        else:
            name = f"{more}_{place - len(named) + 1}"
            made.spare.append(name)
            given[name] = value
    late = {n: v for n, v in attributes.items() if n not in given}
    for name, value in given.items():
        _add(made, name, value, static)
    for name, value in late.items():
        if example and _holds_arrays(value) and name not in static:
            _add(made, name, value, static)
        else:
            made.attributes[name] = value
    return made


def _parameters(
    target: Callable[..., Any], count: int, attributes: Mapping[str, Any]
) -> tuple[inspect.Parameter, ...]:
    own = inspect.Parameter
    try:
        return tuple(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return (
            *(own(f"x{k}" if k else "x", own.POSITIONAL_ONLY) for k in range(count)),
            *(own(name, own.KEYWORD_ONLY) for name in attributes),
        )


def _add(made: Layout, name: str, value: Any, static: frozenset[str]) -> None:
    plain = value is None or isinstance(value, (bool, int, str))
    if name in static or plain or (callable(value) and not _holds_arrays(value)):
        made.attributes[name] = value
    elif _is_number(value) and not _is_old_key(name, value):
        _add_leaf(made, _Name(name), value)
    else:
        _add_tree(made, name, value)


def _holds_arrays(value: Any) -> bool:
    """A tree with an array in it: a model that is a pytree can be called, too."""
    return any(map(native.is_array, jax.tree_util.tree_leaves(value)))


def _is_number(value: Any) -> bool:
    return native.is_array(value) or isinstance(value, (float, complex))


def _add_tree(made: Layout, name: str, value: Any) -> None:
    paths, structure = jax.tree_util.tree_flatten_with_path(value)
    leaves = list[Any]()
    for path, leaf in paths:
        own = _Name(_joined(name, path))
        if not _is_number(leaf) or _is_old_key(own, leaf):
            leaves.append(leaf)
            made.notes.append(f"{own}: {_what(own, leaf)}, handed over as it is")
            continue
        while own in made.names:
            own = _Name(own + "'")
        leaves.append(own)
        _add_leaf(made, own, leaf)
    made.trees[name] = Tree(structure, tuple(leaves))


def _add_leaf(made: Layout, name: _Name, value: Any) -> None:
    native.demand_numbers(value)
    array = native.to_numpy(value) if native.is_array(value) else value
    if isinstance(array, complex) or getattr(array, "dtype", None) in (np.complex64, np.complex128):
        made.complexes.add(name)
        parts = np.asarray(array)
        array = np.stack([parts.real, parts.imag], axis=-1)
        made.notes.append(f"{name}: complex, its last axis here holds real and imaginary part")
    made.names.append(name)
    made.example.append(array)


def _joined(name: str, path: Any) -> str:
    """``params.w``; what separates names elsewhere is replaced."""
    parts = (clean(_text(step), 40).replace(" ", "_").replace(",", "_") for step in path)
    return ".".join([name, *parts])


def _text(step: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(step, attribute):
            return str(getattr(step, attribute))
    return str(step)


def _what(name: str, leaf: Any) -> str:
    random = native.is_key(leaf) or _is_old_key(name, leaf)
    return "a key of jax.random" if random else type(leaf).__name__


def _is_old_key(name: str, value: Any) -> bool:
    """Two integers under a name that says so."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", ())
    own = name.rpartition(".")[2].lower()
    return dtype == np.uint32 and shape[-1:] == (2,) and any(k in own for k in _KEYS)


def outputs_of(returned: Any) -> tuple[Any, ...]:
    """The leaves that forward returned as real arrays, complex ones as real pairs.

    Raises
    ------
    UsageError
        There is none, or one is no number.
    """
    return tuple(_outputs(returned))


def _outputs(returned: Any) -> Iterator[Any]:
    leaves = jax.tree_util.tree_leaves(returned)
    strange = [
        v for v in leaves if not (native.is_array(v) or isinstance(v, (int, float, complex)))
    ]
    if strange or not leaves:
        kinds = ", ".join(type(v).__name__ for v in strange) or repr(returned)[:60]
        raise UsageError(
            f"forward returns {kinds}: return an array, or a pytree (dict, list, tuple) of arrays"
        )
    for leaf in leaves:
        array = jnp.asarray(leaf)
        if jnp.iscomplexobj(array):
            yield jnp.stack([array.real, array.imag], axis=-1)
        else:
            yield array

"""Functions of a library by name: an operator, a function of its modules, or a Tensor's method."""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import Attribute, Input

BINARY_SIGNS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
}
UNARY_SIGNS: dict[str, Callable[..., Any]] = {"-": operator.neg, "+": operator.pos}
_ALIASES = {
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "truediv": "divide",
    "neg": "negative",
}
"""NumPy's name for what libraries call otherwise."""
_KEYWORDS = {"keepdim": "keepdims", "dim": "axis"}


@dataclass(frozen=True, slots=True)
class Named:
    """One word of ``"exp log add:+"``: what the op is called, and how it is found."""

    name: str
    how: str

    @property
    def is_sign(self) -> bool:
        return self.how in BINARY_SIGNS


def read(names: str | Sequence[str]) -> list[Named]:
    """The words of a list of ops.

    Raises
    ------
    UsageError
        There is none, one stands twice, or is no name.
    """
    if not isinstance(names, (str, Sequence)):
        raise UsageError(f"tape.ops: names in a text, as in ops('exp log add:+'), not {names!r}")
    words = names.split() if isinstance(names, str) else [str(w) for w in names]
    found = [Named(w.partition(":")[0], w.partition(":")[2] or w) for w in words]
    if not found:
        raise UsageError("tape.ops: name at least one op, as in ops('exp log add:+')")
    for word, written in zip(found, words, strict=True):
        plain = word.how.replace(".", "_")
        if not word.name or not (word.is_sign or plain.isidentifier()):
            raise UsageError(
                f"tape.ops: cannot read {written!r}; write a name, name:method, "
                f"name:function or name:sign with a sign of {' '.join(BINARY_SIGNS)}"
            )
    for place, word in enumerate(found):
        demand_free(word.name, [w.name for w in found[:place]])
    return found


def demand_free(name: str, taken: Iterable[str]) -> None:
    """No two ops of a tape have one name.

    Raises
    ------
    UsageError
        It is taken.
    """
    if name in taken:
        raise UsageError(
            f"tape: there is an op {name!r} already; another name for the same function is "
            f"written other:{name}"
        )


@dataclass(frozen=True, slots=True)
class Homes:
    """Where names are looked for: the user's modules, the Tensor class, the library's modules."""

    modules: tuple[Any, ...]
    tensor: type | None
    """Its class; None for a library that differentiates functions of arrays."""

    def find(self, word: Named, count: int) -> Callable[..., Any]:
        """The function of so many inputs that a word names.

        Raises
        ------
        UsageError
            There is none; names the nearest.
        """
        if word.is_sign:
            signs = UNARY_SIGNS if count == 1 else BINARY_SIGNS
            if word.how not in signs:
                raise UsageError(f"tape.ops: {word.how!r} is no operator of {count} input")
            return signs[word.how]
        for module in self.modules:
            if (found := _inside(module, word.how)) is not None:
                return found
        if self.tensor is not None:
            if (found := _inside(self.tensor, word.how)) is not None:
                return found
            for module in _modules_of(self.tensor):
                found = _inside(module, word.how)
                if found is not None and not isinstance(found, np.ufunc):
                    return found
        raise UsageError(f"tape.ops: {self._missing(word.how)}")

    def _missing(self, name: str) -> str:
        if self.tensor is None and not self.modules:
            return f"no module to find {name!r} in: pass it, as in functions=autograd.numpy"
        places = [getattr(m, "__name__", str(m)) for m in self.modules]
        places += [self.tensor.__qualname__] if self.tensor is not None else []
        known = [n for m in (*self.modules, self.tensor) if m is not None for n in dir(m)]
        known = [n for n in known if not n.startswith("_")]
        if self.tensor is np.ndarray:
            return f"leaf= gives an ndarray, which has no {name!r}; as in leaf=lambda a: Tensor(a)"
        return f"there is no {name!r} in {', '.join(places)}.{did_you_mean(name, known)}"


def _modules_of(tensor: type) -> list[Any]:
    own = tensor.__module__
    found = [sys.modules.get(n) for n in dict.fromkeys((own, own.partition(".")[0]))]
    return [m for m in found if m is not None]


def _inside(home: Any, path: str) -> Callable[..., Any] | None:
    """A function by its dotted path; None where there is none."""
    found: Any = reduce(lambda at, part: getattr(at, part, None), path.split("."), home)
    return found if callable(found) else None


def elementwise(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """A function of numbers, called on each entry of arrays of them."""

    def on_arrays(*values: Any, **attributes: Any) -> Any:
        called = np.frompyfunc(lambda *xs: function(*xs, **attributes), count, 1)
        return called(*values)

    on_arrays.__wrapped__ = function  # type: ignore[attr-defined]  # its source is the function's
    on_arrays.__name__ = getattr(function, "__name__", "lambda")
    return on_arrays


def numpys(
    name: str, inputs: Sequence[Input], attributes: Sequence[Attribute]
) -> Callable[..., Any] | None:
    """NumPy's function of that name, if it takes these inputs and attributes."""
    found = _inside(np, _ALIASES.get(name, name))
    if found is None or isinstance(found, type):
        return None
    names = {a.name: _KEYWORDS.get(a.name, a.name) for a in attributes}
    if isinstance(found, np.ufunc):
        return None if attributes or found.nin != len(inputs) or found.nout != 1 else found
    try:
        inspect.signature(found).bind(*inputs, **dict.fromkeys(names.values()))
    except (TypeError, ValueError):
        return None
    return _renamed(found, names)


def _renamed(function: Callable[..., Any], names: Mapping[str, str]) -> Callable[..., Any]:
    """NumPy's function under another library's keywords."""
    if all(own == theirs for own, theirs in names.items()):
        return function

    def called(*arrays: Any, **attributes: Any) -> Any:
        return function(*arrays, **{names[k]: v for k, v in attributes.items()})

    return called

"""Arrays by which a factor or a term may be missing: inputs, outputs, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.diagnosis.evidence import View

Named = dict[str, Float]


def known(view: View, shape: tuple[int, ...]) -> Named:
    """The case's own real arrays that stand beside an array of this shape, spread over it."""
    found: Named = {}
    for name, value in _own(view):
        spread = _beside(value, shape)
        if spread is not None:
            found[name] = spread
    return found


def factors(view: View, shape: tuple[int, ...], *, constant: bool = False) -> Named:
    """Those and their usual derivatives, each with at least two different sizes in it.

    ``constant``: those of one size too, for who compares cases in which that size differs.
    """
    found: Named = {}
    for name, value in known(view, shape).items():
        for text, made in _made_of(name, value):
            if np.isfinite(made).all() and (constant or _varies(np.abs(made))):
                found.setdefault(text, made)
    return found | _statistics(view, shape)


def bracketed(what: str) -> str:
    """A quantity as a factor among others: in brackets where it is more than one word."""
    depth = 0
    for character in what:
        depth += (character == "(") - (character == ")")
        if character == " " and not depth:
            return f"({what})"
    return what


def _varies(sizes: Float) -> bool:
    """Not one number: that would be a factor. A single entry counts, other cases have others."""
    return sizes.size == 1 or bool(np.ptp(sizes) > 1e-3 * sizes.max())


def _own(view: View) -> Iterator[tuple[str, Float]]:
    for name, primal in view.primals.items():
        if primal.dtype.kind == "f":
            yield name, primal.astype(np.float64)
    names = (
        ["the output"]
        if len(view.outputs) == 1
        else [f"output {k}" for k in range(len(view.outputs))]
    )
    for name, output in zip(names, view.outputs, strict=True):
        if output.dtype.kind == "f":
            yield name, output.astype(np.float64)


def _beside(value: Float, shape: tuple[int, ...]) -> Float | None:
    """Spread over the shape, as broadcasting would, or with one axis put back in."""
    options: list[Array] = [value]
    if value.ndim == len(shape) - 1:
        options += [np.expand_dims(value, a) for a in range(value.ndim)]
    for option in options:
        try:
            return np.array(np.broadcast_to(option, shape))
        except ValueError:
            continue
    return None


def _made_of(name: str, q: Float) -> Iterator[tuple[str, Float]]:
    yield name, q
    if name.startswith(("the output", "output")):
        yield f"1 - {name}", 1 - q
        yield f"1 + {name}", 1 + q
        yield f"1 - ({name})^2", 1 - q * q
        yield f"({name})(1 - {name})", q * (1 - q)
    else:
        yield f"1 - {name}", 1 - q
        yield f"1 - ({name})^2", 1 - q * q
        yield f"({name})(1 - {name})", q * (1 - q)
        logistic, tanh = 1 / (1 + np.exp(-q)), np.tanh(q)
        yield f"logistic({name})", logistic
        yield f"1 - logistic({name})", 1 - logistic
        yield f"logistic({name})(1 - logistic({name}))", logistic * (1 - logistic)
        yield f"tanh({name})", tanh
        yield f"1 - tanh({name})^2", 1 - tanh * tanh
        yield f"exp(-{name}^2/2)", np.exp(-q * q / 2)
        yield f"sin({name})", np.sin(q)
        yield f"cos({name})", np.cos(q)
    if (q < 30).all():
        yield f"exp({name})", np.exp(q)
        yield f"1 - exp({name})", 1 - np.exp(q)


_STATISTICS: dict[str, Callable[[Float, int], Float]] = {
    "sum": lambda q, a: np.asarray(q.sum(axis=a, keepdims=True)),
    "norm": lambda q, a: np.asarray(np.sqrt((q * q).sum(axis=a, keepdims=True))),
    "standard deviation": lambda q, a: np.asarray(q.std(axis=a, keepdims=True)),
    "root mean square": lambda q, a: np.asarray(np.sqrt((q * q).mean(axis=a, keepdims=True))),
}


def _statistics(view: View, shape: tuple[int, ...]) -> Named:
    """Per-row numbers of the input itself."""
    own = view.primals[view.name].astype(np.float64)
    found: Named = {}
    if own.shape != shape or own.ndim < 2:
        return found
    for axis in range(own.ndim):
        for what, reduce in _STATISTICS.items():
            if own.shape[axis] > 1:
                value = np.broadcast_to(reduce(own, axis), shape)
                found[f"the {what} of {view.name} along axis {axis}"] = np.array(value)
    return found

"""What the checks of an engine work with: small graphs, gradients, and what is right for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.arrays import Array
from gradcheck.tapes.calling import Function, Library, Recorded

Expected = tuple[str, Any, Array]
"""A leaf's name, the gradient that it got, and the right one."""


class Laboratory:
    """A library, opened up. All numbers are exact in every dtype."""

    def __init__(
        self,
        library: Library,
        detach: Callable[[Any], Any] | None,
        nodes: int,
        dtype: np.dtype[Any],
    ) -> None:
        self.library, self.nodes, self.dtype = library, nodes, dtype
        self._detach = detach
        self.x, self.w = self.array(2.0, -3.0), self.array(5.0, 7.0)
        self.u, self.v = self.array(0.5, 4.0), self.array(-2.0, 3.0)
        self.cotangent = self.array(1.0, -2.0)

    @property
    def recorded(self) -> Recorded | None:
        """The library where it has leaves."""
        return self.library if isinstance(self.library, Recorded) else None

    def array(self, *numbers: float) -> Array:
        return np.array(numbers, self.dtype)

    def host(self, x: Any) -> Any:
        """y = 2 x: one node, one leaf, right in any engine that is worth a look."""
        if self.recorded is None:
            return x * 2.0
        return x * self.constant(np.full_like(self.recorded.array(x), 2.0))

    def constant(self, array: Array) -> Any:
        """A value whose gradient nobody asks for."""
        assert self.recorded is not None
        return self.recorded.made(array, differentiated=False)

    def leaf(self, array: Array) -> Any:
        assert self.recorded is not None
        return self.recorded.made(array.copy())

    def gradients(
        self, function: Function, primals: Sequence[Array], cotangent: Array | None = None
    ) -> list[Any]:
        """The gradients of a function's inputs, from fresh leaves."""
        upstream = self.cotangent if cotangent is None else cotangent
        copies = [p.copy() for p in primals]
        _, pull = self.library.vjp(function, copies, (True,) * len(copies), {})
        return pull((upstream.copy(),))

    def calls(self, function: Function, primals: Sequence[Array]) -> int:
        """How many calls a backward pass makes, of Python functions and of others."""
        _, pull = self.library.vjp(function, [p.copy() for p in primals], (True,), {})
        count = 0

        def seen(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(seen)
        try:
            pull((self.cotangent.copy(),))
        finally:
            sys.setprofile(before)
        return count

    def detacher(self) -> Callable[[Any], Any] | None:
        """What cuts the tape: ``detach=``, or the Tensor's method; None where there is none."""
        if self._detach is not None or self.recorded is None:
            return self._detach
        made = self.leaf(self.x)
        own = made.flat[0] if self.recorded.scalar else made
        return (lambda t: t.detach()) if callable(getattr(own, "detach", None)) else None

    def detached(self, value: Any) -> Any:
        detach = self.detacher()
        assert detach is not None
        if self.recorded is not None and self.recorded.scalar:
            return np.frompyfunc(detach, 1, 1)(value)
        return detach(value)


def apart(*parts: Expected) -> str:
    """The first leaf whose gradient is not the right one, in words; empty where all are right."""
    for name, got, right in parts:
        if got is None:
            return f"{name} gets no gradient"
        found = np.asarray(got)
        if found.shape != right.shape:
            return f"the gradient of {name} has shape {found.shape} instead of {right.shape}"
        wrong = ~np.isclose(found.astype(np.float64), right, rtol=1e-5, atol=0.0)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            return f"the gradient of {name} is {found[place]:g} instead of {right[place]:g}"
    return ""

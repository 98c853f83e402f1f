"""What a framework's door is made of: write these two to add one (docs/howto/frameworks.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gradcheck.foreign import Foreign
from gradcheck.signatures import parse

Named = Mapping[str, Any]
"""Forward's arguments by name: NumPy arrays (in lists, tuples and dicts, as in the example call)
and constants, in forward's own order."""
Pull = Callable[[tuple[Any, ...]], Mapping[str, Any] | Sequence[Any]]
"""From one NumPy cotangent per output to gradients by the name of argument or parameter; to what
backward returned, where that cannot be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a user passed: a framework's own values, or NumPy arrays."""

    example: tuple[Any, ...]
    attributes: Mapping[str, Any]
    signature: str | None = None
    device: str | None = None
    order: int | None = None
    """2: the gradient of the gradient is demanded."""
    nondiff: tuple[str, ...] = ()
    """Arguments that are said not to be differentiated."""

    def names(self) -> list[str]:
        """Names for the arguments of a function that does not tell its own."""
        if self.example or self.signature is None:
            return [f"x{k}" if k else "x" for k in range(max(1, len(self.example)))]
        return [i.name for i in parse(self.signature, [])[0]]


class Naming(Protocol):
    """Between an op's primals, in order, and a gate's arguments, by name."""

    def __call__(self, primals: Sequence[Any], attributes: Mapping[str, Any]) -> Named:
        """Arguments and parameters by name."""
        ...

    def listed(self, by_name: Mapping[str, Any]) -> list[Any]:
        """Gradients by name in the order of the primals."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One target of a framework as functions of NumPy arrays."""

    kind: str
    """As in "torch.autograd.Function"."""
    forward: Callable[..., Any]
    """Only its parameters are read: forward's arguments, without self or ctx."""
    run: Callable[[Named], Any]
    """Outputs, nothing recorded. ``named`` holds the parameters, too."""
    vjp: Callable[[Named, frozenset[str] | None], tuple[Any, Pull]]
    """Outputs and pullback; the set names the only gradients that are wanted, None: all."""
    example: tuple[Any, ...] = ()
    """The example call with NumPy arrays in place of the framework's values, flat where it was
    nested."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Arrays that the target holds and that are differentiated, no name one of an argument."""
    pairs: frozenset[str] = frozenset()
    """Arguments that are complex: the last axis of their arrays is (real, imaginary), of size 2."""
    selective: bool = False
    """`vjp` heeds which gradients are wanted, and asks less of backward."""
    written: tuple[Any, ...] = ()
    """The user's forward, backward and helpers, for source lines and constants."""
    notes: tuple[str, ...] = ()
    hosted: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    """`Framework.hosted` for functions of the target's own arguments, where these are nested."""
    foreign: Callable[[Naming], Foreign] | None = None
    """The rest, given what makes ``named`` from an op's primals and attributes."""


class Framework(Protocol):
    """A door. Its module imports the framework, and is imported only once the user has."""

    name: str
    """The package's name, which `Gate.foreign` gives with its version."""
    numbers: bool
    """Python's floats among the arguments are differentiated."""

    def owns(self, value: Any) -> bool:
        """A value of the framework: a tensor, an array on a device."""
        ...

    def takes(self, target: Any) -> bool:
        """A target of the framework's whatever its arguments are."""
        ...

    def array(self, value: Any) -> Any:
        """A value as a NumPy array of its dtype; anything else as it is."""
        ...

    def hosted(self, function: Callable[..., Any], device: str | None) -> Callable[..., Any]:
        """A function of the framework's values as one of arrays, of the same parameters."""
        ...

    def gate(self, target: Any, call: Call) -> Gate:
        """The target as functions of arrays.

        Raises
        ------
        UsageError
            It cannot be checked; says why and what to do.
        """
        ...

"""What a door to another framework knows of an op besides forward and backward.

Plain data that `checks.framework` reads: the same gradients computed in another way, the gradient
of the gradient, forward mode, and what the door saw while the op ran. Everything takes and gives
NumPy arrays; no framework is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from gradcheck.results import Severity

Arrays = tuple[Any, ...]
Rule = Callable[[Arrays, Mapping[str, Any]], tuple[Any, Callable[[Arrays], Any]]]
"""``rule(primals, attributes) -> outputs, pullback``."""


class Unavailable(Exception):
    """A framework cannot do this with the op, and says so: no finding, but a sentence."""


_ADVICE = "_gradcheck_advice"


def advised(error: Exception, advice: str) -> Exception:
    """The same exception with what to do about it, where a door knows that better than we do."""
    error.__dict__[_ADVICE] = advice
    return error


def advice_of(error: BaseException) -> str:
    """What `advised` left; empty in any other exception."""
    return str(getattr(error, "__dict__", {}).get(_ADVICE, ""))


class Generator(Protocol):
    """A framework's global random state."""

    def seeded(self, seed: int) -> Any:
        """The state that a seed gives; the present one stays."""
        ...

    def state(self) -> Any:
        """The present state."""
        ...

    def restore(self, state: Any) -> None:
        """Make a state the present one."""
        ...

    def same(self, a: Any, b: Any) -> bool:
        """Two states are equal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Outputs and gradients computed in another way: they must be the same numbers."""

    code: str
    said: str
    """As in "under jax.jit", "where gradients are accumulated"."""
    rule: Rule
    severity: Severity = "fail"
    raised: Severity = "warning"
    """How grave it is that it raises, and not because it is `Unavailable`."""
    precision: str | None = None
    """The format that it computes in, where that is coarser than the op's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """The gradients as a function of primals and cotangents, and its own backward pass."""

    code: str
    said: str
    forward: Callable[[Arrays, Arrays, Mapping[str, Any]], Arrays]
    """``forward(primals, cotangents, attributes)``: the gradients of the differentiable inputs."""
    rule: Callable[
        [Arrays, Arrays, Mapping[str, Any]], tuple[Arrays, Callable[[Arrays], tuple[Any, ...]]]
    ]
    """The same, and a pullback to gradients of primals and of cotangents, None where there is
    none."""
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardMode:
    """Forward mode: J v, which the pullback must be the adjoint of: <u, J v> = <J' u, v>."""

    code: str
    jvp: Callable[[Arrays, Arrays, Mapping[str, Any]], Arrays]
    """``jvp(primals, tangents, attributes)``: the outputs' tangents. Tangents of inputs that are
    not real are None."""
    severity: Severity = "fail"


@dataclass(frozen=True, slots=True)
class Remark:
    """What the door saw while the op ran, as one finding."""

    code: str
    message: str
    severity: Severity
    input: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """All that a door tells of one op."""

    framework: str
    """Its name and version, as in "torch 2.13.0"."""
    looks: int = 3
    """Cases of a dtype at which variants, second order and forward mode are looked at."""
    each_dtype: bool = True
    """False: that many of all dtypes together, where to look is dear (it compiles)."""
    variants: tuple[Variant, ...] = ()
    derived: tuple[Derived, ...] = ()
    forward_mode: ForwardMode | None = None
    remarks: Callable[[], Iterable[Remark]] | None = None
    """What was seen since it was asked last."""
    random: Generator | None = None
    compiled: bool = False
    """The target is an op of the framework's own, in no line of Python: it may read anywhere."""
    can_fork: Callable[[], bool] = lambda: False
    """A forked child of this process can run the op."""
    filled: Callable[[], AbstractContextManager[Any]] | None = None
    """In it, memory that the framework hands out uninitialised holds NaN."""
    stacked: Callable[[Arrays, int, Any, Mapping[str, Any]], Any] | None = None
    """``stacked(primals, k, values, attributes)``: outputs with a leading axis, one row for each
    of the values (b, \\*shape) of input k, by the framework's own vmap.

    Raises `Unavailable`."""
    stacks_from: int = 0
    """Rows from which on that pays."""
    release: Callable[[bool], None] | None = None
    """Is called when an op was checked: lets go of what was kept for it, as compiled programs.

    True: also of what the framework itself keeps; the process is gradcheck's own."""
    any_size: bool = True
    """False where forward is compiled for each size: it is not tried on arrays with an axis more.
    """


def release(foreign: Foreign | None, *, whole: bool) -> None:
    """Let go of what a door kept for an op that was checked; ``whole``: see `Foreign.release`."""
    if foreign is not None and foreign.release is not None:
        foreign.release(whole)

"""What a finite difference yields: a value that never travels without its bound.

Made by `differences` (three evaluations) and `ladder` (many steps), judged by `compare`.
Nothing here has seen the gradient under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Samples:
    """Outputs of a forward pass at steps on both sides of a point, along one line.

    ``L`` steps from the coarsest to the finest, ``m`` flattened outputs, all float64.
    """

    up: Float
    """(L,) steps really taken upwards, after rounding to the working precision; > 0."""
    down: Float
    """(L,) steps really taken downwards; > 0."""
    above: Float
    """(L, m) outputs at x + up; NaN where forward refused."""
    below: Float
    """(L, m) outputs at x - down."""


class Line(Protocol):
    """A line through the primals along which a forward pass can be evaluated."""

    here: Float
    """(m,) outputs at the point itself."""
    cotangent: Float
    """(m,) the upstream gradient that contracts the outputs to a scalar phi = cotangent . y."""
    eps: float
    """Spacing of the working precision at 1 (2.2e-16 for float64, 1.2e-7 for float32)."""
    tiny: float
    """Smallest normal number of the working precision."""
    size: float
    """|x| of the moved entry; along a direction the largest |x| moved."""

    @property
    def typical(self) -> float:
        """Median |x| of the tensor the entry belongs to."""
        ...

    def sample(self, steps: Float) -> Samples:
        """Evaluate forward at x +- each step (two evaluations a step)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The derivative of phi = cotangent . y along one line, and how far it can be trusted."""

    value: float
    bound: float
    """|value - true derivative| <= bound; inf when nothing could be concluded."""
    truncation: float = 0.0
    roundoff: float = 0.0
    """The two parts of the bound."""
    step: float = 0.0
    """The step the value was taken at."""
    scale: float = 0.0
    """Size of the derivative without cancellation: sum |cotangent_j dy_j| / 2h."""
    low: float = np.inf
    high: float = -np.inf
    """Hull of the one-sided slopes at a kink; empty (low > high) where there is none."""
    kink: bool = False
    """The slopes from the left and the right differ *at* the point."""
    edge: bool = False
    """Forward refuses one side: the slope of the other."""
    reason: str = ""
    """Why nothing can be concluded here: "jump or spike", "domain edge"; empty when resolved."""
    fine_values: tuple[float, ...] = ()
    fine_noise: tuple[float, ...] = ()
    """The estimates at the four finest steps, and their a-priori noise."""
    evaluations: int = 0

    @property
    def resolved(self) -> bool:
        return not self.reason

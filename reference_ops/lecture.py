"""The lecture's gates as it writes them: a class that keeps its inputs (CS224N lecture 4).

x, y and z are scalars there, so ``scope="declared"``: arrays that broadcast are beyond them (the
gates in `arithmetic` handle those).
"""

from __future__ import annotations

import gradcheck


@gradcheck.register("x[], y[]", scope="declared")
class MultiplyGate:
    """z = x y; dx = y dz, dy = x dz: * switches (CS224N lecture 4).

    >>> gate = MultiplyGate()
    >>> gate.forward(3.0, -4.0), gate.backward(1.0)
    (-12.0, [-4.0, 3.0])
    """

    def forward(self, x: float, y: float) -> float:
        z = x * y
        self.x = x  # must keep these around!
        self.y = y
        return z

    def backward(self, dz: float) -> list[float]:
        dx = self.y * dz  # [dz/dx * dL/dz]
        dy = self.x * dz  # [dz/dy * dL/dz]
        return [dx, dy]


@gradcheck.register("x[], y[]", scope="declared")
class AddGate:
    """z = x + y; dx = dz, dy = dz: + distributes (CS224N lecture 4).

    It returns its cotangent, twice. With numbers that is harmless; with arrays, a later ``+=`` on
    dx would change dy, and the checker warns of it (`arithmetic.add` returns two new arrays).

    >>> gate = AddGate()
    >>> gate.forward(3.0, -4.0), gate.backward(1.0)
    (-1.0, [1.0, 1.0])
    """

    def forward(self, x: float, y: float) -> float:
        return x + y

    def backward(self, dz: float) -> list[float]:
        return [dz, dz]

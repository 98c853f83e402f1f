"""An example that fails, to learn from: the lecture's own rule for max (CS224N lecture 4).

Not imported by the package. Try ``gradcheck run reference_ops/lecture_max.py``.
"""

from __future__ import annotations

import gradcheck


@gradcheck.register("y[], z[]", scope="declared")
class MaxGate:
    """b = max(y, z); dy = 1(y > z) db, dz = 1(z > y) db: right everywhere except at y = z.

    At a tie max has a kink, and each of dy and dz may be anything from 0 to db: that is a
    convention. But move along the tie, y and z together: max(y + h, z + h) = max(y, z) + h has no
    kink there and slope 1, so dy + dz must be db. The rule gives 0 + 0: the gradient is lost.
    With >= in one of the two lines the first or second wins, as in `arithmetic.maximum`.
    """

    def forward(self, y: float, z: float) -> float:
        self.y = y
        self.z = z
        return max(y, z)

    def backward(self, db: float) -> list[float]:
        dy = (self.y > self.z) * db  # 1(y > z)
        dz = (self.z > self.y) * db  # 1(z > y)
        return [dy, dz]

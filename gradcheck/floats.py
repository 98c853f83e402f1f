"""The floating-point formats that gates compute in, by name.

bfloat16 is no type of NumPy's: it comes from the package ml_dtypes, which is imported only where
an array, a setting or an op asks for it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gradcheck.errors import UsageError

if TYPE_CHECKING:  # settings know the names, and are read in sessions that never need NumPy
    import numpy as np


@dataclass(frozen=True, slots=True)
class Format:
    """One binary format."""

    bits: int
    """Of the significand, the leading one included."""
    tiny: float
    """The smallest normal number."""
    largest: float

    @property
    def eps(self) -> float:
        """The spacing at 1."""
        return 2.0 ** (1 - self.bits)


FORMATS = {
    "float64": Format(53, 2.0**-1022, 1.7976931348623157e308),
    "float32": Format(24, 2.0**-126, 3.4028235e38),
    "float16": Format(11, 2.0**-14, 65504.0),
    "bfloat16": Format(8, 2.0**-126, 3.3895314e38),
}
"""From the widest to the narrowest."""
MIXED = "mixed"
"""Inputs in turn float64 and float32, where it is named among the dtypes; judged as float32."""
HALF = ("float16", "bfloat16")
"""Too few digits for difference quotients at one small step: `fit` takes them."""


@lru_cache(None)
def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a format.

    Raises
    ------
    UsageError
        It is bfloat16, and ml_dtypes is not installed.
    """
    import numpy as np

    kind: Any = "float32" if name == MIXED else name
    if name == "bfloat16":
        demand_installed(name)
        import ml_dtypes

        kind = ml_dtypes.bfloat16
    found: np.dtype[Any] = np.dtype(kind)
    return found


def demand_installed(name: str) -> None:
    """Refuse a format that needs a package which is not there."""
    if name == "bfloat16" and importlib.util.find_spec("ml_dtypes") is None:
        raise UsageError("dtype 'bfloat16' needs the package ml_dtypes: pip install ml_dtypes")


@lru_cache(None)
def largest_of(dtype: np.dtype[Any] | str) -> float:
    """The largest finite number of a floating-point dtype; infinity for integers."""
    import numpy as np

    known = FORMATS.get(str(dtype))
    if known is not None:
        return known.largest
    return float(np.finfo(dtype).max) if np.dtype(dtype).kind == "f" else np.inf


@lru_cache(None)
def eps_of(dtype: np.dtype[Any] | str) -> float:
    """Spacing at 1; 0 for integers, which are exact."""
    import numpy as np

    known = FORMATS.get(str(dtype))
    if known is not None:
        return known.eps
    kind = np.dtype(dtype).kind
    return float(np.finfo(dtype).eps) if kind == "f" else 0.0

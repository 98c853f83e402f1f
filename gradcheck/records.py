"""Plain frozen data that JSON can hold: what results, figures and scores are made of."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

Number = float | Literal["nan", "inf", "-inf"]
"""JSON has no NaN or infinity, and encoders turn them into null silently: they are strings."""


def num(value: float) -> Number:
    """A float as JSON can hold it."""
    value = float(value)
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def unnum(value: Number) -> float:
    """The float that `num` wrote."""
    return float(value)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every record in a report."""

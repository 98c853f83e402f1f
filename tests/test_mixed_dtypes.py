"""``dtypes="float64 mixed"``: inputs of two precisions in one call, where they are named."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.errors import UsageError
from tests.gates import Array, fails, multiply, passes, x5


def accumulates_in_x(dz: Array, x: Array, y: Array) -> list[Array]:
    dx, dy = np.zeros_like(x), np.zeros_like(x)
    dx += dz * y if x.dtype == y.dtype else (dz * y).astype(x.dtype)
    dy += (dz * x).astype(x.dtype)
    return [dx, dy if x.dtype == y.dtype else np.float64(1.01) * dy.astype(y.dtype)]


def right(dz: Array, x: Array, y: Array) -> list[Array]:
    return [(dz * y).astype(x.dtype), (dz * x).astype(y.dtype)]


def test_what_is_wrong_for_two_precisions_only() -> None:
    example = (x5, x5[::-1].copy())
    passes(multiply, accumulates_in_x, *example)
    found = fails(multiply, accumulates_in_x, *example, dtypes="float64 float32 mixed")
    assert (found.code, found.input) == ("wrong-gradient", "y")
    assert "np.float32" in found.case
    result = passes(multiply, right, *example, dtypes="float64 mixed")
    assert result.dtypes == ["float64", "mixed"]


def test_an_unknown_mixture_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'mixed'"):
        passes(multiply, right, x5, x5, dtypes="float64 mixt")


def test_a_tolerance_beside_a_mixture_is_audited() -> None:
    result = passes(multiply, right, x5, x5[::-1].copy(), dtypes="mixed", signif=0.5)
    assert "loose-tolerance" in [f.code for f in result.findings]

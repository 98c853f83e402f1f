"""What is asked of every array: its ends, and whether it is finite."""

from __future__ import annotations

import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradcheck.arrays import all_finite, ends, largest

DTYPES = ["f8", ">f8", "f4", "f2", "g", ml_dtypes.bfloat16, ml_dtypes.float8_e5m2]
LAYOUTS = {
    "as it is": lambda x: x,
    "turned": lambda x: x.T,
    "every other": lambda x: x[::2],
    "broadcast": lambda x: np.broadcast_to(x[0], x.shape),
    "a number": lambda x: x[0, 0:1].reshape(()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_ends_of_an_array(dtype: Any, layout: str) -> None:
    x = LAYOUTS[layout](np.array([[-3.0, 1.0, 2.5], [0.0, 4.0, -0.5]]).astype(dtype))
    assert ends(x) == (float(x.min()), float(x.max()))
    assert all_finite([x])
    for spoilt in (np.nan, np.inf, -np.inf):
        wrong = np.array(x)
        wrong[(-1,) * x.ndim] = spoilt
        assert not all_finite([x, wrong])
        with np.errstate(invalid="ignore"):  # narrow floats warn of NaN
            assert any(not np.isfinite(end) for end in ends(wrong))


def test_no_numbers_are_finite_and_have_no_size() -> None:
    assert all_finite([np.zeros((0, 3)), np.zeros(0, "f4"), np.array([2**63 - 1])])
    assert largest(np.zeros(0)) == 0
    assert largest(np.array([-5.0, np.nan, np.inf, 2.0])) == 5


@pytest.mark.skipif(np.finfo("g").max == np.finfo("f8").max, reason="no wider numbers here")
def test_numbers_beyond_a_float64_are_finite() -> None:
    assert all_finite([np.array([np.longdouble("1e310")])])


@pytest.mark.parametrize("turned", [False, True])
def test_no_copy_is_made_to_find_the_ends(*, turned: bool) -> None:
    x = np.ones((500, 500)).T if turned else np.ones((500, 500))
    tracemalloc.start()
    ends(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 10

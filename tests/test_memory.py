"""Second uses of memory: planted bugs that one call does not show, and right ops beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck.arrays import copy_tuple, poison
from tests.gates import (
    Array,
    fails,
    multiply,
    passes,
    refused,
    relu,
    sine,
    sine_backward,
    x5,
    x34,
)


def times(dz: Array, x: Array, y: Array) -> list[Array]:
    return [dz * y, dz * x]


def test_gradients_kept_by_the_identity_of_an_array() -> None:
    def by_identity(dz: Array, x: Array, y: Array) -> list[Array]:
        sums: dict[int, Any] = {}
        for array, gradient in ((x, dz * y), (y, dz * x)):
            sums[id(array)] = sums.get(id(array), 0) + gradient
        return [sums[id(x)], sums[id(y)].copy()]

    found = fails(multiply, by_identity, x5, x5[::-1].copy())
    assert found.code == "shared-inputs"
    assert "x and y" in found.message
    passes(multiply, times, x5, x5[::-1].copy())


def test_backward_that_changes_an_input_and_restores_it() -> None:
    """Its bytes are the same afterwards; in between, the other input is another one."""

    def in_between(dz: Array, x: Array, y: Array) -> list[Array]:
        np.negative(x, out=x)
        gradients = [dz * y, -dz * x]
        np.negative(x, out=x)
        return gradients

    result = refused(multiply, in_between, x5, x5[::-1].copy()).result
    codes = {f.code for f in result.findings if f.severity == "fail"}
    assert codes == {"shared-inputs"}


def test_views_of_one_buffer_stay_views_of_one_copy() -> None:
    buffer = np.arange(6.0)
    first, second = copy_tuple((buffer[:-1], buffer[1:]))
    first[1] = 50
    assert second[0] == 50
    assert buffer[1] == 1
    alone = copy_tuple((buffer[:-1], np.ones(2)))
    assert np.array_equal(alone[0], buffer[:-1])


@pytest.mark.parametrize("size", [3, 100, 5_000])
def test_poisoned_memory_is_served_next(size: int) -> None:
    poison([8 * size])
    assert np.isnan(np.empty(size)).mean() > 0.9  # the allocator keeps a few bytes for itself


def test_memory_that_backward_never_writes() -> None:
    def empty(dz: Array, x: Array) -> Array:
        dx = np.empty_like(x)
        dx[x > 0] = dz[x > 0]
        return dx

    found = fails(relu, empty, x34, checks="purity", seed=1)
    assert found.code in ("unwritten-memory", "not-deterministic")
    fails(relu, empty, x34)
    passes(relu, lambda dz, x: np.where(x > 0, dz, 0), x34)


def test_second_backward_over_what_the_first_changed() -> None:
    def forward(x: Array) -> tuple[Array, Array]:
        y = np.tanh(x)
        return y.copy(), y

    def spoils_its_cache(dz: Array, y: Array) -> Array:
        np.multiply(y, y, out=y)
        return dz * (1 - y)

    result = passes(forward, spoils_its_cache, x5)
    assert ("second-backward", "warning") in {(f.code, f.severity) for f in result.findings}
    assert fails(forward, spoils_its_cache, x5, strict=True).code == "second-backward"
    clean = passes(forward, lambda dz, y: dz * (1 - y * y), x5, strict=True)
    assert not clean.findings


class TestWantedAlone:
    @staticmethod
    def right(dz: Array, x: Array, y: Array, needs_grad: tuple[bool, ...]) -> list[Array | None]:
        return [dz * y if needs_grad[0] else None, dz * x if needs_grad[1] else None]

    @staticmethod
    def swapped(dz: Array, x: Array, y: Array, needs_grad: tuple[bool, ...]) -> list[Array | None]:
        return [dz * y if needs_grad[1] else None, dz * x if needs_grad[1] else None]

    @staticmethod
    def raises(dz: Array, x: Array, y: Array, needs_input_grad: Any = None) -> list[Array | None]:
        dx = dz * y if needs_input_grad[0] else None
        return [dx, dz * x * np.sign(dx) ** 2]  # type: ignore[arg-type]

    def test_right(self) -> None:
        result = passes(multiply, self.right, x5, x5[::-1].copy())
        assert result.checks["contract"].comparisons > 0

    @pytest.mark.parametrize("name", ["swapped", "raises"])
    def test_wrong(self, name: str) -> None:
        found = fails(multiply, getattr(self, name), x5, x5[::-1].copy())
        assert found.code == "wanted-alone"
        assert "only the gradient of" in found.message


def test_nothing_new_is_said_of_a_right_op() -> None:
    assert not passes(sine, sine_backward, x34, strict=True).findings

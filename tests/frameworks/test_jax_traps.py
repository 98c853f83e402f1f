"""Faults of shipping checkers in JAX form: the wrong gradient fails, the right one passes."""

from __future__ import annotations

from typing import Any

import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from gradcheck.errors import UsageError  # noqa: E402
from gradcheck.registry import make  # noqa: E402
from gradcheck.runner import run_one  # noqa: E402
from gradcheck.settings import Settings  # noqa: E402
from tests.frameworks.right_jax import array, ruled  # noqa: E402


def kept(function: Any) -> Any:
    """A forward rule that keeps its input."""
    return lambda x: (function(x), x)


def tiny(x):
    return 1e-6 * x**2


def cubes(x):
    return x**3


def doubled(x):
    return 2.0 * x


def one_entry(x, g):
    return (g * 3 * x**2).at[123].multiply(1.5)


LONG = array(300)
TRAPS: dict[str, tuple[Any, Any, Any, tuple[Any, ...]]] = {
    "T1: a tiny gradient left out": (
        tiny,
        lambda x, g: (0 * g,),
        lambda x, g: (2e-6 * x * g,),
        (array(3),),
    ),
    "T1: its sign": (tiny, lambda x, g: (-2e-6 * x * g,), None, (array(3),)),
    "T2: one entry of 300": (
        cubes,
        lambda x, g: (one_entry(x, g),),
        lambda x, g: (3 * x**2 * g,),
        (LONG,),
    ),
    "T15: the upstream gradient left out": (
        doubled,
        lambda x, g: (2 * jnp.ones_like(g),),
        lambda x, g: (2 * g,),
        (array(3),),
    ),
    "T15: it is averaged": (doubled, lambda x, g: (2 * g.mean() + 0 * g,), None, (array(3),)),
}


def judged(function: Any, bwd: Any, example: tuple[Any, ...], **options: Any) -> Any:
    op = make(
        (ruled(function, kept(function), bwd), *example), {}, {**options, "vary_sizes": False}
    )
    return run_one(op, Settings(max_cases=2))


@pytest.mark.parametrize("name", TRAPS)
def test_a_wrong_gradient_fails_and_the_right_one_passes(name):
    function, wrong, right, example = TRAPS[name]
    assert judged(function, wrong, example, dtypes="float32").verdict == "fail"
    if right is not None:
        assert judged(function, right, example, dtypes="float32").verdict == "pass"


def test_t10_nothing_to_differentiate_is_refused():
    with pytest.raises(UsageError, match="no real input"):
        judged(doubled, lambda x, g: (2 * g,), (jnp.array([True, False]),))


def test_t22_relu_at_zero_is_a_convention():
    def bwd(x, g):
        return (jnp.where(x > 0, g, 0),)

    found = judged(lambda x: jnp.maximum(x, 0), bwd, (jnp.array([0.0, 1.0, -1.0, 0.0]),))
    assert (found.verdict, found.findings) == ("pass", [])


def test_t27_a_kernel_that_is_wrong_in_float32_only():
    def bwd(x, g):
        return (2 * g if x.dtype == jnp.float64 else 2.5 * g,)

    found = judged(doubled, bwd, (array(3),))
    assert found.verdict == "fail"
    assert judged(doubled, bwd, (array(3),), dtypes="float64").verdict == "pass"

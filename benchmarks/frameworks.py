"""What a user would take instead of gradcheck for one gradient: the naive loop, PyTorch, JAX, HIPS.

Each check is the package's own function with its own constants, on the same formula and inputs in
float64. PyTorch, JAX and HIPS autograd differentiate the formula themselves; the naive loop gets
the backward pass that gradcheck gets. A package that is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from gradcheck.arrays import Array
from workloads import Backward, Work

NAIVE, SLOW = "naive loop", "torch gradcheck"
FAST, JAX, HIPS = "torch fast_mode", "jax check_grads", "autograd check_grads"
FIRST = "autograd, first input alone"
FULL_SIDES, PROJECTED_SIDES = (NAIVE, SLOW), (FAST, JAX, HIPS, FIRST)
PACKAGES = {SLOW: "torch", FAST: "torch", JAX: "jax", HIPS: "autograd", FIRST: "autograd"}
VERIFIES = {
    NAIVE: "every entry of the gradients, for one upstream gradient, by two forward passes at "
    "h = 1e-5; wrong where |a - n| / (|a| + |n|) is above 1e-2. No bound, no test for kinks",
    SLOW: "every entry of the Jacobian (every output by every input), by two forward passes an "
    "input at eps = 1e-6; wrong beyond atol = 1e-5 and rtol = 1e-3. Also that a second backward "
    "pass gives the same numbers, and undefined gradients",
    FAST: "each input along one random direction without signs, contracted with a random vector of "
    "the outputs, by two forward passes an input; atol grows with the sums of both vectors. The "
    "other things as above",
    JAX: "all inputs together along one random direction, reverse mode, order 1, by two forward "
    "passes; constant tolerances",
    HIPS: "all inputs together along one random direction, reverse mode, order 1, by two forward "
    "passes; constant tolerances. `argnum` names all inputs",
    FIRST: "as it is usually called, without `argnum`: then `check_grads` looks at the first input "
    "alone. Left out where there is but one",
}
STEP, WRONG = 1e-5, 1e-2
TOO_MANY = 10_000
"""Inputs above which PyTorch's full check is left out for the time it takes."""
Check = Callable[[], bool]
"""Runs once: whether the gradient passes."""


def sides(work: Work) -> dict[str, Check]:
    """All that can be run here on this work, by name."""
    made = {
        NAIVE: lambda: naive(work),
        SLOW: lambda: by_torch(work, fast=False),
        FAST: lambda: by_torch(work, fast=True),
        JAX: lambda: by_jax(work),
        HIPS: lambda: by_autograd(work, tuple(range(len(work.inputs)))),
        FIRST: lambda: by_autograd(work, 0),
    }
    if len(work.inputs) == 1:
        del made[FIRST]
    if work.entries > TOO_MANY:
        del made[SLOW]
    return {n: make() for n, make in made.items() if n not in PACKAGES or find_spec(PACKAGES[n])}


def naive(work: Work, backward: Backward | None = None) -> Check:
    """Perturb each entry by itself, forward on both sides, all in a loop."""
    pull, upstream = backward or work.backward, _upstream(work)

    def check() -> bool:
        analytic = pull(upstream, *work.inputs)
        inputs = [x.copy() for x in work.inputs]
        return all(
            _close(analytic[k], _numeric(work, inputs, k, upstream)) for k in range(len(inputs))
        )

    return check


def _upstream(work: Work) -> Array:
    shape = np.shape(work.formula(np, *work.inputs))
    return np.asarray(np.random.default_rng(1).standard_normal(shape))


def _numeric(work: Work, inputs: list[Array], k: int, upstream: Array) -> Array:
    """Central differences of every entry of input k, which is written into and put back."""
    entries = inputs[k].reshape(-1)
    slopes = np.empty(entries.size)
    for i in range(entries.size):
        kept = entries[i]
        entries[i] = kept + STEP
        above = work.formula(np, *inputs)
        entries[i] = kept - STEP
        below = work.formula(np, *inputs)
        entries[i] = kept
        slopes[i] = np.sum(upstream * (above - below)) / (2 * STEP)
    return slopes.reshape(inputs[k].shape)


def _close(analytic: Array, numeric: Array) -> bool:
    size = np.maximum(np.abs(analytic) + np.abs(numeric), 1e-8)
    return bool((np.abs(analytic - numeric) / size).max() <= WRONG)


def by_torch(work: Work, *, fast: bool) -> Check:
    """`torch.autograd.gradcheck`."""
    import torch

    torch.set_num_threads(1)
    inputs = [torch.tensor(x, requires_grad=True) for x in work.inputs]

    def function(*tensors: Any) -> Any:
        return work.formula(torch, *tensors)

    return lambda: bool(
        torch.autograd.gradcheck(function, inputs, fast_mode=fast, raise_exception=False)
    )


def by_jax(work: Work) -> Check:
    """`jax.test_util.check_grads` in reverse mode."""
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    inputs = tuple(jnp.asarray(x) for x in work.inputs)

    def function(*arrays: Any) -> Any:
        return work.formula(jnp, *arrays)

    return lambda: _raises_nothing(lambda: check_grads(function, inputs, order=1, modes=("rev",)))


def by_autograd(work: Work, argnum: int | tuple[int, ...]) -> Check:
    """`autograd.test_util.check_grads` in reverse mode, of some of the inputs."""
    import autograd.numpy as anp
    from autograd.test_util import check_grads

    def function(*arrays: Any) -> Any:
        return work.formula(anp, *arrays)

    return lambda: _raises_nothing(
        lambda: check_grads(function, argnum, modes=["rev"], order=1)(*work.inputs)
    )


def _raises_nothing(check: Callable[[], object]) -> bool:
    try:
        check()
    except AssertionError:
        return False
    return True

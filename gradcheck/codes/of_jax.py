"""What only the door to JAX finds; the codes that it shares with others are in `frameworks`."""

from __future__ import annotations

from gradcheck.codes.record import Code

_SINE = """import gradcheck
import jax
import jax.numpy as jnp
import numpy as np


@jax.custom_vjp
def right(x):
    return jnp.sin(x)


right.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.cos(x) * g,))


@jax.custom_vjp
def wrong(x):
    return jnp.sin(x)


"""
_OPS = """
right = gradcheck.op(right, "x[n]", framework="jax")
wrong = gradcheck.op(wrong, "x[n]", framework="jax")
"""

JAX = (
    Code(
        name="under-jit",
        headline="other numbers, or an error, under jax.jit",
        check="framework",
        severity="fail",
        needs="jax",
        what=(
            "Compiled by jax.jit, the function or its rule gives other numbers than op by op, or "
            "raises."
        ),
        why=(
            "Under jit the Python code runs once, on tracers. NumPy calls on a residual, a branch "
            "on a number, a global that fwd writes and bwd reads, and numbers that Python code "
            "changes between calls do not survive that."
        ),
        fix=(
            "Use jax.numpy, hand everything from fwd to bwd as residuals, and give what changes "
            "as an argument; a host function goes into jax.pure_callback."
        ),
        example=_SINE
        + "wrong.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (np.cos(x) * g,))\n"
        + _OPS,
    ),
    Code(
        name="forward-rule-differs",
        headline="forward rule returns another output",
        check="framework",
        severity="fail",
        needs="jax",
        what=(
            "The forward rule (fwd of a custom_vjp, or the primal that a custom_jvp returns) does "
            "not return what the function itself returns."
        ),
        why=(
            "Under jax.grad and jax.value_and_grad the rule runs instead of the function: training "
            "sees another forward pass than evaluation."
        ),
        fix="Let the rule call the function, or both one helper.",
        example=_SINE
        + "wrong.defvjp(lambda x: (jnp.sin(x) + 1, x), lambda x, g: (jnp.cos(x) * g,))\n"
        + _OPS,
    ),
)

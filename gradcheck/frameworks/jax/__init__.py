"""The door to JAX: custom_vjp, custom_jvp and jit functions, and any function of its arrays."""

from __future__ import annotations

from gradcheck.frameworks.jax.door import DOOR

__all__ = ["DOOR"]

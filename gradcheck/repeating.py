"""Forward gives other outputs at the same inputs: what there is to say of it."""

from __future__ import annotations

from gradcheck.checks import memory
from gradcheck.model import Op
from gradcheck.results import Finding

_PINNED = {
    "torch": (
        "The global generators of PyTorch and NumPy are pinned; a torch.Generator of your own is "
        "not. Seed it inside forward, or hand the mask over as an input"
    ),
    "jax": (
        "A jax.random key gives the same numbers each time, and NumPy's global random state is "
        "pinned; a key or a generator that is kept between two calls is not. Hand the key or the "
        "mask over as an input"
    ),
}
"""By framework, what is pinned and what is not."""
_NUMPY = (
    "NumPy's global random state is pinned; a generator of your own is not. Seed it inside "
    "forward, or hand the mask over as an input"
)


def random_forward(op: Op, unwritten: str) -> Finding:
    """Not judged; a fail where it is memory that nothing was written into."""
    if unwritten:
        return Finding(
            code="unwritten-memory", check=memory.NAME, severity="fail", message=unwritten
        )
    name = op.foreign.framework.partition(" ")[0] if op.foreign is not None else ""
    message = (
        "forward is not a function of its inputs: the same call twice gives different outputs. "
        + _PINNED.get(name, _NUMPY)
    )
    return Finding(code="random-forward", check="contract", severity="not judged", message=message)

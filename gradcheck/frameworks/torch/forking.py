"""Whether autograd works in a forked child of this process."""

from __future__ import annotations

import sys

import torch


def can_fork() -> bool:
    """A forked child can run autograd here.

    Not with an accelerator, whose autograd threads run, nor with JAX, which has threads of its own.
    OpenMP's threads are not there: a child asks for one (`torch.set_num_threads`) before all else.
    """
    if not sys.platform.startswith("linux") or "jax" in sys.modules:
        return False
    accelerator = getattr(torch, "accelerator", None)
    found = torch.cuda.is_available() if accelerator is None else accelerator.is_available()
    return not found

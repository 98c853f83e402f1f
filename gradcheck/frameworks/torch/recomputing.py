"""Forward run again in the backward pass, as ``torch.utils.checkpoint`` does it.

Its own function imports PyTorch's compiler, some two seconds; this is the same thing in small.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks

from gradcheck.frameworks.torch.passes import Passes
from gradcheck.frameworks.torch.randomness import TorchRandom


class Recomputed:
    """A call that keeps nothing for backward, and runs again when backward asks for it."""

    def __init__(self, passes: Passes) -> None:
        self._passes, self._random = passes, TorchRandom(passes.device)

    def __call__(self, named: dict[str, Any]) -> Any:
        """What the target returns.

        Its backward raises RuntimeError where forward keeps another number of tensors, or others,
        the second time.
        """
        call, state = self._passes.target.call, self._random.state()
        kept: list[tuple[torch.Size, torch.dtype]] = []
        again: list[torch.Tensor] = []

        def pack(tensor: torch.Tensor) -> int:
            kept.append((tensor.shape, tensor.dtype))
            return len(kept) - 1

        def unpack(place: int) -> torch.Tensor:
            if not again:
                again.extend(self._run_again(named, state))
                if [(t.shape, t.dtype) for t in again] != kept:
                    raise RuntimeError(
                        f"forward saves {len(kept)} tensors for backward, and {len(again)}, or "
                        "others, when it runs again"
                    )
            return again[place]

        with saved_tensors_hooks(pack, unpack):
            return call(named)

    def _run_again(self, named: dict[str, Any], state: Any) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            found.append(tensor.detach())
            return tensor

        now = self._random.state()
        self._random.restore(state)
        try:
            with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
                self._passes.target.call(named)
        finally:
            self._random.restore(now)
        return found

"""PyTorch's global random state, of the CPU and of the device where the op runs."""

from __future__ import annotations

from typing import Any

import torch


class TorchRandom:
    """As `foreign.Generator` has it: one state per device."""

    def __init__(self, device: torch.device) -> None:
        self._device = None if device.type == "cpu" else device

    def seeded(self, seed: int) -> Any:
        return [torch.Generator(d).manual_seed(seed).get_state() for d in self._places()]

    def state(self) -> Any:
        states = [torch.get_rng_state()]
        if self._device is not None:
            states.append(self._module().get_rng_state(self._device))
        return states

    def restore(self, state: Any) -> None:
        torch.set_rng_state(state[0])
        if self._device is not None:
            self._module().set_rng_state(state[1], self._device)

    def same(self, a: Any, b: Any) -> bool:
        return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))

    def _places(self) -> list[torch.device]:
        own = [] if self._device is None else [self._device]
        return [torch.device("cpu"), *own]

    def _module(self) -> Any:
        """``torch.cuda``, ``torch.xpu``, ..."""
        assert self._device is not None
        return getattr(torch, self._device.type)

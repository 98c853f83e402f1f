"""The door to PyTorch: autograd.Function, nn.Module, any function of tensors, pairs of them."""

from __future__ import annotations

from gradcheck.frameworks.torch.door import Torch

DOOR = Torch()

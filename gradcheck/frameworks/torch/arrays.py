"""NumPy arrays as tensors and back, in one memory wherever there can be one.

What a forward or backward pass writes into a tensor is then seen in the array that it was lent.
On another device, and where torch cannot take an array's strides, the tensor is a copy, and what
was written into it is copied back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from gradcheck.arrays import Array, copy_array

_PLAIN = frozenset("fiub")
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def array_of(tensor: torch.Tensor) -> Array:
    """A tensor as an array of its dtype; a complex one with a last axis (real, imaginary)."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor._is_zerotensor():  # zeros that autograd keeps no memory for
        tensor = torch.zeros(tensor.shape, dtype=tensor.dtype)
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    tensor = tensor.resolve_neg().cpu()
    if tensor.dtype is torch.bfloat16:
        import ml_dtypes

        return np.asarray(tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return np.asarray(tensor.numpy())


def tensor_of(array: Any) -> tuple[torch.Tensor, bool]:
    """An array as a tensor, and whether the two are one memory."""
    array = np.asarray(array)
    if array.dtype.kind not in _PLAIN:  # bfloat16, as ml_dtypes has it
        bits, shared = tensor_of(array.view(np.int16))
        return bits.view(torch.bfloat16), shared
    if array.flags.writeable:
        try:
            return torch.from_numpy(array), True
        except ValueError:  # negative strides, or such as no tensor has
            return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape)), False
    stays = tuple(slice(0, 1) if s == 0 else slice(None) for s in array.strides)
    core, _ = tensor_of(copy_array(array[stays]))  # read-only: nothing may be written into it
    return core.expand(array.shape), False


class Loans:
    """Arrays lent to one call as tensors on a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._open: list[tuple[Array, torch.Tensor, torch.Tensor]] = []

    def tensor(self, array: Any, *, pair: bool = False) -> torch.Tensor:
        """An array as a tensor; a complex one where its last axis is (real, imaginary)."""
        made, shared = tensor_of(array)
        if self._device.type != "cpu":
            made, shared = made.to(self._device), False
        if pair and not _is_complex_memory(made):
            made, shared = made.clone(memory_format=torch.contiguous_format), False
        if not shared and isinstance(array, np.ndarray) and array.flags.writeable:
            self._open.append((array, made, made.clone()))
        return torch.view_as_complex(made) if pair else made

    def lend(self, value: Any, *, pair: bool = False) -> Any:
        """The arrays in a value, in lists, tuples and dicts, as tensors; the rest as it is."""
        if isinstance(value, (np.ndarray, np.generic)):
            return self.tensor(value, pair=pair) if _is_number(value) else value
        if isinstance(value, Mapping):
            return {k: self.lend(v, pair=pair) for k, v in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.lend(v, pair=pair) for v in value)
        return value

    def given_back(self) -> None:
        """Write into the arrays what was written into their tensors."""
        for array, tensor, before in self._open:
            if tensor.numel() and not torch.equal(_bits(tensor), _bits(before)):
                np.copyto(array, array_of(tensor))
                before.copy_(tensor)


def _is_number(value: Any) -> bool:
    return value.dtype.kind in "fiub" or str(value.dtype) == "bfloat16"


def _is_complex_memory(pairs: torch.Tensor) -> bool:
    """Real and imaginary parts side by side, and aligned as PyTorch's kernels expect it."""
    beside = pairs.stride(-1) == 1 and not any(s % 2 for s in pairs.stride()[:-1])
    return beside and pairs.data_ptr() % (2 * pairs.element_size()) == 0


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    kind = _BITS.get(tensor.element_size())
    return tensor if kind is None or not tensor.is_floating_point() else tensor.view(kind)


def memory_of(tensor: torch.Tensor) -> int:
    """Which memory a tensor lies in; 0 for sparse ones, and zeros that autograd keeps none for."""
    none = tensor.layout is not torch.strided or tensor._is_zerotensor()
    return 0 if none else int(tensor.untyped_storage().data_ptr())


def returned(value: Any) -> Any:
    """The tensors in what a function returned, in lists, tuples and dicts, as arrays."""
    if isinstance(value, torch.Tensor):
        return array_of(value)
    if isinstance(value, Mapping):
        return {k: returned(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(returned, value))
    return value


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in a value, in the order in which they stand there."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [t for v in value.values() for t in tensors_in(v)]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_in(v)]
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):  # a model's output class
        return [t for name in fields for t in tensors_in(getattr(value, name, None))]
    return []


def is_real(tensor: Any) -> bool:
    """A tensor that can have a gradient."""
    return isinstance(tensor, torch.Tensor) and (tensor.is_floating_point() or tensor.is_complex())

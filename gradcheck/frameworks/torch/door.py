"""What a user passes of PyTorch's, as a gate of NumPy arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from gradcheck.errors import UsageError
from gradcheck.foreign import Foreign
from gradcheck.frameworks.protocol import Call, Gate, Naming
from gradcheck.frameworks.torch.arrays import Loans, array_of, returned, tensors_in
from gradcheck.frameworks.torch.beyond import Beyond
from gradcheck.frameworks.torch.calling import (
    OfModule,
    Target,
    is_function,
    is_torch,
    target_of,
    users_frames,
)
from gradcheck.frameworks.torch.passes import Passes
from gradcheck.signed import Signed

TRIED = "2.13"
"""The version that this door was tried with."""
VERSION = str(torch.__version__)


class Torch:
    """As `frameworks.protocol.Framework` has it."""

    name = "torch"
    numbers = False

    def owns(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    def takes(self, target: Any) -> bool:
        owner = getattr(target, "__self__", None)
        if is_function(target) or is_function(owner):
            return True
        if isinstance(target, torch.nn.Module):
            return True
        if isinstance(target, type):
            return issubclass(target, torch.nn.Module)
        return callable(target) and is_torch(target)

    def array(self, value: Any) -> Any:
        demand_plain([value])
        return returned(value)

    def hosted(self, function: Callable[..., Any], device: str | None) -> Callable[..., Any]:
        place = place_of(device)

        @functools.wraps(function)
        def on_arrays(*args: Any, **kwargs: Any) -> Any:
            loans = Loans(place)
            with users_frames(), torch.no_grad():
                made = function(*map(loans.lend, args), **loans.lend(kwargs))
            loans.given_back()
            return returned(made)

        return on_arrays

    def gate(self, target: Any, call: Call) -> Gate:
        if torch.is_inference_mode_enabled():
            raise UsageError(
                "this runs under torch.inference_mode(), where nothing is differentiated: check "
                "outside of it"
            )
        kind, own = target_of(target, call.names(), call.attributes)
        parameters: Mapping[str, torch.Tensor] = {}
        if isinstance(own, OfModule):
            parameters = own.parameters
        tensors = [t for v in (*call.example, *call.attributes.values()) for t in tensors_in(v)]
        demand_plain([*tensors, *own.tensors()])
        device = _device(call.device, [*tensors, *parameters.values()])
        names = _names(own, call.example)
        names = {**call.attributes, **names, **parameters}
        pairs = frozenset(n for n, v in names.items() if any(map(_complex, tensors_in(v))))
        passes = Passes(own, device, pairs, frozenset(call.nondiff))

        def foreign(named: Naming) -> Foreign:
            return Beyond(passes, named).foreign(f"{self.name} {VERSION}")

        return Gate(
            kind=kind,
            forward=Signed(own.signature.parameters.values()),
            run=passes.run,
            vjp=passes.vjp,
            example=tuple(map(returned, call.example)),
            attributes={k: returned(v) for k, v in call.attributes.items()},
            parameters={n: array_of(p) for n, p in parameters.items()},
            pairs=pairs,
            selective=own.watch is not None,
            written=own.written,
            notes=tuple(_notes(device, tensors)),
            foreign=foreign,
        )


def place_of(device: str | None) -> torch.device:
    """The device of that name.

    Raises
    ------
    UsageError
        There is none.
    """
    try:
        found = torch.device(device or "cpu")
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        said = (str(error).strip().splitlines() or ["?"])[0]
        raise UsageError(f"device={device!r}: PyTorch has none such here ({said})") from error
    if found.type == "meta":
        raise UsageError("device='meta': tensors there hold no numbers; leave device= out")
    return found


def _device(asked: str | None, tensors: Iterable[torch.Tensor]) -> torch.device:
    """The device that was asked for, else the one where the example is.

    Raises
    ------
    UsageError
        There are several, and none was asked for.
    """
    if asked is not None:
        return place_of(asked)
    found = sorted({str(t.device) for t in tensors})
    if len(found) > 1:
        raise UsageError(
            f"the tensors are on {' and '.join(found)}: move them to one device, or name it, as in "
            f'device="{found[-1]}"'
        )
    return place_of(found[0] if found else None)


def demand_plain(values: Iterable[Any]) -> None:
    """Tensors that can be arrays.

    Raises
    ------
    UsageError
        One is sparse, nested or quantised, holds no data, or is of a format that is not supported.
    """
    for tensor in (t for v in values for t in tensors_in(v)):
        if is_lazy(tensor):
            raise UsageError("a parameter has no shape yet: call the lazy module once, then check")
        if tensor.is_nested:
            raise UsageError("a tensor is nested: pass it dense (torch.nested.to_padded_tensor)")
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.device.type == "meta":
            raise UsageError("a tensor is on the device 'meta', where it holds no numbers")
        if tensor.layout is not torch.strided:
            raise UsageError(f"a tensor is {tensor.layout}: pass it dense (tensor.to_dense())")
        if tensor.is_quantized or kind.startswith(("float8", "float4", "complex32")):
            raise UsageError(
                f"a tensor is {kind}, which is not supported: pass float64, float32, float16 or "
                "bfloat16"
            )


def _names(own: Target, example: Iterable[Any]) -> Mapping[str, Any]:
    """The example's values by the name of their argument."""
    kinds = own.signature.parameters.values()
    positional = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return {
        positional[k] if k < len(positional) else f"x{k}": value for k, value in enumerate(example)
    }


def _complex(tensor: torch.Tensor) -> bool:
    return tensor.is_complex()


def _notes(device: torch.device, tensors: list[torch.Tensor]) -> Iterable[str]:
    untried = "" if VERSION.startswith(TRIED + ".") else f" (not tried; {TRIED} was)"
    yield f"PyTorch {VERSION}{untried}, on {device}"
    places = [t.untyped_storage().data_ptr() for t in tensors if t.numel()]
    if len(set(places)) < len(places):
        yield "tensors of the example share memory: each is taken for an input of its own"

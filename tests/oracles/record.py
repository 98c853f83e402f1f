"""What a PyTorch function says of one op, case by case: its values and its gradients.

An `Oracle` is PyTorch's own function with the op's arguments, on tensors. `beside` makes of an op
the same op with the oracle as its ``reference=``, whose every backward pass is also compared with
``torch.autograd`` at the very inputs and upstream gradient that the harness chose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gradcheck.model import Op

Array = NDArray[Any]
torch.set_num_threads(1)  # its threads wait for one another longer than these sizes take
CLOSE = {"float64": 1e-9, "float32": 2e-4}
"""Of the largest entry of a gradient, how far apart op and oracle may be, by the op's precision."""
TAIL = {"float64": 1e-13, "float32": 1e-6}
"""Of the sum of the upstream gradient: below it the rounding of terms that cancel is met."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """PyTorch's function for an op.

    ``apart`` says at which inputs PyTorch chooses another slope at a kink or tie than the op does,
    and ``why`` which: there alone, gradients may differ. It takes the op's arguments, as arrays.
    """

    function: Callable[..., Any]
    apart: Callable[..., bool] | None = None
    why: str = ""


@dataclass(slots=True)
class Agreement:
    """What was compared with the oracle."""

    gradients: int = 0
    """Backward passes that were compared."""
    worst: float = 0.0
    """Largest difference in float64 cases, of a gradient's largest entry."""
    conventions: int = 0
    """Backward passes that differ where the oracle says that they may."""
    refused: dict[str, int] = field(default_factory=dict)
    """Backward passes at inputs that PyTorch does not take, by its reason."""
    differ: list[str] = field(default_factory=list)
    """Descriptions of the others that differ."""


def _reference(oracle: Oracle) -> Callable[..., Any]:
    """The oracle as a function of arrays."""

    def on_arrays(*primals: Any, **attributes: Any) -> Any:
        with torch.no_grad():
            out = oracle.function(*(_tensor(p) for p in primals), **attributes)
        return tuple(o.numpy() for o in out) if isinstance(out, tuple) else out.numpy()

    return on_arrays


def beside(op: Op, oracle: Oracle) -> tuple[Op, Agreement]:
    """The op, and what its backward passes are found to be while it is checked."""
    seen = Agreement()

    def vjp(*primals: Any, **attributes: Any) -> Any:
        outputs, pullback = op.vjp(*primals, **attributes)
        kept = [np.array(p) for p in primals]

        def compared(cotangents: Any) -> Any:
            upstream = [np.array(c) for c in cotangents]
            gradients = pullback(cotangents)
            _compare(oracle, seen, (kept, attributes, upstream), gradients)
            return gradients

        return outputs, compared

    options = replace(op.options, reference=_reference(oracle))
    return replace(op, vjp=vjp, options=options), seen


def _compare(
    oracle: Oracle,
    seen: Agreement,
    at: tuple[list[Array], Mapping[str, Any], list[Array]],
    gradients: Any,
) -> None:
    primals, attributes, upstream = at
    real = [p.dtype for p in primals if p.dtype.kind == "f"]
    if not all(np.isfinite(a).all() for a in (*primals, *upstream)):
        return
    try:
        wanted = _pulled(oracle, primals, attributes, upstream)
    except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
        seen.refused[reason] = seen.refused.get(reason, 0) + 1
        return
    seen.gradients += 1
    precision = "float32" if np.float32 in real else "float64"
    close = CLOSE[precision]
    tail = TAIL[precision] * sum(float(np.abs(u).sum()) for u in upstream)
    for k, (own, other) in enumerate(zip(gradients, wanted, strict=True)):
        if own is None or other is None:
            continue
        size = float(np.abs(other).max(initial=0.0))
        error = float(np.abs(own.astype(np.float64) - other).max(initial=0.0))
        if error <= close * size + tail or not np.isfinite(size):
            if error > tail and precision == "float64":
                seen.worst = max(seen.worst, error / size)
            continue
        if oracle.apart is not None and oracle.apart(*primals, **attributes):
            seen.conventions += 1
            return
        seen.differ.append(
            f"gradient {k} by {error:.3g} of {size:.3g} at {primals!r}, {dict(attributes)!r}, "
            f"upstream {upstream!r}: {own!r}, the oracle {other!r}"
        )
        return


def _pulled(
    oracle: Oracle, primals: list[Array], attributes: Mapping[str, Any], upstream: list[Array]
) -> list[Array | None]:
    tensors = [_tensor(p).requires_grad_(p.dtype.kind == "f") for p in primals]
    out = oracle.function(*tensors, **attributes)
    outs = out if isinstance(out, tuple) else (out,)
    real = [(o, u) for o, u in zip(outs, upstream, strict=True) if o.requires_grad]
    wanted = [t for t in tensors if t.requires_grad]
    pulled = iter(
        torch.autograd.grad(
            [o for o, _ in real], wanted, [_tensor(u) for _, u in real], allow_unused=True
        )
    )
    return [_array(next(pulled), t) if t.requires_grad else None for t in tensors]


def _array(gradient: torch.Tensor | None, like: torch.Tensor) -> Array:
    return np.asarray((torch.zeros_like(like) if gradient is None else gradient).numpy())


def _tensor(value: Any) -> torch.Tensor:
    """In float64; a tensor of its own, so that nothing of the case is written into."""
    array = np.asarray(value)
    return torch.tensor(array.astype(np.float64) if array.dtype.kind == "f" else array)
